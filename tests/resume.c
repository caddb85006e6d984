/* resume.c - tests of training that is killed and goes on: the end is the same to the bit as if
 * nothing had happened.
 *
 * Every training runs in a child of its own, for threads do not outlive a fork; what it came to is
 * in files. */
#include "files.h"
#include "nn/nn.h"

#include "expect.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void need_jansson(void) {
#if !HAVE_JANSSON
    cr_skip_test("this build is without jansson");
#endif
}

TestSuite(resume, .init = need_jansson, .fini = files_remove);

/* ---- a training in a child ------------------------------------------------------------------- */

typedef struct job {
    const char *checkpoint, *history, *result; /* files, or NULL; result: the model in the end */
    size_t      steps, epochs;
    bool        resume, momentum, without_metric, noise;
    size_t      last; /* the watch ends the training after this epoch; 0: never */
} job;

static ad_var loss_of(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)model;
    const nn_mlp *const *mlp = user;
    ad_var               logits[2];
    nn_mlp_forward(mlp[0], row, logits);
    return nn_cross_entropy(2, logits, row[n - 1]);
}

/* The same with dropout and with normal noise at the second input, and a branch on that. */
static ad_var noisy_loss(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)model;
    const nn_mlp *const *mlp = user;
    ad_var               x[2], logits[2];
    nn_dropout(2, row, row + 2, 0.2, x);
    if (ad_branch(ad_less(row[4], ad_num(1)))) x[1] = ad_add(x[1], ad_mul(ad_num(0.2), row[4]));
    nn_mlp_forward(mlp[0], x, logits);
    return nn_cross_entropy(2, logits, row[n - 1]);
}

static double bias_of(nn_model *model, void *user) {
    (void)user;
    return ad_value(nn_model_params(model)[0]);
}

static size_t last_epoch;

static bool until_last(const nn_epoch *e, void *user) {
    (void)user;
    return e->epoch != last_epoch;
}

/* The status of nn_train; the message goes to the file "message". */
static int train(const job *j) {
    ad_tape      *tape = ad_tape_new();
    nn_model     *model = nn_model_new(tape, 1);
    const size_t  sizes[] = {2, 6, 2};
    nn_mlp       *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    nn_data      *data = nn_data_moons(70, 0.2, 3);
    nn_optimizer *optimizer =
        j->momentum ? nn_sgd_new(&(nn_sgd_config){.rate = 0.05, .momentum = 0.9}) : nn_adam(0.01);
    if (j->noise) nn_data_noise(data, NN_UNIFORM, 2), nn_data_noise(data, NN_NORMAL, 1);
    last_epoch = j->last;
    const ad_status status = nn_train(model, j->noise ? noisy_loss : loss_of, &mlp, data, optimizer,
                                      &(nn_train_config){
                                          .epochs = j->epochs,
                                          .batch = 8,
                                          .seed = 5,
                                          .checkpoint = j->checkpoint,
                                          .checkpoint_steps = j->steps,
                                          .resume = j->resume,
                                          .history = j->history,
                                          .metric = j->without_metric ? NULL : bias_of,
                                          .watch = until_last,
                                      });
    file_write_text(file_path("message"), nn_model_message(model));
    nn_model_clear(model);
    if (j->result != NULL && nn_model_save(model, j->result) != AD_OK) return AD_STATUS_COUNT;
    nn_optimizer_free(optimizer);
    nn_data_free(data);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
    return (int)status;
}

static pid_t start(const job *j) {
    const pid_t child = fork();
    if (child == 0) _exit(train(j));
    cr_assert(child > 0);
    return child;
}

