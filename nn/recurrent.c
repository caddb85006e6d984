/* recurrent.c - sequences: cells with gates, and lengths.
 *
 * Row i of a gate is one sum, of the dots with the input and with the state, and of both biases: of
 * all that have the same operands a compiled program makes one matmul. A state of plain zeros,
 * where a sequence begins, is not multiplied by anything. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

enum { GRU_GATES = 3, LSTM_GATES = 4 };

/* ---- cells ----------------------------------------------------------------------------------- */

static const ad_var *part(nn_model *model, const char *function, const char *cell, const char *part,
                          size_t rows, size_t columns, size_t hidden) {
    char         name[NN__MESSAGE];
    const size_t shape[] = {rows, columns};
    if ((size_t)snprintf(name, sizeof name, "%s.%s", cell, part) < sizeof name)
        return nn_param(model, name, columns == 0 ? 1 : 2, shape, nn_init_linear(hidden, rows));
    nn__model_fail(model, AD_BAD_ARGUMENT, "%s: the name is too long", function);
    return NULL;
}

static nn_cell add_cell(nn_model *model, const char *function, size_t gates, const char *name,
                        size_t inputs, size_t hidden) {
    const nn_cell failed = {0};
    if (nn_model_status(model) != AD_OK) return failed;
    const size_t rows = hidden > SIZE_MAX / gates ? 0 : gates * hidden;
    if (name == NULL || inputs == 0 || rows == 0) {
        if (name == NULL) nn__model_fail(model, AD_BAD_ARGUMENT, "%s: no name", function);
        else
            nn__model_fail(model, AD_BAD_ARGUMENT,
                           "%s: \"%s\" has %zu inputs and a state of %zu numbers: each must be at "
                           "least 1, and memory must hold their weights",
                           function, name, inputs, hidden);
        return failed;
    }
    nn_cell cell = {.gates = gates, .inputs = inputs, .hidden = hidden};
    cell.weight_ih = part(model, function, name, "weight_ih", rows, inputs, hidden);
    cell.weight_hh = part(model, function, name, "weight_hh", rows, hidden, hidden);
    cell.bias_ih = part(model, function, name, "bias_ih", rows, 0, hidden);
    cell.bias_hh = part(model, function, name, "bias_hh", rows, 0, hidden);
    return nn_model_status(model) == AD_OK ? cell : failed;
}

nn_cell nn_gru_add(nn_model *model, const char *name, size_t inputs, size_t hidden) {
    return add_cell(model, "nn_gru_add", GRU_GATES, name, inputs, hidden);
}

nn_cell nn_lstm_add(nn_model *model, const char *name, size_t inputs, size_t hidden) {
    return add_cell(model, "nn_lstm_add", LSTM_GATES, name, inputs, hidden);
}

/* True if there is something to record; what does not fit is said on the tape of the weights. */
static bool good_cell(const char *function, size_t gates, const nn_cell *c) {
    char text[NN__MESSAGE];
    if (c == NULL || c->weight_ih == NULL || c->weight_hh == NULL) return false;
    const bool zero = nn__all_zero(c->reserved, c + 1);
    if (zero && c->gates == gates && c->inputs > 0 && c->hidden > 0) return true;
    if (!zero) nn__say(AD_BAD_ARGUMENT, text, NN__NOT_ZERO, function, "nn_cell");
    else
        nn__say(AD_BAD_ARGUMENT, text,
                "%s: the cell has %zu gates, %zu inputs and a state of %zu numbers, but it needs "
                "%zu gates, and of the others at least 1",
                function, c->gates, c->inputs, c->hidden, gates);
    ad_tape_fail(c->weight_ih[0].tape, AD_BAD_ARGUMENT, text);
    return false;
}

/* ---- one step -------------------------------------------------------------------------------- */

/* Where a step reads. */
typedef struct step {
    const nn_cell *cell;
    const ad_var  *x, *h;
    bool           begins; /* h is plain zeros */
} step;

static bool all_zero(size_t n, const ad_var x[]) {
    for (size_t i = 0; i < n; i++)
        if (x[i].tape != NULL || ad_value(x[i]) != 0) return false;
    return true;
}

/* weight_ih*x + bias_ih, row r: its terms; returns how many. */
static size_t of_input(const step *s, size_t r, ad_var term[]) {
    const nn_cell *c = s->cell;
    size_t         n = 0;
    term[n++] = ad_dot(c->inputs, c->weight_ih + r * c->inputs, s->x);
    if (c->bias_ih != NULL) term[n++] = c->bias_ih[r];
    return n;
}

