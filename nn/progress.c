/* progress.c - a bar on a terminal, a line for each epoch elsewhere.
 *
 * The bar is one line that is redrawn in place, at most ten times a second; it takes the space that
 * the numbers leave. Numbers are in the C locale. */
#include "progress.h"
#include "text.h"

#include <langinfo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REDRAW_MS = 100, NARROWEST_BAR = 8, WIDEST_BAR = 40, LINE = 256 };

nn__progress nn__progress_open(const nn_train_config *config) {
    nn__progress p = {.to = NULL, .metric_name = ""};
    const char  *term = getenv("TERM");
    if (config->metric != NULL || config->score != NULL)
        nn__printable(sizeof p.metric_name, p.metric_name,
                      config->metric_name != NULL ? config->metric_name : "metric", false);
    if (!config->progress) return p;
    p.to = config->stream != NULL ? config->stream : stderr;
    const int file = fileno(p.to); /* -1 for a stream in memory */
    p.terminal = file >= 0 && isatty(file) && term != NULL && strcmp(term, "dumb") != 0;
    p.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    return p;
}

/* ---- a line ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void append(char line[LINE], const char *format, ...) {
    const size_t length = strlen(line);
    va_list      list;
    va_start(list, format);
    vsnprintf(line + length, LINE - length, format, list);
    va_end(list);
}

static void append_duration(char line[LINE], double seconds) {
    const unsigned long s = seconds < 1e9 ? (unsigned long)ceil(seconds) : 1000000000ul;
    if (s < 60) append(line, "%lu s", s);
    else if (s < 3600) append(line, "%lu:%02lu", s / 60, s % 60);
    else append(line, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
}

static void append_numbers(const nn__progress *p, const nn__snapshot *m, char line[LINE]) {
    append(line, "loss %-8.4g", m->loss);
    if (!isnan(m->held_out_loss)) append(line, "  held out %-8.4g", m->held_out_loss);
    if (*p->metric_name != '\0' && !isnan(m->metric))
        append(line, "  %s %-6.4g", p->metric_name, m->metric);
    append(line, "  %.0f examples/s", m->examples_per_second);
    if (m->done < (double)m->epochs) {
        append(line, "  ");
        append_duration(line, m->left);
        append(line, " left");
    } else {
        append(line, "  took ");
        append_duration(line, m->seconds);
    }
}

static size_t columns_of(FILE *terminal) {
    struct winsize size;
    return ioctl(fileno(terminal), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void draw_cells(const nn__progress *p, size_t cells, double part) {
    const size_t full = (size_t)(part * (double)cells);
    for (size_t i = 0; i < cells; i++)
        fputs(i < full ? (p->utf8 ? "\u2588" : "#") : (p->utf8 ? "\u2591" : "."), p->to);
}

static void draw_bar(const nn__progress *p, const nn__snapshot *m) {
    const double part = m->done / (double)m->epochs;
    char         head[LINE] = "", tail[LINE] = "";
    append(head, "epoch %zu/%zu ", m->epoch, m->epochs);
    append(tail, " %3.0f%%  ", 100 * part);
    append_numbers(p, m, tail);
    const size_t width = columns_of(p->to) - 1, text = strlen(head) + strlen(tail);
    size_t       cells = width > text ? width - text : 0;
    if (cells > WIDEST_BAR) cells = WIDEST_BAR;
    fprintf(p->to, "\r%.*s", (int)width, head);
    if (cells >= NARROWEST_BAR) draw_cells(p, cells, part);
    if (width > strlen(head)) fprintf(p->to, "%.*s", (int)(width - strlen(head)), tail);
    fputs("\x1b[K", p->to);
    fflush(p->to);
}

static void write_line(const nn__progress *p, const nn__snapshot *m) {
    char line[LINE] = "";
    append(line, "epoch %*zu/%zu  ", snprintf(NULL, 0, "%zu", m->epochs), m->epoch, m->epochs);
    append_numbers(p, m, line);
    fprintf(p->to, "%s\n", line);
    fflush(p->to);
}

/* ---- when ------------------------------------------------------------------------------------ */

bool nn__progress_due(const nn__progress *p, double now) {
    return p->to != NULL && p->terminal && now - p->drawn >= 1e-3 * REDRAW_MS;
}

void nn__progress_step(nn__progress *p, const nn__snapshot *m, double now) {
    const locale_t before = nn__locale_enter();
    draw_bar(p, m);
    nn__locale_leave(before);
    p->drawn = now;
}

void nn__progress_epoch(nn__progress *p, const nn__snapshot *m) {
    if (p->to == NULL) return;
    const locale_t before = nn__locale_enter();
    if (p->terminal) draw_bar(p, m);
    else write_line(p, m);
    nn__locale_leave(before);
    p->drawn = 1;
}

/* On a terminal the note takes the place of the bar, which is redrawn below it. */
void nn__progress_note(nn__progress *p, const char *sentence) {
    if (p->to == NULL) return;
    fprintf(p->to, p->terminal ? "\r\x1b[Knote: %s\n" : "note: %s\n", sentence);
    fflush(p->to);
    p->drawn = 0;
}

void nn__progress_close(nn__progress *p) {
    if (p->to != NULL && p->terminal && p->drawn > 0) fputc('\n', p->to);
}
