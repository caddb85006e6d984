/* compile.c - a recorded piece of tape, compiled; what a program is stands in program.h.
 *
 * Two walks over the nodes, each first to last, each linear:
 *   1. collect   tape to values: only what leads to an output; constants folded; equal values
 *      shared
 *   2. fuse      trees of additions become sums, their products dots, apart by class (uniform by
 *                varying, varying by varying), so that a loop written as s = s + w[i]*x[i] becomes
 *                the same layer that ad_dot makes
 * then the dots over the same varying operands are grouped into layers and every value gets its
 * place.
 *
 * Sharing looks values up by content in a hash table of their numbers, near those of about their
 * age. Nothing is reordered but sums. */
#include "program/program.h"

#include "base/isa.h"
#include "base/text.h"
#include "program/plan.h"
#include "program/roll.h"
#include "program/single.h"
#include "tape/reduce.h"

#include <stdlib.h>

#define NONE UINT32_MAX

enum { LINE = 16 }; /* places of the table in a line of the cache */

/* ---- a list of values being built ------------------------------------------------------------ */

typedef struct values {
    ad_tape  *tape; /* where errors are kept */
    ad__node *node;
    uint32_t *word;
    double   *constant;
    uint32_t *table; /* values by hash, NONE where free; a power of two */
    size_t    nodes, node_room, words, word_room, constants, constant_room, table_size;
    /* values, at a guess: sizes the table once, since fresh memory is what costs */
    size_t    expected;
    size_t    shared, folded;
    bool      failed;
} values;

static void *fail_memory(values *v) {
    if (!v->failed) ad__fail(v->tape, AD_NO_MEMORY, "ad_compile: out of memory");
    v->failed = true;
    return NULL;
}

static void *grown(values *v, void *old, size_t *room, size_t need, size_t bytes) {
    size_t size = *room == 0 ? 64 : *room;
    while (size < need && size < SIZE_MAX / 4 / bytes) size *= 2;
    void *memory = size < need || need >= NONE ? NULL : realloc(old, size * bytes);
    if (memory == NULL) return fail_memory(v);
    *room = size;
    return memory;
}

static bool reserve_words(values *v, size_t more) {
    if (v->words + more <= v->word_room) return true;
    uint32_t *word = grown(v, v->word, &v->word_room, v->words + more, sizeof *word);
    if (word != NULL) v->word = word;
    return word != NULL;
}

static void free_values(values *v) {
    free(v->node);
    free(v->word);
    free(v->constant);
    free(v->table);
}

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

static size_t operand_count(const ad__node *node) {
    return ad__operand_count(node->code, node->y);
}

static uint64_t hash_of(const values *v, const ad__node *node) {
    uint64_t hash = mix(node->code, node->y);
    if (node->code == AD__CONSTANT) {
        uint64_t bits;
        memcpy(&bits, &v->constant[node->x], sizeof bits);
        return mix(hash, bits);
    }
    if (!ad__in_words(node->code)) return mix(hash, node->x);
    const size_t n = ad__word_count(node->code, node->y);
    for (size_t i = 0; i < n; i++) hash = mix(hash, v->word[node->x + i]);
    return hash;
}

static bool equal(const values *v, const ad__node *a, const ad__node *b) {
    if (a->code != b->code || a->y != b->y) return false;
    if (a->code == AD__CONSTANT)
        return memcmp(&v->constant[a->x], &v->constant[b->x], sizeof *v->constant) == 0;
    if (!ad__in_words(a->code)) return a->x == b->x;
    return memcmp(v->word + a->x, v->word + b->x,
                  ad__word_count(a->code, a->y) * sizeof *v->word) == 0;
}

/* The operand that was computed last, or the last of a list; of a leaf, its number. */
static uint32_t newest(const values *v, const ad__node *node) {
    if (!ad__in_words(node->code)) return node->x > node->y ? node->x : node->y;
    const size_t n = operand_count(node);
    return n == 0 ? 0 : v->word[node->x + n - 1];
}

/* Where an equal value stands in the table, or would. First a line of the cache in which others of
 * its kind with operands of about the same age stand: a tape is recorded in order, so it was looked
 * at a moment ago, and a table of hundreds of megabytes costs no miss a node. When that line is
 * full, as it is for the users of one weight, anywhere; in strides of its own, since lines that are
 * full stand side by side. Nothing is ever taken out: a free place on the way has always been free,
 * so what does not stand before it is nowhere. */
static uint32_t *place_of(const values *v, const ad__node *node) {
    const uint64_t hash = hash_of(v, node);
    const size_t   last = v->table_size - 1, stride = (size_t)(hash >> 32) | 1;
    const size_t   age =
        node->code == AD__CONSTANT ? (size_t)(hash >> 20) : 2 * (size_t)newest(v, node);
    uint32_t *line =
        v->table + ((age + node->code * (size_t)0x9E3779B0u) & last & ~(size_t)(LINE - 1));
    for (size_t k = 0; k < LINE; k++) {
        uint32_t *at = &line[(hash + k) % LINE];
        if (*at == NONE || equal(v, node, &v->node[*at])) return at;
    }
    for (size_t k = (size_t)(hash >> 4);; k += stride) {
        uint32_t *at = &v->table[k & last];
        if (*at == NONE || equal(v, node, &v->node[*at])) return at;
    }
}

static bool grow_table(values *v) {
    size_t size = v->table_size == 0 ? 256 : 2 * v->table_size;
    while (size < 2 * v->expected) size *= 2;
    uint32_t *table = malloc(size * sizeof *table);
    if (table == NULL) return fail_memory(v) != NULL;
    memset(table, 0xff, size * sizeof *table);
    free(v->table);
    v->table = table;
    v->table_size = size;
    for (size_t i = 0; i < v->nodes; i++) *place_of(v, &v->node[i]) = (uint32_t)i;
    return true;
}

