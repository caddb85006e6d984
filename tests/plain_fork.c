/* plain_fork.c - programs and training in children of a process that has used threads: they end,
 * and with the bits of their parent. OpenMP's threads do not outlive a fork. A plain program,
 * because a test of Criterion's has a thread of Criterion's beside it. */
#include "nn/nn.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

enum { INPUTS = 4, PARAMS = 31, ROWS = 1500, SECONDS = 60, HUNG = 99 };

typedef struct answer {
    double mean, grad[PARAMS], trained[PARAMS];
} answer;

static ad_program *program;
static double      param[PARAMS], input[ROWS * (INPUTS + 1)];
static answer      want;

static ad_var loss(nn_model *model, size_t n, const ad_var x[], void *mlp) {
    ad_var y;
    (void)model;
    nn_mlp_forward(mlp, x, &y);
    return nn_mse(1, &y, &x[n - 1]);
}

/* All that runs on threads: a gradient over many rows, and a training. 0 when it worked. */
static int run(answer *a) {
    static const size_t sizes[] = {INPUTS, 5, 1};
    ad_tape            *tape = ad_tape_new();
    nn_model           *model = nn_model_new(tape, 3);
    nn_mlp             *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    nn_data            *data = nn_data_new(ROWS, INPUTS, 1, input);
    nn_optimizer       *adam = nn_adam(0.01);
    *a = (answer){0};
    int bad = nn_train(model, loss, mlp, data, adam,
                       &(nn_train_config){.epochs = 2, .batch = ROWS / 2}) != AD_OK;
    nn_model_values(model, a->trained);
    if (program == NULL) { /* the first time: made of what was trained here */
        ad_var x[INPUTS + 1];
        for (int i = 0; i <= INPUTS; i++) x[i] = ad_input(tape, 1);
        const ad_var y = loss(model, INPUTS + 1, x, mlp);
        program = ad_compile(&(ad_interface){nn_model_count(model), nn_model_params(model),
                                             INPUTS + 1, x, 1, &y, 0});
    }
    bad += ad_program_gradient(program, param, ROWS, input, &a->mean, a->grad) != AD_OK;
    nn_optimizer_free(adam);
    nn_data_free(data);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
    return bad;
}

/* Links of /proc/self/task are the threads and two more; 0 where there is none to ask. */
static int threads(void) {
    struct stat about;
    return stat("/proc/self/task", &about) == 0 && about.st_nlink > 2 ? (int)about.st_nlink - 2 : 0;
}

static int same_bits(void) {
    answer a;
    return run(&a) != 0 || memcmp(&a, &want, sizeof a) != 0;
}

/* What a child ends with, or HUNG: the alarm ends it in any case. */
static int in_child(int (*what)(void)) {
    const pid_t child = fork();
    int         status = 0;
    if (child == 0) {
        alarm(SECONDS);
        _exit(what());
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status)           ? WEXITSTATUS(status)
         : WTERMSIG(status) == SIGALRM ? HUNG
                                       : WTERMSIG(status);
}

static int grandchild(void) {
    return in_child(same_bits);
}

static int both(void) {
    return same_bits() + in_child(same_bits);
}

/* Threads of the program's own, which Tapir knows nothing of. */
static int others_threads(void) {
#ifdef _OPENMP
    int at_work = 0;
#pragma omp parallel num_threads(2) reduction(+ : at_work)
    at_work += 1;
    if (at_work != 2) puts("no two threads here");
#endif
    return in_child(same_bits);
}

/* Nothing was left behind by a process without threads: its children still share out their rows. */
static int shares_out(void) {
    const int before = threads(), bad = same_bits();
#ifdef _OPENMP
    return bad + (before == 1 && threads() != 2);
#else
    return bad + (before > 1);
#endif
}

static int failures;

static void expect(int got, const char *claim) {
    if (got == 0) return;
    printf("FAILED: %s: %d%s\n", claim, got, got == HUNG ? ", it hung" : "");
    failures++;
}

int main(void) {
    for (int i = 0; i < PARAMS; i++) param[i] = 0.3 * sin(i);
    for (int i = 0; i < ROWS * (INPUTS + 1); i++) input[i] = cos(i);
#ifdef _OPENMP
    omp_set_num_threads(1);
#endif
    expect(run(&want), "one thread");
#ifdef _OPENMP
    omp_set_num_threads(2);
#endif
    expect(in_child(shares_out), "a child of a process without threads uses its own");
    expect(in_child(others_threads), "a child of one that has used OpenMP itself");
    expect(same_bits(), "two threads");
    expect(in_child(same_bits), "a child");
    expect(in_child(same_bits), "another child");
    expect(in_child(grandchild), "a grandchild");
    expect(in_child(both), "a child and its child");
    ad_program_free(program);
    return failures != 0;
}
