/* plan.c - rows and moves; see plan.h.
 *
 * Reverse moves are made by one walk over the steps, last to first, that runs twice: first it only
 * counts the contributions to each adjoint and notes which values are read, so that forward rows
 * can be given out; then, when the rows are known and it is known which contribution is the only
 * one, it writes the moves. */
#include "program/plan.h"

#include <stdlib.h>

#define NONE UINT32_MAX

enum { X, Y }; /* operands of a row */

typedef struct planner {
    const ad_program *p;
    ad__plan         *plan;
    ad__purpose       purpose;
    bool              writing, failed;
    size_t            forward_room, move_room, word_room;
    bool             *kept;      /* by value: read in reverse */
    bool             *fold_kept; /* by value: so are its shift and total */
    uint32_t         *last;      /* by value: the last step that reads it */
    uint32_t         *waiting;   /* by value and output: contributions to come */
    uint32_t         *slot;      /* by value and output: its adjoint row, or NONE */
    uint32_t         *users;     /* by row: adjoints that live there */
    uint32_t         *free_row;  /* rows given back, the last one first */
    size_t            free_rows, row_room;
    /* rows from first_free on are given out; the next fresh one */
    uint32_t          first_free, next, most;
    uint32_t          g, outputs; /* of a sweep: the output at hand; how many */
    size_t            together;   /* the most outputs of a sweep */
} planner;

static void *grown(planner *c, void *old, size_t *room, size_t need, size_t bytes) {
    size_t size = *room == 0 ? 64 : *room;
    while (size < need) size *= 2;
    void *memory = size > SIZE_MAX / 2 / bytes ? NULL : realloc(old, size * bytes);
    if (memory == NULL) c->failed = true;
    else *room = size;
    return memory;
}

static void add_move(planner *c, bool forward, ad__move m) {
    ad__plan  *plan = c->plan;
    ad__move **list = forward ? &plan->forward : &plan->move;
    size_t    *n = forward ? &plan->forwards : &plan->moves,
           *room = forward ? &c->forward_room : &c->move_room;
    if (c->failed || (!forward && !c->writing)) return;
    if (*n == *room) {
        ad__move *moves = grown(c, *list, room, *n + 1, sizeof *moves);
        if (moves == NULL) return;
        *list = moves;
    }
    (*list)[(*n)++] = m;
}

/* Room for words that are about to be written; their place. */
static uint32_t take_words(planner *c, size_t n) {
    ad__plan *plan = c->plan;
    if (c->failed) return NONE;
    if (plan->words + n > c->word_room) {
        uint32_t *word = grown(c, plan->word, &c->word_room, plan->words + n, sizeof *word);
        if (word == NULL) return NONE;
        plan->word = word;
    }
    plan->words += n;
    if (plan->words >= NONE / 2) c->failed = true;
    return (uint32_t)(plan->words - n);
}

static uint32_t give_row(planner *c) {
    if (c->failed) return AD__SPARE;
    const uint32_t row = c->free_rows > 0 ? c->free_row[--c->free_rows] : c->next++;
    if (c->next > c->most) c->most = c->next;
    if (row >= c->row_room) {
        const size_t old = c->row_room;
        size_t       room = old;
        uint32_t    *users = grown(c, c->users, &room, row + 1, sizeof *users);
        if (users == NULL) return AD__SPARE;
        c->users = users;
        uint32_t *free_row = realloc(c->free_row, room * sizeof *free_row);
        if (free_row == NULL) {
            c->failed = true;
            return AD__SPARE;
        }
        c->free_row = free_row, c->row_room = room;
    }
    c->users[row] = 1;
    return row;
}

static void leave_row(planner *c, uint32_t row) {
    if (!c->failed && --c->users[row] == 0) c->free_row[c->free_rows++] = row;
}

/* ---- what a reverse move reads --------------------------------------------------------------- */

static bool varying(const planner *c, uint32_t i) {
    return (c->p->node[i].flags & AD__VARYING) != 0;
}

/* Does anything that is asked for stand behind this value? */
static bool wanted(const planner *c, uint32_t i) {
    const uint8_t flags = c->p->node[i].flags;
    return c->purpose == AD__JACOBIAN ? (flags & AD__VARYING) && (flags & AD__ON_ACTIVE)
                                      : (flags & AD__ON_PARAM) != 0;
}

