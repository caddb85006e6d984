/* reading.h - what the demos that learn to read handwritten digits share: the images, the training,
 * and the report of what they read. */
#ifndef TAPIR_DEMOS_READING_H
#define TAPIR_DEMOS_READING_H

#include "nn/nn.h"

enum { READING_SIDE = 8, READING_PIXELS = READING_SIDE * READING_SIDE, READING_CLASSES = 10 };

/* What every such demo is told on its command line. */
typedef struct reading_options {
    uint64_t    seed;
    size_t      epochs, batch;
    double      rate; /* falls to a tenth */
    const char *data, *out;
    bool        quiet;
} reading_options;

/* Records the network: a logit for each digit. Pixels are 0 (no ink) to 1. */
typedef void reading_network(const ad_var pixel[], ad_var logits[], void *user);

/* The network's answer for one held-out image. */
typedef struct reading_answer {
    size_t row, truth, guess;
    double probability[READING_CLASSES];
} reading_answer;

/* The caller sets the first four before it opens the reading, the optimizer before it trains. */
typedef struct reading {
    const char            *program; /* for messages */
    const reading_options *options;
    reading_network       *network;
    void                  *user;
    nn_optimizer          *optimizer;
    nn_data               *learned, *held_out;
    double                *loss, *accuracy; /* after each epoch */
    size_t                 epochs;          /* so far */
    reading_answer        *answer;          /* one for each held-out image */
    size_t                 right, confusion[READING_CLASSES * READING_CLASSES];
} reading;

/* Functions that return false have reported the reason on stderr. */

bool reading_open(reading *r); /* reads the images and holds a fifth of them out */
void reading_close(reading *r);

/* Trains the network, and asks it for all held-out images. */
bool reading_train(reading *r, nn_model *model);

/* Prints what was read and the worst misses, and writes history.tsv, confusion.tsv, predictions.tsv
 * and, with gnuplot, pictures. */
bool reading_report(const reading *r);

#endif
