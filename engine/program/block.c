/* block.c - one block forward and in reverse; see block.h. */
#include "program/block.h"

static double *row(const ad__block *b, uint32_t number) {
    return b->s->row + number * b->n;
}

/* An operand in words: a row, or a number written into `room` as a row first. */
static const double *operand(const ad__block *b, uint32_t word, double *room) {
    if (!(word & (uint32_t)AD__NUMBER)) return row(b, word);
    b->p->kernels->fill(b->n, b->uniform[word & ~(uint32_t)AD__NUMBER], room);
    return room;
}

/* ---- forward --------------------------------------------------------------------------------- */

static void load(const ad__block *b, const double input[]) {
    for (size_t c = 0, n; c < b->p->inputs; c += n) {
        n = b->p->inputs - c < b->s->pointers ? b->p->inputs - c : b->s->pointers;
        for (size_t k = 0; k < n; k++) b->s->to[k] = row(b, b->plan->input[c + k]);
        b->p->columns_of->load(n, b->real, b->n, input + c, b->p->inputs, b->s->to);
    }
}

static void forward_layer(const ad__block *b, const ad__move *m) {
    const ad__layer *l = &b->p->layer[m->y];
    const uint32_t  *word = b->plan->word + m->x;
    for (uint32_t j = 0; j < l->m; j++) {
        b->s->to[j] = row(b, word[j]);
        b->s->from[j] = row(b, AD__ZEROS);
    }
    b->p->layers_of->multiply(l->m, l->n, b->packed + l->packed, b->s->row, word + l->m, b->n,
                              b->s->to, b->s->from);
}

static void forward_pick(const ad__block *b, const uint32_t *word, uint32_t i, double *v) {
    const size_t  n = b->p->node[i].y - 1;
    const double *index = operand(b, word[0], row(b, AD__SPARE));
    for (size_t l = 0; l < b->n; l++) {
        const size_t at = ad__picked(index[l], n);
        if (at == n) {
            ad__program_fail(&b->sums->failed, AD_BAD_ARGUMENT,
                             b->first + (l < b->real ? l : b->real - 1), i, index[l]);
            v[l] = NAN;
            continue;
        }
        const uint32_t from = word[1 + at];
        v[l] = from & (uint32_t)AD__NUMBER ? b->uniform[from & ~(uint32_t)AD__NUMBER]
                                           : row(b, from)[l];
    }
}

/* The few operands that are numbers go through `broadcast`. */
static const double **operands(const ad__block *b, const uint32_t *word, size_t n) {
    double *room = b->s->broadcast;
    for (size_t k = 0; k < n; k++) {
        b->s->operand[k] = operand(b, word[k], room);
        if (word[k] & (uint32_t)AD__NUMBER) room += b->n;
    }
    return b->s->operand;
}

/* Operands of one lane. */
static void one_lane(const double *const x[], size_t n, size_t lane, double at[]) {
    for (size_t k = 0; k < n; k++) at[k] = x[k][lane];
}

/* Behind the n rows that numbers may take there are as many more, for partials, and as many again
 * for one lane. */
static double *room_behind(const ad__block *b, size_t n, size_t times) {
    return b->s->broadcast + times * n * b->n;
}

static void forward_custom(const ad__block *b, const uint32_t *word, const ad__node *node,
                           double *v) {
    const ad__own_op *own = ad__own_op_in(b->p, node);
    const size_t      n = node->y;
    const double    **x = operands(b, word, n);
    double           *at = room_behind(b, n, 2);
    if (own->op->lane_values != NULL) {
        own->op->lane_values(n, b->n, x, v, own->context);
        return;
    }
    for (size_t l = 0; l < b->n; l++) {
        one_lane(x, n, l, at);
        v[l] = own->op->value(n, at, own->context);
    }
}

