/* lanes.c - a program over many examples.
 *
 * Rows of the batch are taken in blocks, a lane each; a block makes all moves of the plan forward
 * and then, where adjoints are asked for, in reverse (block.c). Uniform values are computed once
 * before, and their adjoints, which the blocks add up, are swept once after.
 *
 * Order. Blocks are shared out to `parts` in a way that depends on the number of rows alone. A part
 * goes through its blocks in order with sums of its own; the sums of the parts are added in order.
 * Threads take parts: whichever takes which, the bits are the same. The last block is padded by
 * repeating its last row, with adjoint 0, to a multiple of eight lanes.
 *
 * Forks. OpenMP keeps its threads for the next call. A fork leaves them behind, GNU's OpenMP does
 * not know it, and the child would wait for them for ever. So a child of a process that had
 * threads, whoever used them, has one: the bits are the same. Where there were none, nothing was
 * left behind. */
#include "base/text.h"
#include "program/block.h"
#include "program/single.h"
#include "program/uniform.h"

#include <stdlib.h>
#ifdef _OPENMP
#include <omp.h>
#include <pthread.h>
#ifdef __has_include
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define SINGLE_THREADED (__libc_single_threaded != 0)
#endif
#endif
#ifndef SINGLE_THREADED
#define SINGLE_THREADED false /* nobody knows */
#endif
#endif

enum { PARTS = 16, BLOCKS_A_PART = 4, ALIGNMENT = 64, MORE_POINTERS = 64 };

typedef struct workspace {
    size_t          bytes;
    /* values; weights as `multiply` wants them, and transposed */
    double         *uniform, *packed, *turned;
    double         *rolls;    /* what rolls compute in */
    double         *gathered; /* weights of a layer, on their way there */
    bool           *finite;   /* are all weights of the layer finite? */
    ad__sums       *part;
    ad__space      *space; /* of each thread */
    ad__single_work single;
} workspace;

/* What a call wants. */
typedef struct job {
    const ad_program *p;
    ad__purpose       purpose;
    const double     *param, *input;
    size_t            rows;
    double           *result; /* outputs, or the Jacobian */
    const ad__plan   *plan;
    const ad__single *single; /* not NULL: one example, by itself */
    workspace        *w;
    size_t            blocks, parts, threads;
} job;

/* ---- forks ----------------------------------------------------------------------------------- */

#ifdef _OPENMP
static atomic_bool threads_now, threads_lost;

static void before_fork(void) {
    atomic_store(&threads_now, !SINGLE_THREADED);
}

static void in_child(void) {
    if (atomic_load(&threads_now)) atomic_store(&threads_lost, true);
}

__attribute__((constructor)) static void watch_forks(void) {
    pthread_atfork(before_fork, NULL, in_child);
}
#endif

/* ---- workspaces ------------------------------------------------------------------------------ */

