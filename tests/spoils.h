/* spoils.h - every way in which a rule can be spoiled, and random expressions, for
 * tests/tape/spoil.c and tests/bench/checker.c. Both link the engine that can be spoiled
 * (engine/base/spoil.h). */
#ifndef TAPIR_TESTS_SPOILS_H
#define TAPIR_TESTS_SPOILS_H

#include "engine/base/ops.h"
#include "engine/base/spoil.h"
#include "engine/tape/reduce.h"
#include "engine/tape/tape.h"

#include <stdlib.h>

/* ---- ways ------------------------------------------------------------------------------------ */

enum { SPOIL_FACTORS = 10 };

static const struct spoil_way {
    const char *name;
    double      factor; /* NAN: see spoiled_partial */
} spoil_ways[] = {
    {"x (1 + 1e-3)", 1 + 1e-3},
    {"x (1 - 1e-3)", 1 - 1e-3},
    {"x (1 + 1e-5)", 1 + 1e-5},
    {"x (1 - 1e-5)", 1 - 1e-5},
    {"x (1 + 1e-6)", 1 + 1e-6},
    {"x (1 - 1e-6)", 1 - 1e-6},
    {"x -1", -1},
    {"x 0", 0},
    {"x 2", 2},
    {"x (1 + 1e-8)", 1 + 1e-8},
    {"+ 1e-3 of scale", NAN},
    {"operands swapped", NAN},
    {"the other operand's", NAN},
    {"operand for result", NAN},
    {"result for operand", NAN},
    {"the other branch", NAN},
};
enum {
    SPOIL_WAYS = sizeof spoil_ways / sizeof *spoil_ways,
    PLUS_SCALE = SPOIL_FACTORS,
    SWAPPED,
    OTHERS,
    OPERAND_FOR_RESULT,
    RESULT_FOR_OPERAND,
    OTHER_BRANCH
};

/* One rule and one way, and what came of it. */
typedef struct spoil_case {
    int    row, operand, way;
    bool   off;          /* let the right partials through: the one below asks for them */
    double right, wrong; /* at the last call */
} spoil_case;

static double right_partial(int row, int operand, double x, double y, double v) {
    return operand == 0 ? ad__row_dx((ad__row_number)row, x, y, v)
                        : ad__row_dy((ad__row_number)row, x, y, v);
}

/* `c ? a : b` the other way round: the text of the row is read by the formula reader, on a tape of
 * its own. */
static double other_branch(const char *text, double x, double y, double v) {
    const char *mark = strchr(text, '?');
    char        turned[400];
    if (mark == NULL || mark - text > 200) return NAN;
    snprintf(turned, sizeof turned, "!(%.*s) %s", (int)(mark - text), text, mark);
    ad_tape     *tape = ad_tape_new();
    const ad_var vars[] = {ad_input(tape, x), ad_input(tape, y), ad_input(tape, v)};
    const double value = ad_value(ad_parse(tape, turned, 3, "x, y, v", vars));
    ad_tape_free(tape);
    return value;
}

static double spoiled_row(const spoil_case *c, double x, double y, double v, double right) {
    const ad__row *row = &ad__rows[c->row];
    switch (c->way) {
    case SWAPPED: return row->operands < 2 ? right : right_partial(c->row, c->operand, y, x, v);
    case OTHERS: return row->operands < 2 ? right : right_partial(c->row, 1 - c->operand, x, y, v);
    case OPERAND_FOR_RESULT:
        return right_partial(c->row, c->operand, x, y, c->operand == 0 ? x : y);
    case RESULT_FOR_OPERAND:
        return c->operand == 0 ? right_partial(c->row, 0, v, y, v)
                               : right_partial(c->row, 1, x, v, v);
    default: {
        const double other = other_branch(c->operand == 0 ? row->dx : row->dy, x, y, v);
        return other != other ? right : other;
    }
    }
}

