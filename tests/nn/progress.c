/* progress.c - tests of nn/progress.c: the output on a terminal and in a file. */
#include "nn/progress.h"
#include "nn/nn.h"

#include "expect.h"
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TEXT = 4096 };

/* A pseudoterminal of so many columns: output written to the stream is read from the other end. */
static FILE *terminal(unsigned short columns, int *other_end) {
    const struct winsize size = {.ws_row = 24, .ws_col = columns};
    *other_end = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (*other_end < 0 || grantpt(*other_end) != 0 || unlockpt(*other_end) != 0) return NULL;
    FILE *file = fopen(ptsname(*other_end), "w");
    if (file != NULL) ioctl(fileno(file), TIOCSWINSZ, &size);
    return file;
}

static const nn__snapshot moment = {
    .epoch = 2,
    .epochs = 8,
    .done = 2,
    .loss = 0.125,
    .held_out_loss = 0.25,
    .metric = 0.9,
    .examples_per_second = 1e6,
    .seconds = 3,
    .left = 4000,
};

/* The output of a bar for this snapshot. */
static void drawn(unsigned short columns, const char *term, char text[TEXT]) {
    int   other_end;
    FILE *file = terminal(columns, &other_end);
    if (file == NULL) cr_skip_test("there are no terminals here");
    setenv("TERM", term, 1);
    nn__progress p = nn__progress_open(&(nn_train_config){
        .progress = true, .stream = file, .score = (nn_loss *)1, .metric_name = "accuracy"});
    nn__progress_epoch(&p, &moment);
    nn__progress_close(&p);
    fflush(file);
    const ssize_t n = read(other_end, text, TEXT - 1);
    cr_assert(n > 0);
    text[n] = '\0';
    fclose(file);
    close(other_end);
}

Test(progress, bar_on_a_terminal_is_one_line_with_all_numbers) {
    char text[TEXT];
    drawn(120, "xterm", text);
    cr_expect(strncmp(text, "\repoch 2/8 ", 11) == 0, "%s", text);
    cr_expect(strstr(text, " 25%  loss 0.125    held out 0.25     accuracy 0.9     1:06:40 left"
                           "  1000k/s\x1b[K") != NULL,
              "%s", text);
    cr_expect(strstr(text, "##") != NULL && strstr(text, "..") != NULL, "%s", text);
    cr_expect_eq(strchr(text, '\n'), strrchr(text, '\n'), "the line ends when the training does");
}

Test(progress, note_has_a_line_of_its_own) {
    char         text[TEXT];
    FILE        *file = tmpfile();
    nn__progress p = nn__progress_open(&(nn_train_config){.progress = true, .stream = file}),
                 none = {.to = NULL};
    nn__progress_note(&p, "it is late");
    nn__progress_note(&none, "nobody listens");
    rewind(file);
    cr_expect(fgets(text, sizeof text, file) != NULL && strcmp(text, "note: it is late\n") == 0,
              "%s", text);
    cr_expect_null(fgets(text, sizeof text, file));
    fclose(file);
}

Test(progress, note_on_a_terminal_takes_the_place_of_the_bar) {
    char  text[TEXT];
    int   other_end;
    FILE *file = terminal(80, &other_end);
    if (file == NULL) cr_skip_test("there are no terminals here");
    setenv("TERM", "xterm", 1);
    nn__progress p = nn__progress_open(&(nn_train_config){.progress = true, .stream = file});
    nn__progress_step(&p, &moment, 1);
    nn__progress_note(&p, "it is late");
    nn__progress_close(&p);
    size_t length = 0; /* several writes may need several reads */
    for (ssize_t n = 1; n > 0 && length < TEXT - 1 && memchr(text, '\n', length) == NULL;
         length += n > 0 ? (size_t)n : 0)
        n = read(other_end, text + length, TEXT - 1 - length);
    text[length] = '\0';
    const char *note = strstr(text, "\r\x1b[Knote: it is late");
    cr_expect(note != NULL && strchr(text, '\n') > note &&
                  strchr(text, '\n') == strrchr(text, '\n'),
              "%s", text);
    fclose(file);
    close(other_end);
}

Test(progress, narrow_terminal_is_not_written_over) {
    char text[TEXT];
    drawn(40, "xterm", text);
    cr_expect(strstr(text, "##") == NULL, "no space for a bar");
    cr_expect_leq(strcspn(text + 1, "\x1b"), 39);
}

