/* open.c - tests of nn/open.c, and of all loaders on files that are not regular: pipes with and
 * without a writer, folders, devices. None of them blocks forever. */
#include "nn/open.h"
#include "files.h"

#include "expect.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TestSuite(open, .fini = files_remove, .timeout = 60);

static char      why[NN__MESSAGE];
static ad_status status;

static void expect_refused(int file, const char *sentence) {
    cr_expect_eq(file, -1);
    cr_expect_eq(status, AD_BAD_FILE);
    cr_expect_str_eq(why, sentence);
}

static const char *pipe_path(void) {
    const char *path = file_path("pipe");
    cr_assert_eq(mkfifo(path, 0600), 0);
    return path;
}

/* A child that opens the pipe after a while and writes the bytes there. */
static pid_t writer(const char *path, int milliseconds, size_t n, const void *bytes) {
    const pid_t child = fork();
    if (child != 0) return child;
    nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000,
                                 .tv_nsec = milliseconds % 1000 * 1000000L},
              NULL);
    FILE *to = fopen(path, "wb");
    _exit(to == NULL || fwrite(bytes, 1, n, to) != n || fclose(to) != 0);
}

static void expect_done(pid_t child) {
    int left = -1;
    waitpid(child, &left, 0);
    cr_expect_eq(left, 0);
}

Test(open, a_file_is_opened_for_both_needs) {
    char text[8] = "";
    file_write_text(file_path("a"), "text");
    for (nn__need need = NN__STREAM; need <= NN__WHOLE; need++) {
        FILE *file = nn__open_file(file_path("a"), need, &status, why);
        cr_assert_not_null(file, "%s", why);
        cr_expect_eq(fread(text, 1, sizeof text, file), 4);
        cr_expect_str_eq(text, "text");
        fclose(file);
    }
}

Test(open, what_cannot_be_opened_is_told_with_the_systems_reason) {
    char sentence[200];
    snprintf(sentence, sizeof sentence, "the file cannot be opened: %s", strerror(ENOENT));
    expect_refused(nn__open(file_path("no"), NN__STREAM, &status, why), sentence);
    expect_refused(nn__open("", NN__WHOLE, &status, why), sentence);
}

Test(open, a_folder_is_no_file_and_a_device_has_no_length) {
    expect_refused(nn__open(file_path("."), NN__STREAM, &status, why),
                   "not a regular file: a folder");
    expect_refused(nn__open(file_path("."), NN__WHOLE, &status, why),
                   "not a regular file: a folder");
    expect_refused(nn__open("/dev/null", NN__WHOLE, &status, why),
                   "not a regular file: a device, whose length is not known before it is read");
    const int file = nn__open("/dev/null", NN__STREAM, &status, why);
    cr_expect_geq(file, 0);
    close(file);
}

Test(open, a_pipe_that_nobody_writes_to_is_given_up) {
    const char *path = pipe_path();
    expect_refused(nn__open_within(path, NN__STREAM, 50, &status, why),
                   "a pipe that delivered no data for 0.05 seconds");
    expect_refused(nn__open_within(path, NN__WHOLE, 50, &status, why),
                   "not a regular file: a pipe, whose length is not known before it is read");
}

static void nothing(int signal) {
    (void)signal;
}

/* Signals of a timer do not prolong the timeout. */
Test(open, signals_do_not_make_it_wait_longer) {
    const char *path = pipe_path();
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = nothing}, NULL);
    const struct itimerspec often = {{0, 5000000}, {0, 5000000}};
    timer_t                 timer;
    cr_assert_eq(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
    timer_settime(timer, 0, &often, NULL);
    expect_refused(nn__open_within(path, NN__STREAM, 50, &status, why),
                   "a pipe that delivered no data for 0.05 seconds");
    timer_delete(timer);
}