/* The hook. A wrong partial that is no number counts as wrong, too. */
static double spoiled_partial(int row, int operand, double x, double y, double v, double right,
                              void *context) {
    spoil_case *c = context;
    if (c->off || row != c->row || operand != c->operand) return right;
    double wrong = right;
    c->off = true;
    if (c->way < SPOIL_FACTORS) wrong = right * spoil_ways[c->way].factor;
    else if (c->way == PLUS_SCALE)
        wrong = right + 1e-3 * (fabs(right) + fabs(v) / fmax(1, fabs(operand == 0 ? x : y)));
    else if (row < AD__ROWS) wrong = spoiled_row(c, x, y, v, right);
    c->off = false;
    c->right = right, c->wrong = wrong;
    return wrong;
}

/* Relative size of the error at the last call; 0: the same bits, infinite: no number. */
static double spoil_size(const spoil_case *c) {
    if (memcmp(&c->right, &c->wrong, sizeof c->right) == 0 || c->right == c->wrong) return 0;
    if (c->right != c->right) return 0; /* no rule to be spoiled: the order of polygamma */
    const double size = fabs(c->wrong - c->right) / fmax(fabs(c->right), fabs(c->wrong));
    return size != size ? INFINITY : size;
}

/* ---- points ---------------------------------------------------------------------------------- */

/* None at 0, at 1 or -1, or on x = y, where powers, logarithms and symmetric operations hide
 * errors; the last ones for polygamma, whose order is whole, and for powers of negative numbers. */
/* clang-format off */
static const double spoil_points[][2] = {
    {0.37, 0.83}, {-0.62, 1.7}, {1.43, 0.29}, {2.6, -1.9}, {0.81, 2.3},
    {3.2, 0.54}, {2, 1.37}, {3, 2.6}, {-1.7, 3}, {4, 0.61},
};
/* clang-format on */
enum { SPOIL_POINTS = sizeof spoil_points / sizeof *spoil_points };

static ad_var spoil_record(int row, ad_var x, ad_var y) {
    static ad_var (*const one[])(ad_var) = {
#define R1(name, ...) [AD__ROW_##name] = ad_##name,
#define R2(name, ...) [AD__ROW_##name] = NULL,
#include "engine/ops.def"
    };
    static ad_var (*const two[])(ad_var, ad_var) = {
#define R1(name, ...) [AD__ROW_##name] = NULL,
#define R2(name, ...) [AD__ROW_##name] = ad_##name,
#include "engine/ops.def"
    };
    return ad__rows[row].operands == 1 ? one[row](x) : two[row](x, y);
}

static bool ordinary(int row_number, double x, double y) {
    const ad__row_number row = (ad__row_number)row_number;
    const double         v = ad__row_value(row, x, y);
    if (row == AD__ROW_polygamma) return isfinite(v) && y > 0; /* its order has no partial */
    return isfinite(v) && isfinite(ad__row_value(row, x * 1.01, y)) &&
           isfinite(ad__row_value(row, x * 0.99, y)) && isfinite(ad__row_dx(row, x, y, v)) &&
           isfinite(ad__row_dy(row, x, y, v));
}

/* ---- what is counted ------------------------------------------------------------------------- */

typedef struct spoil_count {
    size_t done, caught, survived; /* survived: with a relative error of 1e-5 or more */
    size_t small, small_caught;    /* relative errors below 1e-5 */
} spoil_count;

static bool names_culprit(const ad_check_report *r, const char *operation, size_t operand) {
    return ad_check_verdict(r) == AD_FAIL && r->culprits > 0 && r->culprit[0].operand == operand &&
           strcmp(r->culprit[0].operation, operation) == 0;
}

static void spoil_enter(spoil_count *count, const spoil_case *c, const char *operation, bool caught,
                        const char *where, FILE *to) {
    const double size = spoil_size(c);
    if (size == 0) return;
    if (size < 0.999e-5) {
        count->small++, count->small_caught += caught;
        return;
    }
    count->done++;
    if (caught) {
        count->caught++;
        return;
    }
    count->survived++;
    if (to != NULL)
        fprintf(to, "  SURVIVED  %s, operand %d, %s at %s: %.17g for %.17g\n", operation,
                c->operand, spoil_ways[c->way].name, where, c->wrong, c->right);
}

