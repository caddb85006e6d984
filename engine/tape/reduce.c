/* reduce.c - the reductions on the tape, one node each. What they compute stands in reduce.def; how
 * operands are stored, in reduce.h.
 *
 * Consecutive nodes and runs of numbers are used where they lie; others are gathered into the
 * tape's scratch array, whose space is made when the node is recorded, so that sweeps allocate
 * nothing. */
#include "tape/reduce.h"

/* ---- operand groups -------------------------------------------------------------------------- */

static size_t bitmap_words(size_t n) {
    return (n + 31) / 32;
}

static size_t group_words(ad__kind kind, size_t n) {
    return kind == AD__SCATTERED ? 1 + n : kind == AD__MIXED ? 1 + n + bitmap_words(n) : 2;
}

static ad__group group_at(const uint32_t *word, size_t n) {
    return (ad__group){n, (ad__kind)word[0], word + 1};
}

/* Does the operand that decides stand alone, before the group that it selects from? */
static bool stands_apart(uint8_t code) {
    return ad__family_of(code) == AD__SELECTS_ONE && ad__reduction_of(code)->groups == 2;
}

static size_t first_count(uint8_t code, size_t n) {
    return stands_apart(code) ? 1 : n;
}

static ad__group first_group(const ad_tape *tape, uint32_t node) {
    return group_at(tape->list + tape->arg[node].x,
                    first_count(tape->code[node], tape->arg[node].y));
}

/* The n operands behind those of the first group. */
static ad__group group_behind(ad__group first, size_t n) {
    return group_at(first.word - 1 + group_words(first.kind, first.n), n);
}

int ad__groups(const ad_tape *tape, uint32_t node) {
    const ad__reduction *reduction = ad__reduction_of(tape->code[node]);
    return reduction == NULL ? 1 : reduction->groups;
}

ad__group ad__group_of(const ad_tape *tape, uint32_t node, int number) {
    const ad__group first = first_group(tape, node);
    return number == 0 ? first : group_behind(first, tape->arg[node].y);
}

bool ad__group_number(ad__group group, size_t i) {
    return group.kind == AD__RUN ||
           (group.kind == AD__MIXED && (group.word[group.n + i / 32] >> i % 32 & 1) != 0);
}

uint32_t ad__group_place(ad__group group, size_t i) {
    return group.kind == AD__RANGE ? group.word[0] + (uint32_t)i
         : group.kind == AD__RUN   ? group.word[0] + 2 * (uint32_t)i
                                   : group.word[i];
}

size_t ad__operands(const ad_tape *tape, uint32_t node) {
    const uint8_t        code = tape->code[node];
    const ad__row_number row = ad__code_row(code);
    if (row < AD__ROWS) return ad__rows[row].operands;
    if (code <= AD__branch) return code == AD__branch;
    const size_t n = tape->arg[node].y;
    return ad__groups(tape, node) == 1 ? n : first_count(code, n) + n;
}

uint32_t ad__operand(const ad_tape *tape, uint32_t node, size_t i) {
    const ad__arg arg = tape->arg[node];
    const uint8_t code = tape->code[node];
    if (code < AD__FIRST_REDUCTION) {
        const bool number =
            code < AD__input && ad__code_form(code) == (i == 0 ? AD__X_NUMBER : AD__Y_NUMBER);
        return number ? AD__NO_NODE : i == 0 ? arg.x : arg.y;
    }
    const ad__group group = ad__group_with(tape, node, &i);
    return ad__group_number(group, i) ? AD__NO_NODE : ad__group_place(group, i);
}

ad__group ad__group_with(const ad_tape *tape, uint32_t node, size_t *i) {
    const ad__group first = first_group(tape, node);
    if (*i < first.n) return first;
    *i -= first.n;
    return ad__group_of(tape, node, 1);
}

double ad__group_value(const ad_tape *tape, ad__group group, size_t i) {
    const uint32_t place = ad__group_place(group, i);
    return ad__group_number(group, i) ? ad__number_at(tape, place) : tape->value[place];
}

__attribute__((noinline)) static const double *gathered(const ad_tape *tape, ad__group group,
                                                        double space[]) {
    for (size_t i = 0; i < group.n; i++) space[i] = ad__group_value(tape, group, i);
    return space;
}

