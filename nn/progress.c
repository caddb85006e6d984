/* progress.c - a bar on a terminal, a line for each epoch elsewhere.
 *
 * The bar is one line that is redrawn in place, at most ten times a second; it takes the space that
 * the numbers leave. The fields of a line are in the order of their worth: one that would go past
 * column 80 is left out, with those behind it. Numbers are in the C locale. */
#include "progress.h"
#include "text.h"

#include <langinfo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REDRAW_MS = 100, NARROWEST_BAR = 8, WIDEST_BAR = 40, LINE = 256, METRIC = 20 };

nn__progress nn__progress_open(const nn_train_config *config) {
    nn__progress p = {.to = NULL, .metric_name = ""};
    const char  *term = getenv("TERM");
    if (config->metric != NULL || config->score != NULL)
        nn__printable(sizeof p.metric_name, p.metric_name,
                      config->metric_name != NULL ? config->metric_name : "metric", false);
    nn__narrow(METRIC, p.metric_name);
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

static void append_time(char line[LINE], const nn__snapshot *m) {
    const bool done = m->done >= (double)m->epochs;
    append(line, done ? "  took " : "  ");
    append_duration(line, done ? m->seconds : m->left);
    if (!done) append(line, " left");
}

/* Examples per second. */
static void append_speed(char line[LINE], double speed) {
    if (speed < 1e4) append(line, "  %.0f/s", speed);
    else if (speed < 1e7) append(line, "  %.0fk/s", speed / 1e3);
    else append(line, "  %.0fM/s", speed / 1e6);
}

typedef enum field { LOSS, HELD_OUT, METRIC_VALUE, TIME, SPEED, FIELDS } field;

static void append_field(const nn__progress *p, const nn__snapshot *m, field f, char line[LINE]) {
    const bool metric = *p->metric_name != '\0' && !isnan(m->metric);
    switch (f) {
    case LOSS: append(line, "loss %-8.4g", m->loss); break;
    case HELD_OUT:
        if (!isnan(m->held_out_loss)) append(line, " held out %-8.4g", m->held_out_loss);
        break;
    case METRIC_VALUE:
        if (metric) append(line, " %s %-6.4g", p->metric_name, m->metric);
        break;
    case TIME: append_time(line, m); break;
    default: append_speed(line, m->examples_per_second);
    }
}

/* As many fields as let the line keep to `width` columns; returns whether it is all of them. */
static bool append_fields(const nn__progress *p, const nn__snapshot *m, size_t width,
                          char line[LINE]) {
    for (field f = LOSS; f < FIELDS; f++) {
        const size_t length = strlen(line);
        append_field(p, m, f, line);
        if (nn__columns(line) <= width) continue;
        line[length] = '\0';
        return false;
    }
    return true;
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
    const size_t width = columns_of(p->to) - 1, before = strlen(head);
    const bool   all = append_fields(p, m, width > before ? width - before : 0, tail);
    const size_t text = before + nn__columns(tail);
    size_t       cells = all && width > text ? width - text : 0;
    if (cells > WIDEST_BAR) cells = WIDEST_BAR;
    fprintf(p->to, "\r%.*s", (int)width, head);
    if (cells >= NARROWEST_BAR) draw_cells(p, cells, part);
    if (width >= text) fputs(tail, p->to);
    fputs("\x1b[K", p->to);
    fflush(p->to);
}

static void write_line(const nn__progress *p, const nn__snapshot *m) {
    char line[LINE] = "";
    append(line, "epoch %*zu/%zu  ", snprintf(NULL, 0, "%zu", m->epochs), m->epoch, m->epochs);
    append_fields(p, m, NN__WIDTH, line);
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
    fputs(p->terminal ? "\r\x1b[Knote: " : "note: ", p->to);
    nn__flow(p->to, strlen("note: "), 2, sentence);
    fputc('\n', p->to);
    fflush(p->to);
    p->drawn = 0;
}

void nn__progress_close(nn__progress *p) {
    if (p->to != NULL && p->terminal && p->drawn > 0) fputc('\n', p->to);
}
