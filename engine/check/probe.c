/* probe.c - a tape as a function of numbers.
 *
 * The rounding errors of a recorded function can be bounded better than those of any other: an
 * error in the value of node i reaches y multiplied by the adjoint of i, so u times the sum of
 * c*|adjoint*value| bounds them all, where c is the error of the operation in halves of a unit in
 * the last place. */
#include "check/probe.h"

#include "tape/reduce.h"
#include "tape/tangent.h"
#include "tape/trace.h"

#include <math.h>
#include <stdlib.h>

/* ---- rounding -------------------------------------------------------------------------------- */

/* The sizes of what a sum or a dot adds up, since they may cancel. */
static double terms(const ad_tape *tape, uint32_t node) {
    const uint8_t   code = tape->code[node];
    const bool      paired = ad__is_paired(code);
    const ad__group g = ad__group_of(tape, node, 0), h = paired ? ad__group_of(tape, node, 1) : g;
    double          total = 0;
    for (size_t i = 0; i < g.n; i++)
        total += fabs(ad__sum_term(code, ad__group_value(tape, g, i),
                                   paired ? ad__group_value(tape, h, i) : 0));
    return total * (1 + sqrt((double)g.n));
}

static double reduction_noise(const ad_tape *tape, uint32_t node) {
    const uint8_t code = tape->code[node];
    const double  v = fabs(tape->value[node]);
    if (code < AD__FIRST_REDUCTION) return 0;
    switch (ad__family_of(code)) {
    case AD__SUMS: return AD__ROUNDING * terms(tape, node);
    case AD__FOLDS: return AD__ROUNDING * ad__fold_noise(code, v, ad__operands(tape, node));
    case AD__SELECTS_ONE: return 0;
    default: return AD__ROUNDING * 4 * v;
    }
}

double ad__node_noise(const ad_tape *tape, uint32_t node) {
    const ad__row_number row = ad__code_row(tape->code[node]);
    if (row == AD__ROWS) return reduction_noise(tape, node);
    const ad__at_row at = ad__values_at(tape, node);
    return ad__row_rounding(row, at.x, at.y, tape->value[node]);
}

/* Terms that are not finite are left out: other checks report them. */
double ad__swept_noise(const ad_tape *tape, uint32_t last) {
    double total = 0;
    for (uint32_t i = tape->leaves; i <= last; i++) {
        if (tape->adjoint[i] == 0) continue;
        const double part = fabs(tape->adjoint[i]) * ad__node_noise(tape, i);
        if (isfinite(part)) total += part;
    }
    return total;
}

void ad__adjoint_sizes(const ad_tape *tape, uint32_t last, double size[]) {
    for (uint32_t i = 0; i <= last; i++) size[i] = i == last;
    for (uint32_t i = last + 1; i-- > tape->leaves;) {
        for (size_t k = 0; size[i] > 0 && k < ad__edges(tape, i); k++) {
            const ad__edge edge = ad__edge_of(tape, i, k);
            const double   part = edge.open ? fabs(edge.local * size[i]) : 0;
            if (isfinite(part) && part > 0) size[edge.to] += part;
        }
    }
}

static double rounding_bound(const ad__probe *p) {
    double total = ad__swept_noise(p->tape, p->y);
    for (size_t i = 0; p->direction != NULL && i < p->n; i++) { /* x + t*direction is rounded */
        const double part = fabs(p->gradient[i] * p->base[i]);
        if (isfinite(part) && p->direction[i] != 0) total += AD__ROUNDING * part;
    }
    return total;
}

/* ---- sides ----------------------------------------------------------------------------------- */

static bool has_side(const ad_tape *tape, uint32_t node) {
    const ad__row_number row = ad__code_row(tape->code[node]);
    const ad__reduction *reduction = ad__reduction_of(tape->code[node]);
    return row < AD__ROWS ? ad__row_selects(row) : reduction != NULL && reduction->selects;
}