/* One rule, one way, one point: alone on a tape, and under a function that uses it twice. */
static void spoil_at_point(spoil_case *c, double x, double y, spoil_count *count, FILE *to) {
    char         where[60];
    ad_tape     *tape = ad_tape_new();
    const ad_var in[] = {ad_input(tape, x), ad_input(tape, y)};
    const ad_var v = spoil_record(c->row, in[0], in[1]);
    const ad_var out = ad_add(ad_mul(v, ad_num(1.5)), in[1]);
    ad__spoil_rules(spoiled_partial, c);
    c->right = c->wrong = 0;
    ad_check_report *r = ad_check(out, 2, in, NULL, NULL);
    /* leaves both at this point */
    if (c->operand == 0) ad__row_dx((ad__row_number)c->row, x, y, ad_value(v));
    else ad__row_dy((ad__row_number)c->row, x, y, ad_value(v));
    ad__spoil_rules(NULL, NULL);
    snprintf(where, sizeof where, "(%g, %g)", x, y);
    const char *name = ad__rows[c->row].name;
    spoil_enter(count, c, name, names_culprit(r, name, (size_t)c->operand), where, to);
    ad_check_free(r);
    ad_tape_free(tape);
}

/* All ways of one operand of one row, at no more than `most` points. Returns at how many. */
static size_t spoil_row(int row, int operand, size_t most, spoil_count count[SPOIL_WAYS],
                        FILE *to) {
    size_t points = 0;
    for (size_t p = 0; p < SPOIL_POINTS && points < most; p++) {
        const double x = spoil_points[p][0], y = spoil_points[p][1];
        if (!ordinary(row, x, y)) continue;
        points++;
        for (int way = 0; way < SPOIL_WAYS; way++) {
            spoil_case c = {.row = row, .operand = operand, .way = way};
            spoil_at_point(&c, x, y, &count[way], to);
        }
    }
    return points;
}

/* ---- reductions ------------------------------------------------------------------------------ */

static ad_var spoil_reduction(int code, size_t n, const ad_var x[]) {
    return code == AD__pick ? ad_pick(ad_num(1), n, x) : ad__record_reduction((uint8_t)code, n, x);
}

enum { SPOIL_MOST = 8 };

/* Few operands, each looked at alone, or eight, looked at along directions first. */
static void spoil_reductions_at(int code, size_t n, uint64_t seed, spoil_count count[SPOIL_WAYS],
                                FILE *to) {
    for (int operand = 0; operand < (int)n; operand++) {
        if (code == AD__where && operand == 0) continue;
        for (int way = 0; way <= PLUS_SCALE; way++) {
            ad_tape *tape = ad_tape_new();
            ad_var   x[SPOIL_MOST];
            uint64_t state = seed;
            for (size_t i = 0; i < n; i++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                x[i] = ad_input(tape, 0.2 + 2 * (double)(state >> 11) * 0x1p-53);
            }
            const ad_var v = spoil_reduction(code, n, x);
            spoil_case   c = {.row = AD__ROWS + code - AD__FIRST_REDUCTION, .way = way};
            c.operand = code == AD__pick ? operand + 1 : operand;
            ad__spoil_rules(spoiled_partial, &c);
            c.right = c.wrong = 0;
            ad_check_report *r = ad_check(ad_add(v, x[1]), n, x, NULL, NULL);
            ad__spoil_rules(NULL, NULL);
            const char *name = ad__code_name((uint8_t)code);
            spoil_enter(&count[way], &c, name, names_culprit(r, name, (size_t)c.operand),
                        "a reduction", to);
            ad_check_free(r);
            ad_tape_free(tape);
        }
    }
}

/* ---- random expressions ---------------------------------------------------------------------- */

static uint64_t expression_bits(uint64_t *state) {
    /* xorshift64*, Vigna 2016 */
    *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D) >> 11;
}

static double expression_uniform(uint64_t *state, double low, double high) {
    return low + (high - low) * (double)expression_bits(state) * 0x1p-53;
}

enum { EXPRESSION_INPUTS = 4, EXPRESSION_NODES = 40 };

/* A random graph of all rows and reductions, grown from four inputs; an operation whose result or
 * whose partials are not of ordinary size is tried again with others. y depends on what was made
 * last, and on everything else a little. */
