/* second.c - are second derivatives right? The gradient is a function like any other: its
 * differences along a direction v are compared with H*v. Then two properties that every Hessian
 * has: it is symmetric, and f + t*g.v + t*t/2*v.Hv leaves an error of third order in t. */
#include "check/second.h"

#include "base/text.h"
#include "check/local_check.h"
#include "tape/reduce.h"
#include "tape/rules.h"
#include "tape/trace.h"

#include <math.h>
#include <stdlib.h>

enum { ONE_BY_ONE = 10, DIRECTIONS = 4 };

#define SYMMETRY 1e-11 /* of the sizes of the terms; errors of rules are far larger */

/* w.gradient at x + t*v, where v is the direction of the probe. */
typedef struct slope {
    ad__probe    *p;
    const double *w;
} slope;

static double weighted(size_t n, const double w[], const double g[]) {
    double total = 0;
    for (size_t i = 0; i < n; i++)
        if (w[i] != 0) total += w[i] * g[i];
    return total;
}

static ad__sample at(void *context, double t) {
    const slope *s = context;
    ad__probe   *p = s->p;
    double       moved, total = NAN;
    bool         same = false;
    if (ad__probe_move(p, t, &moved)) {
        same = ad__probe_same(p);
        ad_backward(ad__handle_of(p->tape, p->y));
        total = 0;
        for (size_t i = 0; i < p->n; i++) {
            const uint32_t x = ad__node_of(p->x[i]);
            if (s->w[i] != 0 && x <= p->y) total += s->w[i] * p->tape->adjoint[x];
        }
    }
    ad__probe_back(p);
    return (ad__sample){moved, total, same};
}

static double noise_at(void *context, double t) {
    const ad__probe *p = ((const slope *)context)->p;
    const double     size = p->direction == NULL ? fabs(p->base[p->coordinate]) : 1;
    return ad__measured_noise(at, context, t, size > 0 ? fmax(size, fabs(t)) : 1, 0);
}

static void label(const ad__probe *p, size_t i, size_t room, char text[]) {
    const char *name = ad__name_of(p->tape, ad__node_of(p->x[i]));
    if (name != NULL) snprintf(text, room, "%.*s", ad__cut_bytes(name, 30), name);
    else snprintf(text, room, "x[%zu]", i);
}

/* ---- what rounding may do to v.Hw ------------------------------------------------------------ */

/* The second derivative of a row in its operands j and k. */
static double second_partial(ad_tape *tape, uint32_t node, const ad__edge edge[2], int j, int k) {
    const ad__rule *rule = ad__rule_of_row(tape, ad__code_row(tape->code[node]), j);
    if (rule == NULL) return 0;
    return ad__rule_dual(rule, (ad__dual){edge[0].value, k == 0}, (ad__dual){edge[1].value, k == 1},
                         (ad__dual){tape->value[node], edge[k].local})
        .slope;
}

static double finite_or_0(double x) {
    return isfinite(x) ? fabs(x) : 0;
}

/* The size of the terms that a second partial may be a difference of. With one operand these can be
 * as large as the first derivative: that of sigmoid is nearly 0 near 0. With two operands they can
 * be as large as a first derivative over an operand: that of atan2 is 0 on the diagonal, that of
 * hypot nearly 0 along x. */
static double size_of_partial(ad_tape *tape, uint32_t node, const ad__edge edge[2], int j, int k) {
    const double size = finite_or_0(second_partial(tape, node, edge, j, k));
    if (size == 0) return 0;
    if (ad__edges(tape, node) == 1)
        return fmax(size, finite_or_0(edge[0].local / fmax(1, fabs(edge[0].value))));
    return fmax(size, fmax(finite_or_0(edge[j].local / edge[k].value),
                           finite_or_0(edge[k].local / edge[j].value)));
}

static double row_terms(ad_tape *tape, uint32_t node, const double v[], const double w[]) {
    const int operands = (int)ad__edges(tape, node);
    ad__edge  edge[2] = {ad__edge_of(tape, node, 0), {.to = AD__NO_NODE}};
    double    total = 0;
    if (operands > 1) edge[1] = ad__edge_of(tape, node, 1);
    for (int j = 0; j < operands; j++)
        for (int k = 0; k < operands; k++)
            if (edge[j].open && edge[k].open)
                total += size_of_partial(tape, node, edge, j, k) * v[edge[j].to] * w[edge[k].to];
    return total;
}

static double dot_terms(const ad_tape *tape, uint32_t node, const double v[], const double w[]) {
    const size_t n = ad__edges(tape, node) / 2;
    double       total = 0;
    for (size_t k = 0; k < n; k++) {
        const ad__edge x = ad__edge_of(tape, node, k), y = ad__edge_of(tape, node, n + k);
        if (x.open && y.open) total += v[x.to] * w[y.to] + v[y.to] * w[x.to];
    }
    return total;
}

