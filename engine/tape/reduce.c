/* reduce.c - sum, dot, logsumexp, where, pick: one node each. Values and partials of these five are
 * written down here for the tape; programs, which have other operands, have theirs in kernels.c, uniform.c and emit_c.c.
 * How operands are stored stands in reduce.h.
 *
 * Consecutive nodes and runs of numbers are used where they lie; others are gathered into the tape's
 * scratch array, whose space is made when the node is recorded, so that sweeps allocate nothing. */
#include "tape/reduce.h"

/* ---- operand groups --------------------------------------------------------------------------- */

static size_t bitmap_words(size_t n) {
    return (n + 31)/32;
}

static size_t group_words(ad__kind kind, size_t n) {
    return kind == AD__SCATTERED ? 1 + n : kind == AD__MIXED ? 1 + n + bitmap_words(n) : 2;
}

static ad__group group_at(const uint32_t *word, size_t n) {
    return (ad__group){n, (ad__kind)word[0], word + 1};
}

static size_t first_count(uint8_t code, size_t n) {
    return code == AD__where ? 3 : code == AD__pick ? 1 : n;
}

static ad__group first_group(const ad_tape *tape, uint32_t node) {
    return group_at(tape->list + tape->arg[node].x, first_count(tape->code[node], tape->arg[node].y));
}

/* The n operands behind those of the first group. */
static ad__group group_behind(ad__group first, size_t n) {
    return group_at(first.word - 1 + group_words(first.kind, first.n), n);
}

ad__group ad__group_of(const ad_tape *tape, uint32_t node, int number) {
    const ad__group first = first_group(tape, node);
    return number == 0 ? first : group_behind(first, tape->arg[node].y);
}

bool ad__group_number(ad__group group, size_t i) {
    return group.kind == AD__RUN ||
           (group.kind == AD__MIXED && (group.word[group.n + i/32] >> i%32 & 1) != 0);
}

uint32_t ad__group_place(ad__group group, size_t i) {
    return group.kind == AD__RANGE ? group.word[0] + (uint32_t)i
         : group.kind == AD__RUN   ? group.word[0] + 2*(uint32_t)i
                                   : group.word[i];
}

size_t ad__operands(const ad_tape *tape, uint32_t node) {
    const uint8_t        code = tape->code[node];
    const ad__row_number row = ad__code_row(code);
    if (row < AD__ROWS) return ad__rows[row].operands;
    switch (code) {
    case AD__input:  return 0;
    case AD__branch: return 1;
    case AD__where:  return 3;
    case AD__dot:    return 2*(size_t)tape->arg[node].y;
    case AD__pick:   return 1 + (size_t)tape->arg[node].y;
    default:         return tape->arg[node].y;
    }
}

uint32_t ad__operand(const ad_tape *tape, uint32_t node, size_t i) {
    const ad__arg arg = tape->arg[node];
    const uint8_t code = tape->code[node];
    if (code < AD__sum) {
        const bool number = code < AD__input && ad__code_form(code) == (i == 0 ? AD__X_NUMBER : AD__Y_NUMBER);
        return number ? AD__NO_NODE : i == 0 ? arg.x : arg.y;
    }
    const ad__group first = ad__group_of(tape, node, 0);
    const ad__group group = i < first.n ? first : ad__group_of(tape, node, 1);
    const size_t    at = i < first.n ? i : i - first.n;
    return ad__group_number(group, at) ? AD__NO_NODE : ad__group_place(group, at);
}

double ad__group_value(const ad_tape *tape, ad__group group, size_t i) {
    const uint32_t place = ad__group_place(group, i);
    return ad__group_number(group, i) ? ad__number_at(tape, place) : tape->value[place];
}

__attribute__((noinline))
static const double *gathered(const ad_tape *tape, ad__group group, double space[]) {
    for (size_t i = 0; i < group.n; i++) space[i] = ad__group_value(tape, group, i);
    return space;
}

