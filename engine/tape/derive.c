/* derive.c - the gradient recorded as nodes, so that it can be differentiated again.
 *
 * The reverse sweep is walked as ad_backward walks it, but every adjoint is a variable: the
 * partials are recorded from the texts of the rows, the products and sums from here. Nodes that do
 * not lead from some x to y are left out. An adjoint that is a plain number 0 was never sent
 * anything.
 *
 * An adjoint that happens to be 0 sends nothing. That is right for the gradient, but where it meets
 * an infinite partial (sqrt(x*x)^2 at 0) or a kink (|x|^2 at 0), what follows is not 0 in the next
 * derivative, and what is, cannot be told from here; nor can it where the operand of a kink is
 * level (|x*x| at 0). So gradients behind such a node have a `doubt` added to them: 0, whose
 * derivative is NaN there. Only there: in a replay with other values it says nothing. An adjoint
 * that is 0 because a `where` or a relu went the other way is *dead*, and leaves no doubt.
 *
 * Invariant: when node i is visited its adjoint is complete, because its users stand to its right;
 * what is recorded stands to the right of y and is never visited. */
#include "tape/tape.h"

#include "base/text.h"
#include "tape/hessian.h"
#include "tape/reduce.h"
#include "tape/rules.h"

#include <stdlib.h>

enum { NAME = 120 };

typedef struct recorder {
    ad_tape      *tape;
    uint32_t      first, last, old; /* the lowest x; y; nodes before anything was recorded here */
    ad_var       *adjoint;          /* of nodes first...last */
    ad_var       *doubt;            /* the same; the number 0: none */
    bool         *active;           /* does it depend on some x? */
    bool         *live;             /* has it been sent anything but from what was not taken? */
    size_t        n;                /* the x */
    const ad_var *x;
    ad__motions   motions; /* of nodes 0...last, made when first asked for */
    uint32_t      at;      /* the node that is visited */
} recorder;

/* ---- which nodes ----------------------------------------------------------------------------- */

static bool wanted(const recorder *r, uint32_t node) {
    return node != AD__NO_NODE && node >= r->first && r->active[node - r->first];
}

static void find_active(recorder *r, size_t n, const ad_var x[]) {
    for (size_t k = 0; k < n; k++)
        if (ad__node_of(x[k]) <= r->last) r->active[ad__node_of(x[k]) - r->first] = true;
    for (uint32_t i = r->first; i <= r->last; i++) {
        const size_t operands = r->tape->code[i] == AD__branch ? 0 : ad__operands(r->tape, i);
        for (size_t k = 0; k < operands && !r->active[i - r->first]; k++)
            r->active[i - r->first] = wanted(r, ad__operand(r->tape, i, k));
    }
}

/* ---- contributions --------------------------------------------------------------------------- */

static bool is_number(ad_var x) {
    return x.tape == NULL;
}

/* adjoint*partial under the rules of the sweep. Of two nodes either may be 0 in a replay; a plain
 * number that is finite and not 0 needs no rule. */
static ad_var contribution(ad_var adjoint, ad_var partial, bool selects) {
    if (is_number(partial) && ad__number_of(partial) == 0 && selects) return ad_num(0);
    const bool plain = (is_number(adjoint) && isfinite(ad__number_of(adjoint))) ||
                       (is_number(partial) && isfinite(ad__number_of(partial)));
    if (plain) return ad__record_simplified(AD__ROW_mul, adjoint, partial);
    return selects ? ad_gate(adjoint, partial) : ad_scale(adjoint, partial);
}

static bool same(ad_var x, ad_var y) {
    return x.tape == y.tape && ad__node_of(x) == ad__node_of(y);
}

static void add_doubt(recorder *r, uint32_t node, ad_var doubt) {
    ad_var *have = &r->doubt[node - r->first];
    if (!is_number(doubt) && !same(*have, doubt))
        *have = ad__record_simplified(AD__ROW_add, *have, doubt);
}

/* A contribution of the node that is visited; live: it does not come from what was not taken. */
static void add(recorder *r, uint32_t node, ad_var what, bool live) {
    ad_var *adjoint = &r->adjoint[node - r->first];
    *adjoint = ad__record_simplified(AD__ROW_add, *adjoint, what);
    if (!live) return;
    r->live[node - r->first] |= r->live[r->at - r->first];
    add_doubt(r, node, r->doubt[r->at - r->first]);
}

/* Doubt about the derivatives by the operands of the visited node, as long as they and the node are
 * what they are, and its adjoint a is 0 if it is now. */
