/* module.c - building blocks of networks other than perceptrons: functions of arrays of handles.
 *
 * Each writes an output only after it has read the input of the same index, so that the two may
 * be the same array where nn.h says so. Attention and embedding are recorded in a scope of their
 * name. */
#include "model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- functions ------------------------------------------------------------------------------- */

void nn_linear(size_t m, size_t n, const ad_var weight[], const ad_var x[], ad_var y[]) {
    for (size_t i = 0; i < m; i++) y[i] = ad_dot(n, weight + i * n, x);
}

void nn_residual(size_t n, const ad_var x[], const ad_var f[], ad_var y[]) {
    for (size_t i = 0; i < n; i++) y[i] = ad_add(x[i], f[i]);
}

/* 1/sqrt(mean of x^2 + epsilon) */
static ad_var inverse_rms(size_t n, const ad_var x[], double epsilon) {
    const ad_var square = ad_div(ad_dot(n, x, x), ad_num((double)n));
    return ad_div(ad_num(1), ad_sqrt(ad_add(square, ad_num(epsilon))));
}

void nn_rms_norm(size_t n, const ad_var x[], const ad_var scale[], double epsilon, ad_var y[]) {
    if (n == 0) return;
    const ad_var factor = inverse_rms(n, x, epsilon);
    for (size_t i = 0; i < n; i++) {
        y[i] = ad_mul(x[i], factor);
        if (scale != NULL) y[i] = ad_mul(y[i], scale[i]);
    }
}

void nn_layer_norm(size_t n, const ad_var x[], const ad_var scale[], const ad_var shift[],
                   double epsilon, ad_var y[]) {
    if (n == 0) return;
    const ad_var mean = ad_div(ad_sum(n, x), ad_num((double)n));
    for (size_t i = 0; i < n; i++) y[i] = ad_sub(x[i], mean);
    nn_rms_norm(n, y, scale, epsilon, y);
    for (size_t i = 0; i < n && shift != NULL; i++) y[i] = ad_add(y[i], shift[i]);
}

/* x - logsumexp(x) twice. The rounding of the first logsumexp is an error common to all y: an
 * eighth at 1e15. Subtracting the logsumexp of the y cancels it, as any common shift, in values and
 * in derivatives of any order. This shift is as smooth as x, unlike the maximum. */
void nn_log_softmax(size_t n, const ad_var x[], ad_var y[]) {
    const ad_var total = ad_logsumexp(n, x);
    for (size_t i = 0; i < n; i++) y[i] = ad_sub(x[i], total);
    const ad_var rest = ad_logsumexp(n, y);
    for (size_t i = 0; i < n; i++) y[i] = ad_sub(y[i], rest);
}

void nn_softmax_recorded(size_t n, const ad_var x[], ad_var y[]) {
    const ad_var total = ad_logsumexp(n, x);
    for (size_t i = 0; i < n; i++) y[i] = ad_sub(x[i], total);
    const ad_var rest = ad_logsumexp(n, y);
    for (size_t i = 0; i < n; i++) y[i] = ad_exp_sub(y[i], rest);
}

/* ---- attention ------------------------------------------------------------------------------- */

void nn_attend(size_t positions, size_t width, size_t heads, bool causal, const ad_var query[],
               const ad_var key[], const ad_var value[], ad_var y[], ad_var scratch[]) {
    if (heads == 0) return;
    const size_t size = width / heads;
    const ad_var factor = ad_num(1 / sqrt((double)size));
    ad_var      *weight = scratch, *column = scratch + positions;
    for (size_t head = 0; head < heads; head++)
        for (size_t t = 0; t < positions; t++) {
            const size_t seen = causal ? t + 1 : positions, first = head * size;
            for (size_t s = 0; s < seen; s++)
                weight[s] = ad_mul(ad_dot(size, query + t * width + first, key + s * width + first),
                                   factor);
            nn_softmax_recorded(seen, weight, weight);
            for (size_t i = first; i < first + size; i++) {
                for (size_t s = 0; s < seen; s++) column[s] = value[s * width + i];
                y[t * width + i] = ad_dot(seen, weight, column);
            }
        }
}

enum { QUERY, KEY, VALUE, OUTPUT, PROJECTIONS };

struct nn_attention {
    nn_attention_config config;
    char               *name;
    const ad_var       *weight[PROJECTIONS]; /* width x width */
    ad_var             *row[PROJECTIONS];    /* positions x width; OUTPUT: its input */
    ad_var             *scratch;             /* 2*positions */
};

static bool good_attention(nn_model *model, const nn_attention_config *c) {
    if (c != NULL &&
        !nn__model_reserved(model, "nn_attention_new", "nn_attention_config", c->reserved, c + 1))
        return false;
    if (c == NULL || c->name == NULL)
        nn__model_fail(model, AD_BAD_ARGUMENT, "nn_attention_new: no %s",
                       c == NULL ? "configuration" : "name");
    else if (c->width == 0 || c->heads == 0 || c->positions == 0 || c->width % c->heads != 0)
        nn__model_fail(model, AD_BAD_ARGUMENT,
                       "nn_attention_new: \"%s\" has width %zu, %zu heads and %zu positions: each "
                       "must be at least 1, and the heads must divide the width",
                       c->name, c->width, c->heads, c->positions);
    return nn_model_status(model) == AD_OK;
}

