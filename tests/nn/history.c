/* history.c - tests of nn/history.c. */
#include "nn/history.h"
#include "nn/nn.h"

#include "expect.h"
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT = 1024 };

static char path[64], other[64];

static void make(void) {
    snprintf(path, sizeof path, "/tmp/tapir-history-%ld", (long)getpid());
    snprintf(other, sizeof other, "/tmp/tapir-history-%ld-other", (long)getpid());
}
static void drop(void) {
    unlink(path);
    unlink(other);
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
        cr_expect(nn__history_write(&h, &(nn_epoch){.epoch = i,
                                                    .loss = 1 / (double)i,
                                                    .metric = 0.5,
                                                    .seconds = 2,
                                                    .examples_per_second = 100,
                                                    .held_out_loss = 0.75,
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
    cr_expect_str_eq(content(text),
                     "epoch\tloss\tseconds\texamples_per_second\n2\t0.5\t2.000\t100\n");
    write_epochs(&(nn_train_config){.history = path,
                                    .held_out = data,
                                    .score = score,
                                    .metric_name = "right",
                                    .schedule = &s},
                 0, 2, 2);
    cr_expect_str_eq(content(text),
                     "epoch\tloss\theld_out_loss\tright\trate\tseconds\texamples_per_second\n"
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
    cr_expect_not(
        nn__history_open(&h, &(nn_train_config){.history = "/no/such/folder/history"}, 0));
    cr_expect(nn__history_open(&h, &(nn_train_config){.history = NULL}, 0) &&
              nn__history_close(&h));
}

/* ---- other files ----------------------------------------------------------------------------- */

static double metric(nn_model *model, void *user) {
    (void)model, (void)user;
    return 0;
}

static void expect_refused(const nn_train_config *config, size_t kept, ad_status status,
                           const char *words) {
    nn__history h;
    cr_expect_not(nn__history_open(&h, config, kept));
    cr_expect_eq(h.status, status);
    cr_expect_not_null(strstr(h.message, words), "\"%s\" is not in \"%s\"", words, h.message);
    cr_expect(nn__history_close(&h));
}

Test(history, run_with_other_columns_is_refused_and_the_file_stays) {
    char                  before[TEXT], after[TEXT];
    nn_data              *data = nn_data_new(1, 1, 0, (const double[]){1});
    const nn_schedule     s = nn_schedule_constant(1);
    const nn_train_config plain = {.history = path},
                          accuracy = {.history = path, .metric = metric, .metric_name = "accuracy"};
    const nn_train_config others[] = {
        accuracy,
        {.history = path, .held_out = data},
        {.history = path, .schedule = &s},
        {.history = path, .metric = metric},
        {.history = path, .metric = metric, .metric_name = "acc"},
        {.history = path, .metric = metric, .metric_name = "accuracy2"},
    };
    for (int i = 0; i < 2; i++) {
        write_epochs(i == 0 ? &plain : &accuracy, 0, 1, 5);
        content(before);
        for (size_t k = (size_t)i; k < sizeof others / sizeof *others; k++)
            expect_refused(&others[k], 5, AD_BAD_FILE,
                           "other columns than this run, which has epoch, loss, ");
        if (i == 1)
            expect_refused(&plain, 5, AD_BAD_FILE,
                           "which has epoch, loss, seconds, examples_per_second:");
        cr_expect_str_eq(content(after), before);
    }
    nn_data_free(data);
}

Test(history, file_that_is_no_history_is_kept_by_a_run_that_goes_on) {
    char  text[TEXT];
    FILE *file = fopen(path, "w");
    cr_assert(fputs("dear diary\n1\tof these days\n", file) > 0 && fclose(file) == 0);
    expect_refused(&(nn_train_config){.history = path}, 3, AD_BAD_FILE, "other columns");
    cr_expect_str_eq(content(text), "dear diary\n1\tof these days\n");
}

Test(history, header_that_a_kill_cut_is_written_again) {
    char                  whole[TEXT], text[TEXT];
    const nn_train_config c = {.history = path, .metric = metric};
    write_epochs(&c, 0, 4, 5);
    content(whole);
    for (off_t left = 0; left < 12; left++) {
        cr_assert_eq(truncate(path, left), 0);
        write_epochs(&c, 3, 4, 5);
        cr_expect_str_eq(content(text), whole, "%d bytes left", (int)left);
    }
}

/* One file under two names, as history and checkpoint in either order, existing or not: nothing is
 * written or left behind. */
static void expect_one_file(const char *a, const char *b, bool exists) {
    struct stat about;
    for (int turn = 0; turn < 2; turn++) {
        char                  text[TEXT];
        const nn_train_config c = {.history = turn == 0 ? a : b, .checkpoint = turn == 0 ? b : a};
        expect_refused(&c, 0, AD_BAD_ARGUMENT, "are the same file");
        expect_refused(&c, 2, AD_BAD_ARGUMENT, "are the same file");
        if (exists) cr_expect_str_eq(content(text), "precious");
        else cr_expect(stat(path, &about) != 0, "%s, %s: a file was left", a, b);
    }
}

Test(history, checkpoint_is_another_file) {
    char dotted[80];
    snprintf(dotted, sizeof dotted, "/tmp/./../%s", path + 1);
    for (int exists = 0; exists < 2; exists++) {
        if (exists == 1) {
            FILE *file = fopen(path, "w");
            cr_assert(fputs("precious", file) > 0 && fclose(file) == 0);
        }
        expect_one_file(path, path, exists == 1);
        expect_one_file(path, dotted, exists == 1);
        cr_assert_eq(symlink(path, other), 0);
        expect_one_file(path, other, exists == 1);
        expect_one_file(other, other, exists == 1);
        struct stat about;
        cr_expect(lstat(other, &about) == 0 && S_ISLNK(about.st_mode), "the link stays");
        unlink(other);
    }
    cr_assert_eq(link(path, other), 0);
    expect_one_file(path, other, true);
}

Test(history, progress_goes_elsewhere) {
    FILE *file = fopen(path, "w");
    cr_assert(fputs("precious", file) > 0 && fflush(file) == 0);
    char text[TEXT];
    expect_refused(&(nn_train_config){.history = path, .progress = true, .stream = file}, 0,
                   AD_BAD_ARGUMENT, "progress");
    cr_expect_str_eq(content(text), "precious");
    nn__history h;
    cr_expect(nn__history_open(&h, &(nn_train_config){.history = path, .stream = file}, 0),
              "there is none");
    cr_expect(nn__history_close(&h) && fclose(file) == 0);
    cr_expect(nn__history_open(
                  &h, &(nn_train_config){.history = "/dev/null", .checkpoint = "/dev/null"}, 0),
              "no file");
    cr_expect(nn__history_close(&h));
}

/* Opening such a pipe for writing blocks forever, and opened for reading and writing it would
 * accept data that nobody reads. */
Test(history, pipe_is_written_where_somebody_reads_it, .timeout = 10) {
    static const char first[] =
        "epoch\tloss\tseconds\texamples_per_second\n3\t0.33333333333333331\t2.000\t100\n";
    const nn_train_config c = {.history = path};
    cr_assert_eq(mkfifo(path, 0600), 0);
    for (size_t kept = 0; kept < 3; kept++) {
        char text[TEXT] = "";
        expect_refused(&c, kept, AD_BAD_FILE, "it is a pipe without a reader");
        const int from = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        cr_assert_geq(from, 0);
        write_epochs(&c, kept, 3, 3);
        cr_expect_gt(read(from, text, sizeof text - 1), 0);
        cr_expect_str_eq(text, first);
        close(from);
    }
}