static ad_var doubt_by(const recorder *r, ad_var a, size_t n, const ad_var x[]) {
    const ad_var v = ad__handle_of(r->tape, r->at);
    ad_var       here = ad_equal(v, ad_num(ad_value(v)));
    if (ad_value(a) == 0) here = ad_both(here, ad_equal(a, ad_num(0)));
    ad_var doubt = ad_num(0);
    for (size_t k = 0; k < n; k++)
        if (!is_number(x[k]))
            doubt = ad__record_simplified(
                AD__ROW_add, doubt,
                ad_doubt(x[k], ad_where(here, ad_num(ad_value(x[k])), ad_num(NAN))));
    return doubt;
}

static ad_var operand(const recorder *r, bool number, uint32_t place) {
    return number ? ad_num(ad__number_at(r->tape, place)) : ad__handle_of(r->tape, place);
}

/* Does anything hang on which way the visited node goes at its tip? With an adjoint that is 0 by
 * its value alone it does if the operands move, with another if they bend where they are level. */
static bool tip_shows(const recorder *r, bool zero) {
    if (!ad__stays(r->tape, r->at, r->motions.first, NULL)) return zero;
    return !zero && !ad__stays(r->tape, r->at, r->motions.first, r->motions.second);
}

/* Is the node at a kink, or before an infinite partial, whose sides the next derivative would see?
 * a is its adjoint. */
static bool doubtful(recorder *r, ad_var a, double partial) {
    const bool tip = ad__at_kink(r->tape, r->at), zero = !is_number(a) && ad_value(a) == 0;
    if (!r->live[r->at - r->first] || (!tip && (isfinite(partial) || !zero))) return false;
    if (r->motions.first == NULL && !ad__motions_make(&r->motions, r->tape, r->last, r->n, r->x))
        return false;
    if (tip) return tip_shows(r, zero);
    const ad__at_row first = ad__at_row_of(r->tape, r->at, r->motions.first);
    const ad__at_row second = ad__at_row_of(r->tape, r->at, r->motions.second);
    return first.x != 0 || first.y != 0 || second.x != 0 || second.y != 0;
}

static void push_row(recorder *r, uint32_t i, ad__row_number row, ad_var a) {
    const ad__arg  arg = r->tape->arg[i];
    const ad__form form = ad__code_form(r->tape->code[i]);
    const bool     two = ad__rows[row].operands == 2, selects = ad__row_selects(row);
    const ad_var   x = operand(r, form == AD__X_NUMBER, arg.x);
    const ad_var   y = two ? operand(r, form == AD__Y_NUMBER, arg.y) : ad_num(0);
    ad_var         doubt = ad_num(0);
    for (int k = 0; k < (two ? 2 : 1); k++) {
        const uint32_t to = ad__operand(r->tape, i, (size_t)k);
        if (!wanted(r, to)) continue;
        const ad__rule *rule = ad__rule_of_row(r->tape, row, k);
        if (rule == NULL) return;
        const ad_var partial = ad__rule_record(rule, x, y, ad__handle_of(r->tape, i));
        const double value = ad_value(partial);
        const bool   live = !selects || value != 0;
        add(r, to, contribution(a, partial, selects), live);
        if (!doubtful(r, a, value)) continue;
        if (is_number(doubt)) doubt = doubt_by(r, a, two ? 2 : 1, (const ad_var[]){x, y});
        add_doubt(r, to, doubt);
        /* 0 by the convention at a tip is no way that was not taken */
        r->live[to - r->first] = true;
    }
}

/* The list may move while nodes are recorded: groups are looked up again for each operand. */
static ad_var group_operand(const recorder *r, uint32_t i, int number, size_t k) {
    const ad__group g = ad__group_of(r->tape, i, number);
    return operand(r, ad__group_number(g, k), ad__group_place(g, k));
}

static void push_sum(recorder *r, uint32_t i, int number, ad_var a) {
    const uint8_t   code = r->tape->code[i];
    const size_t    n = r->tape->arg[i].y;
    const ad__rule *rule = ad__rule_of_reduction(r->tape, code);
    for (size_t k = 0; k < n && rule != NULL; k++) {
        const ad_var x = group_operand(r, i, number, k);
        if (is_number(x) || !wanted(r, ad__node_of(x))) continue;
        const ad_var y = ad__is_paired(code) ? group_operand(r, i, 1 - number, k) : ad_num(0);
        add(r, ad__node_of(x),
            contribution(a, ad__rule_record(rule, x, y, ad__handle_of(r->tape, i)), false), true);
    }
}

/* What the recorded partials of a fold are divided by. */
static ad_var divisor_of(const recorder *r, uint32_t i, size_t n, const ad_var record[]) {
    const ad__reduction *row = ad__reduction_of(r->tape->code[i]);
    const ad_var         total_and_v[] = {row->summed ? ad_sum(n, record) : ad_num(0),
                                  ad__handle_of(r->tape, i)};
    return ad_parse(r->tape, row->divisor, 2, "total, v", total_and_v);
}