/* The row of a value, or the place of a uniform one. Noted as read in reverse. */
static uint32_t read_value(planner *c, uint32_t i) {
    if (!varying(c, i)) return c->p->node[i].home;
    c->kept[i] = true;
    return c->plan->row[i];
}

/* The same as a row, filled if it is a number. */
static uint32_t read_row(planner *c, uint32_t i) {
    const uint32_t place = read_value(c, i);
    if (varying(c, i)) return place;
    add_move(c, false, (ad__move){.kind = AD__FILL, .out = AD__SPARE, .y = place});
    return AD__SPARE;
}

/* The row of the shift of a fold, its total in the next. Noted as read in reverse. */
static uint32_t read_fold(planner *c, uint32_t i) {
    c->fold_kept[i] = true;
    return c->plan->fold[i];
}

/* ---- adjoints -------------------------------------------------------------------------------- */

static size_t adjoint(const planner *c, uint32_t i) {
    return i * c->together + c->g;
}

/* Where a contribution to a varying value is read from and written to. */
static void target(planner *c, uint32_t i, uint32_t *in, uint32_t *out) {
    uint32_t *slot = &c->slot[adjoint(c, i)];
    *in = *out = AD__ZEROS;
    if (!c->writing) c->waiting[adjoint(c, i)]++;
    if (!c->writing) return;
    *in = *slot == NONE ? AD__ZEROS : *slot;
    if (*slot == NONE) *slot = give_row(c);
    *out = *slot;
}

static void total(planner *c, uint32_t i, uint32_t a, bool minus) {
    add_move(c, false,
             (ad__move){.kind = AD__TOTAL, .a = a, .y = c->p->node[i].home, .which = minus});
}

/* A move with everything but its target: to the adjoint row of value i, or through a spare row to
 * that of a uniform one. */
static void push_to(planner *c, uint32_t i, ad__move m) {
    if (varying(c, i)) {
        target(c, i, &m.in, &m.out);
        add_move(c, false, m);
    } else if (m.kind == AD__PUSH && m.row == AD__ROW_mul) {
        const bool x = m.which == Y && m.form == AD__Y_NUMBER; /* the other operand is a row */
        add_move(
            c, false,
            (ad__move){
                .kind = AD__TOTAL_PRODUCT, .a = m.a, .x = x ? m.x : m.y, .y = c->p->node[i].home});
    } else {
        m.in = AD__ZEROS, m.out = AD__SPARE + 3;
        add_move(c, false, m);
        total(c, i, AD__SPARE + 3, false);
    }
}

/* The adjoint `a` of a value, as it is, to the operands of an addition. One whose only contribution
 * this is shares the row; one more may have it for its own when the others have read it. */
typedef struct passing {
    uint32_t a, heir;
} passing;

static void pass(planner *c, passing *to, uint32_t i) {
    if (c->failed || !wanted(c, i)) return;
    if (!varying(c, i)) {
        total(c, i, to->a, false);
        return;
    }
    uint32_t *slot = &c->slot[adjoint(c, i)];
    if (c->writing && *slot == NONE && c->waiting[adjoint(c, i)] == 1) {
        *slot = to->a;
        c->users[to->a]++;
        return;
    }
    if (c->writing && *slot == NONE && to->heir == NONE) {
        to->heir = i;
        return;
    }
    const ad__move same = {.kind = AD__PUSH_SAME, .a = to->a};
    if (to->heir == i) { /* the same operand again */
        to->heir = NONE;
        push_to(c, i, same);
    }
    push_to(c, i, same);
}

