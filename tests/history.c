/* history.c - tests of nn/history.c. */
#include "nn/nn.h"
#include "nn/history.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT = 1024 };

static char path[64];

static void make(void) {
    snprintf(path, sizeof path, "/tmp/tapir-history-%ld", (long)getpid());
}
static void drop(void) {
    unlink(path);
}

TestSuite(history, .init = make, .fini = drop);

static const char *content(char text[TEXT]) {
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    text[fread(text, 1, TEXT - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void write_epochs(const nn_train_config *config, size_t kept, size_t from, size_t to) {
    nn__history h;
    cr_assert(nn__history_open(&h, config, kept));
    for (size_t i = from; i <= to; i++)
        cr_expect(nn__history_write(&h, &(nn_epoch){
            .epoch = i, .loss = 1/(double)i, .metric = 0.5, .seconds = 2, .examples_per_second = 100, .held_out_loss = 0.75,
            .rate = 0.25}));
    cr_expect(nn__history_close(&h));
}

static ad_var score(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)model, (void)n, (void)row, (void)user;
    return ad_num(0);
}

Test(history, columns_are_those_that_are_known) {
    char              text[TEXT];
    nn_data          *data = nn_data_new(1, 1, 0, (const double[]){1});
    const nn_schedule s = nn_schedule_constant(1);
    write_epochs(&(nn_train_config){.history = path}, 0, 2, 2);
    cr_expect_str_eq(content(text), "epoch\tloss\tseconds\texamples_per_second\n2\t0.5\t2.000\t100\n");
    write_epochs(&(nn_train_config){.history = path, .held_out = data, .score = score, .metric_name = "right", .schedule = &s}, 0, 2, 2);
    cr_expect_str_eq(content(text), "epoch\tloss\theld_out_loss\tright\trate\tseconds\texamples_per_second\n"
                                    "2\t0.5\t0.75\t0.5\t0.25\t2.000\t100\n");
    nn_data_free(data);
}

Test(history, rows_after_the_epoch_that_is_gone_on_from_are_cut) {
    char                  whole[TEXT], text[TEXT];
    const nn_train_config c = {.history = path};
    write_epochs(&c, 0, 1, 12);
    content(whole);
    for (size_t kept = 1; kept < 12; kept++) {
        write_epochs(&c, kept, kept + 1, 12);
        cr_expect_str_eq(content(text), whole, "after epoch %zu", kept);
    }
}

Test(history, row_that_a_kill_cut_is_written_again) {
    char                  whole[TEXT], text[TEXT];
    const nn_train_config c = {.history = path};
    write_epochs(&c, 0, 1, 5);
    const size_t length = strlen(content(whole));
    for (size_t cut = 1; cut < 12; cut++) {
        cr_assert_eq(truncate(path, (off_t)(length - cut)), 0);
        write_epochs(&c, 4, 5, 5);
        cr_expect_str_eq(content(text), whole, "%zu bytes cut", cut);
    }
}

Test(history, without_an_old_one_a_new_one_is_begun) {
    char text[TEXT];
    write_epochs(&(nn_train_config){.history = path}, 3, 4, 4);
    cr_expect(strncmp(content(text), "epoch\tloss", 10) == 0, "%s", text);
}

Test(history, file_that_cannot_be_written_is_told) {
    nn__history h;
    cr_expect_not(nn__history_open(&h, &(nn_train_config){.history = "/no/such/folder/history"}, 0));
    cr_expect(nn__history_open(&h, &(nn_train_config){.history = NULL}, 0) && nn__history_close(&h));
}
