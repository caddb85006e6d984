/* lanes.c - a program over many examples.
 *
 * Rows are taken in blocks, a lane each; a block runs through all instructions forward and then, with
 * adjoints in rows of its own, in reverse. Uniform values are computed once before, and their adjoints,
 * which the blocks add up, are swept once after.
 *
 * Order. Blocks are shared out to `parts` in a way that depends on the number of rows alone. A part goes
 * through its blocks in order with sums of its own; the sums of the parts are added in order. Threads
 * take parts: whichever takes which, the bits are the same. The last block is padded by repeating its
 * last row, with adjoint 0, to a multiple of eight lanes.
 *
 * Adjoint rows are given out when a contribution first arrives and taken back when their value has been
 * visited, so that those in use stay few and hot. The first contribution is added to a row of zeros. */
#include "program.h"

#include "uniform.h"

#include <stdlib.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define NONE UINT32_MAX

enum { PARTS = 16, BLOCKS_A_PART = 4, ALIGNMENT = 64, SPARE_ROWS = 4 };

/* What one thread needs for a block. */
typedef struct lane_space {
    double        *value, *adjoint;      /* rows of a block */
    double        *broadcast;            /* uniform operands of a reduction as rows */
    double        *spare, *zero;         /* SPARE_ROWS rows to compute in; a row of zeros */
    uint32_t      *slot;                 /* by row: its adjoint row, or NONE */
    uint32_t      *free_slot;            /* adjoint rows that were given back, the last one first */
    uint32_t       free_slots, slots;
    const double **operand, **from;      /* rows of a reduction or a layer */
    double       **to;
    uint32_t      *index;
} lane_space;

/* What one part adds up. */
typedef struct part {
    double     *adjoint;                 /* of uniform values */
    double     *weight;                  /* gradients of packed weights, m x n for each layer */
    double      sum;                     /* of output 0 */
    ad__failure failed;
} part;

typedef struct workspace {
    size_t      threads, parts;
    double     *uniform, *packed, *turned;      /* values; weights as `multiply` wants them, and transposed */
    double     *rolls;                          /* what rolls compute in */
    double     *gathered;                       /* weights of a layer, on their way there */
    bool       *finite;                         /* are all weights of the layer finite? */
    part       *part;
    lane_space *lane;
} workspace;

/* What a call wants. */
typedef struct job {
    const ad_program *p;
    workspace        *w;
    const double     *param, *input;
    size_t            rows, blocks;
    double           *output, *jacobian;        /* at most one is not NULL; neither: a gradient */
    bool              reverse;
} job;

/* ---- workspaces ------------------------------------------------------------------------------- */

/* Cut `bytes` off an arena, or only count them when there is none yet. */
static void *carve(char *arena, size_t *used, size_t count, size_t bytes) {
    void *at = arena == NULL ? NULL : arena + *used;
    *used += (count*bytes + ALIGNMENT - 1)/ALIGNMENT*ALIGNMENT;
    return at;
}

static void carve_lane(const ad_program *p, lane_space *lane, char *arena, size_t *used) {
    const size_t row = p->block*sizeof(double);
    lane_space   l = {0};
    l.value = carve(arena, used, p->rows, row);
    l.adjoint = carve(arena, used, p->rows, row);
    l.broadcast = carve(arena, used, p->most_operands, row);
    l.spare = carve(arena, used, SPARE_ROWS, row);
    l.zero = carve(arena, used, 1, row);
    l.slot = carve(arena, used, p->rows, sizeof *l.slot);
    l.free_slot = carve(arena, used, p->rows, sizeof *l.free_slot);
    l.operand = carve(arena, used, p->most_operands, sizeof *l.operand);
    l.from = carve(arena, used, p->most_operands, sizeof *l.from);
    l.to = carve(arena, used, p->most_operands, sizeof *l.to);
    l.index = carve(arena, used, p->most_operands, sizeof *l.index);
    if (arena == NULL) return;
    memset(l.zero, 0, row);
    *lane = l;
}

