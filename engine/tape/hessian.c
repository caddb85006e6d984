/* hessian.c - Jacobians and second derivatives as numbers: nothing is recorded.
 *
 * A Hessian times a direction is the derivative of the gradient along it. So the reverse sweep is
 * walked with duals: each adjoint, and each partial, carries its derivative along the direction
 * ("forward over reverse"). The tangents of the values come from one forward walk before; the
 * derivative of a partial comes from the steps that its text was made into (rules.h). The cost does
 * not depend on n.
 *
 * At a kink the partials are a convention, and second derivatives must not be: |x|^2 and |x*x| go
 * on smoothly at 0. Where nothing of the kink itself can be seen, since its adjoint is 0 or its
 * operand is level, it follows the direction: its partials are those that it has a little way along
 * it.
 *
 * Recording the gradient and walking over it forward gives the same numbers, but the recording is
 * several times as long as the graph: for Rosenbrock's function its memory alone costs more than
 * this. */
#include "tape/hessian.h"

#include "base/text.h"
#include "tape/reduce.h"
#include "tape/rules.h"

#include <stdlib.h>

/* ---- the reverse sweep with duals ------------------------------------------------------------ */

typedef struct sweeper {
    ad_tape      *tape;
    const double *tangent;
    ad__dual     *adjoint;
    const double *kinks; /* adjoints, where a node is at a kink; else NULL */
    /* second derivatives along the direction, where a kink is level; else NULL */
    double       *second;
    double       *sum; /* in the walk that computes them: that of the node at hand; else NULL */
} sweeper;

/* In the walk forward: the derivative of partial*tangent. */
__attribute__((noinline)) static void bend(const sweeper *s, uint32_t to, ad__dual partial) {
    const double t = s->tangent[to], b = s->second[to];
    if (t != 0 && partial.slope != 0) *s->sum += partial.slope * t;
    if (b != 0 && partial.value != 0) *s->sum += partial.value * b;
}

/* adjoint[to] += a*partial, both duals. As in the sweep, zeros send nothing, whatever they meet. In
 * the sweep itself a is read anew for each operand, number by number: kept as one vector it would
 * have to wait for the two stores that made it. */
__attribute__((always_inline)) static inline void push_or_bend(const sweeper *s, uint32_t to,
                                                               ad__dual a, ad__dual partial,
                                                               bool selects, bool forward) {
    if (selects && partial.value == 0) { /* that of scale and gate may move away from 0 */
        if (!forward && partial.slope != 0 && !ad__zero(a.value))
            s->adjoint[to].slope += a.value * partial.slope;
        else if (forward && partial.slope != 0) bend(s, to, partial);
        return;
    }
    if (forward) {
        bend(s, to, partial);
        return;
    }
    ad__dual *sum = &s->adjoint[to];
    if (!ad__zero(a.value)) {
        sum->value += a.value * partial.value;
        if (!ad__zero(partial.slope)) sum->slope += a.value * partial.slope;
    }
    if (!ad__zero(a.slope)) sum->slope += a.slope * partial.value;
}

static void push(const sweeper *s, uint32_t to, ad__dual a, ad__dual partial, bool selects) {
    push_or_bend(s, to, a, partial, selects, s->sum != NULL);
}

static inline ad__dual dual_of(const sweeper *s, uint32_t node) {
    return (ad__dual){s->tape->value[node], s->tangent[node]};
}

static inline ad__dual number_of(const sweeper *s, uint32_t place) {
    return (ad__dual){ad__number_at(s->tape, place), 0};
}

/* By the steps of the rule; NaN when there is no memory for it, which the tape then says. */
__attribute__((noinline)) static ad__dual by_rule(const sweeper *s, ad__row_number row, int operand,
                                                  ad__dual x, ad__dual y, ad__dual v) {
    const ad__rule *rule = ad__rule_of_row(s->tape, row, operand);
    return rule == NULL ? (ad__dual){NAN, NAN} : ad__rule_dual(rule, x, y, v);
}

/* A text of one word is its own rule: compilers see through this, and arithmetic pays for nothing
 * else. */
#define IS(text, c)      ((text)[0] == (c) && (text)[1] == '\0')
#define IS_MINUS_1(text) ((text)[0] == '-' && (text)[1] == '1' && (text)[2] == '\0')
#define PARTIAL(text, row, operand, x, y, v) \
    (IS(text, '0')      ? (ad__dual){0, 0}   \
     : IS(text, '1')    ? (ad__dual){1, 0}   \
     : IS_MINUS_1(text) ? (ad__dual){-1, 0}  \
     : IS(text, 'x')    ? (x)                \
     : IS(text, 'y')    ? (y)                \
     : IS(text, 'v')    ? (v)                \
                        : by_rule(s, row, operand, x, y, v))

