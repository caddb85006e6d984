/* emit_c.c - a program as a stand-alone C99 function with its gradient.
 *
 * All numbers of the written function stand in one array v: the constants that loops need, the
 * params, the inputs, then a place for each value in the order of computing; adjoints stand in a,
 * at the same places. So an operand is a place, a dot a walk over places, and steps that come again
 * and again with places that advance by constants are one loop, forwards over v and backwards over
 * a. Lists of places that do not advance evenly become tables. What is left is written out, cut
 * into functions of a few hundred steps, because compilers take more than linear time over a
 * function. Where that would be thousands of steps they are a table themselves, a row for each, and
 * one loop over a switch of the kinds there are runs them: a compiler takes milliseconds for a step
 * that is written out, microseconds for a row.
 *
 * Expressions are the texts of ops.def with the operands put in; functions that C lacks are written
 * only when some text calls them, under names that begin with the function's own. */
#include "program/program.h"

#include "base/c_names.h"
#include "base/text.h"
#include "tape/reduce.h"

#include <stdlib.h>

#define NONE UINT32_MAX

enum {
    STEPS_A_FUNCTION = 256,
    WRITTEN_OUT = 1024, /* steps; of more, a table */
    LEAST_ROWS = 8,
    MOST_KINDS = 512, /* of that table */
    LONGEST_PERIOD = 64,
    LEAST_TURNS = 3,
    LEAST_STEPS = 8,   /* of steps that come again */
    FEW = 4,           /* operands that are written out, not looped over */
    STACK = 1 << 20,   /* bytes of v and a; more are static */
    LONGEST_NAME = 48, /* so that helpers differ in 63 characters, C's least */
    NUMBER = 40,
    PLACE = 160, /* characters */
};

enum { MUST_HOLD = 1, MUST_NOT_HOLD = 2 }; /* guards */
enum { NEEDED = 1, NEEDS_PLACE = 2 };      /* values; a constant that needs none may be a literal */

/* What is written for a step, apart from the irregular lists. Places are those of the first turn of
 * a loop. */
typedef struct step {
    uint8_t  code, guard;
    bool     regular;         /* every list is a start and a stride */
    bool     few;             /* sums and dots without lists: every operand is written out */
    bool     wanted[2 * FEW]; /* does a param stand behind the operand or list? */
    bool     literal[2];   /* operands of rows that are numbers: `at` is the value, not a place */
    uint32_t value, place; /* in the program (a layer: its number); in v */
    uint32_t kind;         /* of the switch; NONE: it is in no table */
    uint32_t m, n;         /* results; operands of a list */
    /* rows: x, y; sum, folds: list; dot: two lists; where: three operands; pick: index, list;
     * layer: weights, list; few: the n x, then the n y */
    uint32_t at[2 * FEW];
    /* of list 0 and 1; layer: of weights down, of the list, of weights to the right */
    int64_t  stride[3];
} step;

/* Steps first ... first + period - 1, `turns` times; or, once, rows of the table from `row` on. */
typedef struct group {
    size_t first, period, turns, row;
    bool   in_table;
} group;

typedef struct emitter {
    const ad_program *p;
    const char       *name;
    FILE             *to;
    int               depth;          /* of loops around the step that is written */
    uint8_t          *needed, *guard; /* by value */
    uint32_t         *place;          /* by value; NONE: a literal, or not needed */
    uint32_t         *uniform;        /* value by home */
    step             *step;
    group            *group;
    size_t            steps, groups;
    size_t            constants, places;
    bool              tabled;           /* are there so many steps that they are a table? */
    const step       *kind[MOST_KINDS]; /* one step of each */
    size_t            kinds, rows, columns;
    bool              helper[AD__ROWS], index;
} emitter;

/* ---- the name -------------------------------------------------------------------------------- */

static bool in_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static const char *fault_of_name(const char *name) {
    if (name[0] == '\0') return "it is empty";
    for (const char *at = name; *at != '\0'; at++)
        if (!in_word(*at)) return "a name holds letters, digits and _ alone";
    if (name[0] >= '0' && name[0] <= '9') return "a name does not begin with a digit";
    if (name[0] == '_') return "names that begin with _ belong to the compiler";
    if (strlen(name) > LONGEST_NAME) return "it is longer than 48 characters";
    return ad__c_name_taken(name);
}

/* ---- what is needed, and where it stands ----------------------------------------------------- */

static bool is_row(uint8_t code) {
    return code < AD__CODES && ad__code_row(code) < AD__ROWS;
}

static bool has_list(uint8_t code) {
    return ad__reduction_of(code) != NULL;
}

/* An operand that stands in a list, or anywhere. */
static void need(emitter *e, uint32_t value, bool in_list) {
    e->needed[value] |= in_list || e->tabled ? NEEDED | NEEDS_PLACE : NEEDED;
}

static void need_layer(emitter *e, const ad__layer *l) {
    const ad_program *p = e->p;
    for (uint32_t j = 0; j < l->m; j++) need(e, p->word[l->output + j], true);
    for (uint32_t i = 0; i < l->n; i++) need(e, p->word[l->input + i], true);
    for (size_t i = 0; i < (size_t)l->m * l->n; i++)
        need(e, e->uniform[p->word[l->weight + i]], true);
}

/* Everything that leads to output 0 or to a guard. Steps, not values, because a layer is computed
 * before some of its members would be. */
static bool mark(emitter *e) {
    const ad_program *p = e->p;
    e->needed[p->output[0]] |= NEEDED;
    for (uint32_t g = 0; g < p->guards; g++) {
        e->needed[p->guard[g].value] |= NEEDED;
        e->guard[p->guard[g].value] |= p->guard[g].taken ? MUST_HOLD : MUST_NOT_HOLD;
    }
    for (uint32_t k = p->steps; k-- > 0;) {
        const ad__node *node = &p->node[p->step[k]];
        if (node->code == AD__LAYER_DOT) {
            const ad__layer *l = &p->layer[node->x];
            bool             any = false;
            for (uint32_t j = 0; j < l->m; j++) any |= e->needed[p->word[l->output + j]] != 0;
            if (any) need_layer(e, l);
            continue;
        }
        if (!e->needed[p->step[k]]) continue;
        if (is_row(node->code)) {
            need(e, node->x, false);
            if (ad__rows[ad__code_row(node->code)].operands == 2) need(e, node->y, false);
        } else if (has_list(node->code)) {
            const size_t n = ad__operand_count(node->code, node->y);
            for (size_t i = 0; i < n; i++) need(e, p->word[node->x + i], true);
        } else if (node->code != AD__ROW_INPUT) {
            ad__program_refuse(p, AD_UNSUPPORTED,
                               "ad_program_emit_c: the operation %s has no text in C",
                               ad__value_name(p, p->step[k]));
            return false;
        }
    }
    return true;
}