static size_t carve_all(const ad_program *p, workspace *w, char *arena, size_t threads, size_t parts) {
    size_t used = 0;
    carve(arena, &used, 1, sizeof *w);
    part       *all_parts = carve(arena, &used, parts, sizeof *all_parts);
    lane_space *all_lanes = carve(arena, &used, threads, sizeof *all_lanes);
    double     *uniform = carve(arena, &used, p->uniforms, sizeof *uniform);
    double     *rolls = carve(arena, &used, p->roll_space, sizeof *rolls);
    double     *packed = carve(arena, &used, p->packed, sizeof *packed);
    double     *turned = carve(arena, &used, p->packed, sizeof *turned);
    double     *gathered = carve(arena, &used, p->packed, sizeof *gathered);
    bool       *finite = carve(arena, &used, p->layers, sizeof *finite);
    if (arena != NULL) memset(uniform, 0, p->uniforms*sizeof *uniform);
    if (arena != NULL) *w = (workspace){threads, parts, uniform, packed, turned, rolls, gathered, finite, all_parts,
                                         all_lanes};
    for (size_t k = 0; k < parts; k++) {
        double *adjoint = carve(arena, &used, p->uniforms, sizeof *adjoint);
        double *weight = carve(arena, &used, p->packed, sizeof *weight);
        if (arena != NULL) all_parts[k] = (part){.adjoint = adjoint, .weight = weight};
    }
    for (size_t k = 0; k < threads; k++) carve_lane(p, arena == NULL ? NULL : &all_lanes[k], arena, &used);
    return used;
}

static workspace *workspace_new(const ad_program *p, size_t threads, size_t parts) {
    const size_t bytes = carve_all(p, NULL, NULL, threads, parts);
    char        *arena = aligned_alloc(ALIGNMENT, bytes);
    if (arena == NULL) return NULL;
    carve_all(p, (workspace *)(void *)arena, arena, threads, parts);
    return (workspace *)(void *)arena;
}

/* A spare one that is large enough, else a new one: in steady state nothing is allocated. */
static workspace *take_workspace(const ad_program *program, size_t threads, size_t parts) {
    ad_program *p = (ad_program *)(uintptr_t)program;       /* spare workspaces are no part of its value */
    for (size_t i = 0; i < AD__WORKSPACES; i++) {
        workspace *w = atomic_exchange(&p->spare[i], NULL);
        if (w == NULL) continue;
        if (w->threads >= threads && w->parts >= parts) return w;
        free(w);
    }
    return workspace_new(p, threads, parts);
}

static void give_back(const ad_program *program, workspace *w) {
    ad_program *p = (ad_program *)(uintptr_t)program;
    for (size_t i = 0; i < AD__WORKSPACES; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong(&p->spare[i], &none, w)) return;
    }
    free(w);
}

/* ---- messages --------------------------------------------------------------------------------- */

static ad_status report(const ad_program *p, const ad__failure *f) {
    char row[40] = "";
    if (f->row != SIZE_MAX) snprintf(row, sizeof row, "row %zu: ", f->row);
    if (f->status != AD_BRANCH_CHANGED)
        return ad__program_refuse(p, f->status, "%spick: the index %.17g is not a whole number in 0..%lu", row,
                                  f->number, (unsigned long)p->node[f->what].y - 2);
    const ad__guard *g = &p->guard[f->what];
    return ad__program_refuse(p, f->status, "%sthe branch on node #%lu (%s) was %s when recorded, and its "
                              "condition is now %.17g", row, (unsigned long)g->node,
                              ad__value_name(p->node[g->value].code), g->taken ? "taken" : "not taken", f->number);
}

static bool varying(const ad_program *p, uint32_t i) {
    return (p->node[i].flags & AD__VARYING) != 0;
}

/* ---- weights of layers ------------------------------------------------------------------------ */

/* m x n weights, of which weight (j, i) is weight[j*down + i*right], packed in panels of 8, 4, 2, 1 outputs. */
static void pack(size_t m, size_t n, const double weight[], size_t down, size_t right, double packed[]) {
    for (size_t start = 0, width = 8; start < m; start += width) {
        while (start + width > m) width /= 2;
        double *to = packed + start*n;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < width; j++) *to++ = weight[(start + j)*down + i*right];
    }
}

static void pack_layer(const ad_program *p, workspace *w, uint32_t k) {
    const ad__layer *l = &p->layer[k];
    const size_t     weights = (size_t)l->m*l->n;
    const double    *weight = w->uniform + l->straight;
    if (l->straight == NONE) {
        for (size_t i = 0; i < weights; i++) w->gathered[i] = w->uniform[p->word[l->weight + i]];
        weight = w->gathered;
    }
    pack(l->m, l->n, weight, l->n, 1, w->packed + l->packed);
    pack(l->n, l->m, weight, 1, l->n, w->turned + l->packed);
    w->finite[k] = p->kernels->finite(weights, weight);
}