static void finish_passing(planner *c, const passing *to) {
    if (c->failed || to->heir == NONE) return;
    if (c->users[to->a] == 1) {
        c->slot[adjoint(c, to->heir)] = to->a;
        c->users[to->a]++;
    } else {
        push_to(c, to->heir, (ad__move){.kind = AD__PUSH_SAME, .a = to->a});
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

static ad__form form_of(const planner *c, const ad__node *node, bool two) {
    return !two || varying(c, node->x) == varying(c, node->y) ? AD__NODES_ONLY
         : varying(c, node->x)                                ? AD__Y_NUMBER
                                                              : AD__X_NUMBER;
}

/* The move that pushes along one operand; only what its rule reads is kept for it. */
static ad__move push_row(planner *c, uint32_t i, int which, uint32_t a) {
    const ad__node      *node = &c->p->node[i];
    const ad__row_number row = ad__code_row(node->code);
    const bool           two = ad__rows[row].operands == 2;
    const unsigned       reads = ad__rows[row].reads[which];
    const ad__form       form = form_of(c, node, two);
    ad__move             m = {.kind = AD__PUSH,
                              .form = (uint8_t)form,
                              .row = (uint8_t)row,
                              .which = (uint8_t)which,
                              .a = a};
    m.x = reads & AD__READS_X ? read_value(c, node->x) : 0;
    m.y = reads & AD__READS_Y ? read_value(c, node->y) : 0;
    m.v = reads & AD__READS_V ? read_value(c, i) : 0;
    return m;
}

static void visit_add(planner *c, const ad__node *node, uint32_t a) {
    passing to = {a, NONE};
    pass(c, &to, node->x);
    pass(c, &to, node->y);
    finish_passing(c, &to);
}

static void visit_sub(planner *c, uint32_t i, uint32_t a) {
    const ad__node *node = &c->p->node[i];
    passing         to = {a, NONE};
    if (wanted(c, node->y) && varying(c, node->y)) push_to(c, node->y, push_row(c, i, Y, a));
    else if (wanted(c, node->y)) total(c, node->y, a, true);
    pass(c, &to, node->x);
    finish_passing(c, &to);
}

static void push_both(planner *c, uint32_t i, uint32_t a) {
    const ad__node *node = &c->p->node[i];
    ad__move        m = push_row(c, i, X, a), y = push_row(c, i, Y, a);
    m.kind = AD__PUSH_BOTH;
    if (m.x == 0) m.x = y.x;
    if (m.y == 0) m.y = y.y;
    if (m.v == 0) m.v = y.v;
    target(c, node->x, &m.in, &m.out);
    target(c, node->y, &m.in_y, &m.out_y);
    add_move(c, false, m);
}

static void visit_row(planner *c, uint32_t i, uint32_t a) {
    const ad__node      *node = &c->p->node[i];
    const ad__row_number row = ad__code_row(node->code);
    const bool           two = ad__rows[row].operands == 2;
    if (row == AD__ROW_add) {
        visit_add(c, node, a);
    } else if (row == AD__ROW_sub) {
        visit_sub(c, i, a);
    } else if (row == AD__ROW_mul && node->x == node->y) {
        push_to(c, node->x,
                (ad__move){.kind = AD__PUSH_SQUARE, .a = a, .x = read_value(c, node->x)});
    } else if (two && node->x != node->y && wanted(c, node->x) && wanted(c, node->y) &&
               varying(c, node->x) && varying(c, node->y)) {
        push_both(c, i, a);
    } else {
        if (wanted(c, node->x)) push_to(c, node->x, push_row(c, i, X, a));
        if (two && wanted(c, node->y)) push_to(c, node->y, push_row(c, i, Y, a));
    }
}

/* ---- reductions ------------------------------------------------------------------------------ */

static void visit_dot(planner *c, const ad__node *node, uint32_t a) {
    const uint32_t *x = c->p->word + node->x, *y = x + node->y;
    for (uint32_t k = 0; k < node->y; k++) {
        if (x[k] == y[k] && wanted(c, x[k])) {
            push_to(c, x[k], (ad__move){.kind = AD__PUSH_SQUARE, .a = a, .x = read_row(c, x[k])});
            continue;
        }
        if (wanted(c, x[k]))
            push_to(c, x[k], (ad__move){.kind = AD__PUSH_PRODUCT, .a = a, .x = read_row(c, y[k])});
        if (wanted(c, y[k]))
            push_to(c, y[k], (ad__move){.kind = AD__PUSH_PRODUCT, .a = a, .x = read_row(c, x[k])});
    }
}

static void visit_fold(planner *c, uint32_t i, uint32_t a) {
    const ad__node *node = &c->p->node[i];
    const uint32_t *word = c->p->word + node->x;
    for (uint32_t k = 0; k < node->y; k++)
        if (wanted(c, word[k]))
            push_to(c, word[k],
                    (ad__move){.kind = AD__PUSH_FOLD,
                               .a = a,
                               .row = (uint8_t)(node->code - AD__FIRST_REDUCTION),
                               .y = read_fold(c, i),
                               .x = read_row(c, word[k])});
}

/* Where the adjoint of the operand that is picked goes: rows that are there already, or begin with
 * zeros. */
static void visit_pick(planner *c, const ad__node *node, uint32_t a) {
    const uint32_t *operand = c->p->word + node->x;
    const uint32_t  n = node->y - 1, index = read_row(c, operand[0]),
                   place = c->writing ? take_words(c, n) : 0;
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t i = operand[1 + k];
        uint32_t       in, out = NONE;
        if (wanted(c, i) && varying(c, i)) {
            target(c, i, &in, &out);
            if (in != out) add_move(c, false, (ad__move){.kind = AD__CLEAR, .out = out});
        } else if (wanted(c, i)) {
            out = c->p->node[i].home | (uint32_t)AD__NUMBER;
        }
        if (c->writing && !c->failed) c->plan->word[place + k] = out;
    }
    add_move(c, false, (ad__move){.kind = AD__PUSH_PICK, .a = a, .x = index, .y = place, .v = n});
}

/* All partials come from one call, so all contributions are one move. */
static void visit_custom(planner *c, uint32_t i, uint32_t a) {
    const ad__node *node = &c->p->node[i];
    const uint32_t *operand = c->p->word + node->x, n = node->y, v = read_value(c, i);
    const uint32_t  place = c->writing ? take_words(c, 3 * (size_t)n) : 0;
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t o = operand[k], from = read_value(c, o);
        uint32_t       in = AD__ZEROS, out = NONE;
        if (wanted(c, o) && varying(c, o)) target(c, o, &in, &out);
        else if (wanted(c, o)) out = c->p->node[o].home | (uint32_t)AD__NUMBER;
        if (!c->writing || c->failed) continue;
        c->plan->word[place + k] = from | (varying(c, o) ? 0 : (uint32_t)AD__NUMBER);
        c->plan->word[place + n + k] = in;
        c->plan->word[place + 2 * n + k] = out;
    }
    if (c->writing && c->plan->broadcast < 3 * (size_t)n) c->plan->broadcast = 3 * (size_t)n;
    add_move(c, false, (ad__move){.kind = AD__PUSH_CUSTOM, .a = a, .v = v, .x = place, .y = i});
}

