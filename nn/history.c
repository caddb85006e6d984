/* history.c - a row for each epoch, tab-separated under a header line, numbers in the C locale.
 *
 * Every row is flushed, so that a run that is killed leaves the rows of its epochs. It may leave
 * one epoch more than its checkpoint: a resumed run truncates such rows. A file is not truncated
 * before it is known to be this history and not another file of the run. */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static bool refuse(nn__history *h, ad_status status,
                                                         const char *format, ...) {
    va_list list;
    va_start(list, format);
    nn__sentence(h->message, format, list);
    va_end(list);
    h->status = status;
    return false;
}

static bool failed(nn__history *h) {
    return refuse(h, AD_BAD_FILE, "%s: the history cannot be written: %s", h->path,
                  strerror(errno));
}

/* ---- columns --------------------------------------------------------------------------------- */

static void name_columns(nn__history *h, const nn_train_config *c) {
    h->column[h->columns++] = "epoch";
    h->column[h->columns++] = "loss";
    if (h->held_out) h->column[h->columns++] = "held_out_loss";
    if (h->metric) h->column[h->columns++] = c->metric_name != NULL ? c->metric_name : "metric";
    if (h->rate) h->column[h->columns++] = "rate";
    h->column[h->columns++] = "seconds";
    h->column[h->columns++] = "examples_per_second";
}

static bool write_header(const nn__history *h) {
    for (size_t i = 0; i < h->columns; i++) fprintf(h->file, i == 0 ? "%s" : "\t%s", h->column[i]);
    return fputc('\n', h->file) != EOF;
}

/* The first line of a file: the header of this run, a part of it (left by a run that was killed at
 * its start), or something else. */
typedef enum first_line { SAME, CUT, OTHER } first_line;

static first_line look_at_text(FILE *file, const char *text, char end) {
    int c = fgetc(file);
    for (; *text != '\0' && c == (unsigned char)*text; text++) c = fgetc(file);
    return c == EOF ? CUT : *text == '\0' && c == end ? SAME : OTHER;
}

static first_line look_at_header(const nn__history *h) {
    first_line line = SAME;
    for (size_t i = 0; i < h->columns && line == SAME; i++)
        line = look_at_text(h->file, h->column[i], i + 1 < h->columns ? '\t' : '\n');
    return line;
}

static bool refuse_columns(nn__history *h) {
    char names[NN__MESSAGE / 2] = "";
    for (size_t i = 0; i < h->columns; i++) {
        const size_t length = strlen(names);
        snprintf(names + length, sizeof names - length, "%s%s", i == 0 ? "" : ", ", h->column[i]);
    }
    return refuse(h, AD_BAD_FILE,
                  "%s: the history has other columns than this run, which has %s: resume with the "
                  "same columns, or name another file",
                  h->path, names);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The file offset after the header and the rows up to `epoch`. */
static long end_of_kept_rows(FILE *file, size_t epoch) {
    long   end = 0;
    size_t number = 0;
    for (int c = '\n'; c != EOF;) {
        number = 0;
        for (c = fgetc(file); c >= '0' && c <= '9' && number <= epoch; c = fgetc(file))
            number = 10 * number + (size_t)(c - '0');
        while (c != EOF && c != '\n') c = fgetc(file);
        if (number > epoch || c == EOF) break; /* no newline: the run was killed */
        end = ftell(file);
    }
    return end;
}

static bool begin(nn__history *h, bool regular) {
    rewind(h->file);
    return (!regular || ftruncate(fileno(h->file), 0) == 0) && write_header(h) ? true : failed(h);
}

static bool resume(nn__history *h, size_t epoch) {
    const first_line line = look_at_header(h);
    if (line != SAME) return line == CUT ? begin(h, true) : refuse_columns(h);
    rewind(h->file);
    const long end = end_of_kept_rows(h->file, epoch);
    return end > 0 && ftruncate(fileno(h->file), end) == 0 && fseek(h->file, end, SEEK_SET) == 0
             ? true
             : failed(h);
}

/* Compares the files, not their names, so that links and other paths to a folder are seen
 * through. */
static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_separate(nn__history *h, const nn_train_config *c, const struct stat *file) {
    struct stat other;
    FILE *const stream = c->stream != NULL ? c->stream : stderr;
    if (c->checkpoint != NULL && stat(c->checkpoint, &other) == 0 && same_file(file, &other))
        return refuse(h, AD_BAD_ARGUMENT,
                      "nn_train: %s, the history, and %s, the checkpoint, are the same file",
                      c->history, c->checkpoint);
    if (c->progress && fileno(stream) >= 0 && fstat(fileno(stream), &other) == 0 &&
        same_file(file, &other))
        return refuse(h, AD_BAD_ARGUMENT,
                      "nn_train: %s, the history, is also where the progress goes", c->history);
    return true;
}

/* Removes a file that opening created, following links. */
static void remove_again(const char *path) {
    char real[PATH_MAX];
    if (realpath(path, real) != NULL) unlink(real);
}

/* Does not block on a named pipe, whose reader may never come. read: the existing file is
 * continued. */
static int open_to_write(const char *path, bool read) {
    const int file =
        open(path, (read ? O_RDWR : O_WRONLY) | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    const int flags = file < 0 ? -1 : fcntl(file, F_GETFL);
    if (flags >= 0) fcntl(file, F_SETFL, flags & ~O_NONBLOCK);
    return file;
}

static bool open_file(nn__history *h, const nn_train_config *c, size_t epoch) {
    struct stat file = {.st_mode = 0};
    const bool  fresh = stat(h->path, &file) != 0, pipe = !fresh && S_ISFIFO(file.st_mode);
    const bool  read = epoch > 0 && !pipe;
    const int   number = open_to_write(h->path, read);
    if (number < 0 || fstat(number, &file) != 0 ||
        (h->file = fdopen(number, read ? "r+" : "w")) == NULL) {
        if (number < 0 && pipe && errno == ENXIO)
            refuse(h, AD_BAD_FILE,
                   "%s: the history cannot be written: it is a pipe without a reader", h->path);
        else failed(h);
        if (number >= 0) close(number);
        return false;
    }
    const bool regular = S_ISREG(file.st_mode), good = !regular || is_separate(h, c, &file);
    if (!good && fresh) remove_again(h->path);
    return good && (epoch > 0 && regular ? resume(h, epoch) : begin(h, regular));
}

bool nn__history_open(nn__history *h, const nn_train_config *c, size_t epoch) {
    *h = (nn__history){.path = c->history,
                       .held_out = c->held_out != NULL,
                       .metric = c->metric != NULL || c->score != NULL,
                       .rate = c->schedule != NULL};
    name_columns(h, c);
    if (c->history == NULL || open_file(h, c, epoch)) return true;
    if (h->file != NULL) fclose(h->file);
    h->file = NULL;
    return false;
}

bool nn__history_write(nn__history *h, const nn_epoch *e) {
    if (h->file == NULL) return true;
    const locale_t before = nn__locale_enter();
    fprintf(h->file, "%zu\t%.17g", e->epoch, e->loss);
    if (h->held_out) fprintf(h->file, "\t%.17g", e->held_out_loss);
    if (h->metric) fprintf(h->file, "\t%.17g", e->metric);
    if (h->rate) fprintf(h->file, "\t%.17g", e->rate);
    fprintf(h->file, "\t%.3f\t%.0f\n", e->seconds, e->examples_per_second);
    nn__locale_leave(before);
    return fflush(h->file) == 0 || failed(h);
}

bool nn__history_close(nn__history *h) {
    return h->file == NULL || fclose(h->file) == 0 || failed(h);
}