/* Constants of lists, params, inputs, then what is computed. */
static void give_places(emitter *e) {
    const ad_program *p = e->p;
    size_t            at = 0;
    for (uint32_t i = 0; i < p->nodes; i++)
        if (e->needed[i] & NEEDS_PLACE && p->node[i].code == AD__CONSTANT)
            e->place[i] = (uint32_t)at++;
    e->constants = at;
    for (uint32_t i = 0; i < p->nodes; i++) {
        if (p->node[i].code == AD__PARAM) e->place[i] = (uint32_t)at + p->node[i].x;
        if (p->node[i].code == AD__ROW_INPUT)
            e->place[i] = (uint32_t)(at + p->params) + p->node[i].x;
    }
    at += p->params + p->inputs;
    for (uint32_t k = 0; k < p->steps; k++) {
        const uint32_t  i = p->step[k];
        const ad__node *node = &p->node[i];
        if (!e->needed[i] || node->code == AD__ROW_INPUT) continue;
        if (node->code != AD__LAYER_DOT) {
            e->place[i] = (uint32_t)at++;
        } else {
            const ad__layer *l = &p->layer[node->x];
            for (uint32_t j = 0; j < l->m; j++) e->place[p->word[l->output + j]] = (uint32_t)at++;
        }
    }
    e->places = at;
}

/* ---- steps ----------------------------------------------------------------------------------- */

typedef struct list { /* values, or homes of uniform values */
    const uint32_t *word;
    size_t          n;
    bool            homes;
} list;

static uint32_t place_in(const emitter *e, list l, size_t i) {
    return e->place[l.homes ? e->uniform[l.word[i]] : l.word[i]];
}

/* Is the list a start and a stride? */
static bool even(const emitter *e, list l, uint32_t *start, int64_t *stride) {
    *start = place_in(e, l, 0);
    *stride = l.n > 1 ? (int64_t)place_in(e, l, 1) - *start : 0;
    for (size_t i = 1; i < l.n; i++)
        if ((int64_t)place_in(e, l, i) != *start + (int64_t)i * *stride) return false;
    return true;
}

static bool any_wanted(const emitter *e, list l) {
    for (size_t i = 0; i < l.n; i++)
        if (e->p->node[l.homes ? e->uniform[l.word[i]] : l.word[i]].flags & AD__ON_PARAM)
            return true;
    return false;
}

/* List number k of a step; the weights of a layer are its list 0. */
static list list_of(const emitter *e, const step *s, int k) {
    const ad_program *p = e->p;
    if (s->code == AD__LAYER_DOT) {
        const ad__layer *l = &p->layer[s->value];
        return k == 0 ? (list){p->word + l->weight, (size_t)l->m * l->n, true}
                      : (list){p->word + l->input, l->n, false};
    }
    const ad__node *node = &p->node[s->value];
    const uint32_t *word = p->word + node->x;
    if (s->code == AD__pick) return (list){word + 1, s->n, false};
    return (list){word + (k == 1 ? s->n : 0), s->n, false};
}

/* Weights are rows of n: a stride down and one to the right. */
static bool even_weights(const emitter *e, step *s) {
    const list l = list_of(e, s, 0);
    int64_t    right = 0, first;
    s->at[0] = place_in(e, l, 0);
    s->stride[0] = s->m > 1 ? (int64_t)place_in(e, l, s->n) - s->at[0] : 0;
    for (size_t j = 0; j < s->m; j++) {
        uint32_t start;
        if (!even(e, (list){l.word + j * s->n, s->n, true}, &start, &first)) return false;
        if (j == 0) right = first;
        if (first != right || start != s->at[0] + (int64_t)j * s->stride[0]) return false;
    }
    s->stride[2] = right;
    return true;
}

static void operand(const emitter *e, step *s, int k, uint32_t value) {
    const bool literal = k < 2 && is_row(s->code) && e->place[value] == NONE;
    if (k < 2 && is_row(s->code)) s->literal[k] = literal;
    s->at[k] = literal ? value : e->place[value];
    s->wanted[k] = (e->p->node[value].flags & AD__ON_PARAM) != 0;
}

/* Operands one by one; a layer of one output is a dot. */
static void describe_few(const emitter *e, step *s) {
    const int lists = s->code == AD__sum ? 1 : 2;
    for (int k = 0; k < lists; k++) {
        const list l = list_of(e, s, k);
        for (size_t i = 0; i < l.n; i++) {
            const uint32_t value = l.homes ? e->uniform[l.word[i]] : l.word[i];
            s->at[(size_t)k * s->n + i] = e->place[value];
            s->wanted[(size_t)k * s->n + i] = (e->p->node[value].flags & AD__ON_PARAM) != 0;
        }
    }
    s->few = true;
}

static void describe_layer(const emitter *e, step *s, uint32_t number) {
    const ad_program *p = e->p;
    const ad__layer  *l = &p->layer[number];
    s->value = number, s->m = l->m, s->n = l->n;
    s->place = e->place[p->word[l->output]];
    for (uint32_t j = 0; j < l->m; j++) s->guard |= e->guard[p->word[l->output + j]];
    if (l->m == 1 && l->n <= FEW) {
        describe_few(e, s);
        return;
    }
    const bool weights = even_weights(e, s),
               inputs = even(e, list_of(e, s, 1), &s->at[1], &s->stride[1]);
    s->regular = weights && inputs && s->guard == 0;
    s->wanted[0] = l->on_param, s->wanted[1] = l->operands_on_param;
}

static step describe(const emitter *e, uint32_t value) {
    const ad__node *node = &e->p->node[value];
    step            s = {.code = node->code,
                         .value = value,
                         .m = 1,
                         .place = e->place[value],
                         .guard = e->guard[value],
                         .regular = true};
    if (s.code == AD__LAYER_DOT) {
        s.guard = 0;
        describe_layer(e, &s, node->x);
        return s;
    }
    if (is_row(s.code)) {
        operand(e, &s, 0, node->x);
        if (ad__rows[ad__code_row(s.code)].operands == 2) operand(e, &s, 1, node->y);
        return s;
    }
    const uint32_t *word = e->p->word + node->x; /* a program of rows alone has no words at all */
    s.n = s.code == AD__pick ? node->y - 1 : node->y;
    if ((s.code == AD__sum || s.code == AD__dot) && s.n <= FEW) {
        describe_few(e, &s);
        return s;
    }
    if (s.code == AD__where) {
        for (int k = 0; k < 3; k++) operand(e, &s, k, word[k]);
        return s;
    }
    if (s.code == AD__pick) operand(e, &s, 0, word[0]);
    for (int k = s.code == AD__pick; k < (s.code == AD__dot || s.code == AD__pick ? 2 : 1); k++) {
        const list l = list_of(e, &s, k);
        s.regular = even(e, l, &s.at[k], &s.stride[k]) && s.regular;
        s.wanted[k] = any_wanted(e, l);
    }
    return s;
}

