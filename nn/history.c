/* history.c - a row for each epoch, tab-separated under a header line, numbers in the C locale.
 *
 * Every row is written through, so that a run that is killed leaves what it knew. It may leave an epoch more
 * than its checkpoint knows of: a run that goes on cuts such rows off. */
#include "history.h"
#include "text.h"

#include <unistd.h>

static bool write_header(const nn__history *h, const nn_train_config *c) {
    fputs("epoch\tloss", h->file);
    if (h->held_out) fputs("\theld_out_loss", h->file);
    if (h->metric) fprintf(h->file, "\t%s", c->metric_name != NULL ? c->metric_name : "metric");
    if (h->rate) fputs("\trate", h->file);
    return fputs("\tseconds\texamples_per_second\n", h->file) != EOF;
}

/* The place after the header and the rows of epochs up to `epoch`. */
static long kept(FILE *file, size_t epoch) {
    long   end = 0;
    size_t number = 0;
    for (int c = '\n'; c != EOF;) {
        number = 0;
        for (c = fgetc(file); c >= '0' && c <= '9' && number <= epoch; c = fgetc(file))
            number = 10*number + (size_t)(c - '0');
        while (c != EOF && c != '\n') c = fgetc(file);
        if (number > epoch || c == EOF) break;           /* a row without its end was cut by a kill */
        end = ftell(file);
    }
    return end;
}

static bool go_on(nn__history *h, const char *path, size_t epoch) {
    h->file = fopen(path, "r+");
    if (h->file == NULL) return false;
    const long end = kept(h->file, epoch);
    return end > 0 && ftruncate(fileno(h->file), end) == 0 && fseek(h->file, end, SEEK_SET) == 0;
}

bool nn__history_open(nn__history *h, const nn_train_config *c, size_t epoch) {
    *h = (nn__history){NULL, c->held_out != NULL, c->metric != NULL || c->score != NULL, c->schedule != NULL};
    if (c->history == NULL) return true;
    if (epoch > 0 && go_on(h, c->history, epoch)) return true;
    if (h->file != NULL) fclose(h->file);
    h->file = fopen(c->history, "w");
    return h->file != NULL && write_header(h, c);
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
    return fflush(h->file) == 0;
}

bool nn__history_close(nn__history *h) {
    return h->file == NULL || fclose(h->file) == 0;
}