/* Add a value, or find the one that is equal. Its words and constants are the last ones, and are
 * taken back when it is not new. */
static uint32_t add(values *v, ad__node node) {
    if (v->failed) return 0;
    if (2 * (v->nodes + 1) > v->table_size && !grow_table(v)) return 0;
    uint32_t *at = place_of(v, &node);
    if (*at != NONE) {
        if (ad__in_words(node.code)) v->words = node.x;
        if (node.code == AD__CONSTANT) v->constants = node.x;
        else v->shared++;
        return *at;
    }
    if (v->nodes == v->node_room) {
        ad__node *grown_nodes = grown(v, v->node, &v->node_room, v->nodes + 1, sizeof *grown_nodes);
        if (grown_nodes == NULL) return 0;
        v->node = grown_nodes;
    }
    v->node[v->nodes] = node;
    return *at = (uint32_t)v->nodes++;
}

static uint32_t add_constant(values *v, double number) {
    if (v->constants == v->constant_room) {
        double *constant =
            grown(v, v->constant, &v->constant_room, v->constants + 1, sizeof *constant);
        if (constant == NULL) return 0;
        v->constant = constant;
    }
    v->constant[v->constants] = number;
    return add(v, (ad__node){.code = AD__CONSTANT, .x = (uint32_t)v->constants++});
}

static bool is_constant(const values *v, uint32_t id) {
    return v->node[id].code == AD__CONSTANT;
}

static double constant_of(const values *v, uint32_t id) {
    return v->constant[v->node[id].x];
}

static uint8_t flags_of(const values *v, uint32_t id) {
    return v->node[id].flags;
}

/* What an operand makes of its user; AD__UNIFORM says "depends on parameters, on no input". */
static uint8_t joined(uint8_t a, uint8_t b) {
    const uint8_t both = a | b;
    return both & AD__VARYING ? both & (uint8_t)~AD__UNIFORM : both;
}

/* Constants, leaves by number, then what is computed: so the operands of every repetition of a loop
 * come in the same order, whichever of them the first repetition happened to meet first. */
static uint64_t order_of(const values *v, uint32_t id) {
    const ad__node *node = &v->node[id];
    return node->code == AD__CONSTANT  ? 0
         : node->code == AD__PARAM     ? 1 + (uint64_t)node->x
         : node->code == AD__ROW_INPUT ? (UINT64_C(1) << 32) + node->x
                                       : (UINT64_C(2) << 32) + id;
}

/* A row of the table, folded when its operands are constants. x^2 is x*x: one rounding, and far
 * cheaper. */
static uint32_t add_row(values *v, ad__row_number row, uint32_t x, uint32_t y) {
    if (v->failed) return 0;
    const bool two = ad__rows[row].operands == 2;
    if (is_constant(v, x) && (!two || is_constant(v, y))) {
        v->folded++;
        return add_constant(v, ad__row_value(row, constant_of(v, x), two ? constant_of(v, y) : 0));
    }
    if (row == AD__ROW_pow && is_constant(v, y) && constant_of(v, y) == 2) {
        row = AD__ROW_mul;
        y = x;
    }
    if (row == AD__ROW_pow && is_constant(v, y) && constant_of(v, y) == 1) return x;
    if (row == AD__ROW_mul && is_constant(v, y) && constant_of(v, y) == 1) return x;
    if (row == AD__ROW_mul && is_constant(v, x) && constant_of(v, x) == 1) return y;
    /* commute exactly: share more */
    if ((row == AD__ROW_add || row == AD__ROW_mul) && order_of(v, x) > order_of(v, y)) {
        const uint32_t other = x;
        x = y;
        y = other;
    }
    const uint8_t flags = two ? joined(flags_of(v, x), flags_of(v, y)) : flags_of(v, x);
    return add(v, (ad__node){ad__rows[row].code, flags, x, two ? y : 0, 0});
}

/* A value with its operands in words: those from `place` on, which are the last but for the
 * number of a custom one. */
static uint32_t add_words(values *v, uint8_t code, size_t place, size_t count) {
    if (v->failed) return 0;
    ad__node     node = {.code = code, .x = (uint32_t)place, .y = (uint32_t)count};
    const size_t n = operand_count(&node);
    for (size_t i = 0; i < n; i++) node.flags = joined(node.flags, flags_of(v, v->word[place + i]));
    return add(v, node);
}

/* ---- what leads to the outputs --------------------------------------------------------------- */

typedef struct compiler {
    const ad_interface *face;
    ad_tape            *tape;
    uint32_t            end; /* nodes of the tape that may matter: below this */
    uint32_t           *id;  /* by node: NONE, or the role of a leaf, then its value */
    bool               *used;
    values              first, second;
    uint32_t           *uses, *map; /* of the first list */
    bool               *absorbed;
    uint32_t           *output, *step;
    ad__guard          *guard;
    size_t              guards;
    ad__fixed          *fixed;
    size_t              fixed_leaves;
    ad__own_op         *own; /* a copy of the tape's, by number; NULL: none */
} compiler;

static ad_tape *tape_of_interface(const ad_interface *face) {
    /* clang-format off */
    const struct { size_t n; const ad_var *x; } parts[] = {
        {face->params, face->param}, {face->inputs, face->input}, {face->outputs, face->output},
    };
    /* clang-format on */
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; parts[k].x != NULL && i < parts[k].n; i++)
            if (parts[k].x[i].tape != NULL) return parts[k].x[i].tape;
    return NULL;
}

#define REFUSE(tape, ...) (ad__fail((tape), AD_BAD_ARGUMENT, "ad_compile: " __VA_ARGS__), false)