/* Cut `bytes` off an arena, or only count them when there is none yet. */
static void *carve(char *arena, size_t *used, size_t count, size_t bytes) {
    void *at = arena == NULL ? NULL : arena + *used;
    *used += (count * bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return at;
}

static void carve_single(const job *j, ad__single_work *work, char *arena, size_t *used) {
    const size_t    n = j->single->pointers;
    ad__single_work s = {.space = carve(arena, used, j->single->space, sizeof *s.space)};
    s.operand = carve(arena, used, n, sizeof *s.operand);
    s.from = carve(arena, used, n, sizeof *s.from);
    s.to = carve(arena, used, n, sizeof *s.to);
    if (arena == NULL) return;
    *work = s;
}

static void carve_space(const job *j, ad__space *space, char *arena, size_t *used) {
    const size_t row = j->plan->block * sizeof(double),
                 pointers = j->p->most_operands + MORE_POINTERS;
    ad__space s = {.pointers = pointers};
    s.row = carve(arena, used, j->plan->rows, row);
    s.broadcast = carve(arena, used, j->plan->broadcast, row);
    s.operand = carve(arena, used, pointers, sizeof *s.operand);
    s.from = carve(arena, used, pointers, sizeof *s.from);
    s.to = carve(arena, used, pointers, sizeof *s.to);
    if (arena == NULL) return;
    *space = s;
}

static size_t carve_all(const job *j, workspace *w, char *arena) {
    const ad_program *p = j->p;
    const bool        gradient = j->purpose == AD__GRADIENT;
    const size_t      homes = j->single != NULL ? j->single->homes : p->uniforms;
    size_t            used = 0;
    carve(arena, &used, 1, sizeof *w);
    ad__sums  *part = carve(arena, &used, j->parts, sizeof *part);
    ad__space *space = carve(arena, &used, j->threads, sizeof *space);
    double    *uniform = carve(arena, &used, homes, sizeof *uniform);
    double    *rolls = carve(arena, &used, p->roll_space, sizeof *rolls);
    double    *packed = carve(arena, &used, p->packed, sizeof *packed);
    double    *turned = carve(arena, &used, p->packed, sizeof *turned);
    double    *gathered = carve(arena, &used, p->packed, sizeof *gathered);
    bool      *finite = carve(arena, &used, p->layers, sizeof *finite);
    if (arena != NULL)
        *w = (workspace){w->bytes, uniform, packed, turned, rolls,
                         gathered, finite,  part,   space,  {0}};
    if (j->single != NULL) carve_single(j, arena == NULL ? NULL : &w->single, arena, &used);
    for (size_t k = 0; k < j->parts; k++) {
        double *adjoint = carve(arena, &used, gradient ? homes : 0, sizeof *adjoint);
        double *weight = carve(arena, &used, gradient ? p->packed : 0, sizeof *weight);
        if (arena != NULL) part[k] = (ad__sums){.adjoint = adjoint, .weight = weight};
    }
    for (size_t k = 0; k < j->threads; k++)
        carve_space(j, arena == NULL ? NULL : &space[k], arena, &used);
    return used;
}

/* A spare one that is large enough, else a new one: in steady state nothing is allocated. */
static workspace *take_workspace(const job *j) {
    ad_program  *p = (ad_program *)(uintptr_t)j->p; /* spare workspaces are no part of its value */
    const size_t bytes = carve_all(j, NULL, NULL);
    workspace   *w = NULL;
    for (size_t i = 0; i < AD__WORKSPACES && w == NULL; i++) {
        w = atomic_exchange(&p->spare[i], NULL);
        if (w == NULL || w->bytes >= bytes) continue;
        free(w);
        w = NULL;
    }
    if (w == NULL) {
        w = aligned_alloc(ALIGNMENT, bytes);
        if (w == NULL) return NULL;
        memset(w, 0, bytes); /* rolls read past what is there, and drop what they make of it */
        w->bytes = bytes;
    }
    carve_all(j, w, (char *)w);
    return w;
}

static void give_back(const ad_program *program, workspace *w) {
    ad_program *p = (ad_program *)(uintptr_t)program;
    for (size_t i = 0; i < AD__WORKSPACES; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong(&p->spare[i], &none, w)) return;
    }
    free(w);
}

/* ---- messages -------------------------------------------------------------------------------- */

static ad_status report(const ad_program *p, const ad__failure *f) {
    char row[40] = "";
    if (f->row != SIZE_MAX) snprintf(row, sizeof row, "row %zu: ", f->row);
    if (f->status != AD_BRANCH_CHANGED)
        return ad__program_refuse(p, f->status,
                                  "%spick: the index %.17g is not a whole number in 0..%lu", row,
                                  f->number, (unsigned long)p->node[f->value].y - 2);
    const ad__guard *g = &p->guard[f->guard];
    const uint8_t    code = p->node[g->value].code;
    const bool       two = ad__guard_sides(p, f->guard);
    char             text[240];
    ad__branch_turns(sizeof text, text, g->node,
                     two ? ad__rows[ad__code_row(code)].shown : ad__value_name(p, g->value),
                     two ? f->side : NULL, f->number, g->taken);
    return ad__program_refuse(p, f->status, "%s%s", row, text);
}