/* The values of a group as an array: where they lie, or gathered into `space`. */
static inline const double *values(const ad_tape *tape, ad__group group, double space[]) {
    if (group.kind == AD__RANGE) return tape->value + group.word[0];
    if (group.kind == AD__RUN) return ad__numbers_at(tape, group.word[0]);
    return gathered(tape, group, space);
}

/* ---- recording ------------------------------------------------------------------------------- */

static ad_tape *tape_of(size_t n, const ad_var x[]) {
    for (size_t i = 0; i < n; i++)
        if (x[i].tape != NULL) return x[i].tape;
    return NULL;
}

/* A run of numbers that the list holds already; written as AD__RUN. */
#define SAME_RUN ((ad__kind)(AD__MIXED + 1))

static bool classify_each(ad_tape *tape, const char *what, size_t n, const ad_var x[],
                          ad__kind *kind) {
    size_t numbers = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i].tape == NULL) numbers++;
        else if (!ad__operand_valid(tape, x[i], what, i + 1)) return false;
    }
    *kind = n > 0 && numbers == n ? AD__RUN : numbers == 0 ? AD__SCATTERED : AD__MIXED;
    return true;
}

/* How to write a group; every operand is checked. False after an error. */
static inline bool classify(ad_tape *tape, const char *what, size_t n, const ad_var x[],
                            ad__kind *kind) {
    const bool row = ad__consecutive(tape, n, x);
    *kind = row ? AD__RANGE : SAME_RUN;
    return row || (n > 0 && ad__same_run(tape, n, x)) || classify_each(tape, what, n, x, kind);
}

/* Numbers first, since each may take words of the list itself; then the group in one piece. Space
 * for the whole record was made by the caller. */
static bool put_group(ad_tape *tape, ad__kind kind, size_t n, const ad_var x[], uint32_t words[]) {
    words[0] = kind == SAME_RUN ? AD__RUN : kind;
    if (kind == SAME_RUN) words[1] = tape->run;
    if (kind == AD__RANGE) words[1] = ad__node_of(x[0]);
    if (kind == AD__RUN) words[1] = ad__numbers(tape, n, x);
    if (kind == AD__SCATTERED)
        for (size_t i = 0; i < n; i++) words[1 + i] = ad__node_of(x[i]);
    if (kind == AD__MIXED) {
        uint32_t *bits = words + 1 + n;
        memset(bits, 0, bitmap_words(n) * sizeof *bits);
        for (size_t i = 0; i < n; i++) {
            words[1 + i] =
                x[i].tape != NULL ? ad__node_of(x[i]) : ad__number(tape, ad__number_of(x[i]));
            if (x[i].tape == NULL) bits[i / 32] |= UINT32_C(1) << i % 32;
        }
    }
    return tape->status == AD_OK;
}

/* Two words, and no number that the list lacks: such a group can be written where it will stand. */
static bool brief(ad__kind kind) {
    return kind == AD__RANGE || kind == SAME_RUN;
}

/* The value is computed from the record by the same code that replays it. Words are built in the
 * scratch array, because numbers must reach the list before the record does; brief groups, those of
 * a layer, are written in place, which saves a copy that has to wait for the words it reads. */