/* The gradients of the weights of all layers, onto the adjoints of the values that they are. */
static void unpack_weights(const ad_program *p, part *sums) {
    for (uint32_t k = 0; k < p->layers; k++) {
        const ad__layer *l = &p->layer[k];
        const size_t     weights = (size_t)l->m*l->n;
        const double    *from = sums->weight + l->packed;
        if (l->straight != NONE)
            p->vector->add_scaled(weights, 1, from, sums->adjoint + l->straight);
        else
            for (size_t i = 0; i < weights; i++) sums->adjoint[p->word[l->weight + i]] += from[i];
    }
}

/* ---- a block, forward ------------------------------------------------------------------------- */

typedef struct block {
    const job  *j;
    lane_space *s;
    part       *sums;
    size_t      first, real, n;          /* first row; rows; lanes, a multiple of 8 */
} block;

static double *row_at(const block *b, uint32_t row) {
    return b->s->value + row*b->n;
}

/* The lanes of a value; a uniform one is written into `room` as a row first. */
static const double *lanes_of(const block *b, uint32_t i, double *room) {
    const ad_program *p = b->j->p;
    if (varying(p, i)) return row_at(b, p->node[i].home);
    p->kernels->fill(b->n, b->j->w->uniform[p->node[i].home], room);
    return room;
}

static double *spare(const block *b, size_t k) {
    return b->s->spare + k*b->n;
}

static void load_input(const block *b, const ad__node *node) {
    const size_t  columns = b->j->p->inputs;
    const double *from = b->j->input + b->first*columns + node->x;
    double       *to = row_at(b, node->home);
    for (size_t l = 0; l < b->real; l++) to[l] = from[l*columns];
    for (size_t l = b->real; l < b->n; l++) to[l] = to[b->real - 1];
}

static void forward_layer(const block *b, uint32_t k) {
    const ad_program *p = b->j->p;
    const ad__layer  *l = &p->layer[k];
    for (uint32_t j = 0; j < l->m; j++) {
        b->s->to[j] = row_at(b, p->node[p->word[l->output + j]].home);
        b->s->from[j] = b->s->zero;
    }
    p->layers_of->multiply(l->m, l->n, b->j->w->packed + l->packed, b->s->value, p->word + l->input_rows, b->n,
                           b->s->to, b->s->from);
}

static void forward_pick(const block *b, uint32_t i) {
    const ad_program *p = b->j->p;
    const ad__node   *node = &p->node[i];
    const uint32_t   *word = p->word + node->x;
    const size_t      n = node->y - 1;
    const double     *index = lanes_of(b, word[0], spare(b, 0));
    double           *v = row_at(b, node->home);
    for (size_t l = 0; l < b->n; l++) {
        const size_t at = ad__picked(index[l], n);
        if (at == n) {
            ad__program_fail(&b->sums->failed, AD_BAD_ARGUMENT, b->first + (l < b->real ? l : b->real - 1), i, index[l]);
            v[l] = NAN;
            continue;
        }
        const ad__node *from = &p->node[word[1 + at]];
        v[l] = from->flags & AD__VARYING ? row_at(b, from->home)[l] : b->j->w->uniform[from->home];
    }
}

/* Operands of a sum or a dot are written as rows; the few that are not varying go through `broadcast`. */
static const double **operand_rows(const block *b, const uint32_t *word, size_t n) {
    for (size_t k = 0; k < n; k++) b->s->operand[k] = lanes_of(b, word[k], b->s->broadcast + k*b->n);
    return b->s->operand;
}

static void forward_sum(const block *b, const ad__node *node, double *v) {
    const double **x = operand_rows(b, b->j->p->word + node->x, node->y);
    b->j->p->kernels->sum(node->y, x, b->n, v);
}

static void forward_dot(const block *b, const ad__node *node, double *v) {
    const double **x = operand_rows(b, b->j->p->word + node->x, 2*(size_t)node->y);
    b->j->p->kernels->dot(node->y, x, x + node->y, b->n, v);
}

static void forward_other(const block *b, uint32_t i) {
    const ad_program  *p = b->j->p;
    const ad__kernels *k = p->kernels;
    const ad__node    *node = &p->node[i];
    const uint32_t    *word = p->word + node->x;
    double            *v = row_at(b, node->home);
    switch (node->code) {
    case AD__ROW_INPUT: load_input(b, node); break;
    case AD__LAYER_DOT: forward_layer(b, node->x); break;
    case AD__sum: forward_sum(b, node, v); break;
    case AD__dot: forward_dot(b, node, v); break;
    case AD__logsumexp: k->logsumexp(node->y, operand_rows(b, word, node->y), b->n, v, spare(b, 0)); break;
    case AD__where:
        k->where(b->n, lanes_of(b, word[0], spare(b, 0)), lanes_of(b, word[1], spare(b, 1)),
                 lanes_of(b, word[2], spare(b, 2)), v);
        break;
    default: forward_pick(b, i);
    }
}