/* Leaves are given their role: params first, then inputs. */
static bool claim_leaves(compiler *c, const char *which, const char *what, size_t n,
                         const ad_var x[], size_t from) {
    for (size_t i = 0; i < n; i++) {
        if (x[i].tape == NULL) return REFUSE(c->tape, "%s[%zu] is a plain number", which, i);
        if (!ad__operand_valid(c->tape, x[i], what, i + 1)) return false;
        const uint32_t node = ad__node_of(x[i]);
        if (c->tape->code[node] != AD__input)
            return REFUSE(c->tape,
                          "%s[%zu] is the result of an operation, not an input of the tape", which,
                          i);
        if (c->id[node] != NONE) return REFUSE(c->tape, "%s[%zu] is listed twice", which, i);
        c->id[node] = (uint32_t)(from + i);
    }
    return true;
}

static bool check_interface(const ad_interface *face, ad_tape *tape) {
    if (!ad__check_reserved(tape, "ad_compile", "ad_interface", face->reserved, face + 1))
        return false;
    if (face->outputs == 0)
        return REFUSE(tape, "no outputs are listed, and at least one is needed");
    if (face->params > 0 && face->param == NULL)
        return REFUSE(tape, "the list of %zu params is NULL", face->params);
    if (face->inputs > 0 && face->input == NULL)
        return REFUSE(tape, "the list of %zu inputs is NULL", face->inputs);
    if (face->output == NULL) return REFUSE(tape, "the list of %zu outputs is NULL", face->outputs);
    if (face->active > face->inputs)
        return REFUSE(tape, "%zu active inputs, but only %zu inputs", face->active, face->inputs);
    if (face->params >= NONE || face->inputs >= NONE - face->params || face->outputs >= NONE)
        return REFUSE(tape,
                      "%zu params, %zu inputs and %zu outputs are more than a program can hold",
                      face->params, face->inputs, face->outputs);
    for (size_t i = 0; i < face->outputs; i++)
        if (face->output[i].tape != NULL &&
            !ad__operand_valid(tape, face->output[i], "ad_compile: outputs", i + 1))
            return false;
    return true;
}

static void use_operands(compiler *c, uint32_t node) {
    const ad_tape       *tape = c->tape;
    const uint8_t        code = tape->code[node];
    const ad__arg        arg = tape->arg[node];
    const ad__row_number row = ad__code_row(code);
    if (row < AD__ROWS) {
        const ad__form form = ad__code_form(code);
        if (form != AD__X_NUMBER) c->used[arg.x] = true;
        if (ad__rows[row].operands == 2 && form != AD__Y_NUMBER) c->used[arg.y] = true;
    } else if (code == AD__branch) {
        c->used[arg.x] = true;
    } else if (code != AD__input) {
        for (int g = 0; g < ad__groups(tape, node); g++) {
            const ad__group group = ad__group_of(tape, node, g);
            for (size_t i = 0; i < group.n; i++)
                if (!ad__group_number(group, i)) c->used[ad__group_place(group, i)] = true;
        }
    }
}

/* Branches noted before the last output guard the program: their conditions are used too. */
static void mark_used(compiler *c) {
    for (uint32_t i = c->end; i-- > 0;) {
        if (c->tape->code[i] == AD__branch) c->used[i] = true;
        if (!c->used[i]) continue;
        c->first.expected++;
        use_operands(c, i);
    }
}

/* ---- first walk: tape to values -------------------------------------------------------------- */

static uint32_t group_value(compiler *c, ad__group group, size_t i) {
    const uint32_t place = ad__group_place(group, i);
    return ad__group_number(group, i) ? add_constant(&c->first, ad__number_at(c->tape, place))
                                      : c->id[place];
}

static bool all_constant(const values *v, size_t place, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!is_constant(v, v->word[place + i])) return false;
    return true;
}

/* A reduction of constants alone is what the tape makes of plain numbers. */
static uint32_t fold_reduction(values *v, uint8_t code, size_t place, size_t words) {
    ad_var *x = malloc((words + 1) * sizeof *x);
    if (x == NULL) return fail_memory(v) != NULL;
    for (size_t i = 0; i < words; i++) x[i] = ad_num(constant_of(v, v->word[place + i]));
    const double y = ad_value(ad__record_reduction(code, words, x));
    free(x);
    v->words = place;
    v->folded++;
    return add_constant(v, y);
}

/* The operand that a selection with a constant in front comes down to; 0 for none. */
static size_t chosen_operand(const values *v, uint8_t code, size_t place, size_t words) {
    if (ad__family_of(code) != AD__SELECTS_ONE || !is_constant(v, v->word[place])) return 0;
    const size_t at = ad__selected(code, constant_of(v, v->word[place]), words - 1);
    return at < words - 1 ? 1 + at : 0;
}

/* Operand words are written first (adding constants may move nothing but nodes), then looked at. */
static uint32_t collect_reduction(compiler *c, uint32_t node) {
    values       *v = &c->first;
    const uint8_t code = c->tape->code[node];
    const size_t  words = ad__operands(c->tape, node);
    if (!reserve_words(v, words)) return 0;
    const size_t place = v->words;
    for (int g = 0; g < ad__groups(c->tape, node); g++) {
        const ad__group group = ad__group_of(c->tape, node, g);
        for (size_t i = 0; i < group.n; i++) v->word[v->words++] = group_value(c, group, i);
    }
    if (v->failed) return 0;
    const size_t chosen = chosen_operand(v, code, place, words);
    if (chosen > 0) {
        v->words = place;
        v->folded++;
        return v->word[place + chosen];
    }
    if (ad__family_of(code) != AD__SELECTS_ONE && all_constant(v, place, words))
        return fold_reduction(v, code, place, words);
    return add_words(v, code, place, ad__is_paired(code) ? words / 2 : words);
}

