/* uniform.c - the values of a program that depend on its parameters alone; see uniform.h.
 *
 * They are numbers, each in its home, computed once a call. What repeats runs as a roll (roll.c), block by
 * block: a lane is a repetition, and the kernels are those of lanes over examples. In reverse a block computes
 * again what has no home, then its instructions are visited last to first. The walk as a whole goes last to
 * first too, so that an adjoint is complete when its value is visited, alone or in a roll.
 *
 * Invariant of the last block, whose lanes are rounded up: values behind the last repetition are whatever
 * stands there (homes that a roll writes are its own up to a multiple of eight), and adjoints behind it are 0
 * or not its own, so that such a lane pushes 0 and nothing of it is seen. Where operands of two repetitions are
 * one value, or overlap, their contributions are added one operand after the other, or lane by lane. */
#include "uniform.h"

#include <stdlib.h>

/* After the rows of values and adjoints: zeros, one for logsumexp, one to write, one for upstream; then operands. */
enum { ZEROS, LARGEST, TARGET, UPSTREAM, OPERANDS };

/* ---- one instruction -------------------------------------------------------------------------- */

/* Operands of a custom operation, its number left out, gathered into `space`. */
static const double *custom_operands(const uint32_t *at, size_t n, const double u[], double space[]) {
    for (size_t k = 1; k < n; k++) space[k - 1] = u[at[k]];
    return space;
}

static double reduction(const ad_program *p, const double u[], double space[], const ad__instruction *in,
                        ad__failure *f) {
    const uint32_t *at = p->index + in->x;
    const size_t    n = in->y;
    double          total = 0, largest = -INFINITY;
    switch (in->code) {
    case AD__sum:
        for (size_t k = 0; k < n; k++) total += u[at[k]];
        return total;
    case AD__dot:
        for (size_t k = 0; k < n; k++) total += u[at[k]]*u[at[n + k]];
        return total;
    case AD__where: return u[at[0]] != 0 ? u[at[1]] : u[at[2]];
    case AD__custom: {
        const ad__own_op *own = &p->own[(size_t)u[at[0]]];
        return own->op->value(n - 1, custom_operands(at, n, u, space), own->context);
    }
    case AD__pick: {
        const size_t which = ad__picked(u[at[0]], n - 1);
        if (which < n - 1) return u[at[1 + which]];
        ad__program_fail(f, AD_BAD_ARGUMENT, SIZE_MAX, at[n], u[at[0]]);
        return NAN;
    }
    default:
        for (size_t k = 0; k < n; k++)
            if (u[at[k]] > largest || u[at[k]] != u[at[k]]) largest = u[at[k]];
        if (!isfinite(largest)) return largest;
        for (size_t k = 0; k < n; k++) total += exp(u[at[k]] - largest);
        return largest + log(total);
    }
}

static void push_custom(const ad_program *p, const double u[], double adjoint[], double space[],
                        const ad__instruction *in, double a) {
    const uint32_t   *at = p->index + in->x;
    const size_t      n = in->y;
    const ad__own_op *own = &p->own[(size_t)u[at[0]]];
    double           *partial = space + n;
    for (size_t k = 1; k < n; k++) partial[k - 1] = NAN;         /* one that is not written is not 0 by chance */
    own->op->partials(n - 1, custom_operands(at, n, u, space), u[in->home], partial, own->context);
    for (size_t k = 1; k < n; k++) adjoint[at[k]] += a*partial[k - 1];
}

static void push_reduction(const ad_program *p, const double u[], double adjoint[], double space[],
                           const ad__instruction *in, double a) {
    const uint32_t *at = p->index + in->x;
    const size_t    n = in->y;
    const double    v = u[in->home];
    switch (in->code) {
    case AD__sum:
        for (size_t k = 0; k < n; k++) adjoint[at[k]] += a;
        return;
    case AD__dot:
        for (size_t k = 0; k < n; k++) {
            adjoint[at[k]] += a*u[at[n + k]];
            adjoint[at[n + k]] += a*u[at[k]];
        }
        return;
    case AD__where: adjoint[at[u[at[0]] != 0 ? 1 : 2]] += a; return;
    case AD__custom: push_custom(p, u, adjoint, space, in, a); return;
    case AD__pick:  adjoint[at[1 + ad__picked(u[at[0]], n - 1)]] += a; return;
    default:
        for (size_t k = 0; k < n; k++) adjoint[at[k]] += a*exp(isinf(v) ? u[at[k]] : u[at[k]] - v);
    }
}

/* ---- a block of a roll ------------------------------------------------------------------------ */