/* By the row of the fold: record(x, v)/divisor(total, v), with doubt where it stands at its tip. */
static void push_partials_of_fold(recorder *r, uint32_t i, ad_var a, size_t n, ad_var x[],
                                  ad_var record[]) {
    const ad__rule *rule = ad__rule_of_reduction(r->tape, r->tape->code[i]);
    const bool      selects = ad__reduction_of(r->tape->code[i])->selects;
    if (rule == NULL) return;
    for (size_t k = 0; k < n; k++) {
        x[k] = group_operand(r, i, 0, k);
        record[k] = ad__rule_record(rule, x[k], ad_num(0), ad__handle_of(r->tape, i));
    }
    const ad_var divisor = divisor_of(r, i, n, record);
    const bool   doubted = ad__at_kink(r->tape, i) && doubtful(r, a, 0);
    const ad_var doubt = doubted ? doubt_by(r, a, n, x) : ad_num(0);
    for (size_t k = 0; k < n && r->tape->status == AD_OK; k++) {
        if (is_number(x[k]) || !wanted(r, ad__node_of(x[k]))) continue;
        const ad_var   partial = ad__record_simplified(AD__ROW_div, record[k], divisor);
        const uint32_t to = ad__node_of(x[k]);
        add(r, to, contribution(a, partial, selects), !selects || ad_value(partial) != 0);
        if (!doubted) continue;
        add_doubt(r, to, doubt);
        r->live[to - r->first] = true; /* as in push_row */
    }
}

static void push_fold(recorder *r, uint32_t i, ad_var a) {
    const size_t n = r->tape->arg[i].y;
    ad_var      *space = malloc((2 * n + 1) * sizeof *space);
    if (space == NULL)
        ad__fail(r->tape, AD_NO_MEMORY, "out of memory: no space for %zu partials", n);
    else push_partials_of_fold(r, i, a, n, space, space + n);
    free(space);
}

/* Whole or nothing, as the condition says now; a condition that is a node may turn in a replay. */
static void push_choice(recorder *r, ad_var to, ad_var condition, bool yes, ad_var a) {
    if (is_number(to) || !wanted(r, ad__node_of(to))) return;
    const bool taken = (ad_value(condition) != 0) == yes;
    if (!is_number(condition))
        a = yes ? ad_where(condition, a, ad_num(0)) : ad_where(condition, ad_num(0), a);
    else if (!taken) return;
    add(r, ad__node_of(to), a, taken);
}

static void push_where(recorder *r, uint32_t i, ad_var a) {
    const ad_var condition = group_operand(r, i, 0, 0);
    push_choice(r, group_operand(r, i, 0, 1), condition, true, a);
    push_choice(r, group_operand(r, i, 0, 2), condition, false, a);
}

static void push_pick(recorder *r, uint32_t i, ad_var a) {
    const ad_var index = group_operand(r, i, 0, 0);
    const size_t n = r->tape->arg[i].y;
    for (size_t k = 0; k < n; k++) {
        const ad_var to = group_operand(r, i, 1, k);
        if (is_number(to) || !wanted(r, ad__node_of(to))) continue;
        push_choice(r, to, ad_equal(index, ad_num((double)k)), true, a);
    }
}

/* The user's function records the partials; what it leaves out is NaN. */
static void push_partials(recorder *r, uint32_t i, ad_var a, ad_var x[], ad_var partial[]) {
    const ad__own_op own = *ad__own_op_of(r->tape, i);
    const size_t     n = r->tape->arg[i].y;
    for (size_t k = 0; k < n; k++) x[k] = group_operand(r, i, 0, k), partial[k] = ad_num(NAN);
    own.op->record(n, x, ad__handle_of(r->tape, i), partial, own.context);
    for (size_t k = 0; k < n && r->tape->status == AD_OK; k++) {
        if (is_number(x[k]) || !wanted(r, ad__node_of(x[k]))) continue;
        if (!is_number(partial[k]) && !ad__operand_valid(r->tape, partial[k], own.op->name, k + 1))
            return;
        add(r, ad__node_of(x[k]), contribution(a, partial[k], false), true);
    }
}

static void push_custom(recorder *r, uint32_t i, ad_var a) {
    const ad__own_op *own = ad__own_op_of(r->tape, i);
    const size_t      n = r->tape->arg[i].y;
    if (own->op->record == NULL) {
        ad__fail(r->tape, AD_UNSUPPORTED,
                 "node #%lu: the operation \"%.*s\" has no `record`, so no second derivative",
                 (unsigned long)i, ad__shown_bytes(own->op->name), own->op->name);
        return;
    }
    ad_var *space = malloc(2 * n * sizeof *space);
    if (space == NULL)
        ad__fail(r->tape, AD_NO_MEMORY, "out of memory: no space for %zu partials", n);
    else push_partials(r, i, a, space, space + n);
    free(space);
}