/* The values of a group as an array: where they lie, or gathered into `space`. */
static inline const double *values(const ad_tape *tape, ad__group group, double space[]) {
    if (group.kind == AD__RANGE) return tape->value + group.word[0];
    if (group.kind == AD__RUN) return ad__numbers_at(tape, group.word[0]);
    return gathered(tape, group, space);
}

/* ---- recording -------------------------------------------------------------------------------- */

static ad_tape *tape_of(size_t n, const ad_var x[]) {
    for (size_t i = 0; i < n; i++)
        if (x[i].tape != NULL) return x[i].tape;
    return NULL;
}

/* A run of numbers that the list holds already; written as AD__RUN. */
#define SAME_RUN ((ad__kind)(AD__MIXED + 1))

static bool classify_each(ad_tape *tape, const char *what, size_t n, const ad_var x[], ad__kind *kind) {
    size_t numbers = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i].tape == NULL) numbers++;
        else if (!ad__operand_valid(tape, x[i], what, i + 1)) return false;
    }
    *kind = n > 0 && numbers == n ? AD__RUN : numbers == 0 ? AD__SCATTERED : AD__MIXED;
    return true;
}

/* How to write a group; every operand is checked. False after an error. */
static inline bool classify(ad_tape *tape, const char *what, size_t n, const ad_var x[], ad__kind *kind) {
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
        memset(bits, 0, bitmap_words(n)*sizeof *bits);
        for (size_t i = 0; i < n; i++) {
            words[1 + i] = x[i].tape != NULL ? ad__node_of(x[i]) : ad__number(tape, ad__number_of(x[i]));
            if (x[i].tape == NULL) bits[i/32] |= UINT32_C(1) << i%32;
        }
    }
    return tape->status == AD_OK;
}

/* Two words, and no number that the list lacks: such a group can be written where it will stand. */
static bool brief(ad__kind kind) {
    return kind == AD__RANGE || kind == SAME_RUN;
}

/* The value is computed from the record by the same code that replays it. Words are built in the scratch
 * array, because numbers must reach the list before the record does; brief groups, those of a layer, are
 * written in place, which saves a copy that has to wait for the words it reads. */
ad_var ad__reduce_record(ad_tape *tape, uint8_t code, const char *what, size_t n, size_t na, const ad_var a[],
                         size_t nb, const ad_var b[], uint32_t tail) {
    ad__kind    ka = AD__RANGE, kb = AD__RANGE;
    if (!ad__node_room(tape) || !classify(tape, what, na, a, &ka) ||
        (b != NULL && !classify(tape, what, nb, b, &kb)))
        return ad__failed(tape);
    const size_t wa = group_words(ka, na);
    const size_t words = wa + (b != NULL ? group_words(kb, nb) : 0) + (code == AD__custom);
    const size_t numbers = 2*(na + nb) + 2;
    if (n >= UINT32_MAX/8 || na + nb >= UINT32_MAX/8) {
        ad__fail(tape, AD_TAPE_FULL, "%s: %zu operands are more than a tape can hold", what, n);
        return ad__failed(tape);
    }
    if (!ad__scratch(tape, 2*na + nb + words) || !ad__list_room(tape, words + numbers))
        return ad__failed(tape);
    const bool in_place = brief(ka) && brief(kb);
    uint32_t  *record = in_place ? tape->list + tape->list_length : (uint32_t *)(void *)(tape->scratch + na + nb);
    if (!put_group(tape, ka, na, a, record) || (b != NULL && !put_group(tape, kb, nb, b, record + wa)))
        return ad__failed(tape);
    if (code == AD__custom) record[words - 1] = tail;
    const uint32_t place = tape->list_length;
    if (!in_place) memcpy(tape->list + place, record, words*sizeof *record);
    tape->list_length += (uint32_t)words;
    const ad_var y = ad__push(tape, code, place, (uint32_t)n, 0);
    if (!ad__reduce_value(tape, ad__node_of(y), &tape->value[ad__node_of(y)])) {
        tape->length--;
        return ad__failed(tape);
    }
    return y;
}