typedef struct block {
    const ad_program *p;
    const ad__roll   *roll;
    double           *u, *adjoint, *space;
    size_t            first, real, n;          /* first repetition; repetitions; lanes, a multiple of 8 */
} block;

static double *row(const block *b, size_t k) {
    return b->space + k*b->roll->lanes;
}

static double *adjoint_row(const block *b, size_t k) {
    return row(b, b->roll->rows + k);
}

static double *spare(const block *b, size_t k) {
    return row(b, 2*(size_t)b->roll->rows + k);
}

static const double *gather(const block *b, uint32_t list, double *room) {
    const uint32_t *at = b->p->index + list + b->first;
    for (size_t l = 0; l < b->real; l++) room[l] = b->u[at[l]];
    for (size_t l = b->real; l < b->n; l++) room[l] = room[b->real - 1];
    return room;
}

static const double *lanes_of(const block *b, const ad__source *s, double *room) {
    switch (s->place) {
    case AD__IN_ROW: return row(b, s->at);
    case AD__IN_RUN: return b->u + s->at + b->first;
    case AD__IN_ONE: b->p->kernels->fill(b->n, b->u[s->at], room); return room;
    default:         return gather(b, s->at, room);
    }
}

/* The lanes of all operands; those that do not stand somewhere are written into spare rows. */
static void operands(const block *b, const ad__body *body, const double *x[]) {
    const ad__source *s = b->p->source + body->operand;
    for (uint32_t i = 0; i < body->count; i++) x[i] = lanes_of(b, &s[i], spare(b, OPERANDS + i));
}

static void forward_body(const block *b, const ad__body *body) {
    const ad__kernels *k = b->p->kernels;
    const double      *x[AD__MOST_OPERANDS];
    operands(b, body, x);
    if (body->code == AD__TERM) {
        b->u[body->result.at] += b->p->vector->sum(b->real, x[0]);
        return;
    }
    if (body->code == AD__PRODUCT) {
        b->u[body->result.at] += b->p->vector->dot(b->real, x[0], x[1]);
        return;
    }
    double *v = body->result.place == AD__IN_ROW ? row(b, body->result.at) : b->u + body->result.at + b->first;
    switch (body->code) {
    case AD__sum:       k->sum(body->count, x, b->n, v); break;
    case AD__dot:       k->dot(body->count/2, x, x + body->count/2, b->n, v); break;
    case AD__logsumexp: k->logsumexp(body->count, x, b->n, v, spare(b, LARGEST)); break;
    case AD__where:     k->where(b->n, x[0], x[1], x[2], v); break;
    default:            k->value[AD__NODES_ONLY][ad__code_row((uint8_t)body->code)](b->n, x[0], x[body->count - 1], v);
    }
}

/* Where a contribution is read from and written to: first ones are read from zeros, those that do not stand in a
 * row are written to a spare row and then added up or scattered. */
static double *open_target(const block *b, const ad__source *s, const double **in) {
    double *out = s->place == AD__IN_ROW ? adjoint_row(b, s->at)
                : s->place == AD__IN_RUN ? b->adjoint + s->at + b->first : spare(b, TARGET);
    *in = s->place == AD__IN_RUN || (s->place == AD__IN_ROW && !s->first) ? out : spare(b, ZEROS);
    return out;
}

static void close_target(const block *b, const ad__source *s, const double *out) {
    if (s->place == AD__IN_ONE) b->adjoint[s->at] += b->p->kernels->total(b->n, out);
    if (s->place != AD__IN_LIST) return;
    const uint32_t *at = b->p->index + s->at + b->first;
    for (size_t l = 0; l < b->real; l++) b->adjoint[at[l]] += out[l];
}

/* The adjoint of what a body's instruction gives: a row, or for terms the one of the sum in all repetitions. */
static const double *upstream(const block *b, const ad__body *body) {
    const ad__source *s = &body->result;
    if (s->place == AD__IN_ROW) return adjoint_row(b, s->at);
    if (s->place == AD__IN_RUN) return b->adjoint + s->at + b->first;
    double *a = spare(b, UPSTREAM);
    b->p->kernels->fill(b->n, b->adjoint[s->at], a);
    for (size_t l = b->real; l < b->n; l++) a[l] = 0;
    return a;
}

static void push(const block *b, const ad__body *body, const double *const x[], uint32_t i, const double *v,
                 const double *a, const double *in, double *out) {
    const ad__kernels *k = b->p->kernels;
    const uint32_t     half = body->count/2;
    switch (body->code) {
    case AD__TERM:
    case AD__sum:       k->push_same(b->n, a, in, out); break;
    case AD__PRODUCT:
    case AD__dot:       k->push_product(b->n, a, x[i < half ? i + half : i - half], in, out); break;
    case AD__logsumexp: k->push_logsumexp(b->n, x[i], v, a, in, out); break;
    case AD__where:     k->push_where(b->n, x[0], i == 1, a, in, out); break;
    default:
        k->push[i == 0 ? 0 : 3][ad__code_row((uint8_t)body->code)](b->n, x[0], x[body->count - 1], v, a, in, out);
    }
}