ad_var ad__reduce_record(ad_tape *tape, uint8_t code, const char *what, size_t n, size_t na,
                         const ad_var a[], size_t nb, const ad_var b[], uint32_t tail) {
    ad__kind ka = AD__RANGE, kb = AD__RANGE;
    if (!ad__node_room(tape) || !classify(tape, what, na, a, &ka) ||
        (b != NULL && !classify(tape, what, nb, b, &kb)))
        return ad__failed(tape);
    const size_t wa = group_words(ka, na);
    const size_t words = wa + (b != NULL ? group_words(kb, nb) : 0) + (code == AD__custom);
    const size_t numbers = 2 * (na + nb) + 2;
    if (n >= UINT32_MAX / 8 || na + nb >= UINT32_MAX / 8) {
        ad__fail(tape, AD_TAPE_FULL, "%s: %zu operands are more than a tape can hold", what, n);
        return ad__failed(tape);
    }
    if (!ad__scratch(tape, 2 * na + nb + words) || !ad__list_room(tape, words + numbers))
        return ad__failed(tape);
    const bool in_place = brief(ka) && brief(kb);
    uint32_t  *record =
        in_place ? tape->list + tape->list_length : (uint32_t *)(void *)(tape->scratch + na + nb);
    if (!put_group(tape, ka, na, a, record) ||
        (b != NULL && !put_group(tape, kb, nb, b, record + wa)))
        return ad__failed(tape);
    if (code == AD__custom) record[words - 1] = tail;
    const uint32_t place = tape->list_length;
    if (!in_place) memcpy(tape->list + place, record, words * sizeof *record);
    tape->list_length += (uint32_t)words;
    const ad_var y = ad__push(tape, code, place, (uint32_t)n, 0);
    if (!ad__reduce_value(tape, ad__node_of(y), &tape->value[ad__node_of(y)])) {
        tape->length--;
        return ad__failed(tape);
    }
    return y;
}

static ad_var reduce(ad_tape *tape, uint8_t code, size_t n, size_t na, const ad_var a[], size_t nb,
                     const ad_var b[]) {
    return ad__reduce_record(tape, code, ad__code_name(code), n, na, a, nb, b, 0);
}

/* ---- operations of the user's ---------------------------------------------------------------- */

const ad__own_op *ad__own_op_of(const ad_tape *tape, uint32_t node) {
    const ad__group g = first_group(tape, node);
    return &tape->used.op[g.word[group_words(g.kind, g.n) - 1]];
}

const char *ad__node_name(const ad_tape *tape, uint32_t node) {
    return tape->code[node] == AD__custom ? ad__own_op_of(tape, node)->op->name
                                          : ad__code_name(tape->code[node]);
}

static double custom_value(const ad_tape *tape, uint32_t node) {
    const ad__own_op *own = ad__own_op_of(tape, node);
    const ad__group   g = first_group(tape, node);
    return own->op->value(g.n, values(tape, g, tape->scratch), own->context);
}

/* In the tape's scratch array: good until it is used again. What the user's function leaves out is
 * NaN, not what stood there. */
static const double *custom_partials(const ad_tape *tape, uint32_t node) {
    const ad__own_op *own = ad__own_op_of(tape, node);
    const ad__group   g = first_group(tape, node);
    double           *partial = tape->scratch + g.n;
    for (size_t i = 0; i < g.n; i++) partial[i] = NAN;
    own->op->partials(g.n, values(tape, g, tape->scratch), tape->value[node], partial,
                      own->context);
    return partial;
}

/* ---- values, partials, contributions --------------------------------------------------------- */

/* Behind the operands, if those had to be gathered. */
const double *ad__tape_partials(const ad_tape *tape, uint32_t node) {
    const ad__group g = first_group(tape, node);
    double         *partial = tape->scratch + g.n;
    ad__fold_partials(tape->code[node], g.n, values(tape, g, tape->scratch), partial);
    return partial;
}

/* The operand that is selected, by its number among all of them; 0: none is. */
static size_t selected(const ad_tape *tape, uint32_t node) {
    const size_t n = tape->arg[node].y - !stands_apart(tape->code[node]);
    const size_t which =
        ad__selected(tape->code[node], ad__group_value(tape, first_group(tape, node), 0), n);
    return which < n ? 1 + which : 0;
}

/* Asked in the sweep too: the first operand may have been set to something else since the last
 * replay. */
static size_t selected_or_fail(ad_tape *tape, uint32_t node) {
    const size_t i = selected(tape, node);
    if (i == 0)
        ad__fail(tape, AD_BAD_ARGUMENT, "%s: the index %.17g is not a whole number in 0..%zu",
                 ad__code_name(tape->code[node]), ad__group_value(tape, first_group(tape, node), 0),
                 ad__operands(tape, node) - 2);
    return i;
}

static bool value_of_selected(ad_tape *tape, uint32_t node, double *value) {
    size_t i = selected_or_fail(tape, node);
    if (i == 0) return false;
    const ad__group g = ad__group_with(tape, node, &i);
    *value = ad__group_value(tape, g, i);
    return true;
}