/* The status it ended with, or -1 when it was killed. */
static int finish(pid_t child) {
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(const job *j) {
    return finish(start(j));
}

static bool same_file(const char *a, const char *b) {
    static char  x[65536], y[65536];
    const size_t n = file_read(a, sizeof x, x);
    return n > 0 && n == file_read(b, sizeof y, y) && memcmp(x, y, n) == 0;
}

/* Epoch, loss and metric of each line; times are not the same twice. */
static bool same_history(const char *a, const char *b) {
    FILE *x = fopen(a, "r"), *y = fopen(b, "r");
    char  one[256], other[256];
    bool  same = x != NULL && y != NULL, more = same;
    while (same && more) {
        more = fgets(one, sizeof one, x) != NULL;
        same = more == (fgets(other, sizeof other, y) != NULL);
        for (size_t tabs = 0, i = 0; same && more && tabs < 3 && one[i] != '\0'; i++) {
            same = one[i] == other[i];
            tabs += one[i] == '\t';
        }
    }
    if (x != NULL) fclose(x);
    if (y != NULL) fclose(y);
    return same;
}

/* The message of the last training. */
static const char *message(void) {
    static char text[1024];
    text[file_read(file_path("message"), sizeof text - 1, text)] = '\0';
    return text;
}

/* ---- killed ---------------------------------------------------------------------------------- */

static bool loads(const char *path) {
    nn_model    *model = nn_model_new(ad_tape_new(), 9);
    ad_tape     *tape = nn_model_tape(model);
    const size_t sizes[] = {2, 6, 2};
    nn_mlp      *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    const bool   good = nn_model_load(model, path) == AD_OK;
    if (!good) cr_log_error("%s", nn_model_message(model));
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
    return good;
}

static bool ended(pid_t child) {
    siginfo_t about = {0};
    return waitid(P_PID, (id_t)child, &about, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           about.si_pid == child;
}

/* Until the child has saved so often, or ended; every checkpoint is another file. */
static void wait_for_saves(pid_t child, const char *path, int saves) {
    struct stat before = {0}, after = {0};
    stat(path, &before);
    while (saves > 0 && !ended(child)) {
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        if (stat(path, &after) != 0 ||
            (after.st_ino == before.st_ino && after.st_mtim.tv_nsec == before.st_mtim.tv_nsec))
            continue;
        before = after;
        saves--;
    }
}

/* Each child is killed at a moment of its own after a few saves, or before the first one; most
 * while they save, for they do little else. */
static void kill_and_compare(bool momentum, bool noise, size_t steps, size_t epochs, int kills) {
    const job undisturbed = {.noise = noise,
                             .result = file_path("one"),
                             .history = file_path("one.tsv"),
                             .epochs = epochs,
                             .momentum = momentum};
    job       killed = {.noise = noise,
                        .checkpoint = file_path("kept"),
                        .history = file_path("two.tsv"),
                        .epochs = epochs,
                        .steps = steps,
                        .resume = true,
                        .momentum = momentum};
    int       caught = 0;
    cr_assert_eq(run(&undisturbed), AD_OK, "%s", message());
    for (int i = 0; i < kills; i++) {
        const pid_t child = start(&killed);
        wait_for_saves(child, killed.checkpoint, rand() % 12);
        nanosleep(&(struct timespec){.tv_nsec = rand() % 4000000}, NULL);
        kill(child, SIGKILL);
        const int status = finish(child);
        caught += status == -1;
        cr_assert(status == -1 || status == AD_OK, "%s", message());
        if (file_exists(killed.checkpoint)) cr_assert(loads(killed.checkpoint));
    }
    killed.result = file_path("two");
    cr_assert_eq(run(&killed), AD_OK, "%s", message());
    cr_expect(same_file(undisturbed.result, killed.result), "not the same bits after %d kills",
              caught);
    cr_expect(same_history(undisturbed.history, killed.history),
              "not the same history after %d kills", caught);
    cr_log_info("%d of %d were killed before they ended", caught, kills);
    files_remove();
}

Test(resume, killed_at_random_moments_it_ends_with_the_same_bits) {
    const bool full = getenv("TAPIR_FULL") != NULL;
    srand(full ? (unsigned)time(NULL) : 1);
    kill_and_compare(false, false, 1, 60, 50);
    if (full) kill_and_compare(true, false, 1, 60, 50);
    if (full) kill_and_compare(false, false, 5, 240, 50);
    if (full) kill_and_compare(true, false, 0, 400, 50);
}

Test(resume, killed_with_noise_in_its_rows_it_ends_with_the_same_bits) {
    const bool full = getenv("TAPIR_FULL") != NULL;
    srand(full ? (unsigned)time(NULL) : 2);
    kill_and_compare(false, true, 1, 20, 12);
    if (full) kill_and_compare(true, true, 3, 120, 50);
}

/* ---- in order -------------------------------------------------------------------------------- */

Test(resume, saving_changes_nothing) {
    const job plain = {.result = file_path("one"), .epochs = 3};
    const job saved = {
        .result = file_path("two"), .epochs = 3, .checkpoint = file_path("kept"), .steps = 2};
    cr_assert_eq(run(&plain), AD_OK);
    cr_assert_eq(run(&saved), AD_OK, "%s", message());
    cr_expect(same_file(plain.result, saved.result));
}

Test(resume, more_epochs_go_on_where_fewer_ended) {
    const job whole = {.result = file_path("one"), .epochs = 6, .history = file_path("one.tsv")};
    job       part = {.result = file_path("two"),
                      .epochs = 2,
                      .history = file_path("two.tsv"),
                      .checkpoint = file_path("kept"),
                      .resume = true};
    cr_assert_eq(run(&whole), AD_OK);
    cr_assert_eq(run(&part), AD_OK, "%s", message());
    cr_expect_not(same_file(whole.result, part.result));
    part.epochs = 6;
    cr_assert_eq(run(&part), AD_OK, "%s", message());
    cr_expect(same_file(whole.result, part.result));
    cr_expect(same_history(whole.history, part.history));
}

Test(resume, run_that_has_ended_is_not_trained_further) {
    job j = {.result = file_path("one"),
             .epochs = 6,
             .checkpoint = file_path("kept"),
             .resume = true,
             .last = 3};
    cr_assert_eq(run(&j), AD_OK, "%s", message());
    j.result = file_path("two");
    cr_assert_eq(run(&j), AD_OK, "%s", message());
    cr_expect(same_file(file_path("one"), file_path("two")));
    j.resume = false, j.last = 0;
    cr_assert_eq(run(&j), AD_OK, "%s", message());
    cr_expect_not(same_file(file_path("one"), file_path("two")));
}

Test(resume, lines_after_the_checkpoint_are_written_again) {
    const job whole = {.result = file_path("one"), .epochs = 4, .history = file_path("one.tsv")};
    job       part = {.result = file_path("two"),
                      .epochs = 2,
                      .history = file_path("two.tsv"),
                      .checkpoint = file_path("kept"),
                      .resume = true};
    cr_assert_eq(run(&whole), AD_OK);
    cr_assert_eq(run(&part), AD_OK, "%s", message());
    FILE *file = fopen(part.history, "a");
    cr_assert(fputs("3\t0.5\t0.5\t1\t1\n4\t0.", file) >= 0 && fclose(file) == 0);
    part.epochs = 4;
    cr_assert_eq(run(&part), AD_OK, "%s", message());
    cr_expect(same_history(whole.history, part.history));
}

Test(resume, metric_that_was_not_there_before_is_refused) {
    job  j = {.epochs = 2,
              .history = file_path("one.tsv"),
              .checkpoint = file_path("kept"),
              .resume = true};
    char before[4096] = "", after[4096] = "";
    j.without_metric = true;
    cr_assert_eq(run(&j), AD_OK, "%s", message());
    file_read(j.history, sizeof before - 1, before);
    j.epochs = 4, j.without_metric = false;
    cr_expect_eq(run(&j), AD_BAD_FILE);
    cr_expect(strstr(message(), "one.tsv: the history has other columns than this run"), "%s",
              message());
    file_read(j.history, sizeof after - 1, after);
    cr_expect_str_eq(before, after);
}

Test(resume, checkpoint_of_another_run_is_refused_and_kept) {
    char      before[65536], after[65536];
    const job adam = {.epochs = 1, .checkpoint = file_path("kept"), .resume = true};
    const job sgd = {
        .epochs = 1, .checkpoint = file_path("kept"), .resume = true, .momentum = true};
    cr_assert_eq(run(&adam), AD_OK, "%s", message());
    const size_t size = file_read(adam.checkpoint, sizeof before, before);
    cr_expect_eq(run(&sgd), AD_BAD_FILE);
    cr_expect(strstr(message(), "kept: the checkpoint of an optimizer \"adam\", not of \"sgd\""),
              "%s", message());
    cr_expect_eq(file_read(adam.checkpoint, sizeof after, after), size);
    cr_expect_arr_eq(before, after, size);
    file_write(adam.checkpoint, size - 1, before);
    cr_expect_eq(run(&adam), AD_BAD_FILE);
    cr_expect(strstr(message(), "kept: byte "), "%s", message());
}

/* The last array of the file is the order of the rows: two rows at one place would leave one
 * out. */
Test(resume, position_that_is_none_is_refused) {
    unsigned char bytes[65536];
    const job     j = {.epochs = 1, .checkpoint = file_path("kept"), .resume = true};
    cr_assert_eq(run(&j), AD_OK, "%s", message());
    const size_t size = file_read(j.checkpoint, sizeof bytes, bytes);
    memcpy(bytes + size - 8, bytes + size - 16, 8);
    file_write(j.checkpoint, size, bytes);
    cr_expect_eq(run(&j), AD_BAD_FILE);
    cr_expect(strstr(message(), "kept: not the position of a run over 70 rows"), "%s", message());
    memset(bytes + size - 8, 0x7f, 8);
    file_write(j.checkpoint, size, bytes);
    cr_expect_eq(run(&j), AD_BAD_FILE);
}

/* The limit is put on the child alone. LLVM's OpenMP ends a program that may not make a file of
 * 1,024 bytes. */
static int run_with_room(const job *j, rlim_t bytes) {
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = {bytes, bytes};
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(train(j));
    }
    return finish(child);
}

Test(resume, checkpoint_that_cannot_be_written_ends_the_training_and_the_old_one_stays) {
    const job first = {.epochs = 1, .checkpoint = file_path("kept")};
    const job next = {.epochs = 3, .checkpoint = file_path("kept"), .resume = true, .result = NULL};
    const job straight = {.epochs = 3, .result = file_path("one")};
    const job again = {
        .epochs = 3, .checkpoint = file_path("kept"), .resume = true, .result = file_path("two")};
    cr_assert_eq(run(&straight), AD_OK, "%s", message());
    cr_assert_eq(run(&first), AD_OK, "%s", message());
    cr_expect_eq(run_with_room(&next, 2048), AD_BAD_FILE);
    cr_expect(strstr(message(), "kept: the file cannot be written: File too large"), "%s",
              message());
    cr_expect_eq(run(&again), AD_OK, "%s", message());
    cr_expect(same_file(straight.result, again.result));
    const job nowhere = {.epochs = 1, .checkpoint = file_path("no/such/folder")};
    cr_expect_eq(run(&nowhere), AD_BAD_FILE);
}

/* ---- looking before -------------------------------------------------------------------------- */

static size_t losses;

static ad_var counted_loss(nn_model *model, size_t n, const ad_var row[], void *user) {
    losses++;
    return loss_of(model, n, row, user);
}

/* Not one loss is recorded for a checkpoint that cannot be written, and the history of a run before
 * stays. */
static void expect_refused_before(const char *checkpoint, const char *parameter,
                                  const char *words) {
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, 1);
    nn_mlp *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 1, .sizes = (const size_t[]){2, 2}});
    nn_data      *data = nn_data_moons(20, 0.2, 3);
    nn_optimizer *optimizer = nn_adam(0.01);
    char          text[16] = "";
    if (parameter != NULL) nn_param(model, parameter, 0, NULL, nn_init_uniform(0, 1));
    file_write_text(file_path("history.tsv"), "of before");
    losses = 0;
    cr_expect_neq(nn_train(model, counted_loss, &mlp, data, optimizer,
                           &(nn_train_config){.epochs = 3,
                                              .batch = 4,
                                              .checkpoint = checkpoint,
                                              .history = file_path("history.tsv")}),
                  AD_OK);
    cr_expect(strstr(nn_model_message(model), words) != NULL, "%s", nn_model_message(model));
    cr_expect_eq(losses, 0);
    file_read(file_path("history.tsv"), sizeof text - 1, text);
    cr_expect_str_eq(text, "of before");
    nn_optimizer_free(optimizer);
    nn_data_free(data);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
}

