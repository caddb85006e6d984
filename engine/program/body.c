/* body.c - operations over lanes that stand anywhere; see body.h. */
#include "program/body.h"

/* After the rows of values and adjoints: zeros, two for a fold, one to write, one for upstream;
 * then operands. */
enum { ZEROS, SHIFT, TOTAL, TARGET, UPSTREAM, OPERANDS = AD__BODY_SPARE };

static double *row(const ad__lanes *b, size_t k) {
    return b->space + k * b->lanes;
}

static double *adjoint_row(const ad__lanes *b, size_t k) {
    return row(b, b->rows + k);
}

static double *spare(const ad__lanes *b, size_t k) {
    return row(b, 2 * b->rows + k);
}

void ad__lanes_from(ad__lanes *b, size_t first, size_t count) {
    const size_t left = count - first;
    b->first = first;
    b->real = left < b->lanes ? left : b->lanes;
    b->n = (b->real + 7) / 8 * 8;
}

void ad__body_begin_reverse(const ad__lanes *b) {
    b->p->kernels->fill(b->lanes, 0, spare(b, ZEROS));
}

static const double *gather(const ad__lanes *b, uint32_t list, double *room) {
    const uint32_t *at = b->index + list + b->first;
    for (size_t l = 0; l < b->real; l++) room[l] = b->u[at[l]];
    for (size_t l = b->real; l < b->n; l++) room[l] = room[b->real - 1];
    return room;
}

const double *ad__lanes_of(const ad__lanes *b, const ad__source *s, double *room) {
    switch (s->place) {
    case AD__IN_ROW: return row(b, s->at);
    case AD__IN_RUN: return b->u + s->at + b->first;
    case AD__IN_ONE: b->p->kernels->fill(b->n, b->u[s->at], room); return room;
    default: return gather(b, s->at, room);
    }
}

/* The lanes of all operands; those that do not stand somewhere are written into spare rows. */
static void operands(const ad__lanes *b, const ad__body *body, const double *x[]) {
    const ad__source *s = b->source + body->operand;
    for (uint32_t i = 0; i < body->count; i++)
        x[i] = ad__lanes_of(b, &s[i], spare(b, OPERANDS + i));
}

/* Where shift and total of a fold stand. */
static double *fold_row(const ad__lanes *b, const ad__body *body, bool total) {
    if (body->fold == 0) return spare(b, total ? TOTAL : SHIFT);
    return b->u + body->fold + (total ? body->fold_lanes : 0) + b->first;
}

static void fold(const ad__lanes *b, const ad__body *body, const double *const x[], double *v) {
    const ad__fold_kernels *k = ad__fold_kernels_of(b->p->kernels, body->code);
    double                 *shift = fold_row(b, body, false), *total = fold_row(b, body, true);
    k->fold(body->count, x, b->n, shift, total);
    k->value(b->n, shift, total, v);
}

void ad__body_forward(const ad__lanes *b, const ad__body *body) {
    const ad__kernels *k = b->p->kernels;
    const double     **x = b->operand;
    operands(b, body, x);
    if (body->code == AD__TERM) {
        b->u[body->result.at] += b->p->vector->sum(b->real, x[0]);
        return;
    }
    if (body->code == AD__PRODUCT) {
        b->u[body->result.at] += b->p->vector->dot(b->real, x[0], x[1]);
        return;
    }
    double *v = body->result.place == AD__IN_ROW ? row(b, body->result.at)
                                                 : b->u + body->result.at + b->first;
    switch (body->code) {
    case AD__sum: k->sum(body->count, x, b->n, v); break;
    case AD__dot: k->dot(body->count / 2, x, x + body->count / 2, b->n, v); break;
    case AD__where: k->where(b->n, x[0], x[1], x[2], v); break;
    default:
        if (ad__family_of(body->code) == AD__FOLDS) fold(b, body, x, v);
        else
            k->value[AD__NODES_ONLY][ad__code_row((uint8_t)body->code)](b->n, x[0],
                                                                        x[body->count - 1], v);
    }
}

