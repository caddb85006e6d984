/* checkpoint.c - tests of saving and resuming a run: parameters, optimizer, numbers of the run. */
#include "files.h"
#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void need_jansson(void) {
#if !HAVE_JANSSON
    cr_skip_test("this build is without jansson");
#endif
}

TestSuite(checkpoint, .init = need_jansson, .fini = files_remove);

enum { COUNT = 4 };

/* A model, an optimizer, and what a hand-written loop would keep. */
typedef struct run {
    ad_tape      *tape;
    nn_model     *model;
    nn_optimizer *optimizer;
    double        loss[3], best;
    uint64_t      step, random[4];
    nn_entry      entry[4];
} run;

static void run_new(run *r, nn_optimizer *optimizer) {
    *r = (run){.tape = ad_tape_new(), .optimizer = optimizer, .best = NAN};
    r->model = nn_model_new(r->tape, 1);
    nn_param(r->model, "weight", 2, (const size_t[]){1, 3}, nn_init_uniform(-1, 1));
    nn_param(r->model, "bias", 0, NULL, nn_init_uniform(-1, 1));
    r->entry[0] = (nn_entry){"loss", 3, r->loss, NULL};
    r->entry[1] = (nn_entry){"best", 1, &r->best, NULL};
    r->entry[2] = (nn_entry){"step", 1, NULL, &r->step};
    r->entry[3] = (nn_entry){"random", 4, NULL, r->random};
}

static void run_free(run *r) {
    nn_optimizer_free(r->optimizer);
    nn_model_free(r->model);
    ad_tape_free(r->tape);
}

static void advance(run *r, size_t steps) {
    nn_random random = {{1, 2, 3, r->step}};
    for (size_t i = 0; i < steps; i++) {
        double gradient[COUNT];
        for (size_t k = 0; k < COUNT; k++) gradient[k] = nn_random_uniform(&random) - 0.5;
        cr_assert_eq(nn_optimizer_step(r->optimizer, r->model, gradient), AD_OK);
        r->step++;
    }
}

static void expect_same_parameters(const run *a, const run *b) {
    double x[COUNT], y[COUNT];
    nn_model_values(a->model, x);
    nn_model_values(b->model, y);
    cr_expect_arr_eq(x, y, sizeof x);
}

static nn_optimizer *make(size_t kind) {
    switch (kind) {
    case 0: return nn_sgd(0.1);
    case 1: return nn_adam(0.01);
    default: return nn_sgd_new(&(nn_sgd_config){.rate = 0.01, .momentum = 0.9});
    }
}

Test(checkpoint, run_that_was_loaded_goes_on_to_the_same_bits) {
    for (size_t kind = 0; kind < 3; kind++) {
        const char *path = file_path("a.safetensors");
        run         a, b;
        run_new(&a, make(kind));
        run_new(&b, make(kind));
        advance(&a, 5);
        a.loss[2] = -0.0, a.best = 1.0 / 3;
        a.random[0] = UINT64_MAX, a.random[1] = ((uint64_t)1 << 53) + 1, a.random[3] = 7;
        cr_assert_eq(nn_checkpoint_save(path, a.model, a.optimizer, 4, a.entry), AD_OK, "%s",
                     nn_model_message(a.model));
        cr_assert_eq(nn_checkpoint_load(path, b.model, b.optimizer, 4, b.entry), AD_OK, "%s",
                     nn_model_message(b.model));
        cr_expect_arr_eq(a.loss, b.loss, sizeof a.loss);
        cr_expect_arr_eq(a.random, b.random, sizeof a.random);
        cr_expect_eq(b.best, 1.0 / 3);
        cr_expect_eq(b.step, 5);
        expect_same_parameters(&a, &b);
        advance(&a, 5);
        advance(&b, 5);
        expect_same_parameters(&a, &b);
        run_free(&a);
        run_free(&b);
    }
}

Test(checkpoint, before_the_first_step_is_a_checkpoint_too) {
    const char *path = file_path("a.safetensors");
    run         a, b;
    run_new(&a, make(1));
    run_new(&b, make(1));
    cr_expect_eq(nn_checkpoint_save(path, a.model, a.optimizer, 4, a.entry), AD_OK);
    advance(&b, 3);
    cr_expect_eq(nn_checkpoint_load(path, b.model, b.optimizer, 4, b.entry), AD_OK, "%s",
                 nn_model_message(b.model));
    advance(&a, 3);
    advance(&b, 3);
    expect_same_parameters(&a, &b);
    run_free(&a);
    run_free(&b);
}