static void visit(recorder *r, uint32_t i, ad_var a) {
    const ad__row_number row = ad__code_row(r->tape->code[i]);
    if (row < AD__ROWS) {
        push_row(r, i, row, a);
        return;
    }
    switch (r->tape->code[i]) {
    case AD__input:
    case AD__branch: return;
    case AD__where: push_where(r, i, a); return;
    case AD__pick: push_pick(r, i, a); return;
    case AD__custom: push_custom(r, i, a); return;
    default: break;
    }
    if (ad__family_of(r->tape->code[i]) == AD__FOLDS) push_fold(r, i, a);
    else
        for (int g = 0; g < ad__groups(r->tape, i); g++) push_sum(r, i, g, a);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* "d loss / d w" for the adjoint of a node with a name. A node of the user's that happens to be the
 * answer keeps its name or has none, and one that is the answer to two questions keeps its
 * first. */
static void name_adjoint(const recorder *r, uint32_t i) {
    const ad_var      adjoint = r->adjoint[i - r->first];
    const char *const x = ad__name_of(r->tape, i), *const y = ad__name_of(r->tape, r->last);
    if (x == NULL || is_number(adjoint) || r->tape->status != AD_OK ||
        ad__node_of(adjoint) < r->old || ad__name_of(r->tape, ad__node_of(adjoint)) != NULL)
        return;
    char number[24], name[NAME];
    snprintf(number, sizeof number, "#%lu", (unsigned long)r->last);
    const char *const of = y != NULL ? y : number;
    snprintf(name, sizeof name, "d %.*s / d %.*s", ad__cut_bytes(of, 50), of, ad__cut_bytes(x, 50),
             x);
    ad_name(adjoint, name);
}

/* ---- the walk -------------------------------------------------------------------------------- */

static void walk(recorder *r) {
    r->adjoint[r->last - r->first] = ad_num(1);
    r->live[r->last - r->first] = true;
    for (uint32_t i = r->last + 1; i-- > r->first && r->tape->status == AD_OK;) {
        const ad_var a = r->adjoint[i - r->first];
        if (!r->active[i - r->first] || (is_number(a) && ad__number_of(a) == 0)) continue;
        if (i < r->last) name_adjoint(r, i);
        r->at = i;
        visit(r, i, a);
    }
}

static uint32_t lowest(size_t n, const ad_var x[], uint32_t last) {
    for (size_t k = 0; k < n; k++)
        if (ad__node_of(x[k]) < last) last = ad__node_of(x[k]);
    return last;
}

static ad_var gradient_of(const recorder *r, uint32_t node) {
    return ad__record_simplified(AD__ROW_add, r->adjoint[node - r->first],
                                 r->doubt[node - r->first]);
}

static void record(ad_tape *tape, ad_var y, size_t n, const ad_var x[], ad_var grad[]) {
    const uint32_t last = ad__node_of(y), first = lowest(n, x, last);
    const size_t   nodes = (size_t)last - first + 1;
    recorder r = {.tape = tape, .first = first, .last = last, .old = tape->length, .n = n, .x = x};
    r.adjoint =
        nodes > SIZE_MAX / 2 / sizeof *r.adjoint ? NULL : malloc(2 * nodes * sizeof *r.adjoint);
    r.active = calloc(2 * nodes, sizeof *r.active);
    if (r.adjoint == NULL || r.active == NULL) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for the adjoints of %zu nodes",
                 nodes);
    } else {
        r.doubt = r.adjoint + nodes, r.live = r.active + nodes;
        for (size_t i = 0; i < nodes; i++) r.adjoint[i] = r.doubt[i] = ad_num(0);
        find_active(&r, n, x);
        walk(&r);
        for (size_t k = 0; k < n; k++)
            grad[k] = ad__node_of(x[k]) > last ? ad_num(0) : gradient_of(&r, ad__node_of(x[k]));
    }
    free(r.adjoint);
    free(r.active);
    ad__motions_free(&r.motions);
}

void ad_record_gradient(ad_var y, size_t n, const ad_var x[], ad_var grad[]) {
    ad_tape *tape = y.tape;
    if (tape == NULL) {
        for (size_t k = 0; k < n; k++) grad[k] = ad_num(0);
        return;
    }
    const ad_mark  mark = ad_tape_mark(tape);
    const uint32_t scopes = tape->notes.scopes, open = tape->notes.open;
    if (tape->status == AD_OK && ad__operand_valid(tape, y, "ad_record_gradient", 1) &&
        ad__nodes_valid(tape, "ad_record_gradient", n, x))
        record(tape, y, n, x, grad);
    if (tape->status == AD_OK) return;
    ad_tape_rewind(tape, mark); /* a gradient that is half there helps nobody */
    ad__notes_reopen(&tape->notes, scopes, open);
    for (size_t k = 0; k < n; k++) grad[k] = ad__failed(tape);
}
