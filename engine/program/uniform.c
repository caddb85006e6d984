/* uniform.c - the values of a program that depend on its parameters alone; see uniform.h.
 *
 * They are numbers, each in its home, computed once a call. What repeats runs as a roll (roll.c),
 * block by block: a lane is a repetition (body.h), and the kernels are those of lanes over
 * examples. In reverse a block computes again what has no home, then its instructions are visited
 * last to first. The walk as a whole goes last to first too, so that an adjoint is complete when
 * its value is visited, alone or in a roll. */
#include "program/uniform.h"

#include "program/body.h"

#include <stdlib.h>

/* ---- one instruction ------------------------------------------------------------------------- */

static const double *gathered(const uint32_t *at, size_t n, const double u[], double space[]) {
    for (size_t k = 0; k < n; k++) space[k] = u[at[k]];
    return space;
}

static double reduction(const ad_program *p, const double u[], double space[],
                        const ad__instruction *in, ad__failure *f) {
    const uint32_t *at = p->index + in->x;
    const size_t    n = in->y;
    double          total = 0;
    switch (in->code) {
    case AD__sum:
        for (size_t k = 0; k < n; k++) total += u[at[k]];
        return total;
    case AD__dot:
        for (size_t k = 0; k < n; k++) total += u[at[k]] * u[at[n + k]];
        return total;
    case AD__where: return u[at[1 + ad__selected(AD__where, u[at[0]], 2)]];
    case AD__custom: {
        const ad__own_op *own = &p->own[at[n]];
        return own->op->value(n, gathered(at, n, u, space), own->context);
    }
    case AD__pick: {
        const size_t which = ad__picked(u[at[0]], n - 1);
        if (which < n - 1) return u[at[1 + which]];
        ad__program_fail(f, AD_BAD_ARGUMENT, SIZE_MAX, at[n], u[at[0]]);
        return NAN;
    }
    default:
        return ad__fold_value((uint8_t)in->code,
                              ad__folded_over((uint8_t)in->code, n, gathered(at, n, u, space)));
    }
}

static void push_custom(const ad_program *p, const double u[], double adjoint[], double space[],
                        const ad__instruction *in, double a) {
    const uint32_t   *at = p->index + in->x;
    const size_t      n = in->y;
    const ad__own_op *own = &p->own[at[n]];
    double           *partial = space + n;
    for (size_t k = 0; k < n; k++) partial[k] = NAN; /* what is not written is not 0 by chance */
    own->op->partials(n, gathered(at, n, u, space), u[in->home], partial, own->context);
    for (size_t k = 0; k < n; k++) adjoint[at[k]] += a * partial[k];
}

static void push_fold(const double u[], double adjoint[], double space[], const ad__instruction *in,
                      const uint32_t *at, double a) {
    const uint8_t code = (uint8_t)in->code;
    const size_t  n = in->y;
    const bool    selects = ad__reduction_of(code)->selects;
    double       *partial = space + n;
    ad__fold_partials(code, n, gathered(at, n, u, space), partial);
    for (size_t k = 0; k < n; k++)
        if (!selects || partial[k] != 0) adjoint[at[k]] += a * partial[k];
}

static void push_reduction(const ad_program *p, const double u[], double adjoint[], double space[],
                           const ad__instruction *in, double a) {
    const uint32_t *at = p->index + in->x;
    const size_t    n = in->y;
    switch (in->code) {
    case AD__sum:
        for (size_t k = 0; k < n; k++) adjoint[at[k]] += a;
        return;
    case AD__dot:
        for (size_t k = 0; k < n; k++) {
            adjoint[at[k]] += a * u[at[n + k]];
            adjoint[at[n + k]] += a * u[at[k]];
        }
        return;
    case AD__custom: push_custom(p, u, adjoint, space, in, a); return;
    default:
        if (ad__family_of(in->code) == AD__FOLDS) push_fold(u, adjoint, space, in, at, a);
        else adjoint[at[1 + ad__selected((uint8_t)in->code, u[at[0]], n - 1)]] += a;
    }
}

/* ---- rolls ----------------------------------------------------------------------------------- */

typedef struct roll_run {
    const double *operand[AD__MOST_OPERANDS];
    ad__lanes     b;
} roll_run;