static void visit_reduction(planner *c, uint32_t i, uint32_t a) {
    const ad__node *node = &c->p->node[i];
    const uint32_t *word = c->p->word + node->x;
    passing         to = {a, NONE};
    switch (node->code) {
    case AD__sum:
        for (uint32_t k = 0; k < node->y; k++) pass(c, &to, word[k]);
        finish_passing(c, &to);
        break;
    case AD__dot: visit_dot(c, node, a); break;
    case AD__where:
        for (uint8_t k = 1; k < 3; k++)
            if (wanted(c, word[k]))
                push_to(c, word[k],
                        (ad__move){.kind = AD__PUSH_WHERE,
                                   .a = a,
                                   .which = k == 1,
                                   .x = read_row(c, word[0])});
        break;
    case AD__custom: visit_custom(c, i, a); break;
    case AD__pick: visit_pick(c, node, a); break;
    default: visit_fold(c, i, a);
    }
}

/* ---- layers ---------------------------------------------------------------------------------- */

static bool arrived(const planner *c, uint32_t i) {
    return c->waiting[adjoint(c, i)] > 0;
}

/* Members that nothing arrived at take part with adjoint 0. */
static void visit_layer(planner *c, uint32_t number) {
    const ad__layer *l = &c->p->layer[number];
    const uint32_t  *member = c->p->word + l->output, *input = c->p->word + l->input;
    const bool       gradient = c->purpose == AD__GRADIENT,
               operands = gradient ? l->operands_on_param : l->on_active;
    bool any = false;
    for (uint32_t j = 0; j < l->m; j++) any |= arrived(c, member[j]);
    if (!any) return;
    const uint32_t place = c->writing ? take_words(c, l->m + 3 * (size_t)l->n) : 0;
    for (uint32_t i = 0; i < l->n; i++) {
        uint32_t       in = AD__ZEROS, out = AD__SPARE + 3;
        const uint32_t operand =
            gradient && l->on_param ? read_value(c, input[i]) : (uint32_t)AD__ZEROS;
        if (operands && wanted(c, input[i])) target(c, input[i], &in, &out);
        if (!c->writing || c->failed) continue;
        c->plan->word[place + l->m + i] = in;
        c->plan->word[place + l->m + l->n + i] = out;
        c->plan->word[place + l->m + 2 * (size_t)l->n + i] = operand;
    }
    if (!c->writing || c->failed) return;
    for (uint32_t j = 0; j < l->m; j++) {
        const uint32_t slot = c->slot[adjoint(c, member[j])];
        c->plan->word[place + j] = slot == NONE ? (uint32_t)AD__ZEROS : slot;
    }
    add_move(c, false,
             (ad__move){.kind = AD__PUSH_LAYER, .x = place, .y = number, .which = operands});
    for (uint32_t j = 0; j < l->m; j++)
        if (c->slot[adjoint(c, member[j])] != NONE) leave_row(c, c->slot[adjoint(c, member[j])]);
}