/* The Hessian of a fold is diag(bend)*(1 - along*p') by its row. */
static double fold_terms(const ad_tape *tape, uint32_t node, const double v[], const double w[]) {
    const uint8_t code = tape->code[node];
    const size_t  n = ad__edges(tape, node);
    double        total = 0, of_v = 0, of_w = 0;
    for (size_t k = 0; k < n; k++) {
        const ad__edge x = ad__edge_of(tape, node, k);
        if (!x.open) continue;
        const double bend = fabs(ad__fold_bend(code, tape->value[node], x.local));
        total += bend * v[x.to] * w[x.to], of_v += fabs(x.local) * v[x.to];
        of_w += bend * fabs(ad__fold_along(code, x.local)) * w[x.to];
    }
    return total + of_v * of_w;
}

static double terms_of_node(ad_tape *tape, uint32_t node, const double v[], const double w[]) {
    const uint8_t code = tape->code[node];
    if (ad__code_row(code) < AD__ROWS) return row_terms(tape, node, v, w);
    return ad__is_paired(code)              ? dot_terms(tape, node, v, w)
         : ad__family_of(code) == AD__FOLDS ? fold_terms(tape, node, v, w)
                                            : 0;
}

/* Tangents without cancellation: the sizes of all their terms are added. */
static void tangent_sizes(const ad__probe *p, const double direction[], double size[]) {
    const ad_tape *tape = p->tape;
    for (uint32_t i = 0; i <= p->y; i++) size[i] = 0;
    for (size_t k = 0; k < p->n; k++)
        if (ad__node_of(p->x[k]) <= p->y) size[ad__node_of(p->x[k])] += fabs(direction[k]);
    for (uint32_t i = tape->leaves; i <= p->y; i++) {
        for (size_t k = 0; k < ad__edges(tape, i); k++) {
            const ad__edge edge = ad__edge_of(tape, i, k);
            if (edge.open) size[i] += finite_or_0(edge.local * size[edge.to]);
        }
    }
}

/* v.Hw is the sum over all nodes of adjoint * second derivative * tangent along v * tangent along
 * w. Returns the sum of the sizes of its terms. Values must be those at x. NaN: out of memory. */
static double sizes_of_terms(ad__probe *p, const double v[], const double w[]) {
    const size_t nodes = (size_t)p->y + 1;
    double      *along_v = calloc(3 * nodes, sizeof *along_v), total = 0;
    if (along_v == NULL) return NAN;
    double *along_w = along_v + nodes, *adjoint = along_w + nodes;
    tangent_sizes(p, v, along_v), tangent_sizes(p, w, along_w),
        ad__adjoint_sizes(p->tape, p->y, adjoint);
    for (uint32_t i = p->tape->leaves; i <= p->y; i++)
        if (adjoint[i] > 0)
            total += finite_or_0(adjoint[i] * terms_of_node(p->tape, i, along_v, along_w));
    free(along_v);
    return total;
}

/* True if the second derivative is infinite or undefined here: of a row where its column `bends`
 * says so, of a fold at its tip. */
static bool bends(const ad_tape *tape, uint32_t node) {
    const ad__row_number row = ad__code_row(tape->code[node]);
    return row < AD__ROWS ? ad__row_bends(row, tape->value[node]) : ad__fold_at_tip(tape, node);
}

/* A first or second derivative of a row that is not finite; 0 if all are finite. */
static double infinite_partial(ad_tape *tape, uint32_t node) {
    const int operands = (int)ad__edges(tape, node);
    ad__edge  edge[2] = {{.to = AD__NO_NODE}, {.to = AD__NO_NODE}};
    for (int k = 0; k < operands; k++) edge[k] = ad__edge_of(tape, node, (size_t)k);
    for (int j = 0; j < operands; j++) {
        for (int k = 0; k < operands; k++) {
            if (edge[j].to == AD__NO_NODE || edge[k].to == AD__NO_NODE) continue;
            const double partial =
                isfinite(edge[j].local) ? second_partial(tape, node, edge, j, k) : edge[j].local;
            if (!isfinite(partial)) return partial;
        }
    }
    return 0;
}

bool ad__second_not_finite(const ad__probe *p, uint32_t *node, double *number) {
    ad_tape *tape = p->tape;
    ad__probe_sweep(p);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = p->y + 1; i-- > tape->leaves;) {
            const bool row = ad__code_row(tape->code[i]) < AD__ROWS;
            *node = i;
            if (round == 0) *number = row ? infinite_partial(tape, i) : 0;
            else *number = bends(tape, i) ? NAN : 0;
            if (!isfinite(*number)) return true;
        }
    }
    return false;
}

/* ---- the parts of the check ------------------------------------------------------------------ */

/* Puts the values of the tape back to those at x: a replay may have moved them. */
static void at_x(ad__probe *p) {
    ad__probe_back(p);
    ad__replay_range(p->tape, p->tape->leaves, p->y + 1);
}

static bool times(ad__probe *p, const double v[], double out[]) {
    at_x(p);
    ad_hessian_times(ad__handle_of(p->tape, p->y), p->n, p->x, v, out);
    return p->tape->status == AD_OK;
}

