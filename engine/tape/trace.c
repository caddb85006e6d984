/* trace.c - edges one at a time, and the backward pass step by step; see trace.h.
 *
 * The pass is the reverse sweep walked edge by edge, with adjoints of its own, so that every
 * contribution is recorded with the adjoint before and after it. No recursion: the depth-first
 * orders keep their own stack of nodes and next operands. */
#include "tape/trace.h"

#include "base/text.h"
#include "tape/reduce.h"

#include <stdlib.h>

size_t ad__edges(const ad_tape *tape, uint32_t node) {
    return ad__operands(tape, node);
}

static ad__edge row_edge(const ad_tape *tape, uint32_t node, ad__row_number row, size_t i) {
    const ad__form form = ad__code_form(tape->code[node]);
    const ad__arg  arg = tape->arg[node];
    const bool     number = i == 0 ? form == AD__X_NUMBER : form == AD__Y_NUMBER;
    const double   x = form == AD__X_NUMBER ? ad__number_at(tape, arg.x) : tape->value[arg.x];
    const double   y = ad__rows[row].operands == 1 ? 0
                     : form == AD__Y_NUMBER        ? ad__number_at(tape, arg.y)
                                                   : tape->value[arg.y];
    const double   v = tape->value[node];
    const double local = number ? 0 : i == 0 ? ad__row_dx(row, x, y, v) : ad__row_dy(row, x, y, v);
    return (ad__edge){number   ? AD__NO_NODE
                      : i == 0 ? arg.x
                               : arg.y,
                      i == 0 ? x : y, local, !number && !(local == 0 && ad__row_selects(row))};
}

static ad__edge reduce_edge(const ad_tape *tape, uint32_t node, size_t i) {
    const ad__group      first = ad__group_of(tape, node, 0);
    const int            number = i < first.n ? 0 : 1;
    const size_t         at = i - (number == 0 ? 0 : first.n);
    const ad__group      group = number == 0 ? first : ad__group_of(tape, node, 1);
    const bool           plain = ad__group_number(group, at);
    const double         local = plain ? 0 : ad__reduce_partial(tape, node, number, at);
    const ad__reduction *row = ad__reduction_of(tape->code[node]);
    return (ad__edge){plain ? AD__NO_NODE : ad__group_place(group, at),
                      ad__group_value(tape, group, at), local,
                      !plain && !(local == 0 && row != NULL && row->selects)};
}

ad__edge ad__edge_of(const ad_tape *tape, uint32_t node, size_t i) {
    const ad__row_number row = ad__code_row(tape->code[node]);
    if (row < AD__ROWS) return row_edge(tape, node, row, i);
    if (tape->code[node] != AD__branch) return reduce_edge(tape, node, i);
    const uint32_t condition = tape->arg[node].x;
    return (ad__edge){condition, tape->value[condition], 0, false};
}

bool *ad__leads_to(const ad_tape *tape, uint32_t last) {
    bool *used = calloc((size_t)last + 1, sizeof *used);
    if (used == NULL) return NULL;
    used[last] = true;
    for (uint32_t i = last; i > 0; i--) {
        if (!used[i]) continue;
        const size_t edges = ad__edges(tape, i);
        for (size_t k = 0; k < edges; k++) {
            const uint32_t to = ad__operand(tape, i, k);
            if (to != AD__NO_NODE) used[to] = true;
        }
    }
    return used;
}

/* ---- orders ---------------------------------------------------------------------------------- */

typedef struct walk {
    const ad_tape *tape;
    bool          *seen;
    uint32_t      *node, *next; /* the stack: a node, and its next operand */
    size_t         depth;
} walk;

static void enter(walk *w, uint32_t node) {
    w->seen[node] = true;
    w->node[w->depth] = node;
    w->next[w->depth++] = 0;
}

/* Writes the nodes that lead to `last` to `order`, which has room for last + 1, and returns how
 * many there are. Depth first: either as they are first reached, or in reverse of the order in
 * which they are finished. */