static void forward_fold(const ad__block *b, const ad__move *m, const double *const x[],
                         double *v) {
    const ad__node         *node = &b->p->node[m->y];
    const ad__fold_kernels *k = ad__fold_kernels_of(b->p->kernels, node->code);
    k->fold(node->y, x, b->n, row(b, m->a), row(b, m->a + 1));
    k->value(b->n, row(b, m->a), row(b, m->a + 1), v);
}

static void forward_node(const ad__block *b, const ad__move *m) {
    const ad__kernels *k = b->p->kernels;
    const ad__node    *node = &b->p->node[m->y];
    const uint32_t    *word = b->plan->word + m->x;
    double            *v = row(b, m->v);
    const double     **x = b->s->operand;
    switch (node->code) {
    case AD__sum: k->sum(node->y, operands(b, word, node->y), b->n, v); break;
    case AD__dot:
        operands(b, word, 2 * (size_t)node->y), k->dot(node->y, x, x + node->y, b->n, v);
        break;
    case AD__where: operands(b, word, 3), k->where(b->n, x[0], x[1], x[2], v); break;
    case AD__custom: forward_custom(b, word, node, v); break;
    case AD__pick: forward_pick(b, word, m->y, v); break;
    default: forward_fold(b, m, operands(b, word, node->y), v);
    }
}

/* In lane l, when all has gone forward. */
static double value_in(const ad__block *b, uint32_t i, size_t l) {
    const ad__node *node = &b->p->node[i];
    return node->flags & AD__VARYING ? row(b, b->plan->row[i])[l] : b->uniform[node->home];
}

static void check_guards(const ad__block *b) {
    const ad_program *p = b->p;
    for (uint32_t g = 0; g < p->guards; g++) {
        if (!(p->node[p->guard[g].value].flags & AD__VARYING)) continue;
        const double *c = row(b, b->plan->row[p->guard[g].value]);
        for (size_t l = 0; l < b->real; l++)
            if ((c[l] != 0) != p->guard[g].taken) {
                const ad__node *node = &p->node[p->guard[g].value];
                const bool      two = ad__guard_sides(p, g);
                ad__program_turn(&b->sums->failed, p, b->first + l, g, c[l],
                                 two ? value_in(b, node->x, l) : 0,
                                 two ? value_in(b, node->y, l) : 0);
            }
    }
}

void ad__block_forward(const ad__block *b, const double input[]) {
    const ad__kernels *k = b->p->kernels;
    k->fill(b->n, 0, row(b, AD__ZEROS)); /* rows of a shorter block before it stood elsewhere */
    load(b, input);
    /* a program of nothing has no array to point past */
    for (size_t i = 0; i < b->plan->forwards; i++) {
        const ad__move *m = &b->plan->forward[i];
        if (m->kind == AD__MOVE_ROW)
            k->value[m->form][m->row](
                b->n, m->form == AD__X_NUMBER ? b->uniform + m->x : row(b, m->x),
                m->form == AD__Y_NUMBER ? b->uniform + m->y : row(b, m->y), row(b, m->v));
        else if (m->kind == AD__MOVE_LAYER) forward_layer(b, m);
        else forward_node(b, m);
    }
    check_guards(b);
}

/* ---- reverse --------------------------------------------------------------------------------- */

static void reverse_pick(const ad__block *b, const ad__move *m) {
    const uint32_t *to = b->plan->word + m->y;
    const double   *index = row(b, m->x), *a = row(b, m->a);
    for (size_t l = 0; l < b->real; l++) {
        const size_t at = ad__picked(index[l], m->v);
        if (at == m->v || to[at] == UINT32_MAX) continue;
        if (to[at] & (uint32_t)AD__NUMBER) b->sums->adjoint[to[at] & ~(uint32_t)AD__NUMBER] += a[l];
        else row(b, to[at])[l] += a[l];
    }
}

/* The partials of the lanes as rows, in to[0 .. n - 1]. What is not written is NaN, not 0 by
 * chance. */