/* ---- weights of layers ----------------------------------------------------------------------- */

/* m x n weights, of which weight (j, i) is weight[j*down + i*right], packed in panels of 8, 4, 2, 1
 * outputs. */
static void pack(size_t m, size_t n, const double weight[], size_t down, size_t right,
                 double packed[]) {
    for (size_t start = 0, width = 8; start < m; start += width) {
        while (start + width > m) width /= 2;
        double *to = packed + start * n;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < width; j++) *to++ = weight[(start + j) * down + i * right];
    }
}

static bool taken_directly(const job *j, uint32_t k) {
    return j->single != NULL && j->single->direct[k];
}

static void pack_layer(const job *j, uint32_t k) {
    const ad_program *p = j->p;
    workspace        *w = j->w;
    const ad__layer  *l = &p->layer[k];
    const size_t      weights = (size_t)l->m * l->n;
    const double     *weight = w->uniform + l->straight;
    if (taken_directly(j, k) || l->like != k) {
        w->finite[k] = l->like == k || w->finite[l->like];
        return;
    }
    if (l->straight == UINT32_MAX) {
        for (size_t i = 0; i < weights; i++) w->gathered[i] = w->uniform[p->word[l->weight + i]];
        weight = w->gathered;
    }
    pack(l->m, l->n, weight, l->n, 1, w->packed + l->packed);
    pack(l->n, l->m, weight, 1, l->n, w->turned + l->packed);
    w->finite[k] = p->kernels->finite(weights, weight);
}

