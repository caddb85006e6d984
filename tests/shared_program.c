/* shared_program.c - two threads run one program at the same time, OpenMP inside: the answers are
 * those of one thread, to the bit. A plain program, so that it can be built with the thread
 * sanitizer (tests/full threads), under which Criterion gives false alarms. */
#include "engine/ad.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INPUTS = 4,
    HIDDEN = 6,
    PARAMS = HIDDEN * (INPUTS + 1) + HIDDEN + 1,
    ROWS = 1500,
    TIMES = 6
};

typedef struct answer {
    double mean, grad[PARAMS], values[ROWS];
} answer;

typedef struct task {
    const ad_program *p;
    const double     *param, *input;
    const answer     *want;
    int               wrong;
} task;

/* Operations of the user's own, one lane by lane, one by its lanes; what they look at is the same
 * for all threads. */
static double softsign(size_t n, const double x[], void *context) {
    (void)n;
    return x[0] / (*(const double *)context + fabs(x[0]));
}

static void softsign_partials(size_t n, const double x[], double v, double partial[],
                              void *context) {
    const double c = *(const double *)context, d = c + fabs(x[0]);
    (void)n, (void)v;
    partial[0] = c / (d * d);
}

static void softsign_lanes(size_t n, size_t width, const double *const x[], double v[],
                           void *context) {
    for (size_t l = 0; l < width; l++) v[l] = softsign(n, &x[0][l], context);
}

static void softsign_lane_partials(size_t n, size_t width, const double *const x[],
                                   const double v[], double *const partial[], void *context) {
    for (size_t l = 0; l < width; l++)
        softsign_partials(n, &x[0][l], v[l], &partial[0][l], context);
}

static double             one = 1;
static const ad_custom_op by_one = {
    .name = "softsign", .operands = 1, .value = softsign, .partials = softsign_partials};
static const ad_custom_op by_lanes = {.name = "softsign_lanes",
                                      .operands = 1,
                                      .value = softsign,
                                      .partials = softsign_partials,
                                      .lane_values = softsign_lanes,
                                      .lane_partials = softsign_lane_partials};

static ad_program *compiled(void) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[PARAMS], x[INPUTS], h[HIDDEN];
    for (int i = 0; i < PARAMS; i++) w[i] = ad_input(tape, 0.1);
    for (int i = 0; i < INPUTS; i++) x[i] = ad_input(tape, 1);
    for (int j = 0; j < HIDDEN; j++)
        h[j] = ad_tanh(ad_add(ad_dot(INPUTS, w + j * INPUTS, x), w[HIDDEN * INPUTS + j]));
    ad_var y = ad_add(ad_dot(HIDDEN, h, w + HIDDEN * (INPUTS + 1)), w[PARAMS - 1]);
    ad_var own =
        ad_add(ad_custom(tape, &by_one, 1, &h[0], &one), ad_custom(tape, &by_lanes, 1, &y, &one));
    own = ad_add(own, ad_custom(tape, &by_one, 1, &w[0], &one)); /* of params alone */
    ad_var             loss = ad_add(ad_add(ad_mul(y, y), own), ad_logsumexp(HIDDEN, h));
    const ad_interface face = {PARAMS, w, INPUTS, x, 1, &loss, 0};
    ad_program        *p = ad_compile(&face);
    ad_tape_free(tape);
    return p;
}

static int run(const ad_program *p, const double param[], const double input[], answer *a) {
    return ad_program_gradient(p, param, ROWS, input, &a->mean, a->grad) != AD_OK ||
           ad_program_values(p, param, ROWS, input, a->values) != AD_OK;
}

static void *work(void *context) {
    task   *t = context;
    answer *a = malloc(sizeof *a);
    for (int k = 0; k < TIMES && a != NULL; k++) {
        t->wrong += run(t->p, t->param, t->input, a) != 0 || memcmp(a, t->want, sizeof *a) != 0;
        /* a message each */
        t->wrong += ad_program_values(t->p, NULL, 1, t->input, a->values) != AD_BAD_ARGUMENT;
        ad_program_message(t->p, 0, NULL);
    }
    t->wrong += a == NULL;
    free(a);
    return NULL;
}

int main(void) {
    static double param[PARAMS], input[ROWS * INPUTS];
    static answer want;
    for (int i = 0; i < PARAMS; i++) param[i] = 0.3 * sin(i);
    for (int i = 0; i < ROWS * INPUTS; i++) input[i] = cos(i);
    ad_program *p = compiled();
    if (p == NULL || run(p, param, input, &want) != 0) {
        puts("the program does not run");
        return 1;
    }
    task      tasks[2] = {{p, param, input, &want, 0}, {p, param, input, &want, 0}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, work, &tasks[i]) != 0) return 1;
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    ad_program_free(p);
    if (tasks[0].wrong + tasks[1].wrong > 0)
        printf("%d answers differ\n", tasks[0].wrong + tasks[1].wrong);
    return tasks[0].wrong + tasks[1].wrong > 0;
}
