/* support.c - cases, differences and the scenario that the tests share. */
#include "support.h"

#include <math.h>
#include <string.h>

/* ---- rows ------------------------------------------------------------------------------------ */

#define R1(name, shown, words, value, dx, side, ...)          \
    static double side_##name(double x, double y, double v) { \
        (void)x, (void)y, (void)v;                            \
        return side;                                          \
    }
#define R2(name, shown, words, value, dx, dy, side, ...)      \
    static double side_##name(double x, double y, double v) { \
        (void)x, (void)y, (void)v;                            \
        return side;                                          \
    }
#include "engine/ops.def"

#define R1(name, shown, words, value, dx, side, ...) \
    [ROW_##name] = {#name, 1, ad_##name, NULL, side_##name},
#define R2(name, shown, words, value, dx, dy, side, ...) \
    [ROW_##name] = {#name, 2, NULL, ad_##name, side_##name},
const row rows[ROWS] = {
#include "engine/ops.def"
};

ad_var row_record(const row *r, ad_var x, ad_var y) {
    return r->operands == 1 ? r->one(x) : r->two(x, y);
}

double row_value(const row *r, double x, double y) {
    return ad_value(row_record(r, ad_num(x), ad_num(y)));
}

/* ---- differences ----------------------------------------------------------------------------- */

/* Neville's scheme on (f(x+h) - f(x-h))/(step taken), h halved each time: the error has even powers
 * of h only, so each column removes one. The best entry is the one that agrees best with its two
 * neighbours (Ridders 1982); rounding ends the improvement. */
estimate differences(function *f, void *context, double x, double first_step) {
    double   table[STENCIL_LEVELS][STENCIL_LEVELS];
    estimate best = {NAN, INFINITY};
    double   largest = 0;
    for (int i = 0; i < STENCIL_LEVELS; i++) {
        const double          h = ldexp(first_step, -i);
        volatile const double right = x + h, left = x - h;
        const double          above = f(right, context), below = f(left, context);
        if (!isfinite(above) || !isfinite(below)) return (estimate){NAN, NAN};
        largest = fmax(largest, fmax(fabs(above), fabs(below)));
        table[i][0] = (above - below) / (right - left);
        double power = 1;
        for (int j = 1; j <= i; j++) {
            power *= 4;
            table[i][j] = table[i][j - 1] + (table[i][j - 1] - table[i - 1][j - 1]) / (power - 1);
            const double noise = 4 * U * largest / h;
            const double error = noise + fmax(fabs(table[i][j] - table[i][j - 1]),
                                              fabs(table[i][j] - table[i - 1][j - 1]));
            if (error < best.error) best = (estimate){table[i][j], error};
        }
    }
    return best;
}

bool close_to(double got, double want, double relative, double absolute) {
    if (isnan(want)) return isnan(got);
    if (isinf(want) || isinf(got)) return got == want;
    return fabs(got - want) <= relative * fabs(want) + absolute;
}

bool same_bits(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0;
}

uint64_t random_bits(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

double random_uniform(uint64_t *state, double low, double high) {
    return low + (high - low) * ldexp((double)(random_bits(state) >> 11), -53);
}

/* ---- the scenario ---------------------------------------------------------------------------- */

enum { LEAVES = 50 };

static ad_var every_row(ad_var x, ad_var y) {
    ad_var total = ad_num(0);
    for (int i = 0; i < ROWS; i++)
        total = ad_add(total, row_record(&rows[i], i % 3 == 0 ? ad_num(1.5) : x,
                                         i % 3 == 1 ? ad_num(0.25) : y));
    return total;
}

static ad_var every_reduction(const ad_var x[]) {
    ad_var some[LEAVES];
    for (size_t i = 0; i < LEAVES; i++)
        some[i] = i % 4 == 1 ? ad_num((double)i) : x[LEAVES - 1 - i];
    ad_var total = ad_add(ad_sum(LEAVES, x), ad_sum(LEAVES, some));
    total = ad_add(total, ad_add(ad_dot(LEAVES, x, some), ad_dot(LEAVES, some, x)));
    total = ad_add(total, ad_logsumexp(LEAVES, some));
    total = ad_add(total, ad_where(ad_less(x[0], x[1]), some[0], some[2]));
    return ad_add(total, ad_pick(ad_floor(ad_abs(x[1])), LEAVES, some));
}

static ad_status small_graph(ad_tape *tape, const ad_var x[], FILE *to) {
    ad_status     status = AD_OK;
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        y = ad_add(every_row(x[0], x[1]), every_reduction(x));
    ad_name(y, "the name of a result that is long enough to need memory of its own");
    for (size_t i = 0; i < LEAVES; i++) ad_name(x[LEAVES - 1 - i], "leaf");
    y = ad_add(y, ad_formula(tape, a = x[0] * y; b = tanh(a) + 0.5;
                             sum(a, b, 2 * b, x[1]), x[0], x[1], y));
    y = ad_add(y, ad_parse(tape, "p = prod(1.5, 2.5); p*pi", 0, NULL, NULL));
    if (ad_branch(ad_less(x[2], x[3]))) y = ad_add(y, ad_num(1));
    ad_replay(tape);
    ad_backward(y);
    double grad[LEAVES];
    ad_gradient(y, LEAVES, x, grad);
    ad_tangent(y, LEAVES, x, grad);
    if (to != NULL) status = ad_explain(ad_parse(tape, "a*b + sum(a, b, c)", 3, "a, b, c", x), to);
    ad_tape_rewind(tape, mark);
    return status;
}

ad_status scenario(ad_tape *tape, int steps, FILE *to) {
    const ad_mark start = ad_tape_mark(tape);
    ad_var        x[LEAVES];
    for (size_t i = 0; i < LEAVES; i++) x[i] = ad_input(tape, 0.5 + 0.01 * (double)i);
    const ad_status explanation = small_graph(tape, x, to);
    const ad_mark   leaves = ad_tape_mark(tape);
    for (int round = 0; round < 2; round++) {
        ad_var y = x[0];
        for (int i = 0; i < steps / 3; i++)
            y = ad_add(ad_mul(y, ad_num(0.5 + 1e-6 * i)), ad_sin(x[i % LEAVES]));
        const ad_mark inner = ad_tape_mark(tape);
        ad_backward(ad_mul(y, y));
        ad_tape_rewind(tape, inner);
        ad_backward(ad_exp(y));
        ad_tape_rewind(tape, leaves);
    }
    small_graph(tape, x, NULL);
    ad_tape_rewind(tape, start);
    return ad_tape_status(tape) != AD_OK ? ad_tape_status(tape) : explanation;
}

ad_status explained(ad_var y, size_t room, char text[]) {
    FILE *file = tmpfile();
    if (file == NULL) return AD_BAD_FILE;
    const ad_status status = ad_explain(y, file);
    rewind(file);
    text[fread(text, 1, room - 1, file)] = '\0';
    fclose(file);
    return status;
}