static void describe_all(emitter *e) {
    const ad_program *p = e->p;
    for (uint32_t k = 0; k < p->steps; k++) {
        const uint32_t i = p->step[k];
        if (e->needed[i] && p->node[i].code != AD__ROW_INPUT) e->step[e->steps++] = describe(e, i);
    }
}

/* ---- steps that come again ------------------------------------------------------------------- */

static bool same_kind(const step *a, const step *b) {
    if (a->code != b->code || a->guard != b->guard || a->m != b->m || a->n != b->n || !a->regular ||
        !b->regular)
        return false;
    if (a->few != b->few || memcmp(a->wanted, b->wanted, sizeof a->wanted) != 0 ||
        memcmp(a->stride, b->stride, sizeof a->stride) != 0)
        return false;
    for (int k = 0; k < 2; k++)
        if (a->literal[k] != b->literal[k] || (a->literal[k] && a->at[k] != b->at[k])) return false;
    return true;
}

/* Does b follow a as a followed the one before it? */
static bool advances(const step *before, const step *a, const step *b) {
    if (!same_kind(a, b)) return false;
    /* modulo 2^32: the same question */
    for (int k = 0; k < 2 * FEW; k++)
        if (b->at[k] - a->at[k] != a->at[k] - before->at[k]) return false;
    return b->place - a->place == a->place - before->place;
}

/* How many times the `period` steps from `first` on come, one after another. */
static size_t turns_of(const emitter *e, size_t first, size_t period) {
    const step *s = e->step + first;
    size_t      n = period;
    if (first + 2 * period > e->steps) return 1;
    for (size_t i = 0; i < period; i++)
        if (!same_kind(&s[i], &s[i + period])) return 1;
    for (n = 2 * period;
         first + n < e->steps && advances(&s[n - 2 * period], &s[n - period], &s[n]); n++) {
    }
    return n / period;
}

static group next_group(const emitter *e, size_t first) {
    group best = {first, 1, 1, 0, false};
    for (size_t period = 1; period <= LONGEST_PERIOD && first + LEAST_TURNS * period <= e->steps;
         period++) {
        const size_t turns = turns_of(e, first, period);
        if (turns < LEAST_TURNS || turns * period < LEAST_STEPS) continue;
        if (turns * period - period > best.turns * best.period - best.period)
            best = (group){first, period, turns, 0, false};
    }
    return best;
}

static void find_groups(emitter *e) {
    for (size_t at = 0; at < e->steps;) {
        const group g = next_group(e, at);
        e->group[e->groups++] = g;
        at += g.period * g.turns;
    }
}

/* ---- steps in a table ------------------------------------------------------------------------ */

static size_t operands_of(const step *s) {
    if (is_row(s->code)) return ad__rows[ad__code_row(s->code)].operands;
    return s->code == AD__where ? 3 : s->code == AD__sum ? s->n : 2 * (size_t)s->n;
}

static bool same_case(const step *a, const step *b) {
    return a->code == b->code && a->guard == b->guard && a->n == b->n &&
           memcmp(a->wanted, b->wanted, sizeof a->wanted) == 0;
}

static uint32_t kind_of(emitter *e, const step *s) {
    if (!is_row(s->code) && !s->few && s->code != AD__where) return NONE;
    for (size_t k = 0; k < e->kinds; k++)
        if (same_case(s, e->kind[k])) return (uint32_t)k;
    if (e->kinds == MOST_KINDS) return NONE;
    if (e->columns < 2 + operands_of(s)) e->columns = 2 + operands_of(s);
    e->kind[e->kinds] = s;
    return (uint32_t)e->kinds++;
}

static size_t written_out(const emitter *e) {
    size_t n = 0;
    for (size_t k = 0; k < e->groups; k++) n += e->group[k].turns == 1;
    return n;
}

/* Groups of one step each, one after another, become rows; the groups that remain move up. */
static void find_rows(emitter *e) {
    size_t kept = 0;
    for (size_t k = 0, end; k < e->groups; k = end) {
        for (end = k; end < e->groups && e->group[end].turns == 1; end++) {
            step *s = &e->step[e->group[end].first];
            s->kind = kind_of(e, s);
            if (s->kind == NONE) break;
        }
        if (end - k < LEAST_ROWS) {
            end = end > k ? end : k + 1;
            for (size_t i = k; i < end; i++) e->group[kept++] = e->group[i];
            continue;
        }
        e->group[kept++] = (group){e->group[k].first, end - k, 1, e->rows, true};
        e->rows += end - k;
    }
    e->groups = kept;
}

/* ---- numbers, places, texts ------------------------------------------------------------------ */

/* The shortest form that is read back to the bit, as a C expression of type double. */
static const char *number(double x, char text[NUMBER]) {
    if (isnan(x)) return strcpy(text, "NAN");
    if (isinf(x)) return strcpy(text, x < 0 ? "(-INFINITY)" : "INFINITY");
    char digits[AD__SHORTEST];
    ad__shortest(x, digits);
    const char *point = strpbrk(digits, ".e") == NULL ? ".0" : "";
    snprintf(text, NUMBER, signbit(x) ? "(%s%s)" : "%s%s", digits, point);
    return text;
}

static void put_term(char text[PLACE], int64_t factor, const char *variable) {
    const size_t n = strlen(text);
    if (factor == 0) return;
    const char         *sign = factor < 0 ? " - " : n > 0 ? " + " : "";
    const unsigned long size = (unsigned long)(factor < 0 ? -factor : factor);
    if (size == 1) snprintf(text + n, PLACE - n, "%s%s", sign, variable);
    else snprintf(text + n, PLACE - n, "%s%lu*%s", sign, size, variable);
}

/* A place that moves with the turn r of a loop (if `next`, the same place a turn later, differs)
 * and with i. */
static const char *place(char text[PLACE], uint32_t at, const uint32_t *next, int64_t stride,
                         const char *variable) {
    const int64_t advance = next == NULL ? 0 : (int64_t)*next - at;
    text[0] = '\0';
    if (at > 0 || (advance == 0 && stride == 0)) snprintf(text, PLACE, "%lu", (unsigned long)at);
    put_term(text, advance, "r");
    put_term(text, stride, variable);
    return text;
}

/* A step of a loop, and the same one a turn later; NULL outside of loops. Or a kind of step: its
 * places stand in row t of the table. */
typedef struct turn {
    const step *s, *next;
    bool        tabled;
} turn;

static const uint32_t *next_at(turn t, int k) {
    return t.next == NULL ? NULL : &t.next->at[k];
}

static const char *result(turn t, char text[PLACE]) {
    if (t.tabled) return strcpy(text, "t[1]");
    return place(text, t.s->place, t.next == NULL ? NULL : &t.next->place, 0, "");
}

static const char *operand_place(turn t, int k, char text[PLACE]) {
    if (t.tabled) return snprintf(text, PLACE, "t[%d]", 2 + k), text;
    return place(text, t.s->at[k], next_at(t, k), 0, "");
}