/* Which operands receive something, as a number that hardly two sets have in common. */
static double side_of_fold(const ad_tape *tape, uint32_t node) {
    const double *partial = ad__tape_partials(tape, node);
    const size_t  n = ad__operands(tape, node);
    uint64_t      set = 0;
    for (size_t k = 0; k < n; k++)
        if (partial[k] != 0) set = (set ^ k) * UINT64_C(0x9E3779B97F4A7C15) + 1;
    return (double)(set >> 11);
}

double ad__side_of(const ad_tape *tape, uint32_t node) {
    const uint8_t        code = tape->code[node];
    const ad__row_number row = ad__code_row(code);
    if (ad__family_of(code) == AD__FOLDS) return side_of_fold(tape, node);
    const double x = ad__edge_of(tape, node, 0).value;
    if (row == AD__ROWS) return (double)ad__selected(code, x, ad__operands(tape, node) - 1);
    return ad__row_side(row, x, ad__rows[row].operands > 1 ? ad__edge_of(tape, node, 1).value : 0,
                        tape->value[node]);
}

static bool find_sides(ad__probe *p) {
    for (uint32_t i = 0; i <= p->y; i++) p->sides += has_side(p->tape, i);
    p->side_node = calloc(p->sides + 1, sizeof *p->side_node);
    p->side = calloc(p->sides + 1, sizeof *p->side);
    if (p->side_node == NULL || p->side == NULL) return false;
    size_t k = 0;
    for (uint32_t i = 0; i <= p->y; i++)
        if (has_side(p->tape, i)) p->side_node[k++] = i;
    return true;
}

bool ad__probe_same(const ad__probe *p) {
    for (size_t k = 0; k < p->sides; k++) {
        const double side = ad__side_of(p->tape, p->side_node[k]);
        if (side != p->side[k] && !(side != side && p->side[k] != p->side[k])) return false;
    }
    return true;
}

/* ---- moving ---------------------------------------------------------------------------------- */

static void put(ad__probe *p, size_t i, double value) {
    p->tape->value[ad__node_of(p->x[i])] = value;
}

void ad__probe_back(ad__probe *p) {
    if (p->direction == NULL) put(p, p->coordinate, p->base[p->coordinate]);
    else
        for (size_t i = 0; i < p->n; i++) put(p, i, p->base[i]);
}

bool ad__probe_move(ad__probe *p, double t, double *moved) {
    ad_tape *tape = p->tape;
    *moved = t;
    if (p->direction == NULL) {
        const double base = p->base[p->coordinate];
        put(p, p->coordinate, base + t);
        *moved = (base + t) - base;
    } else { /* +=: an input may occur in x twice */
        for (size_t i = 0; i < p->n; i++)
            if (p->direction[i] != 0) tape->value[ad__node_of(p->x[i])] += t * p->direction[i];
    }
    p->evaluations++;
    ad__replay_range(tape, tape->leaves, p->y + 1);
    if (tape->status == AD_OK) return true;
    if (p->stopped == AD_OK) {
        p->stopped = tape->status;
        snprintf(p->reason, sizeof p->reason, "%.*s", (int)sizeof p->reason - 1, tape->message);
    }
    ad_tape_clear(tape);
    return false;
}

static ad__sample at(void *context, double t) {
    ad__probe       *p = context;
    double           moved;
    const bool       ok = ad__probe_move(p, t, &moved);
    const ad__sample s = {moved, ok ? p->tape->value[p->y] : NAN, ok && ad__probe_same(p)};
    ad__probe_back(p);
    return s;
}

static void sweep(ad__probe *p) {
    ad_backward(ad__handle_of(p->tape, p->y));
}

void ad__probe_sweep(const ad__probe *p) {
    ad__replay_range(p->tape, p->tape->leaves, p->y + 1);
    ad_backward(ad__handle_of(p->tape, p->y));
}