static void custom_partials(const ad__block *b, const uint32_t *word, const ad__node *node,
                            const double *v, const double *a) {
    const ad__own_op *own = ad__own_op_in(b->p, node);
    const size_t      n = node->y;
    const double    **x = operands(b, word, n);
    double           *rows = room_behind(b, n, 1), *at = room_behind(b, n, 2), *partial = at + n,
           **to = b->s->to;
    for (size_t k = 0; k < n; k++) {
        to[k] = rows + k * b->n;
        b->p->kernels->fill(b->n, NAN, to[k]);
    }
    if (own->op->lane_partials != NULL) {
        own->op->lane_partials(n, b->n, x, v, to, own->context);
        return;
    }
    for (size_t l = 0; l < b->n; l++) {
        if (a[l] == 0) continue; /* nothing is pushed there */
        one_lane(x, n, l, at);
        for (size_t k = 0; k < n; k++) partial[k] = NAN;
        own->op->partials(n, at, v[l], partial, own->context);
        for (size_t k = 0; k < n; k++) to[k][l] = partial[k];
    }
}

static void reverse_custom(const ad__block *b, const ad__move *m) {
    const ad__kernels *kernels = b->p->kernels;
    const ad__node    *node = &b->p->node[m->y];
    const size_t       n = node->y;
    const uint32_t    *word = b->plan->word + m->x, *in = word + n, *out = in + n;
    const double      *a = row(b, m->a);
    double            *spare = row(b, AD__SPARE + 3);
    custom_partials(b, word, node, row(b, m->v), a);
    for (size_t k = 0; k < n; k++) {
        const double *partial = b->s->to[k];
        if (out[k] == UINT32_MAX) continue;
        if (out[k] & (uint32_t)AD__NUMBER) {
            kernels->push_product(b->n, a, partial, row(b, AD__ZEROS), spare);
            b->sums->adjoint[out[k] & ~(uint32_t)AD__NUMBER] += kernels->total(b->n, spare);
        } else {
            kernels->push_product(b->n, a, partial, row(b, in[k]), row(b, out[k]));
        }
    }
}

static bool rows_finite(const ad__block *b, const uint32_t *word, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!b->p->kernels->finite(b->n, row(b, word[i]))) return false;
    return true;
}

/* Each product alone, by the kernel that asks whether the adjoint is zero. */
static void weights_with_care(const ad__block *b, const ad__layer *l, const double *const x[]) {
    const ad__kernels *k = b->p->kernels;
    double            *product = row(b, AD__SPARE + 3);
    for (uint32_t j = 0; j < l->m; j++)
        for (uint32_t i = 0; i < l->n; i++) {
            k->push_product(b->n, b->s->from[j], x[i], row(b, AD__ZEROS), product);
            b->sums->weight[l->packed + (size_t)j * l->n + i] += k->total(b->n, product);
        }
}

static void operands_with_care(const ad__block *b, const ad__layer *l, const uint32_t *in,
                               const uint32_t *out) {
    const ad__kernels *k = b->p->kernels;
    const uint32_t    *weight = b->p->word + l->weight;
    double            *filled = row(b, AD__SPARE + 2);
    for (uint32_t j = 0; j < l->m; j++)
        for (uint32_t i = 0; i < l->n; i++) {
            k->fill(b->n, b->uniform[weight[(size_t)j * l->n + i]], filled);
            k->push_product(b->n, b->s->from[j], filled, row(b, j == 0 ? in[i] : out[i]),
                            row(b, out[i]));
        }
}