/* The place of operand i of a list, or of weight (j, i). */
static const char *listed_place(const emitter *e, turn t, int k, char text[PLACE]) {
    const step *s = t.s;
    if (!s->regular) {
        const bool weights = s->code == AD__LAYER_DOT && k == 0;
        snprintf(text, PLACE, "%s_%c%lu[", e->name, 'x' + k, (unsigned long)s->place);
        if (weights)
            snprintf(text + strlen(text), PLACE - strlen(text), "%lu*j + ", (unsigned long)s->n);
        return strcat(text, "i]");
    }
    const bool weights = s->code == AD__LAYER_DOT && k == 0;
    place(text, s->at[k], next_at(t, k), s->stride[k], weights ? "j" : "i");
    if (weights && strcmp(text, "0") == 0 && s->stride[2] > 0) text[0] = '\0';
    if (weights) put_term(text, s->stride[2], "i");
    return text;
}

/* ---- functions that C lacks ------------------------------------------------------------------ */

enum { HELPERS = AD__ROWS };

static size_t word_length(const char *text) {
    size_t n = 0;
    while (in_word(text[n])) n++;
    return n;
}

/* The row of this name that a text can call only with our help; HELPERS for every other word. */
static size_t helper_of(const char *word, size_t n) {
    for (size_t row = 0; row < AD__ROWS; row++) {
        const char *name = ad__rows[row].name;
        if (strlen(name) != n || strncmp(name, word, n) != 0) continue;
        return ad__rows[row].in_c == AD__IN_C_libm ? HELPERS : row;
    }
    return HELPERS;
}

/* Helpers that a text calls, and what they call. */
static void call_helpers(emitter *e, const char *text) {
    for (const char *at = text; *at != '\0';) {
        const size_t n = word_length(at), row = n > 1 ? helper_of(at, n) : HELPERS;
        if (row < HELPERS && !e->helper[row]) {
            e->helper[row] = true;
            if (ad__rows[row].in_c == AD__IN_C_text) call_helpers(e, ad__rows[row].value);
        }
        at += n > 0 ? n : 1;
    }
}

static void call_helpers_of_fold(emitter *e, const ad__reduction *row) {
    const char *const texts[] = {row->measure, row->term, row->value, row->slope, row->over};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) call_helpers(e, texts[k]);
}

static void find_helpers(emitter *e) {
    for (size_t i = 0; i < e->steps; i++) {
        const step *s = &e->step[i];
        e->index |= s->code == AD__pick;
        if (ad__family_of(s->code) == AD__FOLDS) call_helpers_of_fold(e, ad__reduction_of(s->code));
        if (!is_row(s->code)) continue;
        const ad__row *row = &ad__rows[ad__code_row(s->code)];
        call_helpers(e, row->value);
        if (s->wanted[0]) call_helpers(e, row->dx);
        if (s->wanted[1]) call_helpers(e, row->dy);
    }
}

/* A row's text with operands in place of x, y, v, and the names of helpers in full. */
static void put_text(const emitter *e, const char *text, const char *x, const char *y,
                     const char *v) {
    for (const char *at = text; *at != '\0';) {
        const size_t n = word_length(at);
        if (n == 0) {
            fputc(*at++, e->to);
            continue;
        }
        const char *put = n > 1 ? NULL : *at == 'x' ? x : *at == 'y' ? y : *at == 'v' ? v : NULL;
        if (put != NULL) fputs(put, e->to);
        else
            fprintf(e->to, "%s%s%.*s", helper_of(at, n) < HELPERS ? e->name : "",
                    helper_of(at, n) < HELPERS ? "_" : "", (int)n, at);
        at += n;
    }
}

/* C that this library itself is compiled from, a line for each statement. Names that begin with
 * ad__ get the function's name in front instead. */
static void put_source(const emitter *e, const char *text) {
    int  depth = 0, parentheses = 0;
    char before = '\n';
    if (strncmp(text, "double", 6) == 0) fputs("static ", e->to);
    for (const char *at = text; *at != '\0';) {
        const size_t n = word_length(at);
        if (before == '\n' && *at == ' ') {
            at++;
            continue;
        }
        if (before == '\n') fprintf(e->to, "%*s", 4 * (depth - (*at == '}')), "");
        if (n > 0) {
            const bool ours = n > 4 && strncmp(at, "ad__", 4) == 0;
            fprintf(e->to, "%s%s%.*s", ours ? e->name : "", ours ? "_" : "",
                    (int)(ours ? n - 4 : n), ours ? at + 4 : at);
            before = at[n - 1];
            at += n;
            continue;
        }
        /* others stay on a line */
        const bool block = *at == '{' && parentheses == 0 && strncmp(at - 2, ") ", 2) == 0;
        const bool end = *at == '}' && parentheses == 0;
        if (*at == '(' || (*at == '{' && !block)) parentheses++;
        if ((*at == ')' || *at == '}') && !end) parentheses--;
        depth += block - end;
        before = *at;
        fputc(*at++, e->to);
        if (parentheses == 0 && (before == ';' || block || end)) {
            fputs(end && depth == 0 ? "\n\n" : "\n", e->to);
            before = '\n';
        }
    }
}

