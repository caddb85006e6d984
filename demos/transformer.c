/* transformer.c - the network of microgpt; see transformer.h. */
#include "transformer.h"

#include <stdlib.h>

struct transformer {
    size_t        vocabulary, width, block;
    nn_embedding *token;
    nn_attention *attention;
    const ad_var *position, *up, *down, *head;
    ad_var       *x, *normed; /* block x width */
    ad_var       *hidden;     /* 4*width */
    ad_var       *logits;     /* block x vocabulary */
};

static const double epsilon = 1e-5;

static nn_init small(size_t inputs, size_t outputs) {
    (void)inputs, (void)outputs;
    return nn_init_normal(0, 0.08);
}

static const ad_var *matrix(nn_model *model, const char *name, size_t rows, size_t columns) {
    return nn_param(model, name, 2, (const size_t[]){rows, columns}, small(columns, rows));
}

static bool allocate(transformer *g) {
    g->x = calloc(g->block * g->width, sizeof *g->x);
    g->normed = calloc(g->block * g->width, sizeof *g->normed);
    g->hidden = calloc(4 * g->width, sizeof *g->hidden);
    g->logits = calloc(g->block * g->vocabulary, sizeof *g->logits);
    return g->x != NULL && g->normed != NULL && g->hidden != NULL && g->logits != NULL;
}

transformer *transformer_new(nn_model *model, size_t vocabulary, size_t width, size_t heads,
                             size_t block) {
    transformer  *g = calloc(1, sizeof *g);
    const nn_init init = small(0, 0);
    if (g == NULL) return NULL;
    g->vocabulary = vocabulary, g->width = width, g->block = block;
    g->token = nn_embedding_new(model, "token", vocabulary, width, &init);
    g->position = matrix(model, "position.weight", block, width);
    g->head = matrix(model, "head.weight", vocabulary, width);
    g->attention = nn_attention_new(model, &(nn_attention_config){
                                               .name = "attention",
                                               .width = width,
                                               .heads = heads,
                                               .positions = block,
                                               .causal = true,
                                               .weight = small,
                                           });
    g->up = matrix(model, "up.weight", 4 * width, width);
    g->down = matrix(model, "down.weight", width, 4 * width);
    if (allocate(g) && nn_model_status(model) == AD_OK) return g;
    transformer_free(g);
    return NULL;
}

void transformer_free(transformer *g) {
    if (g == NULL) return;
    nn_embedding_free(g->token);
    nn_attention_free(g->attention);
    free(g->x);
    free(g->normed);
    free(g->hidden);
    free(g->logits);
    free(g);
}

static void embed(transformer *g, size_t t, ad_var token) {
    ad_var *x = g->x + t * g->width;
    nn_embedding_forward(g->token, token, x);
    nn_residual(g->width, x, g->position + t * g->width, x);
    nn_rms_norm(g->width, x, NULL, epsilon, x);
    nn_rms_norm(g->width, x, NULL, epsilon, g->normed + t * g->width);
}

static void feed_forward(transformer *g, size_t t) {
    ad_var *x = g->x + t * g->width, *normed = g->normed + t * g->width;
    nn_residual(g->width, x, normed, x); /* normed holds the output of attention */
    nn_rms_norm(g->width, x, NULL, epsilon, normed);
    nn_linear(4 * g->width, g->width, g->up, normed, g->hidden);
    for (size_t i = 0; i < 4 * g->width; i++) g->hidden[i] = ad_relu(g->hidden[i]);
    nn_linear(g->width, 4 * g->width, g->down, g->hidden, normed);
    nn_residual(g->width, x, normed, x);
    nn_linear(g->vocabulary, g->width, g->head, x, g->logits + t * g->vocabulary);
}

const ad_var *transformer_logits(transformer *g, size_t n, const ad_var token[]) {
    for (size_t t = 0; t < n; t++) embed(g, t, token[t]);
    nn_attention_forward(g->attention, n, g->normed, g->normed);
    for (size_t t = 0; t < n; t++) feed_forward(g, t);
    return g->logits;
}

ad_var transformer_loss(transformer *g, size_t n, const ad_var token[]) {
    const ad_var *logits = transformer_logits(g, n, token);
    ad_var        total = ad_num(0);
    for (size_t t = 0; t < n; t++)
        total = ad_add(total,
                       nn_cross_entropy(g->vocabulary, logits + t * g->vocabulary, token[t + 1]));
    return ad_div(total, ad_num((double)n));
}