static size_t depth_first(walk *w, uint32_t last, bool finished, uint32_t order[]) {
    size_t found = 0;
    enter(w, last);
    if (!finished) order[found++] = last;
    while (w->depth > 0) {
        const uint32_t node = w->node[w->depth - 1];
        if (w->next[w->depth - 1] == ad__edges(w->tape, node)) {
            w->depth--;
            if (finished) order[found++] = node;
            continue;
        }
        const uint32_t to = ad__edge_of(w->tape, node, w->next[w->depth - 1]++).to;
        if (to == AD__NO_NODE || w->seen[to]) continue;
        enter(w, to);
        if (!finished) order[found++] = to;
    }
    for (size_t i = 0; finished && i < found / 2; i++) {
        const uint32_t other = order[i];
        order[i] = order[found - 1 - i];
        order[found - 1 - i] = other;
    }
    return found;
}

static size_t tape_order(const bool used[], uint32_t last, uint32_t order[]) {
    size_t found = 0;
    for (uint32_t i = last + 1; i-- > 0;)
        if (used[i]) order[found++] = i;
    return found;
}

/* The order of visits, to be freed by the caller; NULL: out of memory. */
static uint32_t *visits(const ad_tape *tape, const ad__pass *pass, const ad_view *view,
                        size_t *count) {
    const size_t n = (size_t)pass->last + 1;
    const bool   early = view->bug == AD_BUG_DEPTH_FIRST;
    uint32_t    *order = malloc(n * sizeof *order);
    if (order == NULL) return NULL;
    if (!early && view->order != AD_ORDER_DEPTH_FIRST) {
        *count = tape_order(pass->used, pass->last, order);
        return order;
    }
    walk       w = {.tape = tape,
                    .seen = calloc(n, sizeof *w.seen),
                    .node = malloc(n * sizeof *w.node),
                    .next = malloc(n * sizeof *w.next)};
    const bool space = w.seen != NULL && w.node != NULL && w.next != NULL;
    if (space) *count = depth_first(&w, pass->last, !early, order);
    free(w.seen);
    free(w.node);
    free(w.next);
    if (space) return order;
    free(order);
    return NULL;
}

/* ---- a backward pass ------------------------------------------------------------------------- */

static bool is_step(const ad_tape *tape, const ad__pass *pass, uint32_t node) {
    return pass->used[node] && ad__edges(tape, node) > 0;
}

static bool reserve(ad_tape *tape, ad__pass *pass) {
    for (uint32_t i = 0; i <= pass->last; i++) {
        if (!is_step(tape, pass, i)) continue;
        pass->steps++;
        pass->sents += ad__edges(tape, i);
    }
    pass->step = malloc((pass->steps + 1) * sizeof *pass->step);
    pass->sent = malloc((pass->sents + 1) * sizeof *pass->sent);
    pass->steps = pass->sents = 0;
    return pass->step != NULL && pass->sent != NULL;
}

/* `met`: with the depth-first bug, nodes that were visited; with the stale bug, nodes that have
 * received something. */
static ad__fault fault_of(ad_bug bug, bool met[], uint32_t to, double before, double contribution) {
    const bool first = met != NULL && !met[to];
    if (bug == AD_BUG_OVERWRITE) return before != 0 ? AD__LOST : AD__SOUND;
    if (bug == AD_BUG_DEPTH_FIRST) return !first && contribution != 0 ? AD__LATE : AD__SOUND;
    if (bug != AD_BUG_STALE) return AD__SOUND;
    met[to] = true;
    return first && before != 0 ? AD__LEFT : AD__SOUND;
}

static void visit(const ad_tape *tape, ad__pass *pass, uint32_t node, ad_bug bug, bool met[]) {
    ad__step *step = &pass->step[pass->steps++];
    *step = (ad__step){node, pass->adjoint[node], pass->sents, 0};
    if (bug == AD_BUG_DEPTH_FIRST) met[node] = true;
    const size_t edges = step->upstream == 0 ? 0 : ad__edges(tape, node);
    for (size_t i = 0; i < edges; i++) {
        const ad__edge edge = ad__edge_of(tape, node, i);
        if (!edge.open) continue;
        const double before = pass->adjoint[edge.to], contribution = step->upstream * edge.local;
        const double after = bug == AD_BUG_OVERWRITE ? contribution : before + contribution;
        pass->adjoint[edge.to] = after;
        const ad__fault fault =
            bug == AD_BUG_NONE ? AD__SOUND : fault_of(bug, met, edge.to, before, contribution);
        pass->sent[pass->sents++] =
            (ad__sent){edge.to, fault, edge.local, contribution, before, after};
        step->count++;
    }
}