static double noise_at(void *context, double t) {
    ad__probe *p = context;
    double     moved, noise = 0;
    if (ad__probe_move(p, t, &moved)) {
        sweep(p);
        noise = rounding_bound(p);
    }
    ad__probe_back(p);
    return noise;
}

static ad__slice line(ad__probe *p, double size) {
    return (ad__slice){at, noise_at, p, p->value, p->noise, size, true, 0};
}

ad__slice ad__probe_coordinate(ad__probe *p, size_t i) {
    p->coordinate = i;
    p->direction = NULL;
    return line(p, fabs(p->base[i]));
}

ad__slice ad__probe_direction(ad__probe *p, const double direction[]) {
    p->direction = direction;
    ad__slice l = line(p, 0);
    for (size_t i = 0; i < p->n; i++) {
        const double part = fabs(p->gradient[i] * p->base[i]);
        if (isfinite(part) && direction[i] != 0) l.noise += AD__ROUNDING * part;
    }
    return l;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static bool keep(ad__probe *p) {
    const ad_tape *tape = p->tape;
    const size_t   nodes = (size_t)p->y + 1;
    p->kept_swept = tape->swept;
    p->kept = malloc(nodes * sizeof *p->kept);
    p->kept_adjoint = malloc(((size_t)tape->swept + 1) * sizeof *p->kept_adjoint);
    if (p->kept == NULL || p->kept_adjoint == NULL) return false;
    memcpy(p->kept, tape->value, nodes * sizeof *p->kept);
    memcpy(p->kept_adjoint, tape->adjoint, tape->swept * sizeof *p->kept_adjoint);
    return true;
}

bool ad__probe_open(ad__probe *p, ad_var y, size_t n, const ad_var x[]) {
    ad_tape *tape = y.tape;
    *p = (ad__probe){.tape = tape, .y = ad__node_of(y), .n = n, .x = x};
    p->base = malloc((n + 1) * sizeof *p->base);
    p->gradient = malloc((n + 1) * sizeof *p->gradient);
    if (p->base == NULL || p->gradient == NULL || !keep(p) || !find_sides(p)) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to keep %lu values during a check",
                 (unsigned long)p->y + 1);
        return false;
    }
    for (size_t i = 0; i < n; i++) p->base[i] = tape->value[ad__node_of(x[i])];
    ad__replay_range(tape, tape->leaves, p->y + 1);
    if (tape->status != AD_OK) return false;
    for (size_t k = 0; k < p->sides; k++) p->side[k] = ad__side_of(tape, p->side_node[k]);
    sweep(p);
    if (tape->status != AD_OK) return false;
    p->value = tape->value[p->y];
    for (size_t i = 0; i < n; i++)
        p->gradient[i] = ad__node_of(x[i]) <= p->y ? tape->adjoint[ad__node_of(x[i])] : 0;
    p->noise = rounding_bound(p);
    return true;
}

void ad__probe_close(ad__probe *p) {
    ad_tape *tape = p->tape;
    if (p->kept != NULL && p->kept_adjoint != NULL) {
        memcpy(tape->value, p->kept, ((size_t)p->y + 1) * sizeof *p->kept);
        memcpy(tape->adjoint, p->kept_adjoint, p->kept_swept * sizeof *p->kept_adjoint);
        tape->swept = p->kept_swept;
    }
    free(p->base);
    free(p->gradient);
    free(p->terms);
    free(p->kept);
    free(p->kept_adjoint);
    free(p->side_node);
    free(p->side);
}

bool ad__difference(ad_var y, ad_var x, double *slope, double *error) {
    ad__probe p;
    if (y.tape->status != AD_OK) return false;
    ad__estimate e = {.shape = AD__UNRESOLVED};
    if (ad__probe_open(&p, y, 1, &x) && isfinite(p.value)) {
        const ad__slice along = ad__probe_coordinate(&p, 0);
        e = ad__estimate_slope(&along);
    }
    ad__probe_close(&p);
    *slope = e.slope, *error = e.error;
    return e.shape == AD__SMOOTH;
}
