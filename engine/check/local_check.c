/* local_check.c - is a rule wrong, or the sweep?
 *
 * Rules: an operation depends on its operands and on nothing else, so its partial derivatives can
 * be compared with differences of that operation alone, at the operands recorded on the tape.
 * Whatever the graph around it does, a wrong rule is found at its own node.
 *
 * The sweep: in a correct one the adjoint of a node is the sum of adjoint*partial over its users;
 * and since the same partials give the derivative along a direction from first to last, both must
 * agree. */
#include "check/local_check.h"

#include "base/text.h"
#include "tape/reduce.h"
#include "tape/tangent.h"
#include "tape/trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ONE_BY_ONE = 4, DIRECTIONS = 4, LOCAL_DIRECTIONS = 2 };

/* ---- random directions ----------------------------------------------------------------------- */

uint64_t ad__random(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Box and Muller; 1 - u is never 0. */
static double normal(uint64_t *state) {
    const double u = ldexp((double)(ad__random(state) >> 11), -53);
    const double w = ldexp((double)(ad__random(state) >> 11), -53);
    return sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * w);
}

void ad__random_direction(uint64_t *state, size_t n, const double x[], double direction[]) {
    double square = 0;
    for (size_t i = 0; i < n; i++) {
        direction[i] = normal(state);
        if (isfinite(x[i])) square += direction[i] * direction[i];
    }
    for (size_t i = 0; i < n; i++)
        direction[i] = isfinite(x[i]) ? direction[i] * (fmax(1, fabs(x[i])) / sqrt(square)) : 0;
}

/* ---- one operation as a function ------------------------------------------------------------- */

typedef struct operation {
    ad_tape        *tape;
    uint32_t        node;
    ad__row_number  row;        /* AD__ROWS for operations that are no row */
    double          x, y, side; /* of a row; side of a fold too */
    size_t          operand;    /* which operand moves ... */
    size_t          operands;   /* ... or, if direction is not NULL, how many nodes move */
    const uint32_t *moved;
    const double   *direction, *base;
} operation;

static ad__sample row_at(void *context, double t) {
    const operation *o = context;
    const double     base = o->operand == 0 ? o->x : o->y, there = base + t;
    const double     x = o->operand == 0 ? there : o->x, y = o->operand == 0 ? o->y : there;
    const double     v = ad__row_value(o->row, x, y), side = ad__row_side(o->row, x, y, v);
    return (ad__sample){there - base, v, side == o->side || (side != side && o->side != o->side)};
}

/* Replays the node alone, with its operands where they were moved to; NaN if that fails. */
static double replay_alone(const operation *o) {
    ad_tape     *tape = o->tape;
    const double kept = tape->value[o->node];
    ad__replay_range(tape, o->node, o->node + 1);
    const bool ok = tape->status == AD_OK;
    if (!ok) ad_tape_clear(tape);
    const double v = ok ? tape->value[o->node] : NAN;
    tape->value[o->node] = kept;
    return v;
}

/* A selection has sides too, but its first operand is not moved. */
static bool has_sides(const operation *o) {
    return ad__family_of(o->tape->code[o->node]) == AD__FOLDS &&
           ad__reduction_of(o->tape->code[o->node])->selects;
}

static ad__sample nodes_at(void *context, double t) {
    const operation *o = context;
    double          *value = o->tape->value, moved = t;
    for (size_t k = 0; k < o->operands; k++)
        value[o->moved[k]] = o->base[k] + (o->direction == NULL ? t : t * o->direction[k]);
    if (o->direction == NULL) moved = value[o->moved[0]] - o->base[0];
    const double v = replay_alone(o);
    const bool   same = !has_sides(o) || ad__side_of(o->tape, o->node) == o->side;
    for (size_t k = 0; k < o->operands; k++) value[o->moved[k]] = o->base[k];
    return (ad__sample){moved, v, same};
}