/* The user's own, of constants alone: computed now. */
static uint32_t fold_custom(values *v, const ad__own_op *own, size_t place, size_t n) {
    double *x = malloc((n + 1) * sizeof *x);
    if (x == NULL) return fail_memory(v) != NULL;
    for (size_t i = 0; i < n; i++) x[i] = constant_of(v, v->word[place + i]);
    const double y = own->op->value(n, x, own->context);
    free(x);
    v->words = place;
    v->folded++;
    return add_constant(v, y);
}

static uint32_t collect_custom(compiler *c, uint32_t node) {
    values           *v = &c->first;
    const ad__own_op *own = ad__own_op_of(c->tape, node);
    const ad__group   group = ad__group_of(c->tape, node, 0);
    if (!reserve_words(v, group.n + 1)) return 0;
    const size_t place = v->words;
    for (size_t i = 0; i < group.n; i++) v->word[v->words++] = group_value(c, group, i);
    if (v->failed) return 0;
    if (all_constant(v, place, group.n)) return fold_custom(v, own, place, group.n);
    v->word[v->words++] = (uint32_t)(own - c->tape->used.op);
    return add_words(v, AD__custom, place, group.n);
}

static uint32_t collect_leaf(compiler *c, uint32_t node) {
    const uint32_t role = c->id[node];
    const size_t   params = c->face->params;
    if (role == NONE) return add_constant(&c->first, c->tape->value[node]);
    if (role < params)
        return add(&c->first, (ad__node){AD__PARAM, AD__ON_PARAM | AD__UNIFORM, role, 0, 0});
    const size_t input = role - params, active = c->face->active;
    return add(&c->first, (ad__node){AD__ROW_INPUT,
                                     (uint8_t)(AD__VARYING |
                                               (active == 0 || input < active ? AD__ON_ACTIVE : 0)),
                                     (uint32_t)input, 0, 0});
}

static void tell_turned(const compiler *c, uint32_t condition, double now, bool taken) {
    const ad_tape       *tape = c->tape;
    const ad__arg        arg = tape->arg[condition];
    const uint8_t        code = tape->code[condition];
    const ad__row_number row = ad__code_row(code);
    const bool           two = row < AD__ROWS && ad__rows[row].operands == 2;
    double               side[2] = {0, 0};
    char                 text[240];
    if (two) {
        const ad__form form = ad__code_form(code);
        side[0] = form == AD__X_NUMBER ? ad__number_at(tape, arg.x)
                                       : constant_of(&c->first, c->id[arg.x]);
        side[1] = form == AD__Y_NUMBER ? ad__number_at(tape, arg.y)
                                       : constant_of(&c->first, c->id[arg.y]);
    }
    ad__fail(c->tape, AD_BRANCH_CHANGED, "ad_compile: %s",
             ad__branch_turns(sizeof text, text, condition,
                              two ? ad__rows[row].shown : ad__node_name(tape, condition),
                              two ? side : NULL, now, taken));
}

/* A condition that is known now is no guard, but it may have turned: a leaf may have been set
 * since. */
static void collect_branch(compiler *c, uint32_t node) {
    const uint32_t condition = c->tape->arg[node].x, value = c->id[condition];
    const bool     taken = c->tape->value[node] != 0;
    if (!is_constant(&c->first, value)) {
        c->guard[c->guards++] = (ad__guard){value, condition, taken};
    } else if ((constant_of(&c->first, value) != 0) != taken) {
        tell_turned(c, condition, constant_of(&c->first, value), taken);
        c->first.failed = true;
    }
}

static void collect(compiler *c) {
    const ad_tape *tape = c->tape;
    values        *v = &c->first;
    for (uint32_t i = 0; i < c->end && !v->failed; i++) {
        if (!c->used[i]) continue;
        const uint8_t        code = tape->code[i];
        const ad__arg        arg = tape->arg[i];
        const ad__row_number row = ad__code_row(code);
        if (row < AD__ROWS) {
            const ad__form form = ad__code_form(code);
            const bool     two = ad__rows[row].operands == 2;
            const uint32_t x =
                form == AD__X_NUMBER ? add_constant(v, ad__number_at(tape, arg.x)) : c->id[arg.x];
            const uint32_t y = !two                 ? 0
                             : form == AD__Y_NUMBER ? add_constant(v, ad__number_at(tape, arg.y))
                                                    : c->id[arg.y];
            c->id[i] = add_row(v, row, x, y);
        } else if (code == AD__input) {
            c->id[i] = collect_leaf(c, i);
        } else if (code == AD__branch) {
            collect_branch(c, i);
        } else if (code == AD__custom) {
            c->id[i] = collect_custom(c, i);
        } else {
            c->id[i] = collect_reduction(c, i);
        }
    }
}

/* ---- second walk: sums and dots -------------------------------------------------------------- */

static uint32_t operand_of(const values *v, const ad__node *node, size_t i) {
    return ad__in_words(node->code) ? v->word[node->x + i] : i == 0 ? node->x : node->y;
}

static bool additive(uint8_t code) {
    return code == AD__add || code == AD__sum;
}

/* How often each value is used by values that lead to an output. */
static void count_uses(compiler *c) {
    const values *v = &c->first;
    for (size_t i = 0; i < c->face->outputs; i++) c->uses[c->output[i]]++;
    for (size_t i = 0; i < c->guards; i++) c->uses[c->guard[i].value]++;
    for (size_t i = v->nodes; i-- > 0;) {
        if (c->uses[i] == 0) continue;
        for (size_t k = operand_count(&v->node[i]); k-- > 0;)
            c->uses[operand_of(v, &v->node[i], k)]++;
    }
}

