/* runs.c - published training runs, with the numbers printed there. */
#include "support.h"

#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct run {
    ad_tape  *tape;
    nn_model *model;
    nn_mlp   *mlp;
    double    loss[100], held_out[100], metric[100];
} run;

static void keep(run *r, const nn_epoch *e) {
    r->loss[e->epoch - 1] = e->loss;
    r->held_out[e->epoch - 1] = e->held_out_loss;
    r->metric[e->epoch - 1] = e->metric;
}

static bool watch(const nn_epoch *e, void *user) {
    keep(user, e);
    return true;
}

static run run_new(uint64_t seed, const nn_mlp_config *config) {
    run r = {.tape = ad_tape_new()};
    r.model = nn_model_new(r.tape, seed);
    r.mlp = nn_mlp_new(r.model, config);
    return r;
}

static void run_free(run *r) {
    nn_mlp_free(r->mlp);
    nn_model_free(r->model);
    ad_tape_free(r->tape);
}

/* ---- EurekaLabs' micrograd: yin and yang ----------------------------------------------------- */

/* github.com/EurekaLabsAI/micrograd, micrograd.py and its README, which asks for a C version "that
 * prints the same thing": 2-8-3 tanh, cross-entropy, AdamW 0.1, betas 0.9 and 0.95, decay 1e-4, 100
 * steps over all 80 training points. Its generator is xorshift64* with the upper 32 bits, 24 of
 * them for a number. */
static uint32_t eureka_u32(uint64_t *s) {
    *s ^= *s >> 12, *s ^= *s << 25, *s ^= *s >> 27;
    return (uint32_t)(*s * 0x2545F4914F6CDD1D >> 32);
}

static double eureka_uniform(uint64_t *s) {
    return (double)(eureka_u32(s) >> 8) * 0x1p-24;
}

static int yin_yang_class(double x, double y) {
    const double dr = sqrt((x - 0.75) * (x - 0.75) + (y - 0.5) * (y - 0.5)),
                 dl = sqrt((x - 0.25) * (x - 0.25) + (y - 0.5) * (y - 0.5));
    if (dr < 0.1 || dl < 0.1) return 2;
    return dr <= 0.1 || (dl > 0.1 && dl <= 0.25) || (y > 0.5 && dr > 0.25) ? 0 : 1;
}

static void yin_yang(uint64_t *s, size_t n, double line[]) {
    for (size_t i = 0; i < n; i++) {
        double x, y;
        do x = eureka_uniform(s), y = eureka_uniform(s);
        while ((x - 0.5) * (x - 0.5) + (y - 0.5) * (y - 0.5) > 0.25 ||
               yin_yang_class(x, y) != (int)(i % 3));
        line[3 * i] = 4 * x - 2, line[3 * i + 1] = 4 * y - 2, line[3 * i + 2] = (double)(i % 3);
    }
}

static ad_var yin_yang_loss(nn_model *model, size_t inputs, const ad_var line[], void *user) {
    (void)model;
    ad_var logits[3];
    nn_mlp_forward(((run *)user)->mlp, line, logits);
    return nn_cross_entropy(3, logits, line[inputs - 1]);
}

/* The mean loss of rows, recorded one by one. */
static double mean_loss(run *r, const nn_data *data) {
    const ad_mark mark = ad_tape_mark(r->tape);
    double        total = 0;
    for (size_t i = 0; i < nn_data_rows(data); i++) {
        const double *x = nn_data_row(data, i);
        total += ad_value(yin_yang_loss(
            r->model, 3, (const ad_var[]){ad_num(x[0]), ad_num(x[1]), ad_num(x[2])}, r));
    }
    ad_tape_rewind(r->tape, mark);
    return total / (double)nn_data_rows(data);
}

Test(runs, generator_of_eureka_labs) {
    uint64_t s = 42;
    cr_expect_eq(eureka_u32(&s), 1456360119u);
    cr_expect_eq(eureka_u32(&s), 3359763283u);
    cr_expect_eq(eureka_u32(&s), 3393612768u);
    cr_expect_eq(eureka_u32(&s), 4054632243u);
}