/* weight_hh*h + bias_hh. */
static size_t of_state(const step *s, size_t r, ad_var term[]) {
    const nn_cell *c = s->cell;
    size_t         n = 0;
    if (!s->begins) term[n++] = ad_dot(c->hidden, c->weight_hh + r * c->hidden, s->h);
    if (c->bias_hh != NULL) term[n++] = c->bias_hh[r];
    return n;
}

static ad_var added(size_t n, const ad_var term[]) {
    return n == 1 ? term[0] : ad_sum(n, term);
}

/* Row i of a gate before its activation. */
static ad_var gate(const step *s, size_t number, size_t i) {
    const size_t r = number * s->cell->hidden + i;
    ad_var       term[4];
    size_t       n = of_input(s, r, term);
    n += of_state(s, r, term + n);
    return added(n, term);
}

/* h' = (1 - z)*n + z*h */
static ad_var gru_unit(const step *s, size_t i) {
    const ad_var reset = ad_sigmoid(gate(s, 0, i)), update = ad_sigmoid(gate(s, 1, i));
    const size_t row = 2 * s->cell->hidden + i;
    ad_var       term[3], inner[2];
    size_t       n = of_input(s, row, term);
    const size_t m = of_state(s, row, inner);
    if (m > 0) term[n++] = ad_mul(reset, added(m, inner));
    const ad_var fresh = ad_tanh(added(n, term));
    return ad_add(fresh, ad_mul(update, ad_sub(s->h[i], fresh)));
}

/* c' = f*c + i*g, h' = o*tanh(c'); empty: c is plain zeros. */
static ad_var lstm_unit(const step *s, size_t i, bool empty, ad_var c[]) {
    const ad_var in = ad_sigmoid(gate(s, 0, i));
    const ad_var kept = empty ? c[i] : ad_mul(ad_sigmoid(gate(s, 1, i)), c[i]);
    const ad_var fresh = ad_mul(in, ad_tanh(gate(s, 2, i)));
    c[i] = empty ? fresh : ad_add(kept, fresh);
    return ad_mul(ad_sigmoid(gate(s, 3, i)), ad_tanh(c[i]));
}

/* ---- sequences ------------------------------------------------------------------------------- */

/* c: NULL for a GRU. The new state of a step is finished before the old one is overwritten. */
static void run(const char *function, const nn_cell *cell, size_t length, const ad_var x[],
                ad_var h[], ad_var c[], ad_var y[]) {
    const size_t hidden = cell->hidden;
    ad_var      *next = calloc(hidden, sizeof *next);
    char         text[NN__MESSAGE];
    if (next == NULL) {
        nn__say(AD_NO_MEMORY, text, "out of memory: no space for %s", function);
        ad_tape_fail(cell->weight_ih[0].tape, AD_NO_MEMORY, text);
        return;
    }
    for (size_t t = 0; t < length; t++) {
        const step s = {cell, x + t * cell->inputs, h, all_zero(hidden, h)};
        const bool empty = c != NULL && all_zero(hidden, c);
        for (size_t i = 0; i < hidden; i++)
            next[i] = c == NULL ? gru_unit(&s, i) : lstm_unit(&s, i, empty, c);
        memcpy(h, next, hidden * sizeof *h);
        if (y != NULL) memcpy(y + t * hidden, next, hidden * sizeof *y);
    }
    free(next);
}

void nn_gru(const nn_cell *cell, size_t length, const ad_var x[], ad_var h[], ad_var y[]) {
    if (good_cell("nn_gru", GRU_GATES, cell)) run("nn_gru", cell, length, x, h, NULL, y);
}

void nn_lstm(const nn_cell *cell, size_t length, const ad_var x[], ad_var h[], ad_var c[],
             ad_var y[]) {
    if (good_cell("nn_lstm", LSTM_GATES, cell)) run("nn_lstm", cell, length, x, h, c, y);
}

/* ---- lengths --------------------------------------------------------------------------------- */

size_t nn_bucket(size_t length, size_t buckets, const size_t bucket[]) {
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < buckets; i++)
        if (bucket[i] >= length && bucket[i] < least) least = bucket[i];
    return least == SIZE_MAX ? length : least;
}