/* Which values disappear into the sum that is their only user. */
static void absorb(compiler *c) {
    const values *v = &c->first;
    for (size_t i = 0; i < v->nodes; i++) {
        if (!additive(v->node[i].code) || c->uses[i] == 0) continue;
        for (size_t k = operand_count(&v->node[i]); k-- > 0;) {
            const uint32_t o = operand_of(v, &v->node[i], k);
            const uint8_t  code = v->node[o].code;
            if (c->uses[o] == 1 && (additive(code) || code == AD__dot || code == AD__mul))
                c->absorbed[o] = true;
        }
    }
}

/* The terms of a sum in second-list values, and the factors of its products, in growing arrays. */
typedef struct terms {
    uint32_t *at;
    size_t    n, room;
} terms;

static bool append(values *v, terms *t, uint32_t a) {
    if (t->n == t->room) {
        uint32_t *at = grown(v, t->at, &t->room, t->n + 1, sizeof *at);
        if (at == NULL) return false;
        t->at = at;
    }
    t->at[t->n++] = a;
    return true;
}

typedef struct gathered {
    terms stack, uniform, varying; /* terms by class */
    terms uu, uv, vv;              /* products: two values each, uniform factor first */
} gathered;

static void gather_product(compiler *c, gathered *g, uint32_t x, uint32_t y) {
    values    *v = &c->second;
    const bool vx = (flags_of(v, x) & AD__VARYING) != 0, vy = (flags_of(v, y) & AD__VARYING) != 0;
    terms     *to = vx && vy ? &g->vv : vx || vy ? &g->uv : &g->uu;
    if (append(v, to, vx && !vy ? y : x)) append(v, to, vx && !vy ? x : y);
}

static void gather_term(compiler *c, gathered *g, uint32_t id) {
    append(&c->second, flags_of(&c->second, id) & AD__VARYING ? &g->varying : &g->uniform, id);
}

/* The operand of an addition that stands for what was added up before: first in s + x, wherever it
 * is written. */
static bool chain_second(const compiler *c, const ad__node *node) {
    return node->code == AD__add && c->absorbed[node->y] && additive(c->first.node[node->y].code) &&
           !(c->absorbed[node->x] && additive(c->first.node[node->x].code));
}

/* Walk the tree of additions under `root` in the order it was made, without recursion. */
static void gather(compiler *c, gathered *g, uint32_t root) {
    const values *v = &c->first;
    g->stack.n = g->uniform.n = g->varying.n = g->uu.n = g->uv.n = g->vv.n = 0;
    append(&c->second, &g->stack, root);
    while (g->stack.n > 0 && !c->second.failed) {
        const uint32_t  i = g->stack.at[--g->stack.n];
        const ad__node *node = &v->node[i];
        const bool      inside = i == root || c->absorbed[i];
        if (inside && chain_second(c, node)) {
            if (!append(&c->second, &g->stack, node->x) || !append(&c->second, &g->stack, node->y))
                return;
        } else if (inside && additive(node->code)) {
            for (size_t k = operand_count(node); k-- > 0;)
                if (!append(&c->second, &g->stack, operand_of(v, node, k))) return;
        } else if (inside && node->code == AD__dot) {
            for (size_t k = 0; k < node->y; k++)
                gather_product(c, g, c->map[v->word[node->x + k]],
                               c->map[v->word[node->x + node->y + k]]);
        } else if (inside && node->code == AD__mul) {
            gather_product(c, g, c->map[node->x], c->map[node->y]);
        } else {
            gather_term(c, g, c->map[i]);
        }
    }
}

/* Products of one class: a dot from two on, else a multiplication. */
static void finish_products(compiler *c, gathered *g, const terms *products, uint8_t code) {
    values      *v = &c->second;
    const size_t n = products->n / 2, place = v->words;
    if (n == 0 || v->failed) return;
    if (n == 1) {
        gather_term(c, g, add_row(v, AD__ROW_mul, products->at[0], products->at[1]));
        return;
    }
    if (!reserve_words(v, 2 * n)) return;
    for (size_t i = 0; i < 2 * n; i++) v->word[place + i % 2 * n + i / 2] = products->at[i];
    v->words += 2 * n;
    gather_term(c, g, add_words(v, code, place, n));
}

static uint32_t finish_terms(values *v, const terms *t) {
    if (t->n == 1) return t->at[0];
    if (t->n == 2) return add_row(v, AD__ROW_add, t->at[0], t->at[1]);
    const size_t place = v->words;
    if (!reserve_words(v, t->n)) return 0;
    memcpy(v->word + place, t->at, t->n * sizeof *t->at);
    v->words += t->n;
    return add_words(v, AD__sum, place, t->n);
}

static uint32_t fuse_sum(compiler *c, gathered *g, uint32_t root) {
    values *v = &c->second;
    gather(c, g, root);
    finish_products(c, g, &g->uu, AD__dot);
    finish_products(c, g, &g->uv, AD__LAYER_DOT);
    finish_products(c, g, &g->vv, AD__dot);
    if (v->failed) return 0;
    if (g->varying.n == 0) return finish_terms(v, &g->uniform);
    if (g->uniform.n == 0) return finish_terms(v, &g->varying);
    return add_row(v, AD__ROW_add, finish_terms(v, &g->varying), finish_terms(v, &g->uniform));
}

static uint32_t copy(compiler *c, uint32_t i) {
    const values   *from = &c->first;
    values         *v = &c->second;
    const ad__node *node = &from->node[i];
    if (node->code == AD__CONSTANT) return add_constant(v, constant_of(from, i));
    if (node->code == AD__PARAM || node->code == AD__ROW_INPUT) return add(v, *node);
    if (!ad__in_words(node->code))
        return add_row(v, ad__code_row(node->code), c->map[node->x], c->map[node->y]);
    const size_t n = operand_count(node), words = ad__word_count(node->code, node->y),
                 place = v->words;
    if (!reserve_words(v, words)) return 0;
    for (size_t k = 0; k < words; k++) {
        const uint32_t word = from->word[node->x + k];
        v->word[place + k] = k < n ? c->map[word] : word;
    }
    v->words += words;
    return add_words(v, node->code, place, node->y);
}

