/* convolution - a convolutional network that learns to read handwritten digits.
 *
 * Kernels of 3 x 3 weights move over the image, the largest of each 2 x 2 numbers is kept, and so
 * on with what is left; one layer of dots then tells the digits apart. The same images as in
 * digits.c, whose perceptron sees every pixel by itself. See convolution --help. */
#include "command.h"
#include "nn/nn.h"
#include "reading.h"
#include "report.h"
#include "terminal.h"

#include <locale.h>
#include <math.h>
#include <string.h>

enum { KERNEL = 3, AREA = KERNEL * KERNEL, MOST_LAYERS = 3, MOST_CHANNELS = 64 };

/* ---- options --------------------------------------------------------------------------------- */

typedef struct options {
    reading_options reading;
    command_counts  channels;
    bool            kernels;
} options;

static options chosen = {
    .reading = {.seed = 1,
                .epochs = 40,
                .batch = 16,
                .rate = 0.004,
                .data = "demos/data/digits.csv",
                .out = "convolution-out"},
    .channels = {MOST_LAYERS, 2, {16, 32}},
};

static const command_option list[] = {
    {"seed", COMMAND_SEED, &chosen.reading.seed, 0, 0,
     "of the initial weights, the split and the order"},
    {"epochs", COMMAND_COUNT, &chosen.reading.epochs, 1, 1000000, "passes over the images"},
    {"batch", COMMAND_COUNT, &chosen.reading.batch, 1, 1000000, "images per step"},
    {"rate", COMMAND_RATE, &chosen.reading.rate, 0, 0,
     "initial learning rate of Adam; it falls to a tenth"},
    {"channels", COMMAND_COUNTS, &chosen.channels, 1, MOST_CHANNELS,
     "kernels of the convolutions, 1 to 3 of them; each halves the image"},
    {"data", COMMAND_FILE, &chosen.reading.data, 0, 0, "the images"},
    {"out", COMMAND_FOLDER, &chosen.reading.out, 0, 0,
     "where history.tsv, confusion.tsv, predictions.tsv and, with gnuplot, the\npictures go"},
    {"kernels", COMMAND_FLAG, &chosen.kernels, 0, 0,
     "show the kernels of the first convolution too"},
    {"quiet", COMMAND_FLAG, &chosen.reading.quiet, 0, 0, "one line of output"},
    {0},
};

static const char about[] =
    "Learns to read handwritten digits, 8 x 8 pixels each: convolutions of 3 x 3 weights, each\n"
    "followed by pooling of 2 x 2 and relu, then one linear layer; trained by Adam on four\n"
    "fifths of the images and tested on the rest.";

/* ---- the network ----------------------------------------------------------------------------- */

typedef struct network {
    const options *options;
    nn_window      around[MOST_LAYERS];
    nn_layer       layer[MOST_LAYERS + 1]; /* the last is the linear one */
    reading        reading;
} network;

/* The picture that a convolution sees: channels, and the side after so many halvings. */
static size_t channels_of(const options *o, size_t layer) {
    return layer == 0 ? 1 : o->channels.count[layer - 1];
}
static size_t side_of(size_t layer) {
    return READING_SIDE >> layer;
}

static void add_layers(network *n, nn_model *model) {
    const options *o = n->options;
    const size_t   last = o->channels.n, side = side_of(last);
    for (size_t i = 0; i < last; i++) {
        char name[32];
        snprintf(name, sizeof name, "conv%zu", i + 1);
        n->around[i] = (nn_window){.channels = channels_of(o, i),
                                   .height = side_of(i),
                                   .width = side_of(i),
                                   .kernel = {KERNEL, KERNEL},
                                   .padding = {1, 1}};
        n->layer[i] = nn_conv2d_add(model, name, &n->around[i], channels_of(o, i + 1));
    }
    n->layer[last] = nn_layer_add(model, "linear",
                                  &(nn_layer_config){
                                      .inputs = channels_of(o, last) * side * side,
                                      .outputs = READING_CLASSES,
                                  });
}