Test(resume, a_checkpoint_that_cannot_be_written_is_refused_before_the_first_step) {
    cr_assert_eq(symlink("no/file", file_path("link")), 0);
    expect_refused_before(file_path("link"), NULL, strerror(ENOENT));
    expect_refused_before(file_path("no/run.safetensors"), NULL, strerror(ENOENT));
    expect_refused_before("/dev/null", NULL, "not a regular file");
    expect_refused_before(file_path("a"), "\xff", "is not UTF-8");
    expect_refused_before(file_path("a"), "training.order",
                          "\"training.order\" of an array is already taken");
    cr_expect_not(file_exists(file_path("a")));
}

Test(resume, a_folder_that_cannot_be_written_is_refused_before_the_first_step) {
    const char *folder = file_path("closed"), *file = file_path("closed/run.safetensors");
    cr_assert_eq(mkdir(folder, 0700), 0);
    file_write_text(file_path("history.tsv"), "");
    chmod(file_path("."), 0777), chmod(file_path("history.tsv"), 0666), chmod(folder, 0555);
    const bool dropped = geteuid() == 0 && seteuid(65534) == 0;
    expect_refused_before(file, NULL, strerror(EACCES));
    if (dropped) cr_assert_eq(seteuid(0), 0);
    cr_expect_eq(rmdir(folder), 0);
}

Test(resume, a_link_to_a_checkpoint_that_is_not_there_yet_is_followed) {
    cr_assert_eq(symlink("real", file_path("link")), 0);
    const job first = {file_path("link"), NULL, NULL, 0, 1, true, false, false, 0};
    cr_expect_eq(run(&first), AD_OK);
    cr_expect(file_exists(file_path("real")));
    const job second = {file_path("link"), file_path("h"), NULL, 0, 2, true, false, false, 0};
    cr_expect_eq(run(&second), AD_OK);
}