/* The rounding error that the node would have if its value were v. */
static double noise_of_value(const operation *o, double v) {
    const double kept = o->tape->value[o->node];
    o->tape->value[o->node] = v;
    const double noise = ad__node_noise(o->tape, o->node);
    o->tape->value[o->node] = kept;
    return noise;
}

static double row_noise_at(void *context, double t) {
    return noise_of_value(context, row_at(context, t).value);
}

static double nodes_noise_at(void *context, double t) {
    return noise_of_value(context, nodes_at(context, t).value);
}

/* ---- rules ----------------------------------------------------------------------------------- */

static void label(const ad_tape *tape, uint32_t node, size_t k, char text[AD__NAME_ROOM]) {
    const ad__edge edge = ad__edge_of(tape, node, k);
    const char    *name = edge.to == AD__NO_NODE ? NULL : ad__name_of(tape, edge.to);
    if (edge.to == AD__NO_NODE) snprintf(text, AD__NAME_ROOM, "%.6g", edge.value);
    else if (name != NULL) ad__shown_name(name, text);
    else snprintf(text, AD__NAME_ROOM, "#%lu", (unsigned long)edge.to);
}

static void show(const ad_tape *tape, uint32_t node, size_t room, char text[]) {
    const ad__row_number row = ad__code_row(tape->code[node]);
    const size_t         edges = ad__edges(tape, node);
    char                 x[AD__NAME_ROOM] = "", y[AD__NAME_ROOM] = "", name[AD__SHOWN_NAME];
    const ad__locale     locale = ad__locale_enter();
    if (edges > 0) label(tape, node, 0, x);
    if (edges > 1) label(tape, node, 1, y);
    if (row < AD__ROWS) ad__shown(room, text, ad__rows[row].shown, x, y);
    else
        snprintf(text, room, "%s(%s%s%s%s)", ad__shown_name(ad__node_name(tape, node), name), x,
                 edges > 1 ? ", " : "", y, edges > 2 ? ", ..." : "");
    ad__locale_leave(locale);
}

static void enter(ad__report *r, const ad_tape *tape, uint32_t node, size_t operand, double at,
                  double rule, const ad__judgement *j) {
    r->page.local_count[j->verdict]++;
    r->page.operands++;
    if (j->verdict != AD_FAIL) return;
    char                shown[3 * AD__NAME_ROOM];
    const char         *name = ad__name_of(tape, node);
    const ad__estimate *e = &j->estimate;
    const ad__line     *source = ad__notes_source_of(&tape->notes, node);
    const bool          smooth = e->shape == AD__SMOOTH;
    show(tape, node, sizeof shown, shown);
    ad__report_culprit(r, &(ad_check_operand){.node = node,
                                              .operand = operand,
                                              .operation = ad__node_name(tape, node),
                                              .name = name != NULL ? name : "",
                                              .shown = shown,
                                              .at = at,
                                              .rule = rule,
                                              .estimate = smooth ? e->slope : NAN,
                                              .error = smooth ? e->error : NAN,
                                              .gap = j->gap,
                                              .tolerance = j->tolerance,
                                              .left = smooth ? NAN : e->left,
                                              .right = smooth ? NAN : e->right,
                                              .verdict = j->verdict,
                                              .file = source != NULL ? source->file : NULL,
                                              .line = source != NULL ? (int)source->line : 0});
}

static ad__judgement no_value(void) {
    return (ad__judgement){AD_DOMAIN, NAN, NAN, {.shape = AD__EDGE, .left = NAN, .right = NAN}};
}