static void add_projections(nn_model *model, nn_attention *a) {
    static const char *const names[] = {"query", "key", "value", "output"};
    const size_t             width = a->config.width, shape[] = {width, width};
    nn_init_rule *const      rule = a->config.weight != NULL ? a->config.weight : nn_init_xavier;
    for (int k = 0; k < PROJECTIONS; k++) {
        char name[NN__MESSAGE];
        if ((size_t)snprintf(name, sizeof name, "%s.%s", a->config.name, names[k]) >= sizeof name)
            nn__model_fail(model, AD_BAD_ARGUMENT, "nn_attention_new: the name is too long");
        a->weight[k] = nn_param(model, name, 2, shape, rule(width, width));
    }
}

static char *copy(const char *text) {
    char *copied = malloc(strlen(text) + 1);
    return copied == NULL ? NULL : strcpy(copied, text);
}

static bool allocate_attention(nn_attention *a) {
    const size_t n = a->config.positions, width = a->config.width;
    a->scratch = calloc(n, 2 * sizeof *a->scratch);
    a->name = copy(a->config.name);
    bool good = a->scratch != NULL && a->name != NULL;
    for (int k = 0; k < PROJECTIONS && good; k++) {
        a->row[k] =
            n > SIZE_MAX / sizeof(ad_var) / width ? NULL : calloc(n * width, sizeof(ad_var));
        good = a->row[k] != NULL;
    }
    return good;
}

nn_attention *nn_attention_new(nn_model *model, const nn_attention_config *config) {
    if (nn_model_status(model) != AD_OK || !good_attention(model, config)) return NULL;
    nn_attention *a = calloc(1, sizeof *a);
    if (a != NULL) a->config = *config;
    if (a == NULL || !allocate_attention(a))
        nn__model_fail(model, AD_NO_MEMORY,
                       "out of memory: no space for attention over %zu positions of %zu numbers",
                       config->positions, config->width);
    else add_projections(model, a);
    if (nn_model_status(model) == AD_OK) return a;
    nn_attention_free(a);
    return NULL;
}

void nn_attention_free(nn_attention *a) {
    if (a == NULL) return;
    for (int k = 0; k < PROJECTIONS; k++) free(a->row[k]);
    free(a->scratch);
    free(a->name);
    free(a);
}

void nn_attention_forward(const nn_attention *a, size_t positions, const ad_var x[], ad_var y[]) {
    if (a == NULL || positions > a->config.positions) return;
    const size_t width = a->config.width;
    ad_tape     *tape = a->weight[QUERY][0].tape;
    ad_scope(tape, a->name);
    for (int k = QUERY; k <= VALUE; k++)
        for (size_t t = 0; t < positions; t++)
            nn_linear(width, width, a->weight[k], x + t * width, a->row[k] + t * width);
    nn_attend(positions, width, a->config.heads, a->config.causal, a->row[QUERY], a->row[KEY],
              a->row[VALUE], a->row[OUTPUT], a->scratch);
    for (size_t t = 0; t < positions; t++)
        nn_linear(width, width, a->weight[OUTPUT], a->row[OUTPUT] + t * width, y + t * width);
    ad_scope_end(tape);
}

/* ---- embedding ------------------------------------------------------------------------------- */

struct nn_embedding {
    size_t  count, width;
    char   *name;
    ad_var *column; /* width x count: the table transposed, for ad_pick */
};

nn_embedding *nn_embedding_new(nn_model *model, const char *name, size_t count, size_t width,
                               const nn_init *init) {
    if (nn_model_status(model) != AD_OK) return NULL;
    char full[NN__MESSAGE];
    if (name == NULL || (size_t)snprintf(full, sizeof full, "%s.weight", name) >= sizeof full) {
        nn__model_fail(model, AD_BAD_ARGUMENT, "nn_embedding_new: %s",
                       name == NULL ? "no name" : "the name is too long");
        return NULL;
    }
    const ad_var *weight = nn_param(model, full, 2, (const size_t[]){count, width},
                                    init != NULL ? *init : nn_init_normal(0, 1));
    if (weight == NULL) return NULL;
    nn_embedding *e = calloc(1, sizeof *e);
    if (e != NULL) e->column = calloc(count * width, sizeof *e->column), e->name = copy(name);
    if (e == NULL || e->column == NULL || e->name == NULL) {
        nn__model_fail(model, AD_NO_MEMORY,
                       "out of memory: no space for an embedding of %zu x %zu numbers", count,
                       width);
        nn_embedding_free(e);
        return NULL;
    }
    e->count = count, e->width = width;
    for (size_t i = 0; i < count * width; i++) e->column[i % width * count + i / width] = weight[i];
    return e;
}

void nn_embedding_free(nn_embedding *e) {
    if (e == NULL) return;
    free(e->column);
    free(e->name);
    free(e);
}

void nn_embedding_forward(const nn_embedding *e, ad_var number, ad_var y[]) {
    if (e == NULL) return;
    ad_tape *tape = e->column[0].tape;
    ad_scope(tape, e->name);
    for (size_t i = 0; i < e->width; i++)
        y[i] = ad_pick(number, e->count, e->column + i * e->count);
    ad_scope_end(tape);
}