bool ad__reduce_value(ad_tape *tape, uint32_t node, double *value) {
    const ad__group g = first_group(tape, node);
    const uint8_t   code = tape->code[node];
    switch (code) {
    case AD__sum: *value = tape->vector->sum(g.n, values(tape, g, tape->scratch)); return true;
    case AD__dot: {
        const ad__group h = group_behind(g, g.n);
        *value = tape->vector->dot(g.n, values(tape, g, tape->scratch),
                                   values(tape, h, tape->scratch + g.n));
        return true;
    }
    case AD__custom: *value = custom_value(tape, node); return true;
    default:
        if (ad__family_of(code) == AD__SELECTS_ONE) return value_of_selected(tape, node, value);
        *value = ad__fold_value(code, ad__folded_over(code, g.n, values(tape, g, tape->scratch)));
        return true;
    }
}

double ad__reduce_partial(const ad_tape *tape, uint32_t node, int group, size_t i) {
    const uint8_t code = tape->code[node];
    switch (ad__family_of(code)) {
    case AD__SUMS: {
        const double y =
            ad__is_paired(code) ? ad__group_value(tape, ad__group_of(tape, node, 1 - group), i) : 0;
        return ad__sum_partial(code, ad__group_value(tape, ad__group_of(tape, node, group), i), y);
    }
    case AD__FOLDS: return ad__tape_partials(tape, node)[i];
    case AD__SELECTS_ONE: {
        const size_t number = i + (group == 0 ? 0 : first_group(tape, node).n);
        return number > 0 && number == selected(tape, node) ? 1 : 0;
    }
    default: return custom_partials(tape, node)[i];
    }
}

static void push_one(ad_tape *tape, ad__group group, size_t i, double contribution) {
    if (!ad__group_number(group, i)) tape->adjoint[ad__group_place(group, i)] += contribution;
}

/* adjoint[group[i]] += a*x[i] */
static void push_scaled(ad_tape *tape, ad__group group, double a, const double x[]) {
    if (group.kind == AD__RANGE)
        tape->vector->add_scaled(group.n, a, x, tape->adjoint + group.word[0]);
    else if (group.kind != AD__RUN)
        for (size_t i = 0; i < group.n; i++) push_one(tape, group, i, a * x[i]);
}

static void push_fold(ad_tape *tape, uint32_t node, ad__group g, double a) {
    const double *partial = ad__tape_partials(tape, node);
    if (!ad__reduction_of(tape->code[node])->selects) {
        push_scaled(tape, g, a, partial);
        return;
    }
    for (size_t i = 0; i < g.n; i++)
        if (partial[i] != 0) push_one(tape, g, i, a * partial[i]);
}

static void push_selected(ad_tape *tape, uint32_t node, double a) {
    size_t i = selected_or_fail(tape, node);
    if (i == 0) return;
    const ad__group g = ad__group_with(tape, node, &i);
    push_one(tape, g, i, a);
}

void ad__reduce_push(ad_tape *tape, uint32_t node, double adjoint) {
    const ad__group g = first_group(tape, node);
    switch (tape->code[node]) {
    case AD__sum:
        if (g.kind == AD__RANGE) tape->vector->add_number(g.n, adjoint, tape->adjoint + g.word[0]);
        else
            for (size_t i = 0; i < g.n; i++) push_one(tape, g, i, adjoint);
        return;
    case AD__dot: {
        const ad__group h = group_behind(g, g.n);
        const double *x = values(tape, g, tape->scratch), *y = values(tape, h, tape->scratch + g.n);
        push_scaled(tape, g, adjoint, y);
        push_scaled(tape, h, adjoint, x);
        return;
    }
    case AD__custom: push_scaled(tape, g, adjoint, custom_partials(tape, node)); return;
    default:
        if (ad__family_of(tape->code[node]) == AD__SELECTS_ONE) push_selected(tape, node, adjoint);
        else push_fold(tape, node, g, adjoint);
    }
}

/* The tangent of operand i of a group; numbers do not move. */
static double tangent_of(const double tangent[], ad__group group, size_t i) {
    return ad__group_number(group, i) ? 0 : tangent[ad__group_place(group, i)];
}