static void check_row(ad__report *r, ad_tape *tape, uint32_t node, double rtol) {
    operation o = {.tape = tape, .node = node, .row = ad__code_row(tape->code[node])};
    o.x = ad__edge_of(tape, node, 0).value;
    if (ad__rows[o.row].operands > 1) o.y = ad__edge_of(tape, node, 1).value;
    const double v = ad__row_value(o.row, o.x, o.y);
    o.side = ad__row_side(o.row, o.x, o.y, v);
    for (size_t k = 0; k < ad__rows[o.row].operands; k++) {
        const ad__edge edge = ad__edge_of(tape, node, k);
        /* ad_doubt has no rule that could be wrong */
        if (edge.to == AD__NO_NODE || o.row == AD__ROW_doubt) continue;
        o.operand = k;
        const ad__slice     line = {row_at,           row_noise_at, &o, v, noise_of_value(&o, v),
                                    fabs(edge.value), true,         0};
        const ad__judgement j = isfinite(v) ? ad__judge(&line, edge.local, rtol) : no_value();
        enter(r, tape, node, k, edge.value, edge.local, &j);
    }
}

/* The operands of a node with many, each node once: its value, the position at which it occurs
 * first, and the sum of its partials. */
typedef struct operands {
    size_t    count;
    uint32_t *node;
    size_t   *first;
    double   *base, *partial, *direction;
} operands;

static void free_operands(operands *o) {
    free(o->node), free(o->first), free(o->base), free(o->partial), free(o->direction);
}

typedef struct occurrence {
    uint32_t node;
    size_t   first;
    double   value, partial;
} occurrence;