static void reverse_body(const block *b, const ad__body *body) {
    if (body->silent) return;
    const ad__source *s = b->p->source + body->operand;
    const double     *x[AD__MOST_OPERANDS], *a = upstream(b, body), *v = NULL, *in;
    operands(b, body, x);
    if (body->result.place != AD__IN_ONE) v = lanes_of(b, &body->result, NULL);
    for (uint32_t i = body->code == AD__where ? 1 : 0; i < body->count; i++) {
        if (s[i].constant) continue;
        double *out = open_target(b, &s[i], &in);
        push(b, body, x, i, v, a, in, out);
        close_target(b, &s[i], out);
    }
}

static block block_at(const ad_program *p, const ad__roll *roll, size_t first, double u[], double adjoint[],
                      double space[]) {
    const size_t left = roll->count - first, real = left < roll->lanes ? left : roll->lanes;
    return (block){p, roll, u, adjoint, space, first, real, (real + 7)/8*8};
}

static void forward_roll(const ad_program *p, const ad__roll *roll, double u[], double space[]) {
    for (size_t first = 0; first < roll->count; first += roll->lanes) {
        const block b = block_at(p, roll, first, u, NULL, space);
        for (uint32_t j = 0; j < roll->length; j++) forward_body(&b, &p->body[roll->first + j]);
    }
}

static void reverse_roll(const ad_program *p, const ad__roll *roll, double u[], double adjoint[], double space[]) {
    for (size_t first = 0; first < roll->count; first += roll->lanes) {
        const block b = block_at(p, roll, first, u, adjoint, space);
        if (first == 0) p->kernels->fill(roll->lanes, 0, spare(&b, ZEROS));
        for (uint32_t j = 0; j < roll->length; j++)
            if (p->body[roll->first + j].result.place == AD__IN_ROW) forward_body(&b, &p->body[roll->first + j]);
        for (uint32_t j = roll->length; j-- > 0;) reverse_body(&b, &p->body[roll->first + j]);
    }
}

/* ---- both walks ------------------------------------------------------------------------------- */

void ad__uniform_forward(const ad_program *p, const double param[], double u[], double space[], ad__failure *f) {
    if (p->constants > 0) memcpy(u, p->constant, p->constants*sizeof *u);
    if (p->params > 0) memcpy(u + p->constants, param, p->params*sizeof *u);
    if (p->sums > 0) memset(u + p->constants + p->params, 0, p->sums*sizeof *u);
    for (uint32_t k = 0; k < p->instructions; k++) {
        const ad__instruction *in = &p->instruction[k];
        switch (in->code) {
#define R1(name, ...) case AD__##name: u[in->home] = ad__value_##name(u[in->x]); break;
#define R2(name, ...) case AD__##name: u[in->home] = ad__value_##name(u[in->x], u[in->y]); break;
#include "ops.def"
        case AD__TERM:    u[in->home] += u[in->x]; break;
        case AD__PRODUCT: u[in->home] += u[in->x]*u[in->y]; break;
        case AD__ROLL:    forward_roll(p, &p->roll[in->x], u, space); break;
        default:          u[in->home] = reduction(p, u, space, in, f);
        }
    }
}

/* adjoint[x] += a*partial, unless the row selects and the partial is 0 */
#define PUSH(operand, d, side)                                                       \
    do {                                                                             \
        const double partial = (d);                                                  \
        if (!AD__SELECTS(side) || partial != 0) adjoint[operand] += a*partial;       \
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
#define R1(name, shown, words, value, dx, side)                                      \
        case AD__##name: PUSH(in->x, ad__dx_##name(u[in->x], v), side); break;
#define R2(name, shown, words, value, dx, dy, side)                                  \
        case AD__##name:                                                             \
            PUSH(in->x, ad__dx_##name(u[in->x], u[in->y], v), side);                 \
            PUSH(in->y, ad__dy_##name(u[in->x], u[in->y], v), side);                 \
            break;
#include "ops.def"
        case AD__TERM: adjoint[in->x] += a; break;
        case AD__PRODUCT:
            adjoint[in->x] += a*u[in->y];
            adjoint[in->y] += a*u[in->x];
            break;
        default: push_reduction(p, u, adjoint, space, in, a);
        }
    }
}