static void forward(const block *b) {
    const ad_program *p = b->j->p;
    for (uint32_t k = p->uniform_steps; k < p->steps; k++) {
        const uint32_t  i = p->step[k];
        const ad__node *node = &p->node[i];
        const ad__row_number row = node->code < AD__CODES ? ad__code_row(node->code) : AD__ROWS;
        if (row == AD__ROWS) {
            forward_other(b, i);
            continue;
        }
        const double *x = lanes_of(b, node->x, spare(b, 0));
        const double *y = ad__rows[row].operands == 2 ? lanes_of(b, node->y, spare(b, 1)) : x;
        p->kernels->value[row](b->n, x, y, row_at(b, node->home));
    }
}

static void check_guards(const block *b) {
    const ad_program *p = b->j->p;
    for (uint32_t g = 0; g < p->guards; g++) {
        if (!varying(p, p->guard[g].value)) continue;
        const double *c = row_at(b, p->node[p->guard[g].value].home);
        for (size_t l = 0; l < b->real; l++)
            if ((c[l] != 0) != p->guard[g].taken) ad__program_turn(&b->sums->failed, p, b->first + l, g, c[l]);
    }
}

/* ---- a block, in reverse ---------------------------------------------------------------------- */

/* Adjoint rows, by the row of their value. */
static double *adjoint_row(const block *b, uint32_t row) {
    return b->s->slot[row] == NONE ? NULL : b->s->adjoint + b->s->slot[row]*b->n;
}

static double *give_row(const block *b, uint32_t row) {
    lane_space *s = b->s;
    s->slot[row] = s->free_slots > 0 ? s->free_slot[--s->free_slots] : s->slots++;
    return s->adjoint + s->slot[row]*b->n;
}

static void take_row(const block *b, uint32_t row) {
    b->s->free_slot[b->s->free_slots++] = b->s->slot[row];
    b->s->slot[row] = NONE;
}

/* Where a contribution is read from and written to: the value's adjoint row, new ones from zeros. */
static double *target(const block *b, uint32_t row, const double **in) {
    double *out = adjoint_row(b, row);
    *in = out;
    if (out == NULL) {
        *in = b->s->zero;
        out = give_row(b, row);
    }
    return out;
}

/* Does anything that is asked for stand behind this value? */
static bool wanted(const block *b, uint32_t i) {
    const uint8_t flags = b->j->p->node[i].flags;
    return b->j->jacobian != NULL ? (flags & AD__VARYING) && (flags & AD__ON_ACTIVE) : (flags & AD__ON_PARAM) != 0;
}

/* Run `push` with the right in and out for the operand `i`: its adjoint row, or, when it is uniform, a spare
 * row whose lanes are then added up. */
#define PUSH_TO(i, ...)                                                                          \
    do {                                                                                         \
        const ad__node *to_node = &p->node[i];                                                   \
        const double   *in = b->s->zero;                                                         \
        double         *out = spare(b, 3);                                                       \
        if (to_node->flags & AD__VARYING) out = target(b, to_node->home, &in);                   \
        __VA_ARGS__;                                                                             \
        if (!(to_node->flags & AD__VARYING))                                                     \
            b->sums->adjoint[to_node->home] += p->kernels->total(b->n, out);                     \
    } while (0)

static void reverse_row(const block *b, const ad__node *node, ad__row_number row, const double *a) {
    const ad_program *p = b->j->p;
    const double     *v = row_at(b, node->home), *x = lanes_of(b, node->x, spare(b, 0));
    if (ad__rows[row].operands == 1) {
        if (wanted(b, node->x)) PUSH_TO(node->x, p->kernels->push_x[row](b->n, x, x, v, a, in, out));
        return;
    }
    const double *y = lanes_of(b, node->y, spare(b, 1));
    if (wanted(b, node->x)) PUSH_TO(node->x, p->kernels->push_x[row](b->n, x, y, v, a, in, out));
    if (wanted(b, node->y)) PUSH_TO(node->y, p->kernels->push_y[row](b->n, x, y, v, a, in, out));
}