/* ---- a sweep --------------------------------------------------------------------------------- */

/* One partial, for all outputs whose adjoint is there: 0 + 1*partial in a spare row, which then
 * multiplies. */
static void push_shared(planner *c, uint32_t i, int which) {
    const ad__node *node = &c->p->node[i];
    const uint32_t  to = which == X ? node->x : node->y, place = AD__SPARE + (uint32_t)which;
    if (!wanted(c, to)) return;
    ad__move partial = push_row(c, i, which, AD__ONES);
    partial.in = AD__ZEROS, partial.out = place;
    add_move(c, false, partial);
    for (c->g = 0; c->g < c->outputs; c->g++)
        if (arrived(c, i))
            push_to(c, to,
                    (ad__move){.kind = AD__PUSH_PRODUCT, .a = c->slot[adjoint(c, i)], .x = place});
}

static bool worth_sharing(planner *c, uint32_t i) {
    const ad__node      *node = &c->p->node[i];
    const ad__row_number row = node->code < AD__CODES ? ad__code_row(node->code) : AD__ROWS;
    uint32_t             outputs = 0;
    for (c->g = 0; c->g < c->outputs; c->g++) outputs += arrived(c, i);
    return outputs > 1 && row < AD__ROWS && c->purpose == AD__JACOBIAN && ad__rows[row].costly;
}

/* Its users have been visited and so has it: in the only sweep nothing reads the value any more. */
static void leave_value(planner *c, uint32_t i) {
    if (!c->writing || c->failed || c->plan->sweeps != 1) return;
    if (c->kept[i]) c->free_row[c->free_rows++] = c->plan->row[i];
    for (uint32_t k = 0; k < 2 && c->fold_kept[i]; k++)
        c->free_row[c->free_rows++] = c->plan->fold[i] + k;
}

static void visit(planner *c, uint32_t i) {
    const ad__node *node = &c->p->node[i];
    if (node->code == AD__LAYER_DOT) {
        const ad__layer *l = &c->p->layer[node->x];
        for (c->g = 0; c->g < c->outputs; c->g++) visit_layer(c, node->x);
        for (uint32_t j = 0; j < l->m; j++) leave_value(c, c->p->word[l->output + j]);
        return;
    }
    if (worth_sharing(c, i)) {
        push_shared(c, i, X);
        if (ad__rows[ad__code_row(node->code)].operands == 2) push_shared(c, i, Y);
    } else {
        for (c->g = 0; c->g < c->outputs; c->g++) {
            if (!arrived(c, i)) continue;
            const uint32_t a = c->slot[adjoint(c, i)];
            if (node->code < AD__CODES && ad__code_row(node->code) < AD__ROWS) visit_row(c, i, a);
            else visit_reduction(c, i, a);
        }
    }
    for (c->g = 0; c->writing && c->g < c->outputs; c->g++)
        if (arrived(c, i)) leave_row(c, c->slot[adjoint(c, i)]);
    leave_value(c, i);
}