static void open_roll(roll_run *r, const ad_program *p, const ad__roll *roll, double u[],
                      double adjoint[], double space[]) {
    r->b = (ad__lanes){.p = p,
                       .source = p->source,
                       .index = p->index,
                       .u = u,
                       .adjoint = adjoint,
                       .space = space,
                       .operand = r->operand,
                       .rows = roll->rows,
                       .lanes = roll->lanes};
}

static void forward_roll(const ad_program *p, const ad__roll *roll, double u[], double space[]) {
    roll_run r;
    open_roll(&r, p, roll, u, NULL, space);
    for (size_t first = 0; first < roll->count; first += roll->lanes) {
        ad__lanes_from(&r.b, first, roll->count);
        for (uint32_t j = 0; j < roll->length; j++)
            ad__body_forward(&r.b, &p->body[roll->first + j]);
    }
}

static void reverse_roll(const ad_program *p, const ad__roll *roll, double u[], double adjoint[],
                         double space[]) {
    const ad__body *body = p->body + roll->first;
    roll_run        r;
    open_roll(&r, p, roll, u, adjoint, space);
    ad__body_begin_reverse(&r.b);
    for (size_t first = 0; first < roll->count; first += roll->lanes) {
        ad__lanes_from(&r.b, first, roll->count);
        for (uint32_t j = 0; j < roll->length; j++)
            if (body[j].result.place == AD__IN_ROW) ad__body_forward(&r.b, &body[j]);
        for (uint32_t j = roll->length; j-- > 0;) ad__body_reverse(&r.b, &body[j]);
    }
}

/* ---- both walks ------------------------------------------------------------------------------ */

void ad__uniform_forward(const ad_program *p, const double param[], double u[], double space[],
                         ad__failure *f) {
    if (p->constants > 0) memcpy(u, p->constant, p->constants * sizeof *u);
    if (p->params > 0) memcpy(u + p->constants, param, p->params * sizeof *u);
    if (p->sums > 0) memset(u + p->constants + p->params, 0, p->sums * sizeof *u);
    for (uint32_t k = 0; k < p->instructions; k++) {
        const ad__instruction *in = &p->instruction[k];
        switch (in->code) {
/* clang-format off */
#define R1(name, ...) case AD__##name: u[in->home] = ad__value_##name(u[in->x]); break;
#define R2(name, ...) case AD__##name: u[in->home] = ad__value_##name(u[in->x], u[in->y]); break;
#include "ops.def"
            /* clang-format on */
        case AD__TERM: u[in->home] += u[in->x]; break;
        case AD__PRODUCT: u[in->home] += u[in->x] * u[in->y]; break;
        case AD__ROLL: forward_roll(p, &p->roll[in->x], u, space); break;
        default: u[in->home] = reduction(p, u, space, in, f);
        }
    }
}

/* adjoint[x] += a*partial, unless the row selects and the partial is 0 */
#define PUSH(operand, d, side)                                                   \
    do {                                                                         \
        const double partial = (d);                                              \
        if (!AD__SELECTS(side) || partial != 0) adjoint[operand] += a * partial; \
    } while (0)

void ad__uniform_reverse(const ad_program *p, double u[], double adjoint[], double space[]) {
    for (uint32_t k = p->instructions; k-- > 0;) {
        const ad__instruction *in = &p->instruction[k];
        if (in->code == AD__ROLL) {
            reverse_roll(p, &p->roll[in->x], u, adjoint, space);
            continue;
        }
        const double a = adjoint[in->home], v = u[in->home];
        if (a == 0) continue;
        switch (in->code) {
#define R1(name, shown, words, value, dx, side, ...)   \
    case AD__##name:                                   \
        PUSH(in->x, ad__dx_##name(u[in->x], v), side); \
        break;
#define R2(name, shown, words, value, dx, dy, side, ...)         \
    case AD__##name:                                             \
        PUSH(in->x, ad__dx_##name(u[in->x], u[in->y], v), side); \
        PUSH(in->y, ad__dy_##name(u[in->x], u[in->y], v), side); \
        break;
#include "ops.def"
        case AD__TERM: adjoint[in->x] += a; break;
        case AD__PRODUCT:
            adjoint[in->x] += a * u[in->y];
            adjoint[in->y] += a * u[in->x];
            break;
        default: push_reduction(p, u, adjoint, space, in, a);
        }
    }
}