Test(checkpoint, file_keeps_the_rules_of_the_format) {
    char        text[4096] = "";
    const char *path = file_path("a.safetensors"), *out = file_path("out.txt");
    run         a;
    run_new(&a, make(0));
    a.step = 12, a.random[0] = UINT64_MAX;
    cr_assert_eq(nn_checkpoint_save(path, a.model, a.optimizer, 4, a.entry), AD_OK);
    run_free(&a);
    const int status = python(NULL, SOURCE "/tests/safetensors_files.py", "check", path, out);
    if (status == -1) cr_skip_test("there is no Python");
    cr_assert_eq(status, 0);
    text[file_read(out, sizeof text - 1, text)] = '\0';
    static const char *const lines[] = {
        "format: tapir-checkpoint/1\n",
        "optimizer: sgd\n",
        "training.step: 12\n",
        "training.random: 18446744073709551615 0 0 0\n",
        "weight F64 [1, 3] ",
        "bias F64 [] ",
        "optimizer.rate F64 [] 0x1.999999999999ap-4\n",
        "training.loss F64 [3] 0x0.0p+0 0x0.0p+0 0x0.0p+0\n",
        "training.best F64 [] nan\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        cr_expect(strstr(text, lines[i]), "no \"%s\" in:\n%s", lines[i], text);
}

Test(checkpoint, model_can_be_loaded_from_a_checkpoint) {
    run a, b;
    run_new(&a, make(1));
    run_new(&b, make(0));
    advance(&a, 2);
    cr_assert_eq(nn_checkpoint_save(file_path("a.safetensors"), a.model, a.optimizer, 4, a.entry),
                 AD_OK);
    cr_expect_eq(nn_model_load(b.model, file_path("a.safetensors")), AD_OK, "%s",
                 nn_model_message(b.model));
    expect_same_parameters(&a, &b);
    run_free(&a);
    run_free(&b);
}

/* The message, and that nothing in the run has changed. */
static void expect_refused(run *b, size_t n, const nn_entry entry[], const char *message) {
    double before[COUNT], after[COUNT];
    b->step = 77, b->loss[0] = 5;
    nn_model_values(b->model, before);
    cr_expect_eq(nn_checkpoint_load(file_path("a.safetensors"), b->model, b->optimizer, n, entry),
                 AD_BAD_FILE);
    cr_expect(strstr(nn_model_message(b->model), message), "\"%s\" is not \"%s\"",
              nn_model_message(b->model), message);
    nn_model_clear(b->model);
    nn_model_values(b->model, after);
    cr_expect_arr_eq(before, after, sizeof before);
    cr_expect(b->step == 77 && b->loss[0] == 5);
}

Test(checkpoint, of_another_run_is_refused_and_nothing_changes) {
    double other[4] = {0};
    run    a, b, c;
    run_new(&a, make(1));
    run_new(&b, make(0));
    run_new(&c, make(1));
    advance(&a, 2);
    cr_assert_eq(nn_checkpoint_save(file_path("a.safetensors"), a.model, a.optimizer, 4, a.entry),
                 AD_OK);
    expect_refused(&b, 4, b.entry,
                   "a.safetensors: the checkpoint of an optimizer \"adam\", not of \"sgd\"");
    expect_refused(&c, 3, c.entry + 1, "an array \"training.loss\", which this run lacks");
    const nn_entry longer[] = {{"loss", 4, other, NULL}, c.entry[1]};
    expect_refused(&c, 2, longer, "\"training.loss\" is not an array of 4 numbers");
    const nn_entry more[] = {c.entry[0], c.entry[1], {"x", 1, other, NULL}};
    expect_refused(&c, 3, more, "no array \"training.x\" of 1 numbers");
    const nn_entry wholes[] = {c.entry[0], c.entry[1], {"random", 3, NULL, c.random}};
    expect_refused(&c, 3, wholes,
                   "\"__metadata__\": \"training.random\" is not there, or not 3 whole numbers");
    const nn_entry missing[] = {c.entry[0], c.entry[1], {"y", 1, NULL, c.random}};
    expect_refused(&c, 3, missing,
                   "\"__metadata__\": \"training.y\" is not there, or not 1 whole numbers");
    cr_assert_eq(nn_model_save(a.model, file_path("a.safetensors")), AD_OK);
    expect_refused(&c, 4, c.entry,
                   "not a checkpoint: \"__metadata__\" has no \"format\" \"tapir-checkpoint/1\"");
    run_free(&a);
    run_free(&b);
    run_free(&c);
}