/* Seeds count as a contribution, so that an output that others use too keeps its row. */
static void seed_outputs(planner *c, const ad__sweep *s) {
    for (c->g = 0; c->g < s->outputs; c->g++) {
        const uint32_t output = c->p->output[s->output + c->g];
        uint32_t       in, out = NONE;
        if (varying(c, output) && wanted(c, output)) target(c, output, &in, &out);
        if (c->writing && !c->failed) c->plan->word[s->seed + c->g] = out;
    }
}

static void walk_back(planner *c, ad__sweep *s) {
    const ad_program *p = c->p;
    c->outputs = s->outputs;
    seed_outputs(c, s);
    for (uint32_t k = p->steps; k-- > p->uniform_steps && !c->failed;)
        if (p->node[p->step[k]].code != AD__ROW_INPUT) visit(c, p->step[k]);
}

static void clear_adjoints(planner *c) {
    const size_t n = c->p->nodes * c->together;
    memset(c->waiting, 0, n * sizeof *c->waiting);
    memset(c->slot, 0xff, n * sizeof *c->slot);
}

/* Rows of the derivatives: outputs x active; zeros where an output does not depend on an input. */
static void note_derivatives(planner *c, ad__sweep *s) {
    const ad_program *p = c->p;
    const size_t      n = s->outputs * p->active;
    s->active = take_words(c, n);
    if (c->failed) return;
    memset(c->plan->word + s->active, 0, n * sizeof *c->plan->word);
    for (uint32_t k = p->uniform_steps; k < p->steps; k++) {
        const ad__node *node = &p->node[p->step[k]];
        if (node->code != AD__ROW_INPUT || node->x >= p->active) continue;
        for (c->g = 0; c->g < s->outputs; c->g++) {
            const uint32_t slot = c->slot[adjoint(c, p->step[k])];
            if (slot != NONE) c->plan->word[s->active + c->g * p->active + node->x] = slot;
        }
    }
}

static void write_sweep(planner *c, ad__sweep *s) {
    clear_adjoints(c);
    c->writing = false;
    walk_back(c, s);
    c->writing = true;
    c->free_rows = 0, c->next = c->first_free;
    s->move = c->plan->moves;
    s->seed = take_words(c, s->outputs);
    walk_back(c, s);
    s->moves = c->plan->moves - s->move;
    if (c->purpose == AD__JACOBIAN) note_derivatives(c, s);
}

/* ---- forward --------------------------------------------------------------------------------- */

/* Outputs, guards and their sides are read when the block has gone forward. */
static void find_last_uses(planner *c) {
    const ad_program *p = c->p;
    for (uint32_t k = p->uniform_steps; k < p->steps; k++) {
        const ad__node *node = &p->node[p->step[k]];
        for (size_t o = ad__value_operands(p, node); o-- > 0;)
            c->last[ad__value_operand(p, node, o)] = k;
    }
    for (size_t k = 0; k < p->outputs; k++) c->last[p->output[k]] = NONE;
    for (uint32_t g = 0; g < p->guards; g++) {
        const ad__node *node = &p->node[p->guard[g].value];
        c->last[p->guard[g].value] = NONE;
        if (ad__guard_sides(p, g)) c->last[node->x] = c->last[node->y] = NONE;
    }
}

/* Values that are kept have the first rows, one each. */
static void give_kept_rows(planner *c) {
    const ad_program *p = c->p;
    c->next = AD__FIRST_ROW;
    for (uint32_t i = 0; i < p->nodes; i++) {
        if (varying(c, i) && c->kept[i]) c->plan->row[i] = give_row(c);
        if (!c->fold_kept[i]) continue;
        c->plan->fold[i] = give_row(c);
        give_row(c);
    }
    c->first_free = c->most = c->next;
}

static void give_value_row(planner *c, uint32_t i) {
    if (!c->kept[i]) c->plan->row[i] = give_row(c);
}

/* Rows that this step reads last are free again. A value that nothing reads is noted as read by its
 * step. */
static void leave_operands(planner *c, const ad__node *node, uint32_t k) {
    for (size_t o = ad__value_operands(c->p, node); o-- > 0;) {
        const uint32_t i = ad__value_operand(c->p, node, o);
        if (!varying(c, i) || c->kept[i] || c->last[i] != k) continue;
        leave_row(c, c->plan->row[i]);
        c->last[i] = NONE; /* it may be an operand twice */
    }
}