Test(runs, yin_yang_of_eureka_labs_prints_the_same_thing) {
    static const struct {
        size_t step;
        double loss;
    } printed[] = {
        {1, 1.0122152826497561},   {2, 0.8466614840586785},    {10, 0.619530801607749},
        {50, 0.19590229292912958}, {100, 0.03906091113485444},
    };
    uint64_t s = 42;
    double   line[300], weight[51] = {0};
    yin_yang(&s, 100, line);
    run      r = run_new(1, &(nn_mlp_config){.layers = 2, .sizes = (const size_t[]){2, 8, 3}});
    nn_data *learned = nn_data_new(80, 2, 1, line), *held_out = nn_data_new(10, 2, 1, line + 240);
    for (int i = 0; i < 16; i++) weight[i] = (2 * eureka_uniform(&s) - 1) / sqrt(2);
    for (int i = 24; i < 48; i++) weight[i] = (2 * eureka_uniform(&s) - 1) / sqrt(8);
    cr_assert_eq(nn_model_count(r.model), 51);
    nn_model_set_values(r.model, weight);
    cr_expect_float_eq(mean_loss(&r, held_out), 1.053898, 5e-7, "validation before step 1: %.9f",
                       mean_loss(&r, held_out));
    nn_optimizer *adamw = nn_adamw_new(&(nn_adam_config){0.1, 0.9, 0.95, 1e-8, 1e-4, false, false});
    cr_expect_eq(nn_train(r.model, yin_yang_loss, &r, learned, adamw,
                          &(nn_train_config){
                              .epochs = 100,
                              .batch = 80,
                              .in_order = true,
                              .held_out = held_out,
                              .watch = watch,
                          }),
                 AD_OK, "%s", nn_model_message(r.model));
    for (size_t i = 0; i < sizeof printed / sizeof *printed; i++)
        cr_expect_float_eq(r.loss[printed[i].step - 1], printed[i].loss, 1e-9, "step %zu: %.17g",
                           printed[i].step, r.loss[printed[i].step - 1]);
    cr_expect_float_eq(r.held_out[89], 0.078724, 5e-7, "validation before step 91: %.9f",
                       r.held_out[89]);
    nn_optimizer_free(adamw);
    nn_data_free(learned);
    nn_data_free(held_out);
    run_free(&r);
}

/* ---- Karpathy's micrograd: moons ------------------------------------------------------------- */

/* github.com/karpathy/micrograd, demo.ipynb: 100 points of make_moons with noise 0.1, MLP 2-16-16-1
 * with relu, 337 parameters from U(-1, 1) with biases 0, the mean of hinge losses plus 1e-4 times
 * the sum of squares, SGD over all points with rate 1 - 0.9 k/100; after step 99 it prints an
 * accuracy of 100%. */
static ad_var moons_score(run *r, const ad_var line[]) {
    ad_var score;
    nn_mlp_forward(r->mlp, line, &score);
    return score;
}

/* Classes 0 and 1 as -1 and 1. */
static ad_var side(ad_var label) {
    return ad_sub(ad_mul(ad_num(2), label), ad_num(1));
}

static ad_var moons_loss(nn_model *model, size_t inputs, const ad_var line[], void *user) {
    const ad_var  score = moons_score(user, line), target = side(line[inputs - 1]);
    const size_t  n = nn_model_count(model);
    const ad_var *p = nn_model_params(model);
    return ad_add(nn_hinge(1, &score, &target), ad_mul(ad_num(1e-4), ad_dot(n, p, p)));
}

static ad_var moons_right(nn_model *model, size_t inputs, const ad_var line[], void *user) {
    (void)model;
    return ad_less(ad_num(0), ad_mul(moons_score(user, line), side(line[inputs - 1])));
}

static double moons_accuracy(uint64_t seed) {
    run r = run_new(seed, &(nn_mlp_config){
                              .layers = 3,
                              .sizes = (const size_t[]){2, 16, 16, 1},
                              .hidden = ad_relu,
                              .weight = nn_init_micrograd,
                              .bias = nn_init_zeros,
                          });
    cr_assert_eq(nn_model_count(r.model), 337);
    nn_data          *data = nn_data_moons(100, 0.1, seed);
    nn_optimizer     *sgd = nn_sgd(1);
    const nn_schedule falling = nn_schedule_linear(1, 0.1, 100);
    cr_expect_eq(nn_train(r.model, moons_loss, &r, data, sgd,
                          &(nn_train_config){
                              .epochs = 100,
                              .batch = 100,
                              .in_order = true,
                              .schedule = &falling,
                              .held_out = data,
                              .score = moons_right,
                              .watch = watch,
                          }),
                 AD_OK, "%s", nn_model_message(r.model));
    const double accuracy = r.metric[99];
    nn_optimizer_free(sgd);
    nn_data_free(data);
    run_free(&r);
    return accuracy;
}

Test(runs, moons_of_micrograd_are_told_apart_by_step_100) {
    const int seeds = getenv("TAPIR_FULL") != NULL ? 20 : 3;
    for (int seed = 1; seed <= seeds; seed++)
        cr_expect_eq(moons_accuracy((uint64_t)seed), 1, "seed %d: %g", seed,
                     moons_accuracy((uint64_t)seed));
}