static ad_var expression(ad_tape *tape, uint64_t *state, ad_var x[EXPRESSION_INPUTS]) {
    ad_var node[EXPRESSION_INPUTS + EXPRESSION_NODES];
    size_t n = 0;
    for (; n < EXPRESSION_INPUTS; n++)
        node[n] = x[n] = ad_input(tape, expression_uniform(state, -2, 2));
    const size_t wanted = EXPRESSION_INPUTS + 4 + expression_bits(state) % (EXPRESSION_NODES - 4);
    while (n < wanted) {
        const ad_mark mark = ad_tape_mark(tape);
        const ad_var  a = node[expression_bits(state) % n], b = node[expression_bits(state) % n],
                     c = node[expression_bits(state) % n];
        const ad_var many[] = {a, b, c, ad_num(0.7), a, node[n - 1]};
        const int    kind = (int)(expression_bits(state) % (AD__ROWS + AD__REDUCTIONS));
        const bool   row = kind < AD__ROWS && kind != AD__ROW_polygamma;
        ad_var       v =
            row ? spoil_record(kind, a, expression_bits(state) % 4 ? b : ad_num(1.25))
                      : spoil_reduction(AD__FIRST_REDUCTION + kind % AD__REDUCTIONS,
                                  AD__FIRST_REDUCTION + kind % AD__REDUCTIONS == AD__where ? 3 : 6,
                                        many);
        double grad[EXPRESSION_INPUTS], size = 0;
        ad_gradient(v, EXPRESSION_INPUTS, x, grad);
        for (size_t i = 0; i < EXPRESSION_INPUTS; i++)
            size = fabs(grad[i]) > size || grad[i] != grad[i] ? fabs(grad[i]) : size;
        if (ad_tape_status(tape) == AD_OK && v.tape != NULL && fabs(ad_value(v)) < 1e3 &&
            size < 1e3)
            node[n++] = v;
        else ad_tape_clear(tape), ad_tape_rewind(tape, mark);
    }
    ad_var y = node[n - 1];
    for (size_t i = 0; i + 1 < n; i++) y = ad_add(y, ad_mul(node[i], ad_num(0.125)));
    return y;
}

/* ---- the sweep ------------------------------------------------------------------------------- */

static size_t wrong_adjoints(ad_var y, const double right[]) {
    size_t wrong = 0;
    ad_backward(y);
    for (uint32_t i = 0; i <= ad__node_of(y); i++) /* of NaN nothing can be told */
        wrong += right[i] == right[i] && y.tape->adjoint[i] != right[i];
    return wrong;
}

/* One step of the sweep spoiled, on one random expression: is it found out, with no rule accused?
 * One that leaves all adjoints equal to the bit is not counted. */
static bool spoil_sweep(ad__spoil_step step, size_t edge, uint64_t seed, size_t *counted,
                        FILE *to) {
    ad_tape     *tape = ad_tape_new();
    ad_var       x[EXPRESSION_INPUTS], y = expression(tape, &seed, x);
    const size_t nodes = (size_t)ad__node_of(y) + 1;
    double      *right = malloc(nodes * sizeof *right);
    ad_backward(y);
    memcpy(right, tape->adjoint, nodes * sizeof *right);
    ad__spoil_sweep(step, edge);
    const size_t     wrong = wrong_adjoints(y, right);
    ad_check_report *r = ad_check(y, EXPRESSION_INPUTS, x, NULL, NULL);
    ad__spoil_sweep(AD__STEPS_RIGHT, 0);
    const bool found = ad_check_verdict(r) == AD_FAIL && r->sweep == AD_FAIL && r->culprits == 0 &&
                       strncmp(r->message, "the sweep is wrong", 18) == 0;
    if (wrong > 0 && !found)
        fprintf(to, "  SURVIVED  step %d of the sweep, edge %zu: %s\n", (int)step, edge,
                r->message);
    *counted += wrong > 0;
    ad_check_free(r);
    free(right);
    ad_tape_free(tape);
    return wrong == 0 || found;
}

#endif