static uint32_t place_of(const planner *c, uint32_t i) {
    return varying(c, i) ? c->plan->row[i] : c->p->node[i].home;
}

static void move_row(planner *c, uint32_t i) {
    const ad__node      *node = &c->p->node[i];
    const ad__row_number row = ad__code_row(node->code);
    const bool           two = ad__rows[row].operands == 2;
    add_move(c, true,
             (ad__move){.kind = AD__MOVE_ROW,
                        .row = (uint8_t)row,
                        .form = (uint8_t)form_of(c, node, two),
                        .v = c->plan->row[i],
                        .x = place_of(c, node->x),
                        .y = two ? place_of(c, node->y) : 0});
}

static uint32_t forward_words(planner *c, const ad__node *node, size_t before) {
    const size_t   n = ad__value_operands(c->p, node);
    const uint32_t place = take_words(c, before + n);
    size_t         numbers = 0;
    for (size_t k = 0; k < n && !c->failed; k++) {
        const uint32_t i = ad__value_operand(c->p, node, k);
        numbers += !varying(c, i);
        c->plan->word[place + before + k] =
            place_of(c, i) | (varying(c, i) ? 0 : (uint32_t)AD__NUMBER);
    }
    if (node->code == AD__custom) numbers = 3 * n; /* block.c computes behind the numbers */
    if (numbers > c->plan->broadcast) c->plan->broadcast = numbers;
    return place;
}

static void move_layer(planner *c, const ad__node *node) {
    const ad__layer *l = &c->p->layer[node->x];
    const uint32_t   place = forward_words(c, node, l->m);
    for (uint32_t j = 0; j < l->m && !c->failed; j++) {
        const uint32_t i = c->p->word[l->output + j];
        give_value_row(c, i);
        c->plan->word[place + j] = c->plan->row[i];
    }
    add_move(c, true, (ad__move){.kind = AD__MOVE_LAYER, .x = place, .y = node->x});
}

/* A row, a sum or a dot may be written over an operand that is read for the last time: each lane is
 * read before it is written. Others read twice, or write before the last has been read. */
static void write_forward(planner *c) {
    const ad_program *p = c->p;
    for (size_t k = 0; k < p->inputs; k++) c->plan->input[k] = AD__SPARE;
    for (uint32_t k = p->uniform_steps; k < p->steps; k++) {
        const ad__node *node = &p->node[p->step[k]];
        if (node->code != AD__ROW_INPUT) continue;
        give_value_row(c, p->step[k]);
        c->plan->input[node->x] = c->plan->row[p->step[k]];
    }
    for (uint32_t k = p->uniform_steps; k < p->steps && !c->failed; k++) {
        const uint32_t  i = p->step[k];
        const ad__node *node = &p->node[i];
        if (node->code == AD__ROW_INPUT) continue;
        if (node->code == AD__LAYER_DOT) {
            move_layer(c, node);
            leave_operands(c, node, k);
            continue;
        }
        const bool     row = ad__code_row(node->code) < AD__ROWS;
        const bool     in_place = row || node->code == AD__sum || node->code == AD__dot;
        const uint32_t words = row ? 0 : forward_words(c, node, 0);
        if (in_place) leave_operands(c, node, k);
        give_value_row(c, i);
        if (row) move_row(c, i);
        else
            add_move(c, true,
                     (ad__move){.kind = AD__MOVE_NODE,
                                .x = words,
                                .y = i,
                                .v = c->plan->row[i],
                                .a = c->fold_kept[i] ? c->plan->fold[i] : (uint32_t)AD__SPARE});
        if (!in_place) leave_operands(c, node, k);
    }
}

/* ---- a plan ---------------------------------------------------------------------------------- */

/* Lanes of a block. They share the cost of a move, some nanoseconds, so that many are better than
 * rows in the nearest cache: on a machine with 1 MiB of second-level cache a simulation of 1000
 * steps took 0.94 ns an operation with 16 lanes (0.4 MB), 0.67 with 32, 0.54 with 64 and 0.59 with
 * 128 (3 MB). The sizes are not asked of the machine: the order in which a mean is added up depends
 * on the block, and should not depend on where it is computed. */