static void fuse(compiler *c) {
    const values *from = &c->first;
    gathered      g = {0};
    for (uint32_t i = 0; i < from->nodes && !c->second.failed; i++) {
        const uint8_t code = from->node[i].code;
        if (c->absorbed[i] || c->uses[i] == 0) continue;
        c->map[i] = additive(code) || code == AD__dot ? fuse_sum(c, &g, i) : copy(c, i);
    }
    terms *all[] = {&g.stack, &g.uniform, &g.varying, &g.uu, &g.uv, &g.vv};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]->at);
}

/* ---- layers ---------------------------------------------------------------------------------- */

static uint64_t hash_operands(const values *v, const ad__node *node) {
    uint64_t hash = node->y;
    for (size_t i = 0; i < node->y; i++) hash = mix(hash, v->word[node->x + node->y + i]);
    return hash;
}

static bool same_operands(const values *v, const ad__node *a, const ad__node *b) {
    return a->y == b->y &&
           memcmp(v->word + a->x + a->y, v->word + b->x + b->y, a->y * sizeof *v->word) == 0;
}

/* Which layer each layer dot belongs to, in `layer` by value; the layers with their first
 * member. */
static bool find_layers(values *v, uint32_t layer[], ad__layer **layers, size_t *count) {
    size_t dots = 0, size = 16, room = 0;
    for (size_t i = 0; i < v->nodes; i++) dots += v->node[i].code == AD__LAYER_DOT;
    while (size < 2 * dots) size *= 2;
    uint32_t *table = malloc(size * sizeof *table);
    if (table == NULL) return fail_memory(v) != NULL;
    memset(table, 0xff, size * sizeof *table);
    *count = 0;
    for (uint32_t i = 0; i < v->nodes && !v->failed; i++) {
        const ad__node *node = &v->node[i];
        if (node->code != AD__LAYER_DOT) continue;
        size_t at = hash_operands(v, node) & (size - 1);
        while (table[at] != NONE && !same_operands(v, node, &v->node[(*layers)[table[at]].first]))
            at = (at + 1) & (size - 1);
        if (table[at] == NONE) {
            ad__layer *all =
                *count < room ? *layers : grown(v, *layers, &room, *count + 1, sizeof *all);
            if (all == NULL) break;
            *layers = all;
            all[*count] = (ad__layer){.n = node->y, .first = i};
            table[at] = (uint32_t)(*count)++;
        }
        layer[i] = table[at];
        (*layers)[table[at]].m++;
    }
    free(table);
    return !v->failed;
}

/* Members, operands and weights of every layer as words; the dots then name their layer and
 * output. */
static void write_layers(values *v, const uint32_t layer[], ad__layer layers[], size_t count) {
    size_t words = 0;
    for (size_t k = 0; k < count; k++)
        words += layers[k].m + (size_t)layers[k].n + (size_t)layers[k].m * layers[k].n;
    if (!reserve_words(v, words)) return;
    for (size_t k = 0; k < count; k++) {
        ad__layer      *l = &layers[k];
        const ad__node *first = &v->node[l->first];
        const size_t    weights = (size_t)l->m * l->n;
        l->output = (uint32_t)v->words, l->input = l->output + l->m;
        l->weight = l->input + l->n;
        memcpy(v->word + l->input, v->word + first->x + l->n, l->n * sizeof *v->word);
        v->words += l->m + (size_t)l->n + weights;
        l->m = 0;
    }
    for (uint32_t i = 0; i < v->nodes; i++) {
        ad__node *node = &v->node[i];
        if (node->code != AD__LAYER_DOT) continue;
        ad__layer *l = &layers[layer[i]];
        v->word[l->output + l->m] = i;
        memcpy(v->word + l->weight + (size_t)l->m * l->n, v->word + node->x,
               l->n * sizeof *v->word);
        node->x = layer[i];
        node->y = l->m++;
    }
}

static uint64_t hash_weights(const values *v, const ad__layer *l) {
    uint64_t hash = mix(l->m, l->n);
    for (size_t i = 0; i < (size_t)l->m * l->n; i++) hash = mix(hash, v->word[l->weight + i]);
    return hash;
}

static bool same_weights(const values *v, const ad__layer *a, const ad__layer *b) {
    return a->m == b->m && a->n == b->n &&
           memcmp(v->word + a->weight, v->word + b->weight,
                  (size_t)a->m * a->n * sizeof *v->word) == 0;
}

/* A network that is applied at every step of a sequence makes a layer at each, with the same
 * weights. */
static bool share_weights(values *v, ad__layer layers[], size_t count) {
    size_t size = 16, packed = 0;
    while (size < 2 * count) size *= 2;
    uint32_t *table = malloc(size * sizeof *table);
    if (table == NULL) return fail_memory(v) != NULL;
    memset(table, 0xff, size * sizeof *table);
    for (uint32_t k = 0; k < count; k++) {
        ad__layer *l = &layers[k];
        size_t     at = hash_weights(v, l) & (size - 1);
        while (table[at] != NONE && !same_weights(v, l, &layers[table[at]]))
            at = (at + 1) & (size - 1);
        if (table[at] == NONE) {
            table[at] = k;
            l->packed = packed;
            packed += (size_t)l->m * l->n;
        }
        l->like = table[at];
        l->packed = layers[l->like].packed;
    }
    free(table);
    return true;
}

/* ---- the program ----------------------------------------------------------------------------- */