static double slope_in(const sweeper *s, ad__group g, size_t k) {
    return ad__group_number(g, k) ? 0 : s->tangent[ad__group_place(g, k)];
}

static void push_sum(const sweeper *s, uint32_t i, int number, ad__dual a) {
    const uint8_t   code = s->tape->code[i];
    const ad__group g = ad__group_of(s->tape, i, number);
    const ad__group other = ad__is_paired(code) ? ad__group_of(s->tape, i, 1 - number) : g;
    const ad__rule *rule = ad__rule_of_reduction(s->tape, code);
    for (size_t k = 0; k < g.n && rule != NULL; k++) {
        if (ad__group_number(g, k)) continue;
        const uint32_t to = ad__group_place(g, k), with = ad__group_place(other, k);
        const ad__dual y = ad__group_number(other, k) ? number_of(s, with) : dual_of(s, with);
        push(s, to, a, ad__rule_dual(rule, dual_of(s, to), y, dual_of(s, i)), false);
    }
}

/* Values are in the scratch array only as long as partials are made of them. */
static void push_fold(const sweeper *s, uint32_t i, ad__dual a) {
    const uint8_t   code = s->tape->code[i];
    const bool      selects = ad__reduction_of(code)->selects;
    const ad__group g = ad__group_of(s->tape, i, 0);
    const double   *partial = ad__tape_partials(s->tape, i);
    double         *slope = s->tape->scratch;
    for (size_t k = 0; k < g.n; k++) slope[k] = slope_in(s, g, k);
    ad__fold_slopes(code, g.n, s->tape->value[i], partial, slope);
    for (size_t k = 0; k < g.n; k++)
        if (!ad__group_number(g, k))
            push(s, ad__group_place(g, k), a, (ad__dual){partial[k], slope[k]}, selects);
}

/* A selection sends the whole adjoint to the one that was taken, if that is a node. In range: the
 * tangents were asked before. */
static void push_taken(const sweeper *s, uint32_t i, ad__dual a) {
    const double    first = ad__group_value(s->tape, ad__group_of(s->tape, i, 0), 0);
    size_t          k = 1 + ad__selected(s->tape->code[i], first, ad__operands(s->tape, i) - 1);
    const ad__group g = ad__group_with(s->tape, i, &k);
    if (!ad__group_number(g, k)) push(s, ad__group_place(g, k), a, (ad__dual){1, 0}, false);
}

/* The user's partials have no text. They are recorded on a tape of their own, from inputs that
 * stand for the operands and the result, and their slopes are tangents there. */
static void slopes_of(const sweeper *s, uint32_t i, ad_tape *own, ad_var x[], ad_var partial[],
                      double slope[], ad__dual a) {
    const ad__own_op *op = ad__own_op_of(s->tape, i);
    const ad__group   g = ad__group_of(s->tape, i, 0);
    for (size_t k = 0; k < g.n; k++) {
        const uint32_t place = ad__group_place(g, k);
        const ad__dual d = ad__group_number(g, k) ? number_of(s, place) : dual_of(s, place);
        x[k] = ad_input(own, d.value), slope[k] = d.slope, partial[k] = ad_num(NAN);
    }
    x[g.n] = ad_input(own, s->tape->value[i]), slope[g.n] = s->tangent[i];
    op->op->record(g.n, x, x[g.n], partial, op->context);
    for (size_t k = 0; k < g.n && ad_tape_status(own) == AD_OK; k++) {
        if (ad__group_number(g, k)) continue;
        const double moved = ad_tangent(partial[k], g.n + 1, x, slope);
        const double value = ad_value(partial[k]);
        push(s, ad__group_place(g, k), a, (ad__dual){value, moved}, false);
    }
}