Test(progress, terminal_that_can_do_nothing_gets_plain_lines) {
    char text[TEXT];
    drawn(120, "dumb", text);
    cr_expect(strncmp(text, "epoch 2/8  loss 0.125", 21) == 0, "%s", text);
    cr_expect_null(strchr(text, '\x1b'));
}

Test(progress, numbers_that_are_not_known_are_not_shown) {
    char        *text = NULL;
    size_t       length = 0;
    FILE        *to = open_memstream(&text, &length);
    nn__snapshot m = moment;
    m.held_out_loss = m.metric = NAN;
    nn__progress p = nn__progress_open(&(nn_train_config){.progress = true, .stream = to});
    nn__progress_epoch(&p, &m);
    nn__progress_close(&p);
    fclose(to);
    cr_expect_str_eq(text, "epoch 2/8  loss 0.125     1:06:40 left  1000k/s\n");
    free(text);
}

static void line_of(const nn__snapshot *m, const char *metric, char text[TEXT]) {
    FILE        *to = fmemopen(text, TEXT, "w");
    nn__progress p = nn__progress_open(&(nn_train_config){
        .progress = true, .stream = to, .score = (nn_loss *)1, .metric_name = metric});
    nn__progress_epoch(&p, m);
    nn__progress_close(&p);
    fclose(to);
}

/* A usual line has all fields; one that would be too long loses the last of them. */
Test(progress, lines_fit_80_columns) {
    char         text[TEXT];
    nn__snapshot m = moment;
    m.epochs = 30, m.loss = 0.01234, m.held_out_loss = 0.02345, m.metric = 0.9876;
    m.seconds = m.left = 12, m.examples_per_second = 820123;
    line_of(&m, "accuracy", text);
    cr_expect_str_eq(text, "epoch  2/30  loss 0.01234  held out 0.02345  accuracy 0.9876  "
                           "12 s left  820k/s\n");
    m.epochs = 3000;
    line_of(&m, "accuracy", text);
    cr_expect_str_eq(text, "epoch    2/3000  loss 0.01234  held out 0.02345  accuracy 0.9876  "
                           "12 s left\n");
    m.done = 3000, m.epoch = 3000;
    line_of(&m, "an accuracy of many letters", text);
    cr_expect_str_eq(text, "epoch 3000/3000  loss 0.01234  held out 0.02345  "
                           "an accura... letters 0.9876\n");
    m.loss = m.held_out_loss = m.metric = -1.2345678e-300, m.seconds = 1e9;
    for (m.epochs = 1; m.epochs < SIZE_MAX / 10; m.epochs *= 10) {
        m.epoch = m.epochs, m.done = (double)m.epochs;
        line_of(&m, "an accuracy of very many letters", text);
        cr_expect_leq(strlen(text), 81, "%s", text);
    }
}

Test(progress, speeds_have_few_digits) {
    static const struct {
        double      speed;
        const char *text;
    } cases[] = {{7, "  7/s\n"},         {9999, "  9999/s\n"}, {10000, "  10k/s\n"},
                 {9.9e6, "  9900k/s\n"}, {1e7, "  10M/s\n"},   {2.5e8, "  250M/s\n"}};
    char         text[TEXT];
    nn__snapshot m = moment;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        m.examples_per_second = cases[i].speed;
        line_of(&m, "a", text);
        cr_expect(strstr(text, cases[i].text) != NULL, "%s", text);
    }
}

Test(progress, long_notes_are_broken_between_words) {
    char         text[TEXT];
    FILE        *to = fmemopen(text, TEXT, "w");
    nn__progress p = nn__progress_open(&(nn_train_config){.progress = true, .stream = to});
    nn__progress_note(&p, "the rows for which no program is kept are evaluated on the tape, which "
                          "takes longer");
    fclose(to);
    cr_expect_str_eq(text, "note: the rows for which no program is kept are evaluated on the tape, "
                           "which\n  takes longer\n");
}

Test(progress, nothing_is_due_where_nothing_is_shown) {
    nn__progress p = nn__progress_open(&(nn_train_config){.progress = false});
    cr_expect(!nn__progress_due(&p, 1e9));
    nn__progress_epoch(&p, &moment);
    nn__progress_close(&p);
}