/* The gradients of the weights of all layers, onto the adjoints of the values that they are. */
static void unpack_weights(const job *j, ad__sums *sums) {
    const ad_program *p = j->p;
    for (uint32_t k = 0; k < p->layers; k++) {
        const ad__layer *l = &p->layer[k];
        const size_t     weights = (size_t)l->m * l->n;
        const double    *from = sums->weight + l->packed;
        if (l->like != k || taken_directly(j, k)) continue;
        if (l->straight != UINT32_MAX)
            p->vector->add_scaled(weights, 1, from, sums->adjoint + l->straight);
        else
            for (size_t i = 0; i < weights; i++) sums->adjoint[p->word[l->weight + i]] += from[i];
    }
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void write_outputs(const ad__block *b, double *to) {
    const size_t outputs = b->p->outputs;
    for (size_t c = 0; c < outputs; c++) {
        const double *from = ad__block_output(b, c);
        for (size_t l = 0; l < b->real; l++) to[l * outputs + c] = from[l];
    }
}

static void add_gradient(const ad__block *b) {
    const ad__node *node = &b->p->node[b->p->output[0]];
    if (!(node->flags & AD__VARYING)) return; /* the same in all rows: seeded once, in the end */
    const double *output = ad__block_output(b, 0);
    for (size_t l = 0; l < b->real; l++) b->sums->output += output[l];
    if (node->flags & AD__ON_PARAM) ad__block_reverse(b, b->plan->sweep);
}

static void write_jacobian(const ad__block *b, double *to) {
    const size_t columns = b->p->outputs * b->p->active, most = b->s->pointers;
    for (size_t k = 0; k < b->plan->sweeps; k++) {
        const ad__sweep *sweep = &b->plan->sweep[k];
        const uint32_t  *row = b->plan->word + sweep->active;
        const size_t first = sweep->output * b->p->active, count = sweep->outputs * b->p->active;
        ad__block_reverse(b, sweep);
        for (size_t c = 0, n; c < count; c += n) {
            n = count - c < most ? count - c : most;
            for (size_t i = 0; i < n; i++) b->s->operand[i] = b->s->row + row[c + i] * b->n;
            b->p->columns_of->unload(n, b->real, b->s->operand, to + first + c, columns);
        }
    }
}

static void run_block(const job *j, const ad__space *s, ad__sums *sums, size_t number,
                      bool masks_zero_adjoint) {
    const ad_program *p = j->p;
    const workspace  *w = j->w;
    const size_t      first = number * j->plan->block, left = j->rows - first;
    const size_t      real = left < j->plan->block ? left : j->plan->block;
    const ad__block   b = {
          p, j->plan, w->uniform, w->packed, w->turned,          w->finite,
          s, sums,    first,      real,      (real + 7) / 8 * 8, masks_zero_adjoint,
    };
    ad__block_forward(&b, p->inputs > 0 ? j->input + first * p->inputs : NULL);
    if (sums->failed.status != AD_OK) return;
    switch (j->purpose) {
    case AD__VALUES: write_outputs(&b, j->result + first * p->outputs); break;
    case AD__GRADIENT: add_gradient(&b); break;
    default: write_jacobian(&b, j->result + first * p->outputs * p->active);
    }
}

static void run_blocks(const job *j, const ad__space *s, size_t number, bool masks_zero_adjoint) {
    ad__sums    *sums = &j->w->part[number];
    const size_t from = j->blocks * number / j->parts, end = j->blocks * (number + 1) / j->parts;
    sums->output = 0;
    sums->failed = (ad__failure){.status = AD_OK, .row = SIZE_MAX};
    if (j->purpose == AD__GRADIENT) {
        memset(sums->adjoint, 0, j->p->uniforms * sizeof *sums->adjoint);
        memset(sums->weight, 0, j->p->packed * sizeof *sums->weight);
    }
    for (size_t k = from; k < end && sums->failed.status == AD_OK; k++)
        run_block(j, s, sums, k, masks_zero_adjoint);
}

/* A product with 0 that should have been left out shows in the end as NaN: then all again, with
 * care. */
static void run_part(const job *j, const ad__space *s, size_t number) {
    run_blocks(j, s, number, false);
    const ad__sums *sums = &j->w->part[number];
    if (j->purpose == AD__GRADIENT && sums->failed.status == AD_OK &&
        !j->p->kernels->finite(j->p->packed, sums->weight))
        run_blocks(j, s, number, true);
}

static void run_parts(const job *j) {
#ifdef _OPENMP
    if (j->threads > 1) {
#pragma omp parallel for schedule(dynamic) num_threads((int)j->threads)
        for (size_t k = 0; k < j->parts; k++) run_part(j, &j->w->space[omp_get_thread_num()], k);
        return;
    }
#endif
    for (size_t k = 0; k < j->parts; k++) run_part(j, j->w->space, k);
}

static ad_status check_uniform(const job *j, ad__failure *f) {
    const ad_program *p = j->p;
    ad__uniform_forward(p, j->param, j->w->uniform, j->w->rolls, f);
    for (uint32_t g = 0; g < p->guards; g++) {
        const ad__node *node = &p->node[p->guard[g].value];
        if (node->flags & AD__VARYING) continue; /* its home is a row */
        const double c = j->w->uniform[node->home];
        const bool   two = ad__guard_sides(p, g);
        if ((c != 0) != p->guard[g].taken)
            ad__program_turn(f, p, SIZE_MAX, g, c, two ? j->w->uniform[p->node[node->x].home] : 0,
                             two ? j->w->uniform[p->node[node->y].home] : 0);
    }
    return f->status;
}

static size_t count_parts(size_t blocks) {
    const size_t parts = (blocks + BLOCKS_A_PART - 1) / BLOCKS_A_PART;
    return parts < 1 ? 1 : parts < PARTS ? parts : PARTS;
}

static size_t count_threads(size_t parts) {
#ifdef _OPENMP
    const size_t threads = atomic_load(&threads_lost) ? 1 : (size_t)omp_get_max_threads();
    return threads < parts ? threads : parts;
#else
    (void)parts;
    return 1;
#endif
}

static ad_status check_call(const ad_program *p, const char *what, const double param[],
                            size_t rows, const double input[], size_t columns, bool results) {
    if (p->params > 0 && param == NULL)
        return ad__program_refuse(p, AD_BAD_ARGUMENT, "%s: param is NULL, and there are %zu params",
                                  what, p->params);
    if (p->inputs > 0 && rows > 0 && input == NULL)
        return ad__program_refuse(p, AD_BAD_ARGUMENT,
                                  "%s: input is NULL, and there are %zu rows of %zu inputs", what,
                                  rows, p->inputs);
    if (!results)
        return ad__program_refuse(p, AD_BAD_ARGUMENT, "%s: the array for the results is NULL",
                                  what);
    const size_t widest = p->inputs > columns ? p->inputs : columns;
    if (widest > 0 && rows > SIZE_MAX / sizeof(double) / widest)
        return ad__program_refuse(p, AD_BAD_ARGUMENT,
                                  "%s: %zu rows of %zu numbers are more than memory can hold", what,
                                  rows, widest);
    return AD_OK;
}

static ad_status begin(const job *j) {
    ad__failure f = {.status = AD_OK, .row = SIZE_MAX};
    if (check_uniform(j, &f) != AD_OK) return report(j->p, &f);
    for (uint32_t k = 0; k < j->p->layers; k++) pack_layer(j, k);
    return AD_OK;
}

static ad_status run(job *j) {
    const ad_status status = begin(j);
    if (status != AD_OK) return status;
    run_parts(j);
    for (size_t k = 0; k < j->parts; k++)
        if (j->w->part[k].failed.status != AD_OK) return report(j->p, &j->w->part[k].failed);
    return AD_OK;
}

/* The gradient of one example by itself, its sums left as those of one part; false when a block has
 * to do it. */
static bool run_single(const job *j) {
    const ad_program *p = j->p;
    ad__single_work   work = j->w->single;
    ad__sums         *sums = j->w->part;
    if (begin(j) != AD_OK) return false;
    for (uint32_t k = 0; k < p->layers; k++)
        if (!j->w->finite[k]) return false;
    work.u = j->w->uniform, work.packed = j->w->packed, work.turned = j->w->turned;
    work.adjoint = sums->adjoint, work.weight = sums->weight;
    if (!ad__single_gradient(p, j->single, &work, j->input)) return false;
    sums->output = work.u[j->single->output];
    return true;
}

static bool call_single(job *j) {
    const ad__single *s = ad__single_for(j->p);
    if (s == NULL || s->teams == 0) return false;
    j->single = s, j->parts = 1;
    j->w = take_workspace(j);
    if (j->w != NULL && run_single(j)) return true;
    if (j->w != NULL) give_back(j->p, j->w);
    j->single = NULL, j->w = NULL;
    return false;
}

/* Over all rows; the sums of the parts are left in the workspace, which the caller gives back. */
static ad_status call(job *j) {
    if (j->purpose == AD__GRADIENT && j->rows == 1 && call_single(j)) return AD_OK;
    j->plan = ad__plan_for(j->p, j->purpose);
    if (j->plan == NULL)
        return ad__program_refuse(j->p, AD_NO_MEMORY, "out of memory: no space for the moves");
    j->blocks = j->rows / j->plan->block + (j->rows % j->plan->block > 0);
    const bool varies = j->p->steps > j->p->uniform_steps;
    if (!varies && j->purpose == AD__GRADIENT) j->blocks = 1; /* any number of rows is like one */
    j->parts = count_parts(j->blocks);
    j->threads = count_threads(j->parts);
    j->w = take_workspace(j);
    return j->w == NULL
             ? ad__program_refuse(j->p, AD_NO_MEMORY, "out of memory: no space for the lanes")
             : run(j);
}

/* ---- the public calls ------------------------------------------------------------------------ */

ad_status ad_program_values(const ad_program *p, const double param[], size_t rows,
                            const double input[], double output[]) {
    if (p == NULL) return AD_BAD_ARGUMENT;
    const ad_status bad = check_call(p, "ad_program_values", param, rows, input, p->outputs,
                                     output != NULL || rows == 0);
    if (bad != AD_OK || rows == 0) return bad;
    job             j = {.p = p,
                         .purpose = AD__VALUES,
                         .param = param,
                         .input = input,
                         .rows = rows,
                         .result = output};
    const ad_status status = call(&j);
    if (j.w != NULL) give_back(p, j.w);
    return status;
}

ad_status ad_program_jacobian(const ad_program *p, const double param[], size_t rows,
                              const double input[], double jacobian[]) {
    if (p == NULL) return AD_BAD_ARGUMENT;
    if (p->active > 0 && p->outputs > SIZE_MAX / sizeof(double) / p->active)
        return ad__program_refuse(
            p, AD_BAD_ARGUMENT,
            "ad_program_jacobian: %zu x %zu derivatives are more than memory can hold", p->outputs,
            p->active);
    const bool      wanted_any = p->active > 0 && rows > 0;
    const ad_status bad = check_call(p, "ad_program_jacobian", param, rows, input,
                                     p->outputs * p->active, jacobian != NULL || !wanted_any);
    if (bad != AD_OK || rows == 0 || p->active == 0) return bad;
    job             j = {.p = p,
                         .purpose = AD__JACOBIAN,
                         .param = param,
                         .input = input,
                         .rows = rows,
                         .result = jacobian};
    const ad_status status = call(&j);
    if (j.w != NULL) give_back(p, j.w);
    return status;
}

/* x/n; a power of two is divided by exactly, and much faster, by multiplying with its inverse. */
static void divide(size_t count, const double x[], double n, double to[]) {
    int          exponent;
    const bool   power = frexp(n, &exponent) == 0.5;
    const double inverse = 1 / n;
    if (power)
        for (size_t i = 0; i < count; i++) to[i] = x[i] * inverse;
    else
        for (size_t i = 0; i < count; i++) to[i] = x[i] / n;
}

/* The sums of the parts, in order; then weights of layers reach their uniform values, and those
 * theirs. */
static void finish_gradient(const job *j, double *mean, double grad[]) {
    const ad_program *p = j->p;
    ad__sums         *all = j->w->part;
    const ad__node   *output = &p->node[p->output[0]];
    for (size_t k = 1; k < j->parts; k++) {
        all[0].output += all[k].output;
        p->vector->add_scaled(p->uniforms, 1, all[k].adjoint, all[0].adjoint);
        p->vector->add_scaled(p->packed, 1, all[k].weight, all[0].weight);
    }
    const bool   varies = (output->flags & AD__VARYING) != 0;
    const double rows = varies ? (double)j->rows : 1;
    if (!varies) all[0].adjoint[output->home] += 1;
    unpack_weights(j, &all[0]);
    ad__uniform_reverse(p, j->w->uniform, all[0].adjoint, j->w->rolls);
    divide(p->params, all[0].adjoint + p->constants, rows, grad);
    *mean = varies ? all[0].output / rows : j->w->uniform[output->home];
}

ad_status ad_program_gradient(const ad_program *p, const double param[], size_t rows,
                              const double input[], double *mean, double grad[]) {
    if (p == NULL) return AD_BAD_ARGUMENT;
    if (rows == 0)
        return ad__program_refuse(p, AD_BAD_ARGUMENT,
                                  "ad_program_gradient: a mean over no rows was asked for");
    const ad_status bad = check_call(p, "ad_program_gradient", param, rows, input, 0,
                                     mean != NULL && (grad != NULL || p->params == 0));
    if (bad != AD_OK) return bad;
    job j = {.p = p, .purpose = AD__GRADIENT, .param = param, .input = input, .rows = rows};
    const ad_status status = call(&j);
    if (status == AD_OK) finish_gradient(&j, mean, grad);
    if (j.w != NULL) give_back(p, j.w);
    return status;
}