static void run(const ad_tape *tape, ad__pass *pass, size_t count, const uint32_t order[],
                ad_bug bug, bool met[]) {
    pass->steps = pass->sents = 0;
    pass->adjoint[pass->last] = 1;
    for (size_t i = 0; i < count; i++)
        if (is_step(tape, pass, order[i])) visit(tape, pass, order[i], bug, met);
}

/* False: out of memory. */
static bool run_all(const ad_tape *tape, ad__pass *pass, size_t count, const uint32_t order[],
                    ad_bug bug) {
    bool *met = NULL;
    if (bug != AD_BUG_NONE && (met = calloc((size_t)pass->last + 1, sizeof *met)) == NULL)
        return false;
    run(tape, pass, count, order, bug, met);
    if (bug == AD_BUG_STALE) { /* run again on top of the adjoints of the first pass */
        memset(met, 0, ((size_t)pass->last + 1) * sizeof *met);
        run(tape, pass, count, order, bug, met);
    }
    free(met);
    return true;
}

bool ad__pass_make(ad_tape *tape, uint32_t last, const ad_view *view, ad__pass *pass) {
    static const ad_view usual;
    size_t               count = 0;
    uint32_t            *order = NULL;
    if (view == NULL) view = &usual;
    *pass = (ad__pass){.last = last, .used = ad__leads_to(tape, last)};
    pass->adjoint = calloc((size_t)last + 1, sizeof *pass->adjoint);
    if (pass->used != NULL && pass->adjoint != NULL && reserve(tape, pass))
        order = visits(tape, pass, view, &count);
    const bool good = order != NULL && run_all(tape, pass, count, order, view->bug);
    if (!good)
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to explain %lu nodes",
                 (unsigned long)last + 1);
    free(order);
    return good;
}

void ad__pass_free(ad__pass *pass) {
    free(pass->used);
    free(pass->adjoint);
    free(pass->wrong);
    free(pass->step);
    free(pass->sent);
}

/* ---- results --------------------------------------------------------------------------------- */

ad_tape *ad__results(const char *what, size_t n, const ad_var y[], const ad_view *view, FILE *to,
                     ad_status *status) {
    *status = AD_BAD_ARGUMENT;
    if (n == 0 || y == NULL || to == NULL) return NULL;
    ad_tape *tape = NULL;
    for (size_t i = 0; i < n && tape == NULL; i++) tape = y[i].tape;
    if (tape == NULL) return NULL;
    if (view != NULL && tape->status == AD_OK)
        ad__check_reserved(tape, what, "ad_view", view->reserved, view + 1);
    for (size_t i = 0; i < n && tape->status == AD_OK; i++) {
        if (y[i].tape == NULL)
            ad__fail(tape, AD_BAD_ARGUMENT, "%s: result %zu is the plain number %.17g", what, i + 1,
                     ad__number_of(y[i]));
        else ad__operand_valid(tape, y[i], what, i + 1);
    }
    *status = tape->status;
    return tape->status == AD_OK ? tape : NULL;
}

bool ad__select(const ad_tape *tape, size_t n, const ad_var y[], ad__selection *s) {
    *s = (ad__selection){0, NULL, NULL};
    for (size_t i = 0; i < n; i++)
        if (ad__node_of(y[i]) >= s->length) s->length = ad__node_of(y[i]) + 1;
    s->used = calloc(s->length, sizeof *s->used);
    s->keep = calloc(s->length, sizeof *s->keep);
    if (s->used == NULL || s->keep == NULL) return false;
    for (size_t i = 0; i < n; i++) {
        const uint32_t last = ad__node_of(y[i]);
        bool          *used = ad__leads_to(tape, last);
        if (used == NULL) return false;
        for (uint32_t k = 0; k <= last; k++) s->used[k] |= used[k];
        s->keep[last] = true;
        free(used);
    }
    return true;
}