static ad_var reduce(ad_tape *tape, uint8_t code, size_t n, size_t na, const ad_var a[], size_t nb, const ad_var b[]) {
    return ad__reduce_record(tape, code, ad__code_name(code), n, na, a, nb, b, 0);
}

/* ---- operations of the user's ----------------------------------------------------------------- */

const ad__own_op *ad__own_op_of(const ad_tape *tape, uint32_t node) {
    const ad__group g = first_group(tape, node);
    return &tape->used.op[g.word[group_words(g.kind, g.n) - 1]];
}

const char *ad__node_name(const ad_tape *tape, uint32_t node) {
    return tape->code[node] == AD__custom ? ad__own_op_of(tape, node)->op->name : ad__code_name(tape->code[node]);
}

static double custom_value(const ad_tape *tape, uint32_t node) {
    const ad__own_op *own = ad__own_op_of(tape, node);
    const ad__group   g = first_group(tape, node);
    return own->op->value(g.n, values(tape, g, tape->scratch), own->context);
}

/* In the tape's scratch array: good until it is used again. What the user's function leaves out is NaN, not what
 * stood there. */
static const double *custom_partials(const ad_tape *tape, uint32_t node) {
    const ad__own_op *own = ad__own_op_of(tape, node);
    const ad__group   g = first_group(tape, node);
    double           *partial = tape->scratch + g.n;
    for (size_t i = 0; i < g.n; i++) partial[i] = NAN;
    own->op->partials(g.n, values(tape, g, tape->scratch), tape->value[node], partial, own->context);
    return partial;
}

/* ---- values, partials, contributions ---------------------------------------------------------- */

/* A logsumexp is shift + log(total), the shift its largest operand and the total that of exp(x[i] - shift);
 * the partial in x[i] is exp(x[i] - shift)/total. (exp(x[i] - v) is the same on paper, but v is rounded, and
 * its error, |v|*2^-53, would be an error relative to the partial.) */
typedef struct fold {
    double shift, total;
} fold;

/* What an operand adds to the total. Equal infinities are no distance apart. */
static double term(double x, double shift) {
    return exp(x == shift ? 0 : x - shift);
}

/* Read through memcpy, since inside a handle the bits of a number are those of a whole one. */
static inline double number_at(const void *x) {
    double number;
    memcpy(&number, x, sizeof number);
    return number;
}

/* Over numbers that stand `stride` bytes apart: alone, or inside handles. */
static fold fold_of(size_t n, const void *x, size_t stride) {
    const char *at = (const char *)x;
    fold        f = {-INFINITY, 0};
#define X(i) number_at(at + (i)*stride)
    for (size_t i = 0; i < n; i++)
        if (X(i) > f.shift || X(i) != X(i)) f.shift = X(i);
    for (size_t i = 0; i < n; i++) f.total += term(X(i), f.shift);
#undef X
    return f;
}

static double logsumexp(fold f) {
    return f.shift + log(f.total);
}

/* -inf among -inf counts for nothing. */
static double share(fold f, double x) {
    return f.shift == -INFINITY ? 0 : term(x, f.shift)/f.total;
}

/* Behind the operands, if those had to be gathered. */
const double *ad__shares(const ad_tape *tape, uint32_t node) {
    const ad__group g = first_group(tape, node);
    const double *x = values(tape, g, tape->scratch);
    const fold    f = fold_of(g.n, x, sizeof *x);
    double       *partial = tape->scratch + g.n;
    for (size_t i = 0; i < g.n; i++) partial[i] = share(f, x[i]);
    return partial;
}

/* The partials of sum and dot, as code and as text, in the operand x and the operand y that it is multiplied by. */
#define SUM_PARTIAL 1
#define DOT_PARTIAL y
#define TEXT_OF(expression) #expression
#define TEXT(expression)    TEXT_OF(expression)

const char *ad__reduce_text(uint8_t code) {
    return code == AD__sum ? TEXT(SUM_PARTIAL) : TEXT(DOT_PARTIAL);
}

static size_t index_of(const ad_tape *tape, uint32_t node) {
    return ad__picked(ad__group_value(tape, ad__group_of(tape, node, 0), 0), tape->arg[node].y);
}