/* A layer is one step, where its first member stands. */
static bool is_step(const ad_program *p, uint32_t i) {
    const ad__node *node = &p->node[i];
    return (node->flags & AD__VARYING) &&
           (node->code != AD__LAYER_DOT || p->layer[node->x].first == i);
}

static void settle_layer(ad_program *p, ad__layer *l) {
    const size_t weights = (size_t)l->m * l->n;
    uint32_t    *weight = p->word + l->weight;
    for (uint32_t i = 0; i < l->n; i++) {
        const ad__node *input = &p->node[p->word[l->input + i]];
        l->on_active |= (input->flags & AD__ON_ACTIVE) != 0;
        l->operands_on_param |= (input->flags & AD__ON_PARAM) != 0;
    }
    bool straight = true;
    for (size_t i = 0; i < weights; i++) {
        l->on_param |= (p->node[weight[i]].flags & AD__ON_PARAM) != 0;
        weight[i] = p->node[weight[i]].home;
        straight = straight && weight[i] == weight[0] + i;
    }
    l->straight = straight ? weight[0] : NONE;
    if (&p->layer[l->like] == l) p->packed += weights;
}

static void settle(ad_program *p) {
    p->steps = p->uniform_steps;
    for (uint32_t i = 0; i < p->nodes; i++) {
        const ad__node *node = &p->node[i];
        if (is_step(p, i)) p->step[p->steps++] = i;
        if (ad__in_words(node->code) && node->code != AD__LAYER_DOT &&
            operand_count(node) > p->most_operands)
            p->most_operands = operand_count(node);
    }
    for (uint32_t k = 0; k < p->layers; k++) {
        ad__layer *l = &p->layer[k];
        settle_layer(p, l);
        if ((l->m > l->n ? l->m : l->n) > p->most_operands)
            p->most_operands = l->m > l->n ? l->m : l->n;
    }
}

static void choose_kernels(ad_program *p) {
    switch (ad__isa_level()) {
#ifdef AD__ISA_LEVELS
    case 2:
        p->kernels = &ad__kernels_v2;
        p->layers_of = &ad__layer_v2;
        p->columns_of = &ad__columns_v2;
        break;
    case 3:
        p->kernels = &ad__kernels_v3;
        p->layers_of = &ad__layer_v3;
        p->columns_of = &ad__columns_v3;
        break;
    case 4:
        p->kernels = &ad__kernels_v4;
        p->layers_of = &ad__layer_v4;
        p->columns_of = &ad__columns_v4;
        break;
#endif
    default:
        p->kernels = &ad__kernels_base;
        p->layers_of = &ad__layer_base, p->columns_of = &ad__columns_base;
    }
    p->vector = ad__vector_choose();
}

/* The second list becomes the program's own. */
static ad_program *assemble(compiler *c, ad__layer *layers, size_t count) {
    values     *v = &c->second;
    ad_program *p = calloc(1, sizeof *p);
    if (p == NULL) return fail_memory(v);
    const ad_interface *face = c->face;
    p->params = face->params, p->inputs = face->inputs, p->outputs = face->outputs;
    p->active = face->active == 0 ? face->inputs : face->active;
    p->node = v->node, p->nodes = (uint32_t)v->nodes;
    p->word = v->word, p->words = (uint32_t)v->words;
    p->constant = v->constant, p->constants = (uint32_t)v->constants;
    p->layer = layers, p->layers = (uint32_t)count;
    p->guard = c->guard, p->guards = (uint32_t)c->guards;
    p->output = c->output;
    p->step = c->step;
    p->fixed = c->fixed, p->fixed_leaves = c->fixed_leaves;
    p->own = c->own;
    for (size_t i = 0; i < p->outputs; i++) p->output[i] = c->map[p->output[i]];
    for (size_t i = 0; i < p->guards; i++) p->guard[i].value = c->map[p->guard[i].value];
    v->node = NULL, v->word = NULL, v->constant = NULL, c->guard = NULL, c->output = NULL,
    c->step = NULL;
    c->fixed = NULL, c->fixed_leaves = 0, c->own = NULL;
    atomic_flag_clear(&p->message_lock);
    for (size_t i = 0; i < 3; i++) atomic_init(&p->plan[i], NULL);
    atomic_init(&p->single, NULL);
    for (size_t i = 0; i < AD__WORKSPACES; i++) atomic_init(&p->spare[i], NULL);
    if (!ad__roll_up(p)) {
        p->layer = NULL; /* still the caller's */
        ad_program_free(p);
        return fail_memory(v);
    }
    settle(p);
    if (p->roll_space < 2 * p->most_operands) p->roll_space = 2 * p->most_operands;
    choose_kernels(p);
    return p;
}

static void *array(compiler *c, size_t n, size_t bytes, int fill) {
    void *memory = fill == 0 ? calloc(n + 1, bytes) : malloc((n + 1) * bytes);
    if (memory == NULL) return fail_memory(&c->first);
    if (fill != 0) memset(memory, fill, (n + 1) * bytes);
    return memory;
}

static bool collect_outputs(compiler *c) {
    const ad_interface *face = c->face;
    c->output = array(c, face->outputs, sizeof *c->output, 0);
    if (c->output == NULL) return false;
    for (size_t i = 0; i < face->outputs; i++)
        c->output[i] = face->output[i].tape == NULL
                         ? add_constant(&c->first, ad__number_of(face->output[i]))
                         : c->id[ad__node_of(face->output[i])];
    return !c->first.failed;
}

static bool is_fixed(const compiler *c, uint32_t node) {
    return c->used[node] && c->tape->code[node] == AD__input && c->id[node] == NONE;
}

/* Leaves that matter and are in neither list: before the walk, which writes values over the
 * roles. */