void ad__select_free(ad__selection *s) {
    free(s->used);
    free(s->keep);
}

static bool same_value(double a, double b) {
    return a == b || (a != a && b != b);
}

bool ad__values_old(ad_tape *tape, uint32_t length, const bool used[], bool *old) {
    double *kept = malloc(((size_t)length + 1) * sizeof *kept);
    if (kept == NULL) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to keep %lu values",
                 (unsigned long)length);
        return false;
    }
    memcpy(kept, tape->value, length * sizeof *kept);
    ad__replay_range(tape, tape->leaves, length);
    *old = tape->status != AD_OK;
    for (uint32_t i = 0; i < length; i++) *old |= used[i] && !same_value(kept[i], tape->value[i]);
    memcpy(tape->value, kept, length * sizeof *kept);
    free(kept);
    if (tape->status == AD_NO_MEMORY) return false;
    ad_tape_clear(tape);
    return true;
}

/* Relative to what was added up: the same contributions in another order are not an error. */
static bool differs(double is, double should, double size) {
    const double gap = fabs(is - should);
    return !same_value(is, should) &&
           !(isfinite(gap) && gap <= 1e-9 * fmax(size, fmax(fabs(is), fabs(should))));
}

/* Fills in pass->wrong by comparison with the pass without the bug. False: out of memory. */
static bool find_wrong(ad__pass *pass, const ad__pass *right) {
    const size_t n = (size_t)pass->last + 1;
    double      *size = calloc(n, sizeof *size);
    pass->wrong = calloc(n, sizeof *pass->wrong);
    if (size == NULL || pass->wrong == NULL) {
        free(size);
        return false;
    }
    for (size_t k = 0; k < right->sents; k++) {
        const ad__sent *s = &right->sent[k];
        if (isfinite(s->contribution)) size[s->to] = fmax(size[s->to], fabs(s->contribution));
    }
    for (size_t i = 0; i < n; i++)
        pass->wrong[i] = differs(pass->adjoint[i], right->adjoint[i], size[i]);
    free(size);
    return true;
}

static bool make_right(ad_tape *tape, uint32_t last, ad__pass *pass, ad__pass *right) {
    if (!ad__pass_make(tape, last, NULL, right)) return false;
    if (find_wrong(pass, right)) return true;
    ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to explain %lu nodes",
             (unsigned long)last + 1);
    return false;
}

bool ad__trace_make(ad_tape *tape, size_t n, const ad_var y[], const ad_view *view, ad__traced *t) {
    *t = (ad__traced){
        .bug = view == NULL ? AD_BUG_NONE : view->bug, .n = n, .pass = calloc(n, sizeof *t->pass)};
    if (t->bug != AD_BUG_NONE) t->right = calloc(n, sizeof *t->right);
    if (t->pass == NULL || (t->bug != AD_BUG_NONE && t->right == NULL) ||
        !ad__select(tape, n, y, &t->selection)) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to explain %lu nodes",
                 (unsigned long)tape->length);
        return false;
    }
    if (!ad__values_old(tape, t->selection.length, t->selection.used, &t->old)) return false;
    for (size_t i = 0; i < n; i++) {
        const uint32_t last = ad__node_of(y[i]);
        if (!ad__pass_make(tape, last, view, &t->pass[i])) return false;
        if (t->right != NULL && !make_right(tape, last, &t->pass[i], &t->right[i])) return false;
    }
    return true;
}

void ad__trace_free(ad__traced *t) {
    ad__select_free(&t->selection);
    for (size_t i = 0; i < t->n && t->pass != NULL; i++) ad__pass_free(&t->pass[i]);
    for (size_t i = 0; i < t->n && t->right != NULL; i++) ad__pass_free(&t->right[i]);
    free(t->pass);
    free(t->right);
}

/* ---- bugs ------------------------------------------------------------------------------------ */

bool ad__is_wrong(const ad__pass *pass, uint32_t node) {
    return pass->wrong != NULL && pass->wrong[node];
}