Test(open, a_pipe_that_somebody_opens_later_is_waited_for_and_read_to_its_end) {
    const char *path = pipe_path();
    char        text[8] = "";
    const pid_t child = writer(path, 50, 4, "text");
    FILE       *file = nn__open_file(path, NN__STREAM, &status, why);
    cr_assert_not_null(file, "%s", why);
    cr_expect_eq(fread(text, 1, sizeof text, file), 4);
    cr_expect(feof(file) && !ferror(file));
    fclose(file);
    expect_done(child);
}

/* Like "|" of a shell: opened by its path, with a writer slower than the timeout of a named
 * pipe. */
Test(open, a_pipe_without_a_name_is_waited_for) {
    int  end[2];
    char text[8] = "";
    cr_assert_eq(pipe(end), 0);
    char path[40];
    snprintf(path, sizeof path, "/dev/fd/%d", end[0]);
    const pid_t child = fork();
    if (child == 0) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        _exit(write(end[1], "text", 4) != 4);
    }
    close(end[1]);
    const int file = nn__open_within(path, NN__STREAM, 0, &status, why);
    cr_assert_geq(file, 0, "%s", why);
    cr_expect_eq(read(file, text, sizeof text), 4);
    close(file);
    close(end[0]);
    expect_done(child);
}

/* ---- all loaders ----------------------------------------------------------------------------- */

static void expect_table(nn_data *data, size_t rows) {
    if (nn_data_status(data) != AD_UNSUPPORTED)
        cr_expect(nn_data_status(data) == AD_OK && nn_data_rows(data) == rows, "%s",
                  nn_data_message(data));
    nn_data_free(data);
}

Test(open, tables_that_are_read_from_the_beginning_come_out_of_a_pipe) {
    static const unsigned char idx[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9};
    const char                *path = pipe_path();
    pid_t                      child = writer(path, 0, 8, "1,2\n3,4\n");
    expect_table(nn_data_csv(path, NULL), 2);
    kill(child, SIGKILL), waitpid(child, NULL, 0);
    child = writer(path, 0, sizeof idx, idx);
    expect_table(nn_data_idx(path, 0), 3);
    kill(child, SIGKILL), waitpid(child, NULL, 0);
}

static void expect_message(const char *message, const char *words) {
    if (strstr(message, "this build is without") == NULL)
        cr_expect(strstr(message, words) != NULL, "\"%s\" is not in: %s", words, message);
}

Test(open, files_whose_length_must_be_known_are_refused_at_once_where_there_is_none) {
    static const char *const words[] = {"not a regular file: a pipe",
                                        "not a regular file: a device",
                                        "not a regular file: a folder"};
    const char              *paths[] = {pipe_path(), "/dev/zero", file_path(".")};
    for (size_t i = 0; i < 3; i++) {
        nn_data *data = nn_data_npy(paths[i], 0);
        expect_message(nn_data_message(data), words[i]);
        nn_data_free(data);
        ad_tape      *tape = ad_tape_new();
        nn_model     *model = nn_model_new(tape, 1);
        nn_optimizer *optimizer = nn_sgd(0.1);
        nn_param(model, "w", 0, NULL, nn_init_uniform(0, 1));
        cr_expect_neq(nn_model_load(model, paths[i]), AD_OK);
        expect_message(nn_model_message(model), words[i]);
        nn_model_clear(model);
        cr_expect_neq(nn_checkpoint_load(paths[i], model, optimizer, 0, NULL), AD_OK);
        expect_message(nn_model_message(model), words[i]);
        nn_optimizer_free(optimizer);
        nn_model_free(model);
        ad_tape_free(tape);
    }
}

Test(open, a_folder_is_no_table) {
    nn_data *tables[] = {nn_data_csv(file_path("."), NULL), nn_data_idx(file_path("."), 0)};
    for (size_t i = 0; i < 2; i++) {
        expect_message(nn_data_message(tables[i]), "not a regular file: a folder");
        nn_data_free(tables[i]);
    }
}