/* Adjoint rows of the members times the transposed weights, onto those of the operands. */
static void reverse_layer(const ad__block *b, const ad__move *m) {
    const ad__layer *l = &b->p->layer[m->y];
    const uint32_t  *member = b->plan->word + m->x, *in = member + l->m, *out = in + l->n;
    const ad__space *s = b->s;
    for (uint32_t j = 0; j < l->m; j++) s->from[j] = row(b, member[j]);
    if (b->plan->gradient && l->on_param) {
        const uint32_t *input = out + l->n;
        for (uint32_t i = 0; i < l->n; i++) s->operand[i] = row(b, input[i]);
        if (b->masks_zero_adjoint && !rows_finite(b, input, l->n))
            weights_with_care(b, l, s->operand);
        else
            b->p->layers_of->gradient(l->m, l->n, s->from, s->operand, b->n,
                                      b->sums->weight + l->packed);
    }
    if (!m->which) return;
    if (!b->finite[m->y]) {
        operands_with_care(b, l, in, out);
        return;
    }
    for (uint32_t i = 0; i < l->n; i++) {
        s->from[i] = row(b, in[i]);
        s->to[i] = row(b, out[i]);
    }
    b->p->layers_of->multiply(l->n, l->m, b->turned + l->packed, s->row, member, b->n, s->to,
                              s->from);
}

static void reverse_other(const ad__block *b, const ad__move *m) {
    const ad__kernels *k = b->p->kernels;
    const size_t       n = b->n;
    double            *out = row(b, m->out);
    const double      *a = row(b, m->a), *x = row(b, m->x), *in = row(b, m->in);
    switch ((ad__move_kind)m->kind) {
    case AD__PUSH_SAME: k->push_same(n, a, in, out); break;
    case AD__PUSH_PRODUCT: k->push_product(n, a, x, in, out); break;
    case AD__PUSH_SQUARE: k->push_square(n, a, x, in, out); break;
    case AD__PUSH_FOLD:
        k->fold[m->row].push(n, x, row(b, m->y), row(b, m->y + 1), a, in, out);
        break;
    case AD__PUSH_WHERE: k->push_where(n, x, m->which, a, in, out); break;
    case AD__PUSH_PICK: reverse_pick(b, m); break;
    case AD__PUSH_CUSTOM: reverse_custom(b, m); break;
    case AD__PUSH_LAYER: reverse_layer(b, m); break;
    case AD__TOTAL: b->sums->adjoint[m->y] += m->which ? -k->total(n, a) : k->total(n, a); break;
    case AD__TOTAL_PRODUCT: b->sums->adjoint[m->y] += k->total_product(n, a, x); break;
    case AD__FILL: k->fill(n, b->uniform[m->y], out); break;
    case AD__CLEAR: k->fill(n, 0, out); break;
    default: break;
    }
}

static void seed(const ad__block *b, const ad__sweep *sweep) {
    for (size_t l = 0; l < b->n; l++) row(b, AD__ONES)[l] = 1;
    for (uint32_t g = 0; g < sweep->outputs; g++) {
        const uint32_t number = b->plan->word[sweep->seed + g];
        for (size_t l = 0; number != UINT32_MAX && l < b->n; l++)
            row(b, number)[l] = l < b->real ? 1 : 0;
    }
}

void ad__block_reverse(const ad__block *b, const ad__sweep *sweep) {
    const ad__kernels *k = b->p->kernels;
    seed(b, sweep);
    for (size_t i = 0; i < sweep->moves; i++) {
        const ad__move *m = &b->plan->move[sweep->move + i];
        if (m->kind > AD__PUSH_BOTH) {
            reverse_other(b, m);
            continue;
        }
        const double *x = m->form == AD__X_NUMBER ? b->uniform + m->x : row(b, m->x);
        const double *y = m->form == AD__Y_NUMBER ? b->uniform + m->y : row(b, m->y);
        if (m->kind == AD__PUSH)
            k->push[m->which][m->form][m->row](b->n, x, y, row(b, m->v), row(b, m->a),
                                               row(b, m->in), row(b, m->out));
        else
            k->push_both[m->row](b->n, x, y, row(b, m->v), row(b, m->a), row(b, m->in),
                                 row(b, m->out), row(b, m->in_y), row(b, m->out_y));
    }
}

const double *ad__block_output(const ad__block *b, size_t k) {
    const uint32_t  i = b->p->output[k];
    const ad__node *node = &b->p->node[i];
    return node->flags & AD__VARYING
             ? row(b, b->plan->row[i])
             : operand(b, node->home | (uint32_t)AD__NUMBER, row(b, AD__SPARE));
}