/* Changes every byte of the metadata in turn: the file is refused or read completely. */
Test(checkpoint, changed_whole_numbers_are_read_or_refused) {
    char bytes[8192];
    run  a, b;
    run_new(&a, make(0));
    run_new(&b, make(0));
    a.step = 12;
    cr_assert_eq(nn_checkpoint_save(file_path("a.safetensors"), a.model, a.optimizer, 4, a.entry),
                 AD_OK);
    const size_t size = file_read(file_path("a.safetensors"), sizeof bytes, bytes);
    bytes[size < sizeof bytes ? size : sizeof bytes - 1] = '\0';
    char *place = strstr(bytes + 8, "\"12\"");
    cr_assert_not_null(place);
    static const char *const texts[] = {"-1", "1 ", " 1", "0x", "1.", "ab", "99"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        memcpy(place + 1, texts[i], 2);
        file_write(file_path("a.safetensors"), size, bytes);
        if (i + 1 < sizeof texts / sizeof *texts)
            expect_refused(&b, 4, b.entry, "\"training.step\" is not there, or");
    }
    cr_expect_eq(nn_checkpoint_load(file_path("a.safetensors"), b.model, b.optimizer, 4, b.entry),
                 AD_OK);
    cr_expect_eq(b.step, 99);
    run_free(&a);
    run_free(&b);
}

Test(checkpoint, entries_that_make_no_sense_are_refused) {
    char   name[100];
    double x = 0;
    run    a;
    memset(name, 'n', sizeof name - 1);
    name[99] = '\0';
    run_new(&a, make(0));
    const nn_entry bad[] = {{NULL, 1, &x, NULL},
                            {"both", 1, &x, a.random},
                            {"none", 1, NULL, NULL},
                            {name, 1, &x, NULL}};
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(
            nn_checkpoint_save(file_path("a.safetensors"), a.model, a.optimizer, 1, &bad[i]),
            AD_BAD_ARGUMENT);
        nn_model_clear(a.model);
    }
    cr_expect_eq(nn_checkpoint_save(NULL, a.model, a.optimizer, 0, NULL), AD_BAD_ARGUMENT);
    cr_expect_not(file_exists(file_path("a.safetensors")));
    run_free(&a);
}

/* ---- buffers --------------------------------------------------------------------------------- */

Test(checkpoint, buffers_are_kept_with_the_parameters) {
    const double mean[] = {1.0 / 3, 2}, zeros[2] = {0};
    const size_t two[] = {2};
    const char  *path = file_path("a.safetensors");
    run          a, b, plain;
    run_new(&a, nn_adam(0.01)), run_new(&b, nn_adam(0.01)), run_new(&plain, nn_adam(0.01));
    nn_buffer(a.model, "mean", 1, two, mean);
    nn_buffer(b.model, "mean", 1, two, zeros);
    advance(&a, 3);
    cr_assert_eq(nn_checkpoint_save(path, a.model, a.optimizer, 4, a.entry), AD_OK, "%s",
                 nn_model_message(a.model));
    cr_expect_eq(nn_checkpoint_load(path, plain.model, plain.optimizer, 4, plain.entry),
                 AD_BAD_FILE);
    cr_expect(strstr(nn_model_message(plain.model), "an array \"mean\", which the model lacks"));
    cr_assert_eq(nn_checkpoint_load(path, b.model, b.optimizer, 4, b.entry), AD_OK, "%s",
                 nn_model_message(b.model));
    cr_expect_arr_eq(nn_buffer_value(b.model, "mean"), mean, sizeof mean);
    expect_same_parameters(&a, &b);
    nn_buffer(b.model, "mean", 1, two, zeros);
    cr_assert_eq(nn_model_load(b.model, path), AD_OK, "a checkpoint is a model file too");
    cr_expect_arr_eq(nn_buffer_value(b.model, "mean"), mean, sizeof mean);
    run_free(&a), run_free(&b), run_free(&plain);
}
