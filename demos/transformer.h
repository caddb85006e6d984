/* transformer.h - the network of Karpathy's microgpt: a character-level GPT of one layer, without
 * biases.
 *
 *     x[t]   = rms(token_embedding[token[t]] + position_embedding[t])
 *     x     += output projection of causal attention over rms(x)
 *     x     += down*relu(up*rms(x))                   up: 4*width x width
 *     logits = head*x
 *
 * with rms(x) = x/sqrt(mean of x^2 + 1e-5) and weights from a normal distribution of deviation
 * 0.08. Each number is a scalar on the tape. Tokens may be inputs: their embedding is looked up, so
 * that the graph of one text serves all texts of its length. */
#ifndef TAPIR_DEMOS_TRANSFORMER_H
#define TAPIR_DEMOS_TRANSFORMER_H

#include "nn/nn.h"

typedef struct transformer transformer;

/* heads divide width. NULL after an error, which is on the model, or when memory is out. */
transformer *transformer_new(nn_model *model, size_t vocabulary, size_t width, size_t heads,
                             size_t block);
void         transformer_free(transformer *g);

/* n tokens, at most `block`, to n x vocabulary logits; the array is the transformer's, valid until
 * the next call. */
const ad_var *transformer_logits(transformer *g, size_t n, const ad_var token[]);

/* The mean cross-entropy of the n tokens that follow the first of token[0..n]. */
ad_var transformer_loss(transformer *g, size_t n, const ad_var token[]);

#endif