static int by_node(const void *a, const void *b) {
    const occurrence *x = a, *y = b;
    if (x->node != y->node) return x->node < y->node ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static bool collect(const ad_tape *tape, uint32_t node, operands *o) {
    const size_t  edges = ad__edges(tape, node);
    const uint8_t code = tape->code[node];
    occurrence   *all = malloc((edges + 1) * sizeof *all);
    *o = (operands){0,
                    malloc((edges + 1) * sizeof *o->node),
                    malloc((edges + 1) * sizeof *o->first),
                    malloc((edges + 1) * sizeof(double)),
                    malloc((edges + 1) * sizeof(double)),
                    malloc((edges + 1) * sizeof(double))};
    const bool ok = all && o->node && o->first && o->base && o->partial && o->direction;
    size_t     n = 0;
    for (size_t k = ad__family_of(code) == AD__SELECTS_ONE ? 1 : 0; ok && k < edges; k++) {
        const ad__edge edge = ad__edge_of(tape, node, k);
        if (edge.to != AD__NO_NODE) all[n++] = (occurrence){edge.to, k, edge.value, edge.local};
    }
    if (ok) qsort(all, n, sizeof *all, by_node);
    for (size_t k = 0; k < n; k++) {
        const size_t at = o->count - 1;
        if (k > 0 && all[k].node == all[k - 1].node) {
            o->partial[at] += all[k].partial;
            continue;
        }
        o->node[o->count] = all[k].node, o->first[o->count] = all[k].first;
        o->base[o->count] = all[k].value, o->partial[o->count++] = all[k].partial;
    }
    free(all);
    return ok;
}

static ad__judgement judge_nodes(operation *o, double v, double size, double claimed, double rtol) {
    if (!isfinite(v)) return no_value();
    const ad__slice line = {nodes_at, nodes_noise_at, o, v, noise_of_value(o, v), size, false, 0};
    return ad__judge(&line, claimed, rtol);
}

/* Is this operand also the condition of the where, and 0? It cannot be moved without switching the
 * choice. */
static bool decides(const ad_tape *tape, uint32_t node, uint32_t operand) {
    return tape->code[node] == AD__where && ad__edge_of(tape, node, 0).to == operand &&
           tape->value[operand] == 0;
}

static ad__judgement no_side(void) {
    return (ad__judgement){
        AD_INCONCLUSIVE, NAN, NAN, {.shape = AD__EDGE, .left = NAN, .right = NAN}};
}

static ad__judgement judge_one(const operands *all, operation *o, size_t k, double v, double rtol) {
    o->operands = 1, o->moved = all->node + k, o->base = all->base + k, o->direction = NULL;
    return judge_nodes(o, v, fabs(all->base[k]), all->partial[k], rtol);
}

static ad__judgement judge_all(const operands *all, operation *o, double v, uint64_t *seed,
                               double rtol) {
    double claimed = 0;
    ad__random_direction(seed, all->count, all->base, all->direction);
    for (size_t k = 0; k < all->count; k++) claimed += all->direction[k] * all->partial[k];
    o->operands = all->count, o->moved = all->node, o->base = all->base,
    o->direction = all->direction;
    ad__judgement j = judge_nodes(o, v, 0, claimed, rtol);
    return j;
}

/* A few operands are checked one by one; many along two directions, and one by one only if those
 * fail: for a node of n operands that is n additions a step, not n*n. */
static void check_nary(ad__report *r, ad_tape *tape, uint32_t node, double rtol) {
    operands all;
    if (!collect(tape, node, &all)) {
        free_operands(&all);
        r->no_memory = true;
        return;
    }
    operation    o = {.tape = tape, .node = node, .row = AD__ROWS};
    const double v = replay_alone(&o);
    if (has_sides(&o)) o.side = ad__side_of(tape, node);
    uint64_t   seed = node;
    ad_verdict worst = all.count <= ONE_BY_ONE ? AD_FAIL : AD_PASS;
    for (int d = 0; worst != AD_FAIL && d < LOCAL_DIRECTIONS; d++) {
        const ad__judgement j = judge_all(&all, &o, v, &seed, rtol);
        if (j.verdict > worst) worst = j.verdict;
    }
    if (worst != AD_FAIL) r->page.local_count[worst] += all.count, r->page.operands += all.count;
    for (size_t k = 0; worst == AD_FAIL && k < all.count; k++) {
        const ad__judgement j =
            decides(tape, node, all.node[k]) ? no_side() : judge_one(&all, &o, k, v, rtol);
        enter(r, tape, node, all.first[k], all.base[k], all.partial[k], &j);
    }
    free_operands(&all);
}

void ad__check_rules(ad__probe *p, ad__report *r, double rtol) {
    ad_tape *tape = p->tape;
    bool    *used = ad__leads_to(tape, p->y);
    if (used == NULL) {
        r->no_memory = true;
        return;
    }
    for (uint32_t i = 0; i <= p->y && !r->no_memory; i++) {
        if (!used[i] || ad__edges(tape, i) == 0 || tape->code[i] == AD__branch) continue;
        r->page.nodes++;
        if (ad__code_row(tape->code[i]) < AD__ROWS) check_row(r, tape, i, rtol);
        else check_nary(r, tape, i, rtol);
    }
    free(used);
}

/* ---- the sweep ------------------------------------------------------------------------------- */

/* What the users of each node contribute to its adjoint: the sum, the sum of absolute values, and
 * the number of contributions. */
typedef struct incoming {
    double   *sum, *size;
    uint32_t *parts;
} incoming;

static void free_incoming(incoming *m) {
    free(m->sum), free(m->size), free(m->parts);
}

static bool send_all(const ad_tape *tape, uint32_t last, incoming *m) {
    const size_t nodes = (size_t)last + 1;
    *m = (incoming){calloc(nodes, sizeof *m->sum), calloc(nodes, sizeof *m->size),
                    calloc(nodes, sizeof *m->parts)};
    if (m->sum == NULL || m->size == NULL || m->parts == NULL) return false;
    m->sum[last] = m->size[last] = 1;
    for (uint32_t i = last; i > 0; i--) {
        const double a = tape->adjoint[i];
        const size_t edges = a == 0 ? 0 : ad__edges(tape, i);
        for (size_t k = 0; k < edges; k++) {
            const ad__edge edge = ad__edge_of(tape, i, k);
            if (!edge.open) continue;
            m->sum[edge.to] += a * edge.local;
            m->size[edge.to] += fabs(a * edge.local);
            m->parts[edge.to]++;
        }
    }
    return true;
}

/* The first node, starting from y, whose adjoint is not the sum of its users' contributions. */
static size_t wrong_adjoint(const ad_tape *tape, uint32_t last, const incoming *m) {
    for (uint32_t i = last + 1; i-- > 0;) {
        const double gap = fabs(tape->adjoint[i] - m->sum[i]);
        const double allowed =
            (2 * (double)m->parts[i] + 4) * AD__ROUNDING * m->size[i] + 0x1p-1070;
        if (isfinite(m->size[i]) ? !(gap <= allowed) : false) return i;
    }
    return SIZE_MAX;
}

/* A bound on what rounding does to both derivatives along a direction: an error of a few u in each
 * contribution, and of one u in each addition. */
static double rounding_of_sweeps(const ad_tape *tape, uint32_t last, const incoming *m) {
    double total = 0;
    for (uint32_t i = tape->leaves; i <= last; i++) {
        const double a = tape->adjoint[i];
        const size_t edges = a == 0 ? 0 : ad__edges(tape, i);
        for (size_t k = 0; k < edges; k++) {
            const ad__edge edge = ad__edge_of(tape, i, k);
            if (!edge.open) continue;
            total += fabs(a * edge.local * tape->tangent[edge.to]) *
                     ((double)edges + m->parts[edge.to] + 6);
        }
    }
    return total * AD__ROUNDING;
}

static ad_verdict one_direction(ad__probe *p, ad__report *r, const incoming *m,
                                const double direction[]) {
    ad_tape *tape = p->tape;
    bool     tips;
    if (!ad__tangents(tape, p->y, p->n, p->x, direction, NULL, &tips)) {
        r->no_memory = true;
        return AD_INCONCLUSIVE;
    }
    const double forward = tape->tangent[p->y];
    double       reverse = 0, sizes = 0;
    for (size_t i = 0; i < p->n; i++) {
        reverse += p->gradient[i] * direction[i];
        sizes += fabs(p->gradient[i] * direction[i]);
    }
    const double gap = fabs(forward - reverse);
    const double allowed =
        rounding_of_sweeps(tape, p->y, m) + ((double)p->n + 4) * AD__ROUNDING * sizes + 0x1p-1060;
    if (!isfinite(gap) || !isfinite(allowed)) return AD_INCONCLUSIVE;
    if (isnan(r->page.sweep_gap) || gap / allowed >= r->page.sweep_gap / r->page.sweep_tolerance) {
        r->page.forward = forward, r->page.reverse = reverse;
        r->page.sweep_gap = gap, r->page.sweep_tolerance = allowed;
    }
    return gap <= allowed ? AD_PASS : AD_FAIL;
}

static bool sweeps_alike(ad__probe *p) {
    const ad_tape *tape = p->tape;
    ad_backward(ad__handle_of(p->tape, p->y));
    for (size_t i = 0; i < p->n; i++) {
        const uint32_t x = ad__node_of(p->x[i]);
        const double   adjoint = x <= p->y ? tape->adjoint[x] : 0;
        if (adjoint != p->gradient[i] && !(isnan(adjoint) && isnan(p->gradient[i]))) return false;
    }
    return true;
}

void ad__check_sweep(ad__probe *p, ad__report *r, uint64_t seed) {
    incoming m;
    double  *direction = malloc((p->n + 1) * sizeof *direction);
    r->page.sweep_gap = r->page.sweep_tolerance = NAN;
    r->page.sweep_node = SIZE_MAX;
    r->page.repeatable = sweeps_alike(p);
    ad_verdict worst = r->page.repeatable ? AD_PASS : AD_FAIL;
    if (!send_all(p->tape, p->y, &m) || direction == NULL) r->no_memory = true;
    if (!r->no_memory) {
        r->page.sweep_node = wrong_adjoint(p->tape, p->y, &m);
        if (r->page.sweep_node != SIZE_MAX) worst = AD_FAIL;
    }
    for (int d = 0; !r->no_memory && d < DIRECTIONS; d++) {
        ad__random_direction(&seed, p->n, p->base, direction);
        const ad_verdict here = one_direction(p, r, &m, direction);
        if (here > worst) worst = here;
    }
    r->page.sweep = worst;
    free_incoming(&m);
    free(direction);
}