static bool rows_finite(const ad_program *p, size_t n, const double *const x[], size_t lanes) {
    for (size_t i = 0; i < n; i++)
        if (!p->kernels->finite(lanes, x[i])) return false;
    return true;
}

/* Adjoint rows of the members times the transposed weights, onto the adjoint rows of the operands. */
static void push_operands(const block *b, const ad__layer *l, const double turned[]) {
    const ad_program *p = b->j->p;
    lane_space       *s = b->s;
    const uint32_t   *member = p->word + l->output, *input = p->word + l->input;
    for (uint32_t j = 0; j < l->m; j++) {
        const uint32_t row = p->node[member[j]].home;
        if (s->slot[row] == NONE) p->kernels->fill(b->n, 0, give_row(b, row));
        s->index[j] = s->slot[row];
    }
    for (uint32_t i = 0; i < l->n; i++) {
        s->from[i] = s->zero;
        s->to[i] = wanted(b, input[i]) ? target(b, p->node[input[i]].home, &s->from[i]) : spare(b, 3);
    }
    p->layers_of->multiply(l->n, l->m, turned, s->adjoint, s->index, b->n, s->to, s->from);
}

static void free_members(const block *b, const ad__layer *l) {
    const ad_program *p = b->j->p;
    for (uint32_t j = 0; j < l->m; j++) {
        const uint32_t row = p->node[p->word[l->output + j]].home;
        if (b->s->slot[row] != NONE) take_row(b, row);
    }
}

/* Members that nothing arrived at take part with adjoint 0. Where a factor is not finite, 0 times it would be
 * NaN: then each product is pushed alone, by the kernel that asks. What an operand receives depends on the
 * weights alone, so that an infinity in one lane does not change the rounding of its neighbours. */
static void reverse_layer(const block *b, uint32_t k) {
    const ad_program *p = b->j->p;
    const ad__layer  *l = &p->layer[k];
    lane_space       *s = b->s;
    const uint32_t   *member = p->word + l->output, *input = p->word + l->input, *weight = p->word + l->weight;
    const size_t      n = b->n;
    const bool        gradient = b->j->jacobian == NULL;
    const bool        weights = gradient && l->on_param, operands = gradient ? l->operands_on_param : l->on_active;
    bool              arrived = false;
    for (uint32_t j = 0; j < l->m; j++) arrived |= s->slot[p->node[member[j]].home] != NONE;
    if (!arrived) return;
    for (uint32_t i = 0; i < l->n; i++) s->operand[i] = row_at(b, p->node[input[i]].home);
    const bool fast_weights = weights && rows_finite(p, l->n, s->operand, n), fast = b->j->w->finite[k];
    for (uint32_t j = 0; j < l->m; j++) {
        double *a = adjoint_row(b, p->node[member[j]].home);
        s->from[j] = a != NULL ? a : s->zero;
    }
    if (fast_weights)
        p->layers_of->gradient(l->m, l->n, s->from, s->operand, n, b->sums->weight + l->packed);
    for (uint32_t j = 0; j < l->m && weights && !fast_weights; j++)
        for (uint32_t i = 0; i < l->n; i++) {
            p->kernels->push_product(n, s->from[j], s->operand[i], s->zero, spare(b, 3));
            b->sums->weight[l->packed + (size_t)j*l->n + i] += p->kernels->total(n, spare(b, 3));
        }
    if (operands && fast) push_operands(b, l, b->j->w->turned + l->packed);
    for (uint32_t j = 0; j < l->m && operands && !fast; j++)
        for (uint32_t i = 0; i < l->n; i++) {
            if (!wanted(b, input[i])) continue;
            const double *in;
            double       *out = target(b, p->node[input[i]].home, &in);
            p->kernels->fill(n, b->j->w->uniform[weight[(size_t)j*l->n + i]], spare(b, 2));
            p->kernels->push_product(n, s->from[j], spare(b, 2), in, out);
        }
    free_members(b, l);
}

static void reverse_pick(const block *b, const ad__node *node, const double *a) {
    const ad_program *p = b->j->p;
    const uint32_t   *word = p->word + node->x;
    const size_t      n = node->y - 1;
    const double     *index = lanes_of(b, word[0], spare(b, 0));
    for (size_t k = 0; k < n; k++) {
        const uint32_t row = p->node[word[1 + k]].home;
        if (varying(p, word[1 + k]) && wanted(b, word[1 + k]) && b->s->slot[row] == NONE)
            p->kernels->fill(b->n, 0, give_row(b, row));
    }
    for (size_t l = 0; l < b->real; l++) {
        const size_t at = ad__picked(index[l], n);
        if (at == n || !wanted(b, word[1 + at])) continue;
        const ad__node *to = &p->node[word[1 + at]];
        if (to->flags & AD__VARYING) adjoint_row(b, to->home)[l] += a[l];
        else b->sums->adjoint[to->home] += a[l];
    }
}