static void push_custom(const sweeper *s, uint32_t i, ad__dual a) {
    ad_tape          *tape = s->tape;
    const ad__own_op *op = ad__own_op_of(tape, i);
    const size_t      n = tape->arg[i].y;
    if (op->op->record == NULL && s->sum != NULL) { /* it need not lead to y */
        *s->sum = NAN;
        return;
    }
    if (op->op->record == NULL) {
        ad__fail(tape, AD_UNSUPPORTED,
                 "node #%lu: the operation \"%.*s\" has no `record`, so no second derivative",
                 (unsigned long)i, ad__shown_bytes(op->op->name), op->op->name);
        return;
    }
    ad_tape *own = ad_tape_new();
    ad_var  *space = malloc((2 * n + 1) * sizeof *space);
    double  *slope = malloc((n + 1) * sizeof *slope);
    if (own == NULL || space == NULL || slope == NULL)
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for the partials of \"%.*s\"",
                 ad__shown_bytes(op->op->name), op->op->name);
    else slopes_of(s, i, own, space, space + n + 1, slope, a);
    if (own != NULL && ad_tape_status(own) != AD_OK)
        ad__fail(tape, ad_tape_status(own), "node #%lu, \"%.*s\": %.*s", (unsigned long)i,
                 ad__shown_bytes(op->op->name), op->op->name,
                 ad__cut_bytes(ad_tape_message(own), 400), ad_tape_message(own));
    ad_tape_free(own);
    free(space);
    free(slope);
}

static void push_reduction(const sweeper *s, uint32_t i, ad__dual a) {
    switch (ad__family_of(s->tape->code[i])) {
    case AD__SUMS:
        for (int g = 0; g < ad__groups(s->tape, i); g++) push_sum(s, i, g, a);
        return;
    case AD__FOLDS: push_fold(s, i, a); return;
    case AD__SELECTS_ONE: push_taken(s, i, a); return;
    default: push_custom(s, i, a);
    }
}

/* ---- kinks ----------------------------------------------------------------------------------- */

typedef enum ways { BY_CONVENTION, BY_TANGENTS, BY_SECONDS } ways;

/* What a node follows: at a kink the tangents of its operands or, where they leave it there, their
 * second derivatives. Or it keeps to the convention, because it is at no kink, or nothing tells
 * sides apart. */
static ways way_of(const sweeper *s, uint32_t i) {
    if (!ad__at_kink(s->tape, i)) return BY_CONVENTION;
    if (!ad__stays(s->tape, i, s->tangent, NULL))
        return s->kinks[i] == 0 ? BY_TANGENTS : BY_CONVENTION;
    return s->second == NULL || ad__stays(s->tape, i, s->tangent, s->second) ? BY_CONVENTION
                                                                             : BY_SECONDS;
}

static void push_fold_along(const sweeper *s, uint32_t i, ad__dual a, const double second[]) {
    const ad__group g = ad__group_of(s->tape, i, 0);
    const double   *moved = ad__fold_motion(s->tape, i, s->tangent, second);
    double         *partial = s->tape->scratch; /* where the motions do not stand */
    ad__fold_partials(s->tape->code[i], g.n, moved, partial);
    for (size_t k = 0; k < g.n; k++)
        if (!ad__group_number(g, k))
            push(s, ad__group_place(g, k), a, (ad__dual){partial[k], 0},
                 ad__reduction_of(s->tape->code[i])->selects);
}

static void push_along(const sweeper *s, uint32_t i, ad__dual a, ways way) {
    const double *second = way == BY_SECONDS ? s->second : NULL;
    if (s->tape->code[i] >= AD__FIRST_REDUCTION) {
        push_fold_along(s, i, a, second);
        return;
    }
    const ad__row_number row = ad__code_row(s->tape->code[i]);
    const ad__at_row     d = ad__at_row_of(s->tape, i, second != NULL ? second : s->tangent);
    const double         v = ad__row_value(row, d.x, d.y);
    const double         partial[] = {ad__row_dx(row, d.x, d.y, v), ad__row_dy(row, d.x, d.y, v)};
    for (uint32_t k = 0; k < ad__rows[row].operands; k++) {
        const uint32_t to = ad__operand(s->tape, i, k);
        if (to != AD__NO_NODE) push(s, to, a, (ad__dual){partial[k], 0}, ad__row_selects(row));
    }
}

/* ---- both walks ------------------------------------------------------------------------------ */