/* Asked in the sweep too: the index may have been set to something else since the last replay. */
static bool in_range(ad_tape *tape, uint32_t node) {
    const size_t n = tape->arg[node].y;
    if (index_of(tape, node) < n) return true;
    ad__fail(tape, AD_BAD_ARGUMENT, "pick: the index %.17g is not a whole number in 0..%zu",
             ad__group_value(tape, ad__group_of(tape, node, 0), 0), n - 1);
    return false;
}

bool ad__reduce_value(ad_tape *tape, uint32_t node, double *value) {
    const ad__group g = first_group(tape, node);
    switch (tape->code[node]) {
    case AD__sum:
        *value = tape->vector->sum(g.n, values(tape, g, tape->scratch));
        return true;
    case AD__dot: {
        const ad__group h = group_behind(g, g.n);
        *value = tape->vector->dot(g.n, values(tape, g, tape->scratch),
                                   values(tape, h, tape->scratch + g.n));
        return true;
    }
    case AD__logsumexp:
        *value = logsumexp(fold_of(g.n, values(tape, g, tape->scratch), sizeof(double)));
        return true;
    case AD__where:
        *value = ad__group_value(tape, g, ad__group_value(tape, g, 0) != 0 ? 1 : 2);
        return true;
    case AD__custom:
        *value = custom_value(tape, node);
        return true;
    default:
        if (!in_range(tape, node)) return false;
        *value = ad__group_value(tape, ad__group_of(tape, node, 1), index_of(tape, node));
        return true;
    }
}

double ad__reduce_partial(const ad_tape *tape, uint32_t node, int group, size_t i) {
    const ad__group g = ad__group_of(tape, node, group);
    switch (tape->code[node]) {
    case AD__sum:       return SUM_PARTIAL;
    case AD__logsumexp: return ad__shares(tape, node)[i];
    case AD__dot: {
        const double y = ad__group_value(tape, ad__group_of(tape, node, 1 - group), i);
        return DOT_PARTIAL;
    }
    case AD__custom:    return custom_partials(tape, node)[i];
    case AD__where:     return i == (ad__group_value(tape, g, 0) != 0 ? 1u : 2u) ? 1 : 0;
    default:            return group == 1 && i == index_of(tape, node) ? 1 : 0;
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
        for (size_t i = 0; i < group.n; i++) push_one(tape, group, i, a*x[i]);
}

void ad__reduce_push(ad_tape *tape, uint32_t node, double adjoint) {
    const ad__group g = first_group(tape, node);
    switch (tape->code[node]) {
    case AD__sum:
        if (g.kind == AD__RANGE)
            tape->vector->add_number(g.n, adjoint, tape->adjoint + g.word[0]);
        else
            for (size_t i = 0; i < g.n; i++) push_one(tape, g, i, adjoint);
        return;
    case AD__dot: {
        const ad__group h = group_behind(g, g.n);
        const double   *x = values(tape, g, tape->scratch), *y = values(tape, h, tape->scratch + g.n);
        push_scaled(tape, g, adjoint, y);
        push_scaled(tape, h, adjoint, x);
        return;
    }
    case AD__logsumexp:
        push_scaled(tape, g, adjoint, ad__shares(tape, node));
        return;
    case AD__where:
        push_one(tape, g, ad__group_value(tape, g, 0) != 0 ? 1 : 2, adjoint);
        return;
    case AD__custom:
        push_scaled(tape, g, adjoint, custom_partials(tape, node));
        return;
    default:
        if (in_range(tape, node))
            push_one(tape, ad__group_of(tape, node, 1), index_of(tape, node), adjoint);
    }
}

/* The tangent of operand i of a group; numbers do not move. */
static double tangent_of(const double tangent[], ad__group group, size_t i) {
    return ad__group_number(group, i) ? 0 : tangent[ad__group_place(group, i)];
}

/* An operand moves the node, and with which partial, as long as it moves itself. */
static void move_one(ad__motion *moved, double partial, double tangent) {
    if (ad__moves(tangent)) ad__move_by(moved, partial, tangent, false);
}

static void move_group(const ad_tape *tape, uint32_t node, int number, const double tangent[], ad__motion *moved) {
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
                     const double *(*partials)(const ad_tape *, uint32_t)) {
    const ad__group g = first_group(tape, node);
    const double   *partial = any_moves(tape, node, tangent) ? partials(tape, node) : NULL;
    for (size_t i = 0; i < g.n && partial != NULL; i++) move_one(moved, partial[i], tangent_of(tangent, g, i));
}

static void move_sum(const ad_tape *tape, uint32_t node, const double tangent[], ad__motion *moved) {
    const ad__group g = first_group(tape, node);
    const double    sum = g.kind == AD__RANGE ? tape->vector->sum(g.n, tangent + g.word[0]) : 0;
    if (sum != 0) move_one(moved, 1, sum);
    else move_group(tape, node, 0, tangent, moved);
}

bool ad__reduce_tangent(ad_tape *tape, uint32_t node, const double tangent[], ad__motion *moved) {
    const ad__group g = first_group(tape, node);
    switch (tape->code[node]) {
    case AD__sum:
        move_sum(tape, node, tangent, moved);
        return true;
    case AD__dot:
        move_group(tape, node, 0, tangent, moved);
        move_group(tape, node, 1, tangent, moved);
        return true;
    case AD__logsumexp:
        move_all(tape, node, tangent, moved, ad__shares);
        return true;
    case AD__where:
        move_one(moved, 1, tangent_of(tangent, g, ad__group_value(tape, g, 0) != 0 ? 1 : 2));
        return true;
    case AD__custom:
        move_all(tape, node, tangent, moved, custom_partials);
        return true;
    default:
        if (!in_range(tape, node)) return false;
        move_one(moved, 1, tangent_of(tangent, ad__group_of(tape, node, 1), index_of(tape, node)));
        return true;
    }
}

/* ---- the public operations -------------------------------------------------------------------- */

static double folded_sum(size_t n, const ad_var x[]) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += ad__number_of(x[i]);
    return total;
}