static void reverse_other(const block *b, const ad__node *node, const double *a) {
    const ad_program  *p = b->j->p;
    const ad__kernels *k = p->kernels;
    const uint32_t    *word = p->word + node->x;
    const size_t       n = node->y;
    const double      *v = row_at(b, node->home);
    switch (node->code) {
    case AD__sum:
        for (size_t i = 0; i < n; i++)
            if (wanted(b, word[i])) PUSH_TO(word[i], k->push(b->n, a, in, out));
        break;
    case AD__dot:
        for (size_t i = 0; i < 2*n; i++) {
            const uint32_t other = word[i < n ? i + n : i - n];
            if (wanted(b, word[i]))
                PUSH_TO(word[i], k->push_product(b->n, a, lanes_of(b, other, spare(b, 0)), in, out));
        }
        break;
    case AD__logsumexp:
        for (size_t i = 0; i < n; i++)
            if (wanted(b, word[i]))
                PUSH_TO(word[i], k->push_logsumexp(b->n, lanes_of(b, word[i], spare(b, 0)), v, a, in, out));
        break;
    case AD__where:
        for (size_t i = 1; i < 3; i++)
            if (wanted(b, word[i]))
                PUSH_TO(word[i], k->push_where(b->n, lanes_of(b, word[0], spare(b, 0)), i == 1, a, in, out));
        break;
    default: reverse_pick(b, node, a);
    }
}

/* From an output's row, whose adjoint is set to 1 in the lanes that are rows, back to the leaves. */
static void reverse(const block *b, uint32_t output) {
    const ad_program *p = b->j->p;
    lane_space       *s = b->s;
    memset(s->slot, 0xff, p->rows*sizeof *s->slot);
    s->slots = s->free_slots = 0;
    double *seed = give_row(b, p->node[output].home);
    for (size_t l = 0; l < b->n; l++) seed[l] = l < b->real ? 1 : 0;
    for (uint32_t k = p->steps; k-- > p->uniform_steps;) {
        const ad__node *node = &p->node[p->step[k]];
        if (node->code == AD__ROW_INPUT) continue;
        if (node->code == AD__LAYER_DOT) {
            reverse_layer(b, node->x);
            continue;
        }
        const double *a = adjoint_row(b, node->home);
        if (a == NULL) continue;
        const ad__row_number row = node->code < AD__CODES ? ad__code_row(node->code) : AD__ROWS;
        if (row < AD__ROWS) reverse_row(b, node, row, a);
        else reverse_other(b, node, a);
        take_row(b, node->home);
    }
}

/* ---- a block for each kind of call ------------------------------------------------------------ */

static void write_outputs(const block *b) {
    const ad_program *p = b->j->p;
    for (size_t k = 0; k < p->outputs; k++) {
        const ad__node *node = &p->node[p->output[k]];
        double         *to = b->j->output + b->first*p->outputs + k;
        for (size_t l = 0; l < b->real; l++)
            to[l*p->outputs] = node->flags & AD__VARYING ? row_at(b, node->home)[l] : b->j->w->uniform[node->home];
    }
}

static void add_gradient(const block *b) {
    const ad_program *p = b->j->p;
    const ad__node   *node = &p->node[p->output[0]];
    if (!(node->flags & AD__VARYING)) return;               /* the same in all rows: seeded once, in the end */
    for (size_t l = 0; l < b->real; l++) b->sums->sum += row_at(b, node->home)[l];
    if (node->flags & AD__ON_PARAM) reverse(b, p->output[0]);
}

static void write_jacobian(const block *b) {
    const ad_program *p = b->j->p;
    const size_t      columns = p->outputs*p->active;
    double           *to = b->j->jacobian + b->first*columns;
    memset(to, 0, b->real*columns*sizeof *to);
    for (size_t k = 0; k < p->outputs; k++) {
        if (!(p->node[p->output[k]].flags & AD__ON_ACTIVE)) continue;
        reverse(b, p->output[k]);
        for (uint32_t i = p->uniform_steps; i < p->steps; i++) {
            const ad__node *node = &p->node[p->step[i]];
            if (node->code != AD__ROW_INPUT || node->x >= p->active) continue;
            const double *a = adjoint_row(b, node->home);
            for (size_t l = 0; a != NULL && l < b->real; l++) to[l*columns + k*p->active + node->x] = a[l];
        }
    }
}

