/* play.h - what the page asks the engine: requests and answers as text.
 *
 * A request is a command on its first line and an argument on each further line: a key, a space and
 * the rest. An answer is one JSON object; {"error":"..."} if the request cannot be met, with a
 * sentence for the reader of the page. Numbers go both ways as decimals that read back exactly, so
 * that the same requests give the same answers, byte for byte, in WebAssembly and in a native
 * program on the same libm. A command keeps nothing between requests unless it says so. */
#ifndef TAPIR_PLAY_H
#define TAPIR_PLAY_H

#include "base/text.h"
#include "nn/nn.h"

#include <stdio.h>

typedef struct play_request play_request;

/* The argument, or NULL if there is none of that key. Valid until the next request. */
const char *play_text(const play_request *request, const char *key);

/* An argument that is one number, or `otherwise`. */
double play_number(const play_request *request, const char *key, double otherwise);
size_t play_count(const play_request *request, const char *key, size_t otherwise);

/* An argument that is numbers separated by spaces: how many, and a new array of them, which the
 * caller frees. NULL and 0 when there are none, or memory is out. */
double *play_numbers(const play_request *request, const char *key, size_t *n);

/* A JSON array, of numbers as ad__json_number writes them. */
void play_write_numbers(size_t n, const double x[], FILE *to);

/* {"error":"..."} in place of an answer. */
void play_write_error(const char *sentence, FILE *to);

/* The commands. Each writes one JSON object. */
void play_formula(const play_request *request, FILE *to);
void play_nudge(const play_request *request, FILE *to);
void play_curve(const play_request *request, FILE *to);
void play_second(const play_request *request, FILE *to);
void play_rules(const play_request *request, FILE *to);
/* The layers of a network: sizes and activation. */
typedef struct play_shape {
    size_t         layers, size[9];
    nn_activation *activation;
} play_shape;

/* From the arguments sizes and activation. False after an error, which has been written. */
bool play_sizes(const play_request *request, play_shape *shape, FILE *to);

void play_lesson(const play_request *request, FILE *to);
void play_train(const play_request *request, FILE *to);
void play_steps(const play_request *request, FILE *to);
void play_batch(const play_request *request, FILE *to);
void play_grid(const play_request *request, FILE *to);

#endif