static size_t choose_block(size_t rows) {
    const size_t bytes = rows * sizeof(double);
    size_t       lanes = AD__MOST_LANES;
    while (lanes > AD__ENOUGH_LANES && lanes * bytes > AD__CACHE) lanes /= 2;
    while (lanes > AD__LEAST_LANES && lanes * bytes > AD__MEMORY) lanes /= 2;
    return lanes;
}

static void make_sweeps(planner *c) {
    const size_t outputs = c->purpose == AD__JACOBIAN ? c->p->outputs
                         : c->purpose == AD__GRADIENT ? 1
                                                      : 0;
    c->plan->sweeps = (outputs + AD__TOGETHER - 1) / AD__TOGETHER;
    c->plan->sweep = calloc(c->plan->sweeps + 1, sizeof *c->plan->sweep);
    if (c->plan->sweep == NULL) {
        c->failed = true;
        return;
    }
    for (size_t k = 0; k < c->plan->sweeps; k++) {
        const size_t first = k * AD__TOGETHER, left = outputs - first;
        c->plan->sweep[k].output = (uint32_t)first;
        c->plan->sweep[k].outputs = (uint32_t)(left < AD__TOGETHER ? left : AD__TOGETHER);
    }
}

static void make(planner *c) {
    make_sweeps(c);
    for (size_t k = 0; k < c->plan->sweeps && !c->failed; k++) {
        clear_adjoints(c);
        walk_back(c, &c->plan->sweep[k]);
    }
    if (c->failed) return;
    find_last_uses(c);
    give_kept_rows(c);
    write_forward(c);
    for (size_t k = 0; k < c->plan->sweeps && !c->failed; k++) write_sweep(c, &c->plan->sweep[k]);
    c->plan->gradient = c->purpose == AD__GRADIENT;
    c->plan->rows = c->most;
    c->plan->block = choose_block(c->plan->rows);
}

void ad__plan_free(ad__plan *plan) {
    if (plan == NULL) return;
    free(plan->forward);
    free(plan->move);
    free(plan->word);
    free(plan->sweep);
    free(plan->row);
    free(plan->fold);
    free(plan->input);
    free(plan);
}

static ad__plan *plan_new(const ad_program *p, ad__purpose purpose) {
    planner      c = {.p = p, .purpose = purpose, .plan = calloc(1, sizeof *c.plan)};
    const size_t n = (size_t)p->nodes + 1;
    if (c.plan == NULL) return NULL;
    c.together = purpose == AD__VALUES                      ? 0
               : purpose == AD__GRADIENT || p->outputs == 1 ? 1
                                                            : AD__TOGETHER;
    c.kept = calloc(n, sizeof *c.kept);
    c.fold_kept = calloc(n, sizeof *c.fold_kept);
    c.last = calloc(n, sizeof *c.last);
    c.waiting = malloc((n * c.together + 1) * sizeof *c.waiting);
    c.slot = malloc((n * c.together + 1) * sizeof *c.slot);
    c.plan->row = calloc(n, sizeof *c.plan->row);
    c.plan->fold = calloc(n, sizeof *c.plan->fold);
    c.plan->input = calloc(p->inputs + 1, sizeof *c.plan->input);
    c.failed = c.kept == NULL || c.fold_kept == NULL || c.last == NULL || c.waiting == NULL ||
               c.slot == NULL || c.plan->row == NULL || c.plan->fold == NULL ||
               c.plan->input == NULL;
    if (!c.failed) make(&c);
    free(c.kept);
    free(c.fold_kept);
    free(c.last);
    free(c.waiting);
    free(c.slot);
    free(c.users);
    free(c.free_row);
    if (!c.failed) return c.plan;
    ad__plan_free(c.plan);
    return NULL;
}

/* Two threads may make the same plan at once: the first to finish is kept. */
const ad__plan *ad__plan_for(const ad_program *program, ad__purpose purpose) {
    /* plans are made when needed; its value is the same */
    ad_program *p = (ad_program *)(uintptr_t)program;
    ad__plan   *plan = atomic_load(&p->plan[purpose]), *none = NULL;
    if (plan != NULL) return plan;
    plan = plan_new(p, purpose);
    if (plan == NULL || atomic_compare_exchange_strong(&p->plan[purpose], &none, plan)) return plan;
    ad__plan_free(plan);
    return none;
}