static void run_block(const job *j, lane_space *s, part *sums, size_t number) {
    const size_t first = number*j->p->block, left = j->rows - first;
    const size_t real = left < j->p->block ? left : j->p->block;
    const block  b = {j, s, sums, first, real, (real + 7)/8*8};
    forward(&b);
    check_guards(&b);
    if (sums->failed.status != AD_OK) return;
    if (j->output != NULL) write_outputs(&b);
    else if (j->jacobian != NULL) write_jacobian(&b);
    else add_gradient(&b);
}

static void run_part(const job *j, lane_space *s, size_t number, size_t parts) {
    part        *sums = &j->w->part[number];
    const size_t from = j->blocks*number/parts, end = j->blocks*(number + 1)/parts;
    sums->sum = 0;
    sums->failed = (ad__failure){AD_OK, SIZE_MAX, 0, 0};
    if (j->reverse) {
        memset(sums->adjoint, 0, j->p->uniforms*sizeof *sums->adjoint);
        memset(sums->weight, 0, j->p->packed*sizeof *sums->weight);
    }
    for (size_t k = from; k < end && sums->failed.status == AD_OK; k++) run_block(j, s, sums, k);
}

static void run_parts(const job *j, size_t parts, size_t threads) {
#ifdef _OPENMP
    if (threads > 1) {
#pragma omp parallel for schedule(dynamic) num_threads((int)threads)
        for (size_t k = 0; k < parts; k++) run_part(j, &j->w->lane[omp_get_thread_num()], k, parts);
        return;
    }
#endif
    (void)threads;
    for (size_t k = 0; k < parts; k++) run_part(j, &j->w->lane[0], k, parts);
}

static ad_status check_uniform(const job *j, ad__failure *f) {
    const ad_program *p = j->p;
    ad__uniform_forward(p, j->param, j->w->uniform, j->w->rolls, f);
    for (uint32_t g = 0; g < p->guards; g++) {
        const ad__node *node = &p->node[p->guard[g].value];
        if (node->flags & AD__VARYING) continue;             /* its home is a row */
        const double c = j->w->uniform[node->home];
        if ((c != 0) != p->guard[g].taken) ad__program_turn(f, p, SIZE_MAX, g, c);
    }
    return f->status;
}

/* Forward (and, where asked for, in reverse) over all rows. The parts are left in the workspace. */
static ad_status run(job *j, size_t parts, size_t threads) {
    ad__failure f = {AD_OK, SIZE_MAX, 0, 0};
    if (check_uniform(j, &f) != AD_OK) return report(j->p, &f);
    for (uint32_t k = 0; k < j->p->layers; k++) pack_layer(j->p, j->w, k);
    run_parts(j, parts, threads);
    for (size_t k = 0; k < parts; k++)
        if (j->w->part[k].failed.status != AD_OK) return report(j->p, &j->w->part[k].failed);
    return AD_OK;
}

static size_t count_parts(size_t blocks) {
    const size_t parts = (blocks + BLOCKS_A_PART - 1)/BLOCKS_A_PART;
    return parts < 1 ? 1 : parts < PARTS ? parts : PARTS;
}

static size_t count_threads(size_t parts) {
#ifdef _OPENMP
    const size_t threads = (size_t)omp_get_max_threads();
    return threads < parts ? threads : parts;
#else
    (void)parts;
    return 1;
#endif
}

static ad_status check_call(const ad_program *p, const char *what, const double param[], size_t rows,
                            const double input[], size_t columns, bool results) {
    if (p->params > 0 && param == NULL)
        return ad__program_refuse(p, AD_BAD_ARGUMENT, "%s: param is NULL, and there are %zu params", what, p->params);
    if (p->inputs > 0 && rows > 0 && input == NULL)
        return ad__program_refuse(p, AD_BAD_ARGUMENT, "%s: input is NULL, and there are %zu rows of %zu inputs", what,
                                  rows, p->inputs);
    if (!results) return ad__program_refuse(p, AD_BAD_ARGUMENT, "%s: the array for the results is NULL", what);
    const size_t widest = p->inputs > columns ? p->inputs : columns;
    if (widest > 0 && rows > SIZE_MAX/sizeof(double)/widest)
        return ad__program_refuse(p, AD_BAD_ARGUMENT, "%s: %zu rows of %zu numbers are more than memory can hold", what,
                                  rows, widest);
    return AD_OK;
}