/* An operand moves the node, and with which partial, as long as it moves itself. */
static void move_one(ad__motion *moved, double partial, double tangent, bool selects) {
    if (ad__moves(tangent)) ad__move_by(moved, partial, tangent, selects);
}

static void move_group(const ad_tape *tape, uint32_t node, int number, const double tangent[],
                       ad__motion *moved) {
    const ad__group g = ad__group_of(tape, node, number);
    for (size_t i = 0; i < g.n; i++) {
        const double t = tangent_of(tangent, g, i);
        if (ad__moves(t)) ad__move_by(moved, ad__reduce_partial(tape, node, number, i), t, false);
    }
}

static bool any_moves(const ad_tape *tape, uint32_t node, const double tangent[]) {
    const ad__group g = first_group(tape, node);
    for (size_t i = 0; i < g.n; i++)
        if (ad__moves(tangent_of(tangent, g, i))) return true;
    return false;
}

/* All partials are asked for at once, and only when something moves. */
static void move_all(const ad_tape *tape, uint32_t node, const double tangent[], ad__motion *moved,
                     const double *(*partials)(const ad_tape *, uint32_t), bool selects) {
    const ad__group g = first_group(tape, node);
    const double   *partial = any_moves(tape, node, tangent) ? partials(tape, node) : NULL;
    for (size_t i = 0; i < g.n && partial != NULL; i++)
        move_one(moved, partial[i], tangent_of(tangent, g, i), selects);
}

static void move_sum(const ad_tape *tape, uint32_t node, const double tangent[],
                     ad__motion *moved) {
    const ad__group g = first_group(tape, node);
    const double    sum = g.kind == AD__RANGE ? tape->vector->sum(g.n, tangent + g.word[0]) : 0;
    if (sum != 0) move_one(moved, 1, sum, false);
    else move_group(tape, node, 0, tangent, moved);
}

static bool move_selected(ad_tape *tape, uint32_t node, const double tangent[], ad__motion *moved) {
    size_t i = selected_or_fail(tape, node);
    if (i == 0) return false;
    const ad__group g = ad__group_with(tape, node, &i);
    move_one(moved, 1, tangent_of(tangent, g, i), false);
    return true;
}

bool ad__reduce_tangent(ad_tape *tape, uint32_t node, const double tangent[], ad__motion *moved) {
    switch (tape->code[node]) {
    case AD__sum: move_sum(tape, node, tangent, moved); return true;
    case AD__dot:
        move_group(tape, node, 0, tangent, moved);
        move_group(tape, node, 1, tangent, moved);
        return true;
    case AD__custom: move_all(tape, node, tangent, moved, custom_partials, false); return true;
    default:
        if (ad__family_of(tape->code[node]) == AD__SELECTS_ONE)
            return move_selected(tape, node, tangent, moved);
        move_all(tape, node, tangent, moved, ad__tape_partials,
                 ad__reduction_of(tape->code[node])->selects);
        return true;
    }
}

/* ---- tips ------------------------------------------------------------------------------------ */

static ad__folded folded_values(const ad_tape *tape, uint32_t node) {
    const ad__group g = first_group(tape, node);
    return ad__folded_over(tape->code[node], g.n, values(tape, g, tape->scratch));
}

bool ad__fold_at_tip(const ad_tape *tape, uint32_t node) {
    const uint8_t code = tape->code[node];
    if (ad__family_of(code) != AD__FOLDS || !ad__reduction_of(code)->has_tip) return false;
    return ad__fold_tip(code, folded_values(tape, node));
}

/* An operand that a fold does not see beside others: one whose measure is the start. */
static double unseen(uint8_t code) {
    const double start = ad__fold_start(code);
    return ad__fold_measure(code, start) == start ? start : -start;
}

/* By how much the operands at the tip move, those whose measure is the shift; others are unseen. */
static void keep_at_tip(const ad_tape *tape, uint32_t node, const double x[],
                        const double by_node[], double moved[]) {
    const ad__group  g = first_group(tape, node);
    const uint8_t    code = tape->code[node];
    const ad__folded f = ad__folded_over(code, g.n, x);
    const double     other = unseen(code);
    for (size_t i = 0; i < g.n; i++)
        moved[i] = ad__fold_measure(code, x[i]) == f.shift ? tangent_of(by_node, g, i) : other;
}

