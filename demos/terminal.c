/* terminal.c - tables and small pictures drawn with characters.
 *
 * A pixel is two characters wide, which makes it about square. */
#include "terminal.h"

#include "nn/text.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { GAP = 3, MARGIN = 2 };

terminal terminal_of(FILE *to) {
    const char    *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    const bool     plain = no_color != NULL && *no_color != '\0';
    const bool     screen = isatty(fileno(to)) && term != NULL && strcmp(term, "dumb") != 0;
    struct winsize size = {0};
    if (screen) ioctl(fileno(to), TIOCGWINSZ, &size);
    return (terminal){
        .to = to,
        .width = size.ws_col > 0 ? size.ws_col : 80,
        .blocks = !plain && strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
        .colors = !plain && screen,
    };
}

void terminal_line(FILE *to, const char *format, ...) {
    char    text[4096];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    nn__flow(to, 0, 0, text);
    fputc('\n', to);
}

/* ---- the confusion matrix -------------------------------------------------------------------- */

static void cell(terminal t, size_t count, bool right) {
    const char *color = count == 0 ? "\x1b[2m" : right ? "\x1b[32m" : "\x1b[1;31m";
    char        text[24] = ".";
    if (count > 0) snprintf(text, sizeof text, "%zu", count);
    fprintf(t.to, "%s%5s%s", t.colors ? color : "", text, t.colors ? "\x1b[0m" : "");
}

static void matrix_row(terminal t, size_t n, const size_t *count, size_t row) {
    size_t total = 0;
    fprintf(t.to, "%*s%3zu  ", MARGIN, "", row);
    for (size_t j = 0; j < n; j++) {
        cell(t, count[j], j == row);
        total += count[j];
    }
    if (total > 0) fprintf(t.to, "%8.1f%%", 100 * (double)count[row] / (double)total);
    fputc('\n', t.to);
}

void terminal_confusion(terminal t, size_t n, const size_t *count) {
    fprintf(t.to, "%*strue  read as\n%*s     ", MARGIN, "", MARGIN, "");
    for (size_t j = 0; j < n; j++) fprintf(t.to, "%5zu", j);
    fputs("    right\n", t.to);
    for (size_t i = 0; i < n; i++) matrix_row(t, n, count + i * n, i);
}

/* ---- pictures -------------------------------------------------------------------------------- */

/* The shade for an ink of 0..1. */
static const char *shade(terminal t, double ink) {
    static const char *const blocks[] = {" ", "\u2591", "\u2592", "\u2593", "\u2588"};
    static const char *const letters[] = {" ", ".", ":", "o", "#"};
    const int                levels = sizeof blocks / sizeof *blocks, level = (int)(ink * levels);
    const int                index = level < 0 ? 0 : level >= levels ? levels - 1 : level;
    return t.blocks ? blocks[index] : letters[index];
}

static void pixel_line(terminal t, size_t side, const double *ink) {
    for (size_t x = 0; x < side; x++) fprintf(t.to, "%s%s", shade(t, ink[x]), shade(t, ink[x]));
}

void terminal_pictures(terminal t, size_t side, size_t n, const terminal_picture picture[]) {
    const size_t wide = 2 * side + GAP,
                 space = t.width > MARGIN + GAP ? t.width - MARGIN + GAP : wide;
    const size_t across = space / wide > 0 ? space / wide : 1;
    for (size_t first = 0; first < n; first += across) {
        const size_t end = n - first < across ? n : first + across;
        for (size_t y = 0; y < side; y++) {
            for (size_t i = first; i < end; i++) {
                fprintf(t.to, "%*s", i == first ? MARGIN : GAP, "");
                pixel_line(t, side, picture[i].ink + y * side);
            }
            fputc('\n', t.to);
        }
        for (size_t line = 0; line < 2; line++) {
            for (size_t i = first; i < end; i++)
                fprintf(t.to, "%*s%-*s", i == first ? MARGIN : GAP, "", (int)(2 * side),
                        picture[i].caption[line]);
            fputc('\n', t.to);
        }
        if (end < n) fputc('\n', t.to);
    }
}