ad_var ad_sum(size_t n, const ad_var x[]) {
    ad_tape *tape = tape_of(n, x);
    return tape == NULL ? ad_num(folded_sum(n, x)) : reduce(tape, AD__sum, n, n, x, 0, NULL);
}

ad_var ad_dot(size_t n, const ad_var x[], const ad_var y[]) {
    ad_tape *tape = tape_of(n, x);
    if (tape == NULL) tape = tape_of(n, y);
    if (tape != NULL) return reduce(tape, AD__dot, n, n, x, n, y);
    double total = 0;
    for (size_t i = 0; i < n; i++) total += ad__number_of(x[i])*ad__number_of(y[i]);
    return ad_num(total);
}

ad_var ad_logsumexp(size_t n, const ad_var x[]) {
    ad_tape *tape = tape_of(n, x);
    if (tape != NULL) return reduce(tape, AD__logsumexp, n, n, x, 0, NULL);
    return ad_num(n == 0 ? -INFINITY : logsumexp(fold_of(n, &x->bits, sizeof *x)));
}

ad_var ad_where(ad_var condition, ad_var yes, ad_var no) {
    const ad_var x[] = {condition, yes, no};
    ad_tape     *tape = tape_of(3, x);
    if (tape != NULL) return reduce(tape, AD__where, 3, 3, x, 0, NULL);
    return ad__number_of(condition) != 0 ? yes : no;
}

ad_var ad_pick(ad_var index, size_t n, const ad_var x[]) {
    ad_tape *tape = index.tape != NULL ? index.tape : tape_of(n, x);
    if (tape != NULL && n == 0) {
        ad__fail(tape, AD_BAD_ARGUMENT, "pick: there is nothing to pick from");
        return ad__failed(tape);
    }
    if (tape != NULL) return reduce(tape, AD__pick, n, 1, &index, n, x);
    const size_t i = ad__picked(ad__number_of(index), n);
    return i < n ? x[i] : ad_num(NAN);
}