static void put_helpers(const emitter *e) {
    FILE *to = e->to;
    for (size_t row = 0; row < AD__ROWS; row++)
        for (const char *const *piece = ad__rows[row].source;
             e->helper[row] && piece != NULL && *piece != NULL; piece++)
            put_source(e, *piece);
    for (size_t row = 0; row < AD__ROWS; row++) {
        if (!e->helper[row] || ad__rows[row].in_c != AD__IN_C_text) continue;
        const bool two = ad__rows[row].operands == 2;
        fprintf(to, "static double %s_%s(double x%s) {\n    return ", e->name, ad__rows[row].name,
                two ? ", double y" : "");
        put_text(e, ad__rows[row].value, "x", "y", "v");
        fputs(";\n}\n\n", to);
    }
    if (e->index)
        fprintf(to,
                "/* The operand that an index picks; -1 for none. */\n"
                "static long %s_index(double c, double n) {\n"
                "    const double i = %s;\n"
                "    return i < n ? (long)i : -1;\n}\n\n",
                e->name, ad__reduction_of(AD__pick)->which);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void put_table(const emitter *e, const step *s, int k) {
    const list l = list_of(e, s, k);
    fprintf(e->to, "static const unsigned long %s_%c%lu[] = {", e->name, 'x' + k,
            (unsigned long)s->place);
    for (size_t i = 0; i < l.n; i++)
        fprintf(e->to, "%s%lu%s", i % 16 == 0 ? "\n    " : " ", (unsigned long)place_in(e, l, i),
                i + 1 < l.n ? "," : "");
    fputs("\n};\n", e->to);
}

/* The places of the operands of every step that is not regular. */
static void put_tables(const emitter *e) {
    char text[NUMBER];
    for (size_t i = 0; i < e->steps; i++) {
        const step *s = &e->step[i];
        if (s->regular) continue;
        const int last =
            s->code == AD__dot || s->code == AD__pick || s->code == AD__LAYER_DOT ? 1 : 0;
        for (int k = s->code == AD__pick; k <= last; k++) put_table(e, s, k);
    }
    if (e->constants == 0) return;
    fprintf(e->to, "static const double %s_constants[] = {", e->name);
    size_t n = 0;
    for (uint32_t i = 0; i < e->p->nodes; i++) { /* places were given in this order */
        if (e->p->node[i].code != AD__CONSTANT || e->place[i] == NONE) continue;
        fprintf(e->to, "%s%s%s", n % 4 == 0 ? "\n    " : " ",
                number(e->p->constant[e->p->node[i].x], text), n + 1 < e->constants ? "," : "");
        n++;
    }
    fputs("\n};\n\n", e->to);
}

/* ---- a step, forwards ------------------------------------------------------------------------ */

#define PUT(...) fprintf(e->to, __VA_ARGS__)

/* A line, or its beginning, so many blocks deep inside the step. */
static void indent(const emitter *e, int depth) {
    PUT("%*s", 4 * (1 + e->depth + depth), "");
}
#define LINE(depth, ...) (indent(e, depth), PUT(__VA_ARGS__))

/* Operand k of a row, as an expression. */
static const char *operand_text(const emitter *e, turn t, int k, char text[PLACE]) {
    const step *s = t.s;
    if (s->literal[k]) return number(e->p->constant[e->p->node[s->at[k]].x], text);
    char at[PLACE];
    snprintf(text, PLACE, "v[%.*s]", PLACE - 8, operand_place(t, k, at));
    return text;
}

static void forward_row(const emitter *e, turn t, const char *v) {
    char           x[PLACE], y[PLACE] = "0";
    const ad__row *row = &ad__rows[ad__code_row(t.s->code)];
    if (row->operands == 2) operand_text(e, t, 1, y);
    LINE(0, "v[%s] = ", v);
    put_text(e, row->value, operand_text(e, t, 0, x), y, "0");
    PUT(";\n");
}

static void forward_few(const emitter *e, turn t, const char *v) {
    char x[PLACE], y[PLACE];
    LINE(0, "v[%s] = ", v);
    for (uint32_t i = 0; i < t.s->n; i++) {
        PUT("%sv[%s]", i > 0 ? " + " : "", operand_place(t, (int)i, x));
        if (t.s->code != AD__sum) PUT("*v[%s]", operand_place(t, (int)(t.s->n + i), y));
    }
    PUT(";\n");
}

static void forward_list(const emitter *e, turn t, const char *v) {
    char                x[PLACE], y[PLACE];
    const unsigned long n = t.s->n;
    listed_place(e, t, 0, x);
    LINE(0, "v[%s] = 0;\n", v);
    LINE(0, "for (long i = 0; i < %lu; i++) v[%s] += v[%s]", n, v, x);
    if (t.s->code == AD__dot) PUT("*v[%s]", listed_place(e, t, 1, y));
    PUT(";\n");
}

static void forward_layer(const emitter *e, turn t, const char *v) {
    char x[PLACE], w[PLACE];
    listed_place(e, t, 0, w), listed_place(e, t, 1, x);
    LINE(0, "for (long j = 0; j < %lu; j++) {\n", (unsigned long)t.s->m);
    LINE(1, "double s = 0;\n");
    LINE(1, "for (long i = 0; i < %lu; i++) s += v[%s]*v[%s];\n", (unsigned long)t.s->n, w, x);
    LINE(1, "v[%s + j] = s;\n", v);
    LINE(0, "}\n");
}

/* Shift and total of a fold, variables of the block that is open. */
static void put_fold(const emitter *e, turn t, int depth, const char *x) {
    const ad__reduction *row = ad__reduction_of(t.s->code);
    const unsigned long  n = t.s->n;
    LINE(depth, "double shift = %s, total = 0;\n", row->start);
    LINE(depth, "for (long i = 0; i < %lu; i++) {\n", n);
    LINE(depth + 1, "const double m = ");
    put_text(e, row->measure, x, "", "");
    PUT(";\n");
    LINE(depth + 1, "if (m > shift || m != m) shift = m;\n");
    LINE(depth, "}\n");
    LINE(depth, "for (long i = 0; i < %lu; i++) total += ", n);
    put_text(e, row->term, x, "", "");
    PUT(";\n");
}

static const char *listed_operand(const emitter *e, turn t, char text[PLACE]) {
    char at[PLACE];
    snprintf(text, PLACE, "v[%.*s]", PLACE - 8, listed_place(e, t, 0, at));
    return text;
}

static void forward_fold(const emitter *e, turn t, const char *v) {
    char x[PLACE];
    LINE(0, "{\n");
    put_fold(e, t, 1, listed_operand(e, t, x));
    LINE(1, "v[%s] = ", v);
    put_text(e, ad__reduction_of(t.s->code)->value, "", "", "");
    PUT(";\n");
    LINE(0, "}\n");
}

static void reverse_fold(const emitter *e, turn t) {
    char                 x[PLACE], to[PLACE];
    const ad__reduction *row = ad__reduction_of(t.s->code);
    put_fold(e, t, 1, listed_operand(e, t, x));
    LINE(1, "const double over = ");
    put_text(e, row->over, "", "", "");
    PUT(";\n");
    LINE(1, "for (long i = 0; i < %lu; i++) {\n", (unsigned long)t.s->n);
    LINE(2, "const double d = (");
    put_text(e, row->slope, x, "", "");
    PUT(")/over;\n");
    LINE(2, "%sa[%s] += s*d;\n", row->selects ? "if (d != 0) " : "", listed_place(e, t, 0, to));
    LINE(1, "}\n");
}

static void forward_pick(const emitter *e, turn t, const char *v) {
    char x[PLACE], y[PLACE];
    LINE(0, "{\n");
    LINE(1, "const long i = %s_index(v[%s], %lu);\n", e->name, operand_place(t, 0, x),
         (unsigned long)t.s->n);
    LINE(1, "if (i < 0) return 1;\n");
    LINE(1, "v[%s] = v[%s];\n", v, listed_place(e, t, 1, y));
    LINE(0, "}\n");
}

static void forward_where(const emitter *e, turn t, const char *v) {
    char x[PLACE], y[PLACE], z[PLACE];
    LINE(0, "v[%s] = v[%s] != 0 ? v[%s] : v[%s];\n", v, operand_place(t, 0, x),
         operand_place(t, 1, y), operand_place(t, 2, z));
}

static void put_guard(const emitter *e, int guard, const char *v) {
    if (guard & MUST_HOLD) LINE(0, "if (v[%s] == 0) return 1;\n", v);
    if (guard & MUST_NOT_HOLD) LINE(0, "if (v[%s] != 0) return 1;\n", v);
}

static void forward_step(const emitter *e, turn t) {
    char v[PLACE];
    result(t, v);
    if (is_row(t.s->code)) forward_row(e, t, v);
    else if (t.s->few) forward_few(e, t, v);
    else switch (t.s->code) {
        case AD__sum:
        case AD__dot: forward_list(e, t, v); break;
        case AD__LAYER_DOT: forward_layer(e, t, v); break;
        case AD__where: forward_where(e, t, v); break;
        case AD__pick: forward_pick(e, t, v); break;
        default: forward_fold(e, t, v);
        }
    if (t.s->code != AD__LAYER_DOT || t.s->few) {
        put_guard(e, t.s->guard, v);
        return;
    }
    const ad__layer *l = &e->p->layer[t.s->value];
    for (uint32_t j = 0; t.s->guard != 0 && j < l->m; j++) {
        const uint32_t member = e->p->word[l->output + j];
        snprintf(v, sizeof v, "%lu", (unsigned long)e->place[member]);
        put_guard(e, e->guard[member], v);
    }
}

/* ---- a step, in reverse ---------------------------------------------------------------------- */

static double constant_partial(const step *s, int k) {
    return ad__row_constant(ad__code_row(s->code), k);
}

/* One word, or one call: needs no parentheses as a factor. */
static bool is_factor(const char *text) {
    int depth = 0;
    for (const char *at = text + word_length(text); *at != '\0'; at++) {
        depth += (*at == '(') - (*at == ')');
        if (depth == 0 && at[1] != '\0') return false;
    }
    return word_length(text) > 0;
}

/* What operand k of a row receives. A row that selects sends nothing through a partial of exactly
 * 0. */
static void push(const emitter *e, turn t, int k, const char *partial, const char *x, const char *y,
                 const char *v) {
    char         to[PLACE];
    const double constant = constant_partial(t.s, k);
    if (!t.s->wanted[k] || constant == 0) return;
    operand_place(t, k, to);
    if (fabs(constant) == 1) {
        LINE(1, "a[%s] %c= s;\n", to, constant < 0 ? '-' : '+');
    } else if (ad__row_selects(ad__code_row(t.s->code))) {
        LINE(1, "d = ");
        put_text(e, partial, x, y, v);
        PUT(";\n");
        LINE(1, "if (d != 0) a[%s] += s*d;\n", to);
    } else {
        const bool factor = is_factor(partial);
        LINE(1, factor ? "a[%s] += s*" : "a[%s] += s*(", to);
        put_text(e, partial, x, y, v);
        PUT(factor ? ";\n" : ");\n");
    }
}

/* Is the partial of operand k written out, so that a row that selects compares it with 0? */
static bool is_computed(const step *s, int k) {
    const double constant = constant_partial(s, k);
    return s->wanted[k] && constant != 0 && fabs(constant) != 1;
}

static void reverse_row(const emitter *e, turn t, const char *v) {
    char           x[PLACE], y[PLACE] = "0", value[PLACE];
    const ad__row *row = &ad__rows[ad__code_row(t.s->code)];
    operand_text(e, t, 0, x);
    if (row->operands == 2) operand_text(e, t, 1, y);
    snprintf(value, sizeof value, "v[%.*s]", PLACE - 8, v);
    const bool computed = is_computed(t.s, 0) || (row->operands == 2 && is_computed(t.s, 1));
    if (computed && ad__row_selects(ad__code_row(t.s->code))) LINE(1, "double d;\n");
    push(e, t, 0, row->dx, x, y, value);
    if (row->operands == 2) push(e, t, 1, row->dy, x, y, value);
}

static void reverse_few(const emitter *e, turn t) {
    char           x[PLACE], y[PLACE];
    const uint32_t n = t.s->n;
    for (uint32_t i = 0; i < n; i++) {
        operand_place(t, (int)i, x);
        if (t.s->code == AD__sum && t.s->wanted[i]) LINE(1, "a[%s] += s;\n", x);
        if (t.s->code == AD__sum) continue;
        operand_place(t, (int)(n + i), y);
        if (t.s->wanted[i]) LINE(1, "a[%s] += s*v[%s];\n", x, y);
        if (t.s->wanted[n + i]) LINE(1, "a[%s] += s*v[%s];\n", y, x);
    }
}

static void reverse_dot(const emitter *e, turn t) {
    char      x[PLACE], y[PLACE];
    const int deeper = t.s->code == AD__LAYER_DOT;
    listed_place(e, t, 0, x), listed_place(e, t, 1, y);
    LINE(1 + deeper, "for (long i = 0; i < %lu; i++) {\n", (unsigned long)t.s->n);
    if (t.s->wanted[0]) LINE(2 + deeper, "a[%s] += s*v[%s];\n", x, y);
    if (t.s->wanted[1]) LINE(2 + deeper, "a[%s] += s*v[%s];\n", y, x);
    LINE(1 + deeper, "}\n");
}

static void reverse_other(const emitter *e, turn t) {
    char                x[PLACE], y[PLACE], z[PLACE];
    const unsigned long n = t.s->n;
    switch (t.s->code) {
    case AD__sum:
        LINE(1, "for (long i = 0; i < %lu; i++) a[%s] += s;\n", n, listed_place(e, t, 0, x));
        break;
    case AD__dot: reverse_dot(e, t); break;
    case AD__where:
        LINE(1, "a[v[%s] != 0 ? %s : %s] += s;\n", operand_place(t, 0, x), operand_place(t, 1, y),
             operand_place(t, 2, z));
        break;
    case AD__pick:
        LINE(1, "const long i = (long)v[%s];\n", operand_place(t, 0, x));
        LINE(1, "a[%s] += s;\n", listed_place(e, t, 1, y));
        break;
    default: reverse_fold(e, t);
    }
}

/* Does anything of this step reach a param? */
static bool pushes(const step *s) {
    if (s->code == AD__pick) return s->wanted[1];
    if (s->code == AD__where) return s->wanted[1] || s->wanted[2];
    if (is_row(s->code)) {
        return (s->wanted[0] && constant_partial(s, 0) != 0) ||
               (s->wanted[1] && constant_partial(s, 1) != 0);
    }
    bool any = false;
    for (int k = 0; k < 2 * FEW; k++) any |= s->wanted[k];
    return any;
}

/* An adjoint of 0 pushes nothing, so that 0*inf is not NaN where nothing depends on anything. */
static void reverse_step(const emitter *e, turn t) {
    char v[PLACE];
    if (!pushes(t.s)) return;
    result(t, v);
    if (t.s->code == AD__LAYER_DOT && !t.s->few) {
        LINE(0, "for (long j = 0; j < %lu; j++) {\n", (unsigned long)t.s->m);
        LINE(1, "const double s = a[%s + j];\n", v);
        LINE(1, "if (s != 0)\n");
        reverse_dot(e, t);
        LINE(0, "}\n");
        return;
    }
    LINE(0, "if (a[%s] != 0) {\n", v);
    LINE(1, "const double s = a[%s];\n", v);
    if (is_row(t.s->code)) reverse_row(e, t, v);
    else if (t.s->few) reverse_few(e, t);
    else reverse_other(e, t);
    LINE(0, "}\n");
}

/* ---- functions of a few hundred steps -------------------------------------------------------- */

static void put_rows(const emitter *e, group g, bool forwards) {
    const char  *name = e->name;
    const size_t at = g.row * e->columns;
    if (forwards)
        PUT("    if (%s_forward_rows(%s_rows + %zu, %zu, v)) return 1;\n", name, name, at,
            g.period);
    else PUT("    %s_reverse_rows(%s_rows + %zu, %zu, v, a);\n", name, name, at, g.period);
}

static void put_group(emitter *e, group g, bool forwards) {
    const unsigned long turns = g.turns;
    if (g.in_table) {
        put_rows(e, g, forwards);
        return;
    }
    if (turns > 1 && forwards) PUT("    for (long r = 0; r < %lu; r++) {\n", turns);
    if (turns > 1 && !forwards) PUT("    for (long r = %lu; r >= 0; r--) {\n", turns - 1);
    e->depth = turns > 1;
    for (size_t k = 0; k < g.period; k++) {
        const step *s = &e->step[g.first + (forwards ? k : g.period - 1 - k)];
        const turn  t = {s, turns > 1 ? s + g.period : NULL, false};
        if (forwards) forward_step(e, t);
        else reverse_step(e, t);
    }
    if (turns > 1) PUT("    }\n");
}

/* A row: which kind, where the result stands, where the operands do. */
static void put_table_of_rows(const emitter *e) {
    PUT("static const unsigned long %s_rows[] = {\n", e->name);
    for (size_t k = 0; k < e->groups; k++) {
        const group *g = &e->group[k];
        for (size_t i = g->first; g->in_table && i < g->first + g->period; i++) {
            const step  *s = &e->step[i];
            const size_t n = operands_of(s);
            PUT("    %lu, %lu,", (unsigned long)s->kind, (unsigned long)s->place);
            for (size_t o = 0; o + 2 < e->columns; o++)
                PUT(" %lu,", (unsigned long)(o < n ? s->at[o] : 0));
            PUT("\n");
        }
    }
    PUT("};\n\n");
}

/* The loop over rows, with a case for each kind of step. */
static void put_loop_over_rows(emitter *e, bool forwards) {
    const unsigned long columns = e->columns;
    if (forwards) {
        PUT("static int %s_forward_rows(const unsigned long *t, long n, double *v) {\n"
            "    for (; n > 0; n--, t += %lu) {\n",
            e->name, columns);
    } else {
        PUT("static void %s_reverse_rows(const unsigned long *t, long n, const double *v, double "
            "*a) {\n"
            "    (void)v;\n    for (t += %lu*n; n > 0; n--) {\n        t -= %lu;\n",
            e->name, columns, columns);
    }
    PUT("        switch (t[0]) {\n");
    e->depth = 2;
    for (size_t k = 0; k < e->kinds; k++) {
        const turn t = {e->kind[k], NULL, true};
        PUT("        case %zu:\n", k);
        if (forwards) forward_step(e, t);
        else reverse_step(e, t);
        LINE(0, "break;\n");
    }
    PUT(forwards ? "        }\n    }\n    return 0;\n}\n\n" : "        }\n    }\n}\n\n");
}

static size_t lines_of(const emitter *e, size_t k) {
    return e->group[k].in_table ? 1 : e->group[k].period;
}

/* The end of the piece that begins with group `from`. */
static size_t piece_end(const emitter *e, size_t from) {
    size_t end = from, lines = 0;
    while (end < e->groups && (end == from || lines + lines_of(e, end) <= STEPS_A_FUNCTION))
        lines += lines_of(e, end++);
    return end;
}

static size_t put_pieces(emitter *e, bool forwards) {
    size_t pieces = 0;
    for (size_t from = 0, end; from < e->groups; from = end) {
        end = piece_end(e, from);
        PUT(forwards ? "static int %s_forward%zu(double *v) {\n"
                     : "static void %s_reverse%zu(const double *v, double *a) {\n",
            e->name, pieces++);
        if (!forwards) PUT("    (void)v, (void)a;\n");
        for (size_t k = 0; k < end - from; k++)
            put_group(e, e->group[forwards ? from + k : end - 1 - k], forwards);
        PUT(forwards ? "    return 0;\n}\n\n" : "}\n\n");
    }
    return pieces;
}

/* Many pieces are called through a table, so that no compiler puts them together again. */
static void put_table_of_pieces(const emitter *e, size_t pieces, bool forwards) {
    PUT(forwards ? "static int (*const %s_forward[])(double *) = {"
                 : "static void (*const %s_reverse[])(const double *, double *) = {",
        e->name);
    for (size_t k = 0; k < pieces; k++)
        PUT("%s%s_%s%zu,", k % 4 == 0 ? "\n    " : " ", e->name, forwards ? "forward" : "reverse",
            forwards ? k : pieces - 1 - k);
    PUT("\n};\n\n");
}

/* ---- the whole file -------------------------------------------------------------------------- */

static unsigned long memory_of(const emitter *e) {
    return 2ul * sizeof(double) * e->places;
}

static void put_introduction(const emitter *e) {
    const ad_program *p = e->p;
    const bool        stops = p->guards > 0 || e->index;
    PUT("/* double %s(const double *param, const double *input, double *grad)\n *\n", e->name);
    PUT(" * A function of %zu params and %zu inputs. Returns its value at param[0..%zu), "
        "input[0..%zu), and writes the\n"
        " * partial derivatives in the params to grad[0..%zu), unless grad is NULL.\n",
        p->params, p->inputs, p->params, p->inputs, p->params);
    if (stops)
        PUT(" * Where a branch would go another way than when it was recorded, or an index picks "
            "nothing, the value and\n"
            " * every derivative are NaN.\n");
    if (memory_of(e) > STACK)
        PUT(" * It keeps %lu bytes in static arrays: one call at a time.\n", memory_of(e));
    else PUT(" * It needs %lu bytes of stack.\n", memory_of(e));
    PUT(" * C99 and math.h; written by Tapir. Do not compile with -ffast-math: infinities and NaN "
        "have a meaning. */\n"
        "#include <math.h>\n\n"
        "#ifdef __clang__\n#pragma STDC FP_CONTRACT OFF\n#endif\n\n");
}

static void put_copy(const emitter *e, const char *from, size_t n, size_t at) {
    char to[PLACE];
    if (n > 0)
        PUT("    for (long i = 0; i < %zu; i++) v[%s] = %s[i];\n", n,
            place(to, (uint32_t)at, NULL, 1, "i"), from);
}

static void put_leaf_guards(const emitter *e) {
    const ad_program *p = e->p;
    char              v[PLACE];
    PUT("    int bad = 0;\n");
    for (uint32_t i = 0; i < p->nodes; i++) {
        if (e->guard[i] == 0 || (p->node[i].code != AD__PARAM && p->node[i].code != AD__ROW_INPUT))
            continue;
        snprintf(v, sizeof v, "%lu", (unsigned long)e->place[i]);
        if (e->guard[i] & MUST_HOLD) PUT("    bad |= v[%s] == 0;\n", v);
        if (e->guard[i] & MUST_NOT_HOLD) PUT("    bad |= v[%s] != 0;\n", v);
    }
}

static void put_gradient(const emitter *e, const char *value, size_t pieces) {
    const ad_program *p = e->p;
    const size_t      params = p->params;
    const bool        none = !(p->node[p->output[0]].flags & AD__ON_PARAM);
    if (params == 0) return;
    if (none) {
        PUT("    for (long i = 0; grad && i < %zu; i++) grad[i] = 0;\n", params);
        return;
    }
    PUT("    if (!grad) return %s;\n    for (long i = 0; i < %zu; i++) a[i] = 0;\n    a[%lu] = "
        "1;\n",
        value, e->places, (unsigned long)e->place[p->output[0]]);
    if (pieces == 1) PUT("    %s_reverse0(v, a);\n", e->name);
    if (pieces > 1)
        PUT("    for (long i = 0; i < %zu; i++) %s_reverse[i](v, a);\n", pieces, e->name);
    char from[PLACE];
    place(from, (uint32_t)e->constants, NULL, 1, "i");
    PUT("    for (long i = 0; i < %zu; i++) grad[i] = a[%s];\n", params, from);
}

static void put_function(const emitter *e, size_t pieces) {
    const ad_program *p = e->p;
    const uint32_t    out = p->output[0];
    const bool        gradient = p->params > 0 && (p->node[out].flags & AD__ON_PARAM);
    char              value[PLACE];
    if (e->place[out] == NONE) number(p->constant[p->node[out].x], value);
    else snprintf(value, sizeof value, "v[%lu]", (unsigned long)e->place[out]);
    PUT("double %s(const double *param, const double *input, double *grad);\n\n", e->name);
    PUT("double %s(const double *param, const double *input, double *grad) {\n", e->name);
    if (e->places > 0)
        PUT("    %sdouble v[%zu];\n", memory_of(e) > STACK ? "static " : "", e->places);
    if (gradient) PUT("    %sdouble a[%zu];\n", memory_of(e) > STACK ? "static " : "", e->places);
    PUT("    (void)param, (void)input, (void)grad%s;\n", e->places > 0 ? ", (void)v" : "");
    char constants[PLACE];
    snprintf(constants, sizeof constants, "%s_constants", e->name);
    put_copy(e, constants, e->constants, 0);
    put_copy(e, "param", p->params, e->constants);
    put_copy(e, "input", p->inputs, e->constants + p->params);
    put_leaf_guards(e);
    if (pieces == 1) PUT("    bad = bad || %s_forward0(v);\n", e->name);
    if (pieces > 1)
        PUT("    for (long i = 0; !bad && i < %zu; i++) bad = %s_forward[i](v);\n", pieces,
            e->name);
    PUT("    if (bad) {\n");
    if (p->params > 0)
        PUT("        for (long i = 0; grad && i < %zu; i++) grad[i] = NAN;\n", p->params);
    PUT("        return NAN;\n    }\n");
    put_gradient(e, value, pieces);
    PUT("    return %s;\n}\n", value);
}

static void put_file(emitter *e) {
    const ad_program *p = e->p;
    const bool        gradient = p->params > 0 && (p->node[p->output[0]].flags & AD__ON_PARAM);
    find_helpers(e);
    put_introduction(e);
    put_helpers(e);
    put_tables(e);
    if (e->rows > 0) put_table_of_rows(e), put_loop_over_rows(e, true);
    const size_t pieces = put_pieces(e, true);
    if (pieces > 1) put_table_of_pieces(e, pieces, true);
    if (gradient && e->rows > 0) put_loop_over_rows(e, false);
    if (gradient) put_pieces(e, false);
    if (gradient && pieces > 1) put_table_of_pieces(e, pieces, false);
    put_function(e, pieces);
}

static bool make(emitter *e) {
    const ad_program *p = e->p;
    e->needed = calloc(p->nodes + 1, 1);
    e->guard = calloc(p->nodes + 1, 1);
    e->place = malloc((p->nodes + 1) * sizeof *e->place);
    e->uniform = calloc(p->uniforms + 1, sizeof *e->uniform);
    e->step = malloc((p->steps + 1) * sizeof *e->step);
    e->group = malloc((p->steps + 1) * sizeof *e->group);
    if (e->needed == NULL || e->guard == NULL || e->place == NULL || e->uniform == NULL ||
        e->step == NULL || e->group == NULL) {
        ad__program_refuse(p, AD_NO_MEMORY, "ad_program_emit_c: out of memory");
        return false;
    }
    for (uint32_t i = 0; i < p->nodes; i++) {
        const ad__node *node = &p->node[i];
        const bool      leaf = node->code == AD__CONSTANT || node->code == AD__PARAM;
        if (node->flags & AD__VARYING || (!leaf && node->home < p->constants + p->params))
            continue; /* has none */
        e->uniform[node->home] = i;
    }
    return true;
}

static bool lay_out(emitter *e) {
    memset(e->place, 0xff, (e->p->nodes + (size_t)1) * sizeof *e->place);
    e->steps = e->groups = 0;
    if (!mark(e)) return false;
    give_places(e);
    describe_all(e);
    find_groups(e);
    return true;
}

static ad_status emit(emitter *e) {
    if (!make(e)) return AD_NO_MEMORY;
    if (!lay_out(e)) return AD_UNSUPPORTED;
    if (written_out(e) > WRITTEN_OUT) { /* again: numbers have places too */
        e->tabled = true;
        if (!lay_out(e)) return AD_UNSUPPORTED;
        find_rows(e);
    }
    const ad__locale locale = ad__locale_enter();
    put_file(e);
    ad__locale_leave(locale);
    if (ad__written(e->to) == AD_OK) return AD_OK;
    return ad__program_refuse(e->p, AD_BAD_FILE, "ad_program_emit_c: the file cannot be written");
}

ad_status ad_program_emit_c(const ad_program *program, const char *name, FILE *to) {
    if (program == NULL) return AD_BAD_ARGUMENT;
    if (name == NULL || to == NULL)
        return ad__program_refuse(program, AD_BAD_ARGUMENT, "ad_program_emit_c: the %s is NULL",
                                  name == NULL ? "name" : "file");
    const char *fault = fault_of_name(name);
    if (fault != NULL)
        return ad__program_refuse(program, AD_BAD_ARGUMENT,
                                  "ad_program_emit_c: \"%.60s\" cannot name a function: %s", name,
                                  fault);
    emitter         e = {.p = program, .name = name, .to = to};
    const ad_status status = emit(&e);
    free(e.needed);
    free(e.guard);
    free(e.place);
    free(e.uniform);
    free(e.step);
    free(e.group);
    return status;
}