/* Where a contribution is read from and written to: first ones are read from zeros, those that do
 * not stand in a row are written to a spare row and then added up or scattered. */
static double *open_target(const ad__lanes *b, const ad__source *s, const double **in) {
    double *out = s->place == AD__IN_ROW ? adjoint_row(b, s->at)
                : s->place == AD__IN_RUN ? b->adjoint + s->at + b->first
                                         : spare(b, TARGET);
    *in = s->place == AD__IN_RUN || (s->place == AD__IN_ROW && !s->first) ? out : spare(b, ZEROS);
    return out;
}

static void close_target(const ad__lanes *b, const ad__source *s, const double *out) {
    if (s->place == AD__IN_ONE) b->adjoint[s->at] += b->p->kernels->total(b->n, out);
    if (s->place != AD__IN_LIST) return;
    const uint32_t *at = b->index + s->at + b->first;
    for (size_t l = 0; l < b->real; l++) b->adjoint[at[l]] += out[l];
}

void ad__lanes_add(const ad__lanes *b, const ad__source *s, const double *contribution) {
    double *out = b->adjoint + s->at + b->first;
    for (size_t l = 0; s->place == AD__IN_RUN && l < b->real; l++) out[l] += contribution[l];
    close_target(b, s, contribution);
}

/* The adjoint of what a body's instruction gives: a row, or for terms the one of the sum in all
 * repetitions. */
static const double *upstream(const ad__lanes *b, const ad__body *body) {
    const ad__source *s = &body->result;
    if (s->place == AD__IN_ROW) return adjoint_row(b, s->at);
    if (s->place == AD__IN_RUN) return b->adjoint + s->at + b->first;
    double *a = spare(b, UPSTREAM);
    b->p->kernels->fill(b->n, b->adjoint[s->at], a);
    for (size_t l = b->real; l < b->n; l++) a[l] = 0;
    return a;
}

static void push(const ad__lanes *b, const ad__body *body, const double *const x[], uint32_t i,
                 const double *v, const double *a, const double *in, double *out) {
    const ad__kernels *k = b->p->kernels;
    const uint32_t     half = body->count / 2;
    switch (body->code) {
    case AD__TERM:
    case AD__sum: k->push_same(b->n, a, in, out); break;
    case AD__PRODUCT:
    case AD__dot: k->push_product(b->n, a, x[i < half ? i + half : i - half], in, out); break;
    case AD__where: k->push_where(b->n, x[0], i == 1, a, in, out); break;
    default:
        if (ad__family_of(body->code) == AD__FOLDS)
            ad__fold_kernels_of(k, body->code)
                ->push(b->n, x[i], fold_row(b, body, false), fold_row(b, body, true), a, in, out);
        else
            k->push[i == 0 ? 0 : 1][AD__NODES_ONLY][ad__code_row((uint8_t)body->code)](
                b->n, x[0], x[body->count - 1], v, a, in, out);
    }
}

void ad__body_reverse(const ad__lanes *b, const ad__body *body) {
    if (body->no_adjoint) return;
    const ad__source *s = b->source + body->operand;
    const double    **x = b->operand, *a = upstream(b, body), *v = NULL, *in;
    operands(b, body, x);
    if (body->result.place != AD__IN_ONE) v = ad__lanes_of(b, &body->result, NULL);
    if (ad__family_of(body->code) == AD__FOLDS && body->fold == 0)
        fold(b, body, x, spare(b, TARGET));
    for (uint32_t i = body->code == AD__where ? 1 : 0; i < body->count; i++) {
        if (s[i].constant) continue;
        double *out = open_target(b, &s[i], &in);
        push(b, body, x, i, v, a, in, out);
        close_target(b, &s[i], out);
    }
}