/* Compares the claim w.Hv with differences of w.gradient along v, the direction of the probe. */
static void check_line(slope *s, ad__report *r, const char *name, double size, const double v[],
                       double claimed, double rtol) {
    const double value = weighted(s->p->n, s->w, s->p->gradient);
    if (!isfinite(value)) return;
    /* earlier roundings outweigh the last one */
    const bool      lossy = s->p->noise > 64 * AD__ROUNDING * fabs(s->p->value);
    const ad__slice line = {at, noise_at, s, value, noise_at(s, 0), size, lossy, 0};
    ad__judgement   j = ad__judge(&line, claimed, rtol);
    /* exactly 0, at every step */
    if (j.verdict == AD_WEAK && claimed == 0 && j.estimate.level) j.verdict = AD_PASS;
    if (j.verdict == AD_FAIL) {
        at_x(s->p);
        const double terms = sizes_of_terms(s->p, v, s->w);
        if (isnan(terms)) r->no_memory = true;
        ad__allow_rounding(&j, terms, claimed);
    }
    ad__report_line(r, &r->second, name, SIZE_MAX, claimed, &j);
}

/* Column j of the Hessian, entry by entry. */
static bool check_column(ad__probe *p, ad__report *r, size_t j, double v[], double w[],
                         double out[], double rtol) {
    char over[40], name[AD__NAME_ROOM];
    for (size_t i = 0; i < p->n; i++) v[i] = i == j;
    if (!times(p, v, out)) return false;
    label(p, j, sizeof over, over);
    for (size_t i = 0; i < p->n && !r->no_memory; i++) {
        char  under[40];
        slope s = {p, w};
        label(p, i, sizeof under, under);
        snprintf(name, sizeof name, "%s, %s", under, over);
        for (size_t k = 0; k < p->n; k++) w[k] = k == i;
        ad__probe_coordinate(p, j);
        check_line(&s, r, name, fabs(p->base[j]), v, out[i], rtol);
    }
    return true;
}

static bool check_along(ad__probe *p, ad__report *r, double v[], double w[], double out[],
                        double rtol) {
    slope s = {p, w};
    if (!times(p, v, out)) return false;
    ad__probe_direction(p, v);
    check_line(&s, r, "w.Hv", 0, v, weighted(p->n, w, out), rtol);
    return true;
}

static double sizes(size_t n, const double a[], const double b[]) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += fabs(a[i] * b[i]);
    return total;
}

static bool check_symmetry(ad__probe *p, ad__report *r, double v[], double w[], double out[]) {
    if (!times(p, v, out)) return false;
    const double    wHv = weighted(p->n, w, out), size = sizes(p->n, w, out);
    const ad__slice line = ad__probe_direction(p, v);
    r->page.taylor_second =
        ad__taylor_slope(&line, weighted(p->n, v, p->gradient), weighted(p->n, v, out), 2);
    if (!times(p, w, out)) return false;
    r->page.symmetry = fabs(weighted(p->n, v, out) - wHv);
    r->page.symmetry_tolerance =
        SYMMETRY * (size + sizes(p->n, v, out)) + AD__TERMS * sizes_of_terms(p, v, w) + 0x1p-1060;
    if (isnan(r->page.symmetry_tolerance) && !isnan(r->page.symmetry)) r->no_memory = true;
    if (isfinite(r->page.symmetry_tolerance) && !(r->page.symmetry <= r->page.symmetry_tolerance))
        r->page.second_verdict = AD_FAIL;
    return true;
}

static bool check(ad__probe *p, ad__report *r, uint64_t seed, double rtol, double v[], double w[],
                  double out[]) {
    bool ok = true;
    for (size_t j = 0; ok && p->n <= ONE_BY_ONE && j < p->n; j++)
        ok = check_column(p, r, j, v, w, out, rtol);
    for (int d = 0; ok && p->n > ONE_BY_ONE && d < DIRECTIONS; d++) {
        ad__random_direction(&seed, p->n, p->base, v);
        ad__random_direction(&seed, p->n, p->base, w);
        ok = check_along(p, r, v, w, out, rtol);
    }
    ad__random_direction(&seed, p->n, p->base, v);
    ad__random_direction(&seed, p->n, p->base, w);
    return ok && check_symmetry(p, r, v, w, out);
}

void ad__check_second(ad__probe *p, ad__report *r, const ad_check_options *options) {
    ad_tape *tape = p->tape;
    double  *space = calloc(3 * p->n + 1, sizeof *space);
    r->page.has_second = true;
    r->page.second_verdict = AD_PASS;
    if (space == NULL) {
        r->no_memory = true;
        return;
    }
    if (!check(p, r, options->seed, options->rtol, space, space + p->n, space + 2 * p->n)) {
        r->page.second_verdict = AD_INCONCLUSIVE;
        if (tape->status == AD_NO_MEMORY) r->no_memory = true;
        else snprintf(r->no_second, sizeof r->no_second, "%s", tape->message), ad_tape_clear(tape);
    }
    /* making a rule may have run out of memory */
    if (tape->status == AD_NO_MEMORY) r->no_memory = true;
    free(space);
}