/* Pooling before relu is the same as after it, for a quarter of the work. */
static void forward(const ad_var pixel[], ad_var logits[], void *user) {
    const network *n = user;
    const size_t   last = n->options->channels.n;
    static ad_var  whole[MOST_CHANNELS * READING_PIXELS], half[MOST_CHANNELS * READING_PIXELS / 4];
    const ad_var  *x = pixel;
    for (size_t i = 0; i < last; i++, x = half) {
        const nn_layer *l = &n->layer[i];
        const nn_window pair = {
            .channels = l->outputs, .height = side_of(i), .width = side_of(i), .kernel = {2, 2}};
        nn_conv2d(&n->around[i], l->outputs, l->weight, l->bias, x, whole);
        const size_t left = nn_max_pool2d(&pair, whole, half);
        for (size_t k = 0; k < left; k++) half[k] = ad_relu(half[k]);
    }
    nn_layer_forward(&n->layer[last], x, logits);
}

/* ---- what it looks for ----------------------------------------------------------------------- */

/* The kernels of the first convolution, from the lowest weight of each (no ink) to its highest. */
static void show_kernels(const network *n) {
    static double           ink[MOST_CHANNELS][AREA];
    static terminal_picture picture[MOST_CHANNELS];
    const size_t            kernels = n->options->channels.count[0];
    for (size_t k = 0; k < kernels; k++) {
        double low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < AREA; i++) {
            ink[k][i] = ad_value(n->layer[0].weight[k * AREA + i]);
            low = fmin(low, ink[k][i]), high = fmax(high, ink[k][i]);
        }
        for (size_t i = 0; i < AREA && high > low; i++)
            ink[k][i] = (ink[k][i] - low) / (high - low);
        picture[k].ink = ink[k];
        snprintf(picture[k].caption[0], sizeof picture[k].caption[0], "%zu", k + 1);
    }
    puts("\nKernels of the first convolution, from lowest weight (blank) to highest:\n");
    terminal_pictures(terminal_of(stdout), KERNEL, kernels, picture);
}

/* ---- the run --------------------------------------------------------------------------------- */

static void introduce(const network *n, const nn_model *model) {
    const options         *o = n->options;
    const reading_options *r = &o->reading;
    char                   shape[MOST_LAYERS * 16 + 16] = "1";
    printf("%zu images to learn from, %zu held out\n", nn_data_rows(n->reading.learned),
           nn_data_rows(n->reading.held_out));
    for (size_t i = 0; i < o->channels.n; i++)
        sprintf(shape + strlen(shape), "-%zu", o->channels.count[i]);
    terminal_line(stdout,
                  "convolutions %s of 3 x 3, relu, %zu parameters; batches of %zu, rate %g, "
                  "seed %llu\n",
                  shape, nn_model_count(model), r->batch, r->rate, (unsigned long long)r->seed);
    fflush(stdout);
}

static int run(const options *o) {
    network n = {
        .options = o,
        .reading = {.program = "convolution",
                    .options = &o->reading,
                    .network = forward,
                    .user = &n},
    };
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, o->reading.seed);
    add_layers(&n, model);
    n.reading.optimizer = nn_adam(o->reading.rate);
    bool good = reading_open(&n.reading) && report_folder(o->reading.out);
    if (good && !o->reading.quiet) introduce(&n, model);
    good = good && reading_train(&n.reading, model) && reading_report(&n.reading);
    if (good && o->kernels) show_kernels(&n);
    nn_optimizer_free(n.reading.optimizer);
    reading_close(&n.reading);
    nn_model_free(model);
    ad_tape_free(tape);
    return good ? 0 : BAD_RUN;
}

int main(int count, char *arguments[]) {
    int status;
    setlocale(LC_CTYPE, "");
    if (command_read(about, list, count, arguments, &status)) status = run(&chosen);
    return output_end(status, BAD_RUN);
}