static bool keep_fixed_leaves(compiler *c) {
    size_t n = 0;
    for (uint32_t i = 0; i < c->end; i++) n += is_fixed(c, i);
    c->fixed = array(c, n, sizeof *c->fixed, 0);
    for (uint32_t i = 0; i < c->end && c->fixed != NULL; i++) {
        if (!is_fixed(c, i)) continue;
        const char *name = ad__name_of(c->tape, i);
        char       *copy_of_name = name == NULL ? NULL : strdup(name);
        if (name != NULL && copy_of_name == NULL) return fail_memory(&c->first) != NULL;
        c->fixed[c->fixed_leaves++] = (ad__fixed){i, copy_of_name, c->tape->value[i]};
    }
    return c->fixed != NULL;
}

static void free_fixed(ad__fixed *fixed, size_t n) {
    for (size_t i = 0; i < n; i++) free(fixed[i].name);
    free(fixed);
}

/* The program outlives the tape. */
static bool keep_own_ops(compiler *c) {
    const ad__own_ops *used = &c->tape->used;
    if (used->n == 0) return true;
    c->own = array(c, used->n, sizeof *c->own, 0);
    if (c->own != NULL) memcpy(c->own, used->op, used->n * sizeof *c->own);
    return c->own != NULL;
}

static bool first_walk(compiler *c) {
    size_t              branches = 0;
    const ad_interface *face = c->face;
    for (size_t i = 0; i < face->outputs; i++)
        if (face->output[i].tape != NULL && ad__node_of(face->output[i]) >= c->end)
            c->end = ad__node_of(face->output[i]) + 1;
    c->id = array(c, c->tape->length, sizeof *c->id, 0xff);
    c->used = array(c, c->tape->length, sizeof *c->used, 0);
    if (c->id == NULL || c->used == NULL || !keep_own_ops(c)) return false;
    for (uint32_t i = 0; i < c->end; i++) branches += c->tape->code[i] == AD__branch;
    c->guard = array(c, branches, sizeof *c->guard, 0);
    if (c->guard == NULL ||
        !claim_leaves(c, "param", "ad_compile: params", face->params, face->param, 0) ||
        !claim_leaves(c, "input", "ad_compile: inputs", face->inputs, face->input, face->params))
        return false;
    for (size_t i = 0; i < face->outputs; i++)
        if (face->output[i].tape != NULL) c->used[ad__node_of(face->output[i])] = true;
    mark_used(c);
    if (!keep_fixed_leaves(c)) return false;
    collect(c);
    return !c->first.failed && collect_outputs(c);
}

static bool second_walk(compiler *c) {
    c->uses = array(c, c->first.nodes, sizeof *c->uses, 0);
    c->map = array(c, c->first.nodes, sizeof *c->map, 0);
    c->absorbed = array(c, c->first.nodes, sizeof *c->absorbed, 0);
    if (c->uses == NULL || c->map == NULL || c->absorbed == NULL) return false;
    count_uses(c);
    absorb(c);
    if (c->first.table != NULL) { /* the second list is not longer, and looks up as the first did */
        memset(c->first.table, 0xff, c->first.table_size * sizeof *c->first.table);
        c->second.table = c->first.table, c->second.table_size = c->first.table_size;
        c->first.table = NULL;
    }
    fuse(c);
    return !c->second.failed;
}

static void count(const compiler *c, ad__counts *n) {
    n->tape = c->end;
    for (uint32_t i = 0; i < c->end; i++) n->alive += c->used[i];
    n->values = c->first.nodes, n->shared = c->first.shared, n->folded = c->first.folded;
    n->fused = c->second.nodes;
    for (size_t i = 0; i < c->first.nodes; i++) n->absorbed += c->absorbed[i];
}

static ad_program *compile(compiler *c) {
    if (!first_walk(c) || !second_walk(c)) return NULL;
    ad__layer *layers = NULL;
    size_t     number = 0;
    uint32_t  *layer = array(c, c->second.nodes, sizeof *layer, 0);
    c->step = array(c, c->second.nodes, sizeof *c->step, 0);
    if (layer == NULL || c->step == NULL) {
        free(layer);
        return NULL;
    }
    ad_program *p = NULL;
    if (find_layers(&c->second, layer, &layers, &number)) {
        write_layers(&c->second, layer, layers, number);
        p = c->second.failed || !share_weights(&c->second, layers, number)
              ? NULL
              : assemble(c, layers, number);
    }
    if (p == NULL) free(layers);
    else count(c, &p->count);
    free(layer);
    return p;
}

ad_program *ad_compile(const ad_interface *interface) {
    ad_tape *tape = interface == NULL ? NULL : tape_of_interface(interface);
    if (tape == NULL || tape->status != AD_OK || !check_interface(interface, tape)) return NULL;
    compiler c = {
        .face = interface, .tape = tape, .first = {.tape = tape}, .second = {.tape = tape}};
    ad_program *p = compile(&c);
    free_values(&c.first);
    free_values(&c.second);
    free(c.id);
    free(c.used);
    free(c.uses);
    free(c.map);
    free(c.absorbed);
    free(c.output);
    free(c.step);
    free(c.guard);
    free_fixed(c.fixed, c.fixed_leaves);
    free(c.own);
    return p;
}

void ad_program_free(ad_program *p) {
    if (p == NULL) return;
    for (size_t i = 0; i < 3; i++) ad__plan_free(atomic_load(&p->plan[i]));
    ad__single_free(atomic_load(&p->single));
    for (size_t i = 0; i < AD__WORKSPACES; i++) free(atomic_load(&p->spare[i]));
    free(p->node);
    free(p->word);
    free(p->constant);
    free(p->layer);
    free(p->guard);
    free(p->output);
    free_fixed(p->fixed, p->fixed_leaves);
    free(p->own);
    free(p->step);
    free(p->instruction);
    free(p->roll);
    free(p->body);
    free(p->source);
    free(p->index);
    free(p);
}