const double *ad__fold_motion(const ad_tape *tape, uint32_t node, const double first[],
                              const double second[]) {
    const ad__group g = first_group(tape, node);
    double         *moved = tape->scratch + g.n;
    keep_at_tip(tape, node, values(tape, g, tape->scratch), first, moved);
    if (second != NULL) {
        memcpy(tape->scratch, moved, g.n * sizeof *moved);
        keep_at_tip(tape, node, tape->scratch, second, moved);
    }
    return moved;
}

bool ad__fold_stays(const ad_tape *tape, uint32_t node, const double first[],
                    const double second[]) {
    const double     there = folded_values(tape, node).total;
    const ad__folded f = ad__folded_over(tape->code[node], tape->arg[node].y,
                                         ad__fold_motion(tape, node, first, second));
    return ad__fold_tip(tape->code[node], f) && f.total == there;
}

/* ---- the public operations ------------------------------------------------------------------- */

static ad_var sum(uint8_t code, size_t n, const ad_var x[], const ad_var y[]) {
    ad_tape *tape = tape_of(n, x);
    if (tape == NULL && y != NULL) tape = tape_of(n, y);
    if (tape != NULL) return reduce(tape, code, n, n, x, n, y);
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += ad__sum_term(code, ad_value(x[i]), y == NULL ? 0 : ad_value(y[i]));
    return ad_num(total);
}

/* clang-format off */
#define SUM1(name) \
    ad_var ad_##name(size_t n, const ad_var x[]) { return sum(AD__##name, n, x, NULL); }
#define SUM2(name)                                                                 \
    ad_var ad_##name(size_t n, const ad_var x[], const ad_var y[]) {               \
        return sum(AD__##name, n, x, y);                                           \
    }
#define VALUE(i)   ad_value(x[i])
#define R_SUM(name, words, groups, ...) SUM##groups(name)
#define R_FOLD(name, ...)                                                          \
    ad_var ad_##name(size_t n, const ad_var x[]) {                                 \
        ad_tape *tape = tape_of(n, x);                                             \
        if (tape != NULL) return reduce(tape, AD__##name, n, n, x, 0, NULL);       \
        ad__folded f;                                                              \
        AD__FOLD_INTO(f, name, n, VALUE);                                          \
        return ad_num(ad__result_##name(f.shift, f.total));                        \
    }
#define R_SELECT(...)
#include "reduce.def"
/* clang-format on */

ad_var ad_where(ad_var condition, ad_var yes, ad_var no) {
    const ad_var x[] = {condition, yes, no};
    ad_tape     *tape = tape_of(3, x);
    if (tape != NULL) return reduce(tape, AD__where, 3, 3, x, 0, NULL);
    return x[1 + ad__selected(AD__where, ad_value(condition), 2)];
}

ad_var ad_pick(ad_var index, size_t n, const ad_var x[]) {
    ad_tape *tape = index.tape != NULL ? index.tape : tape_of(n, x);
    if (tape != NULL && n == 0) {
        ad__fail(tape, AD_BAD_ARGUMENT, "pick: there is nothing to pick from");
        return ad__failed(tape);
    }
    if (tape != NULL) return reduce(tape, AD__pick, n, 1, &index, n, x);
    const size_t i = ad__selected(AD__pick, ad_value(index), n);
    return i < n ? x[i] : ad_num(NAN);
}

/* By the family, then by what the row says: so that a new row needs no line here. */
ad_var ad__record_reduction(uint8_t code, size_t n, const ad_var x[]) {
    switch (code) {
/* clang-format off */
#define CALL1(name) ad_##name(n, x)
#define CALL2(name) ad_##name(n/2, x, x + n/2)
#define R_SUM(name, words, groups, ...) case AD__##name: return CALL##groups(name);
#define R_FOLD(name, ...)               case AD__##name: return CALL1(name);
#define R_SELECT(...)
#include "reduce.def"
        /* clang-format on */
    case AD__where: return ad_where(x[0], x[1], x[2]);
    default: return ad_pick(x[0], n - 1, x + 1);
    }
}