#define SEND(to, text, name, operand, x, y, side)                   \
    push_or_bend(s, to, forward ? (ad__dual){1, 0} : s->adjoint[i], \
                 PARTIAL(text, AD__ROW_##name, operand, x, y, v), AD__SELECTS(side), forward)

/* What node i pushes to its operands. Expanded into the sweep, where compilers see through the
 * texts of one word. */
__attribute__((always_inline)) static inline void visit(const sweeper *s, uint32_t i, bool kinks,
                                                        bool forward) {
    const ad_tape *tape = s->tape;
    const ad__arg  arg = tape->arg[i];
    const ad__dual v = dual_of(s, i);
    const ways     way = kinks ? way_of(s, i) : BY_CONVENTION;
    if (way != BY_CONVENTION) {
        push_along(s, i, forward ? (ad__dual){1, 0} : s->adjoint[i], way);
        return;
    }
    switch (tape->code[i]) {
#define R1(name, shown, words, value_, dx, side, ...) \
    case AD__##name: {                                \
        const ad__dual x = dual_of(s, arg.x);         \
        SEND(arg.x, #dx, name, 0, x, x, side);        \
        break;                                        \
    }
#define R2(name, shown, words, value_, dx, dy, side, ...)              \
    case AD__##name: {                                                 \
        const ad__dual x = dual_of(s, arg.x), y = dual_of(s, arg.y);   \
        SEND(arg.x, #dx, name, 0, x, y, side);                         \
        SEND(arg.y, #dy, name, 1, x, y, side);                         \
        break;                                                         \
    }                                                                  \
    case AD__##name##_number: {                                        \
        const ad__dual x = dual_of(s, arg.x), y = number_of(s, arg.y); \
        SEND(arg.x, #dx, name, 0, x, y, side);                         \
        break;                                                         \
    }                                                                  \
    case AD__number_##name: {                                          \
        const ad__dual x = number_of(s, arg.x), y = dual_of(s, arg.y); \
        SEND(arg.y, #dy, name, 1, x, y, side);                         \
        break;                                                         \
    }
#include "ops.def"
    case AD__input:
    case AD__branch: break;
    default: push_reduction(s, i, forward ? (ad__dual){1, 0} : s->adjoint[i]);
    }
}

static void sweep(const sweeper *s, uint32_t last) {
    const ad_tape *tape = s->tape;
    const bool     kinks = s->kinks != NULL;
    for (uint32_t i = last; i >= tape->leaves && i > 0 && tape->status == AD_OK; i--) {
        if (ad__zero(s->adjoint[i].value) && ad__zero(s->adjoint[i].slope)) continue;
        visit(s, i, kinks, false);
    }
}

/* Second derivatives of every node along the direction, with the partials of the sweep: first node
 * to last. */
static void walk_second(sweeper *s, uint32_t last) {
    double *second = s->second;
    memset(second, 0, ((size_t)last + 1) * sizeof *second);
    for (uint32_t i = s->tape->leaves; i <= last && s->tape->status == AD_OK; i++) {
        double sum = 0;
        s->sum = &sum;
        visit(s, i, true, true);
        second[i] = way_of(s, i) == BY_SECONDS ? ad__along(s->tape, i, s->tangent, second) : sum;
    }
    s->sum = NULL;
}

/* Columns of the tape's space for tangents: those and duals; where there are kinks, adjoints and
 * second derivatives. */
enum { TANGENTS, DUALS, KINKS = 3, SECOND, ALL };

static double *column(const ad_tape *tape, size_t number) {
    return tape->tangent + number * ad__tangent_column(tape);
}

/* Is some node up to y at a kink? */
static bool any_kink(ad_var y) {
    uint32_t i = y.tape->leaves;
    while (i <= ad__node_of(y) && !ad__at_kink(y.tape, i)) i++;
    return i <= ad__node_of(y);
}

/* The adjoints of y, kept in a column. NULL after an error. */
static const double *keep_adjoints(ad_var y) {
    ad_tape *tape = y.tape;
    if (!ad__tangent_room(tape, ALL) || !ad__gradient_aside(y, 0, NULL, NULL)) return NULL;
    return memcpy(column(tape, KINKS), column(tape, TANGENTS),
                  ((size_t)ad__node_of(y) + 1) * sizeof(double));
}

static bool any_operand_moves(const ad_tape *tape, uint32_t i) {
    for (size_t k = ad__operands(tape, i); k-- > 0;) {
        const uint32_t x = ad__operand(tape, i, k);
        if (x != AD__NO_NODE && ad__moves(tape->tangent[x])) return true;
    }
    return false;
}

/* Is there a kink whose operands move, but not yet? */
static bool any_level(const ad_tape *tape, uint32_t last) {
    for (uint32_t i = tape->leaves; i <= last; i++)
        if (ad__at_kink(tape, i) && ad__stays(tape, i, tape->tangent, NULL) &&
            any_operand_moves(tape, i))
            return true;
    return false;
}

/* What second derivatives of y in many directions share. */
typedef struct curvature {
    ad_var        y;
    bool          known; /* whether there are kinks */
    const double *kinks; /* adjoints, if there are */
} curvature;

/* Tangents of all nodes up to y; with a look at kinks, where an operation that has one is on the
 * way. */
static bool tangents(curvature *c, size_t n, const ad_var x[], const double direction[]) {
    ad_tape       *tape = c->y.tape;
    const uint32_t last = ad__node_of(c->y);
    bool           tips;
    if (!ad__tangent_room(tape, KINKS) ||
        !ad__tangents(tape, last, n, x, direction, c->kinks, &tips))
        return false;
    if (c->known || !tips) return true;
    c->known = true;
    if (!any_kink(c->y)) return true;
    c->kinks = keep_adjoints(c->y);
    return c->kinks != NULL && ad__tangents(tape, last, n, x, direction, c->kinks, &tips);
}

/* Adjoints and their slopes, of every node up to y, when each x moves by its direction. */
static const ad__dual *sweep_duals(curvature *c, size_t n, const ad_var x[],
                                   const double direction[]) {
    ad_tape       *tape = c->y.tape;
    const uint32_t last = ad__node_of(c->y);
    if (!tangents(c, n, x, direction)) return NULL;
    ad__dual *adjoint = (ad__dual *)(void *)column(tape, DUALS);
    memset(adjoint, 0, ((size_t)last + 1) * sizeof *adjoint);
    adjoint[last].value = 1;
    sweeper s = {.tape = tape, .tangent = tape->tangent, .adjoint = adjoint, .kinks = c->kinks};
    if (c->kinks != NULL && any_level(tape, last)) {
        s.second = column(tape, SECOND);
        walk_second(&s, last);
    }
    sweep(&s, last);
    return tape->status == AD_OK ? adjoint : NULL;
}

/* No two of these are the same, nor are their ratios simple. */
static double spread(size_t k) {
    const double golden = (double)k * 0.6180339887498949;
    return 0.5 + (golden - floor(golden));
}

/* Kinks follow the direction, whatever comes down to them: one that is level by convention would
 * hide how those above it move (|x| in ||x||^2 at 0). */
static void fill_motions(ad__motions *motions, ad_tape *tape, uint32_t last, size_t n,
                         const ad_var x[], const double direction[], const double no_adjoints[]) {
    const size_t bytes = ((size_t)last + 1) * sizeof(double);
    bool         tips;
    if (!ad__tangents(tape, last, n, x, direction, no_adjoints, &tips)) return;
    memcpy(motions->first, tape->tangent, bytes);
    sweeper s = {
        .tape = tape, .tangent = motions->first, .kinks = no_adjoints, .second = motions->second};
    walk_second(&s, last);
}

bool ad__motions_make(ad__motions *motions, ad_tape *tape, uint32_t last, size_t n,
                      const ad_var x[]) {
    const size_t nodes = (size_t)last + 1;
    double *direction = malloc((n + 1) * sizeof *direction), *zeros = calloc(nodes, sizeof *zeros);
    motions->first = malloc(nodes * sizeof *motions->first),
    motions->second = malloc(nodes * sizeof *motions->second);
    if (direction == NULL || zeros == NULL || motions->first == NULL || motions->second == NULL)
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for the motions of %zu nodes", nodes);
    for (size_t k = 0; k < n && tape->status == AD_OK; k++) direction[k] = spread(k);
    if (tape->status == AD_OK) fill_motions(motions, tape, last, n, x, direction, zeros);
    free(direction);
    free(zeros);
    return tape->status == AD_OK;
}

void ad__motions_free(ad__motions *motions) {
    free(motions->first);
    free(motions->second);
}

/* ---- what can be asked ----------------------------------------------------------------------- */

static void fill(size_t n, double a[], double value) {
    for (size_t i = 0; i < n; i++) a[i] = value;
}

/* y and x in order? Second derivatives are in inputs: for a node that is computed from another x, a
 * partial that is written in terms of the result would take the node's own motion for its
 * operand's. */
static bool can_bend(ad_var y, const char *what, size_t n, const ad_var x[]) {
    ad_tape *tape = y.tape;
    if (tape->status != AD_OK || !ad__operand_valid(tape, y, what, 1) ||
        !ad__nodes_valid(tape, what, n, x))
        return false;
    for (size_t k = 0; k < n; k++) {
        const uint32_t node = ad__node_of(x[k]);
        if (tape->code[node] == AD__input) continue;
        ad__fail(tape, AD_BAD_ARGUMENT, "%s: x[%zu] is node #%lu, the result of %s, not an input",
                 what, k, (unsigned long)node, ad__node_name(tape, node));
        return false;
    }
    return true;
}

void ad_hessian_times(ad_var y, size_t n, const ad_var x[], const double direction[],
                      double out[]) {
    ad_tape *tape = y.tape;
    if (tape == NULL) {
        fill(n, out, 0);
        return;
    }
    curvature       c = {.y = y};
    const ad__dual *adjoint =
        can_bend(y, "ad_hessian_times", n, x) ? sweep_duals(&c, n, x, direction) : NULL;
    for (size_t k = 0; k < n; k++)
        out[k] = adjoint == NULL                    ? NAN
               : ad__node_of(x[k]) > ad__node_of(y) ? 0
                                                    : adjoint[ad__node_of(x[k])].slope;
}

/* Column j along the unit vector of x[j]; what lies above the diagonal is copied to below. */
static bool fill_hessian(ad_var y, size_t n, const ad_var x[], double h[]) {
    const double one = 1;
    curvature    c = {.y = y};
    for (size_t j = 0; j < n; j++) {
        const ad__dual *adjoint = sweep_duals(&c, 1, &x[j], &one);
        if (adjoint == NULL) return false;
        for (size_t i = 0; i <= j; i++)
            h[i * n + j] = h[j * n + i] =
                ad__node_of(x[i]) > ad__node_of(y) ? 0 : adjoint[ad__node_of(x[i])].slope;
    }
    return true;
}

void ad_hessian(ad_var y, size_t n, const ad_var x[], double h[]) {
    if (y.tape == NULL) fill(n * n, h, 0);
    else if (!can_bend(y, "ad_hessian", n, x) || !fill_hessian(y, n, x, h)) fill(n * n, h, NAN);
}

/* ---- Jacobians ------------------------------------------------------------------------------- */

static bool by_rows(size_t m, const ad_var y[], size_t n, const ad_var x[], double j[]) {
    for (size_t i = 0; i < m; i++) {
        if (y[i].tape == NULL) fill(n, j + i * n, 0);
        else if (!ad__gradient_aside(y[i], n, x, j + i * n)) return false;
    }
    return true;
}

static bool not_finite(size_t n, const double row[]) {
    for (size_t k = 0; k < n; k++)
        if (!isfinite(row[k])) return true;
    return false;
}

/* Rows in which a walk forward met inf*0 or inf - inf, or passed by it (by_reverse in tangent.c),
 * are what the reverse sweep says, so that an entry does not depend on how many others are asked
 * for. */
static bool settle(size_t m, const ad_var y[], size_t n, const ad_var x[], double j[]) {
    for (size_t i = 0; i < m; i++)
        if (not_finite(n, j + i * n) && !ad__gradient_aside(y[i], n, x, j + i * n)) return false;
    return true;
}

static bool by_columns(ad_tape *tape, size_t m, const ad_var y[], size_t n, const ad_var x[],
                       double j[]) {
    const double one = 1;
    bool         tips;
    uint32_t     last = 0;
    for (size_t i = 0; i < m; i++)
        if (y[i].tape != NULL && ad__node_of(y[i]) > last) last = ad__node_of(y[i]);
    for (size_t k = 0; k < n; k++) {
        if (!ad__tangents(tape, last, 1, &x[k], &one, NULL, &tips)) return false;
        for (size_t i = 0; i < m; i++)
            j[i * n + k] = y[i].tape == NULL ? 0 : tape->tangent[ad__node_of(y[i])] + 0;
    }
    return settle(m, y, n, x, j);
}

void ad_jacobian(size_t m, const ad_var y[], size_t n, const ad_var x[], double j[]) {
    size_t first = 0;
    while (first < m && y[first].tape == NULL) first++;
    if (first == m) {
        fill(m * n, j, 0);
        return;
    }
    ad_tape *tape = y[first].tape;
    bool     good = tape->status == AD_OK && ad__nodes_valid(tape, "ad_jacobian", n, x);
    for (size_t i = first; i < m && good; i++)
        good = y[i].tape == NULL || ad__operand_valid(tape, y[i], "ad_jacobian", i + 1);
    if (!good || !(n < m ? by_columns(tape, m, y, n, x, j) : by_rows(m, y, n, x, j)))
        fill(m * n, j, NAN);
}