const char *ad__bug_name(ad_bug bug) {
    switch (bug) {
    case AD_BUG_OVERWRITE: return "no-accumulate";
    case AD_BUG_DEPTH_FIRST: return "depth-first";
    case AD_BUG_STALE: return "stale";
    default: return "";
    }
}

const char *ad__bug_does(ad_bug bug) {
    switch (bug) {
    case AD_BUG_OVERWRITE:
        return "a contribution overwrites what stands there instead of being added to it";
    case AD_BUG_DEPTH_FIRST:
        return "a node passes on what it has when it is first reached, complete or not";
    case AD_BUG_STALE: return "the gradients that an earlier pass left were not set to zero";
    default: return "";
    }
}

const char *ad__bug_lesson(ad_bug bug) {
    switch (bug) {
    case AD_BUG_OVERWRITE:
        return "a value that is used twice owes its gradient to both uses: contributions must be "
               "added";
    case AD_BUG_DEPTH_FIRST:
        return "a node that passes on its gradient before all its users were visited passes on too "
               "little";
    case AD_BUG_STALE: return "what an earlier pass left must be set to zero before the next";
    default: return "";
    }
}

/* ---- how nodes are written ------------------------------------------------------------------- */

enum { MOST_OPERANDS = 8 };

const char *ad__label(const ad_tape *tape, uint32_t node, char text[AD__LABEL]) {
    const char *name = ad__name_of(tape, node);
    if (name != NULL) ad__shown_name(name, text);
    else snprintf(text, AD__LABEL, "#%lu", (unsigned long)node);
    return text;
}

static const char *operand(const ad_tape *tape, uint32_t node, size_t i, bool numbers,
                           char text[AD__LABEL]) {
    const ad__edge edge = ad__edge_of(tape, node, i);
    if (edge.to != AD__NO_NODE && !numbers) return ad__label(tape, edge.to, text);
    snprintf(text, AD__LABEL, "%.6g", ad__tidy(edge.value));
    return text;
}

static void write_what(const ad_tape *tape, uint32_t node, bool numbers, size_t room, char text[]) {
    const ad__row_number row = ad__code_row(tape->code[node]);
    const size_t         n = ad__edges(tape, node);
    char                 x[AD__LABEL] = "", y[AD__LABEL] = "";
    text[0] = '\0';
    if (tape->code[node] == AD__input) return;
    if (row < AD__ROWS) {
        operand(tape, node, 0, numbers, x);
        if (n > 1) operand(tape, node, 1, numbers, y);
        ad__shown(room, text, ad__rows[row].shown, x, y);
        return;
    }
    size_t length =
        (size_t)snprintf(text, room, "%s(", ad__shown_name(ad__node_name(tape, node), y));
    for (size_t i = 0; i < n && i < MOST_OPERANDS && length < room; i++)
        length += (size_t)snprintf(text + length, room - length, "%s%s", i > 0 ? ", " : "",
                                   operand(tape, node, i, numbers, x));
    if (length < room)
        length += (size_t)snprintf(text + length, room - length,
                                   n > MOST_OPERANDS ? ", ... %zu more)" : ")", n - MOST_OPERANDS);
    if (length >= room && room > 0) ad__end_whole(text);
}

void ad__what(const ad_tape *tape, uint32_t node, size_t room, char text[]) {
    write_what(tape, node, false, room, text);
}

void ad__what_numbers(const ad_tape *tape, uint32_t node, size_t room, char text[]) {
    write_what(tape, node, true, room, text);
}

void ad__headline(const ad_tape *tape, uint32_t node, size_t room, char text[]) {
    const char *name = ad__name_of(tape, node);
    char        shown[AD__SHOWN_NAME];
    int         length = snprintf(text, room, "#%lu ", (unsigned long)node);
    if (tape->code[node] == AD__input) {
        snprintf(text + length, room - (size_t)length, "%s",
                 ad__shown_name(name != NULL ? name : "input", shown));
        return;
    }
    if (name != NULL)
        length +=
            snprintf(text + length, room - (size_t)length, "%s = ", ad__shown_name(name, shown));
    ad__what(tape, node, room - (size_t)length, text + length);
}