static ad_status call(job *j, size_t *parts) {
    j->blocks = j->rows/j->p->block + (j->rows % j->p->block > 0);
    if (j->p->rows == 0 && j->reverse) j->blocks = 1;        /* nothing varies: any number of rows is like one */
    *parts = count_parts(j->blocks);
    const size_t threads = count_threads(*parts);
    j->w = take_workspace(j->p, threads, *parts);
    if (j->w == NULL) return ad__program_refuse(j->p, AD_NO_MEMORY, "out of memory: no space for the lanes");
    return run(j, *parts, threads);
}

/* ---- the public calls ------------------------------------------------------------------------- */

ad_status ad_program_values(const ad_program *p, const double param[], size_t rows, const double input[],
                            double output[]) {
    if (p == NULL) return AD_BAD_ARGUMENT;
    const ad_status bad = check_call(p, "ad_program_values", param, rows, input, p->outputs,
                                     output != NULL || rows == 0);
    if (bad != AD_OK || rows == 0) return bad;
    job             j = {.p = p, .param = param, .input = input, .rows = rows, .output = output};
    size_t          parts;
    const ad_status status = call(&j, &parts);
    if (j.w != NULL) give_back(p, j.w);
    return status;
}

ad_status ad_program_jacobian(const ad_program *p, const double param[], size_t rows, const double input[],
                              double jacobian[]) {
    if (p == NULL) return AD_BAD_ARGUMENT;
    if (p->active > 0 && p->outputs > SIZE_MAX/sizeof(double)/p->active)
        return ad__program_refuse(p, AD_BAD_ARGUMENT, "ad_program_jacobian: %zu x %zu derivatives are more than "
                                  "memory can hold", p->outputs, p->active);
    const bool      wanted_any = p->active > 0 && rows > 0;
    const ad_status bad = check_call(p, "ad_program_jacobian", param, rows, input, p->outputs*p->active,
                                     jacobian != NULL || !wanted_any);
    if (bad != AD_OK || rows == 0 || p->active == 0) return bad;
    job             j = {.p = p, .param = param, .input = input, .rows = rows, .jacobian = jacobian};
    size_t          parts;
    const ad_status status = call(&j, &parts);
    if (j.w != NULL) give_back(p, j.w);
    return status;
}

/* The sums of the parts, in order; then weights of layers reach their uniform values, and those theirs. */
static void finish_gradient(const job *j, size_t parts, double *mean, double grad[]) {
    const ad_program *p = j->p;
    part             *all = j->w->part;
    const ad__node   *output = &p->node[p->output[0]];
    for (size_t k = 1; k < parts; k++) {
        all[0].sum += all[k].sum;
        p->vector->add_scaled(p->uniforms, 1, all[k].adjoint, all[0].adjoint);
        p->vector->add_scaled(p->packed, 1, all[k].weight, all[0].weight);
    }
    const bool   varies = (output->flags & AD__VARYING) != 0;
    const double rows = varies ? (double)j->rows : 1;
    if (!varies) all[0].adjoint[output->home] += 1;
    unpack_weights(p, &all[0]);
    ad__uniform_reverse(p, j->w->uniform, all[0].adjoint, j->w->rolls);
    for (size_t i = 0; i < p->params; i++) grad[i] = all[0].adjoint[p->constants + i]/rows;
    *mean = varies ? all[0].sum/rows : j->w->uniform[output->home];
}

ad_status ad_program_gradient(const ad_program *p, const double param[], size_t rows, const double input[],
                              double *mean, double grad[]) {
    if (p == NULL) return AD_BAD_ARGUMENT;
    if (rows == 0)
        return ad__program_refuse(p, AD_BAD_ARGUMENT, "ad_program_gradient: a mean over no rows was asked for");
    const ad_status bad = check_call(p, "ad_program_gradient", param, rows, input, 0,
                                     mean != NULL && (grad != NULL || p->params == 0));
    if (bad != AD_OK) return bad;
    job             j = {.p = p, .param = param, .input = input, .rows = rows, .reverse = true};
    size_t          parts;
    const ad_status status = call(&j, &parts);
    if (status == AD_OK) finish_gradient(&j, parts, mean, grad);
    if (j.w != NULL) give_back(p, j.w);
    return status;
}
