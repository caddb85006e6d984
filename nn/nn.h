/* nn.h - Tapir's neural networks: models, data, losses and training on top of ad.h.
 *
 * A *model* is a list of named arrays of parameters. Each parameter is an ad_input; all of them are
 * consecutive on one tape, and everything else is recorded above them: an example is recorded,
 * swept in reverse for the gradient of its loss, and rewound, while the parameters stay. An
 * ordinary function that calls ad_ operations defines what a network computes; the layers here are
 * conveniences made of ad_dot, ad_add and an activation, and do nothing that a program could not
 * do itself.
 *
 *     static ad_var loss(nn_model *model, size_t n, const ad_var row[], void *mlp) {
 *         ad_var logits[3];
 *         nn_mlp_forward(mlp, row, logits);                    a row holds the inputs first,
 *         return nn_cross_entropy(3, logits, row[n - 1]);      the targets last
 *     }
 *     ad_tape      *tape  = ad_tape_new();
 *     nn_model     *model = nn_model_new(tape, 1);
 *     const size_t  sizes[] = {4, 16, 3};
 *     nn_mlp       *mlp   = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
 *     nn_data      *data  = nn_data_csv("iris.csv", NULL);
 *     nn_optimizer *sgd   = nn_sgd(0.1);
 *     nn_train_config config = {.epochs = 50, .batch = 16};
 *     if (nn_train(model, loss, mlp, data, sgd, &config) != AD_OK)
 *         fprintf(stderr, "%s\n", nn_model_message(model));
 *
 * The conventions are those of ad.h, and three more:
 *   - The terms and the equations are PyTorch's (version 2, its documentation of torch.nn,
 *     torch.nn.init and torch.optim); each function names the one it follows.
 *   - The first error sticks to the object it happened to: model, data, optimizer. Functions on a
 *     failed object do nothing. Every object may be NULL, which counts as out of memory, so a
 *     program may check once, after nn_train, which passes on the errors of all it was given.
 *   - Randomness comes from a seed and from nothing else: the same seed gives the same run.
 * As there, structs end in spare room, `reserved`, which is all 0 in those that the caller fills:
 * configurations, entries, an nn_init, an nn_schedule. (nn_random has none: it is the state of a
 * published generator.)
 *
 * C99 and later, and C++11 and later. */
#ifndef TAPIR_NN_H
#define TAPIR_NN_H

#include "ad.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- random numbers -------------------------------------------------------------------------- */

/* xoshiro256++ 1.0 (Blackman and Vigna, 2019, prng.di.unimi.it): 256 bits of state, period 2^256 -
 * 1. A generator is a value: copy it to fork it. Not for secrets. */
typedef struct nn_random {
    uint64_t state[4]; /* not all 0 */
} nn_random;

/* The state is the first four numbers of splitmix64 from this seed, as the authors of xoshiro
 * recommend; every seed is as good as any other. */
AD_API nn_random nn_random_seeded(uint64_t seed);
AD_API uint64_t  nn_random_bits(nn_random *random); /* 64 bits */
/* in [0, 1): the upper 53 bits times 2^-53 */
AD_API double    nn_random_uniform(nn_random *random);
/* mean 0, deviation 1: Box and Muller 1958, cosine branch */
AD_API double    nn_random_normal(nn_random *random);
/* in 0..n-1, all equally likely; 0 for n = 0 */
AD_API size_t    nn_random_below(nn_random *random, size_t n);
/* Fisher and Yates, last to first */
AD_API void      nn_random_shuffle(nn_random *random, size_t n, size_t index[]);

/* ---- data ------------------------------------------------------------------------------------ */

/* A table of examples, one per row: first the input columns, then the target columns. */
typedef struct nn_data nn_data;

/* Copies rows x (inputs + targets) numbers, row-major. AD_BAD_ARGUMENT for no rows, no columns, or
 * a number that is not finite. NULL when memory is out. */
AD_API nn_data *nn_data_new(size_t rows, size_t inputs, size_t targets, const double values[]);

/* All formats can be read from regular files; CSV and IDX, which are read sequentially, from pipes
 * and devices too. AD_BAD_FILE for a named pipe that delivers no data for ten seconds, for a
 * folder, and, where the length must be known (.npy, models, checkpoints), for anything without a
 * length. */

/* How a CSV file is read. */
typedef struct nn_csv_config {
    size_t   targets;   /* how many of the last columns are targets */
    bool     header;    /* skip the first line */
    char     separator; /* 0: a comma */
    uint64_t reserved[8];
} nn_csv_config;

/* Reads the rows of a CSV file (RFC 4180, by libcsv); config NULL: one target, no header, commas.
 * Numbers are decimal and finite, in the C locale; blanks around them, a byte order mark and empty
 * lines are skipped. AD_BAD_FILE, with file, line and column in the message, for text where a
 * number belongs (the message says what it looks like: another header line, a missing value, a
 * decimal comma, ...), an empty field, infinity or NaN, a row longer or shorter than the first, no
 * rows, or a file that cannot be read. AD_UNSUPPORTED in a build without libcsv. NULL only when
 * memory is out; the caller frees the result in any case. */
AD_API nn_data *nn_data_csv(const char *path, const nn_csv_config *config);

/* Reads the array of a NumPy file (numpy.lib.format 1.0, 2.0, 3.0): the first axis is the rows, all
 * other axes flattened are the columns (an array of one axis has one column), and the last
 * `targets` columns are targets. Supported types: '<f8', '<f4', '<i8', '<i4', '<i2', '|i1', '<u8',
 * '<u4', '<u2', '|u1' and '|b1'; one-byte types also with '<', '>' and '=', and '=' where it means
 * '<'. C order and Fortran order give the same table. AD_BAD_FILE, with file and byte in the
 * message, for another type, a number that is not finite, an integer above 2^53, or too few or too
 * many bytes. NULL when memory is out. */
AD_API nn_data *nn_data_npy(const char *path, size_t targets);

/* Reads the array of an IDX file, MNIST's format (yann.lecun.com/exdb/mnist), plain or gzipped; a
 * gzipped file is AD_UNSUPPORTED in a build without zlib. Rows, columns, targets and errors as for
 * nn_data_npy; byte positions count uncompressed bytes. */
AD_API nn_data *nn_data_idx(const char *path, size_t targets);

/* Joins two tables row by row into a new object: all columns of `inputs` become inputs, all columns
 * of `targets` become targets, as for images and labels from two files. The caller keeps both. An
 * error of either is passed on; different numbers of rows are AD_BAD_ARGUMENT. NULL when memory is
 * out. */
AD_API nn_data *nn_data_join(const nn_data *inputs, const nn_data *targets);

/* Generated tables of two inputs and a class number, in random order; `noise` is the standard
 * deviation of the normal noise added to each input. AD_BAD_ARGUMENT for too few rows, or for a
 * noise or another number that is not finite or out of range. NULL when memory is out.
 *   moons     two half circles: (cos t, sin t) is class 0, (1 - cos t, 0.5 - sin t) class 1, t in
 *             equal steps from 0 to pi: sklearn.datasets.make_moons
 *   circles   of radius 1, class 0, and of radius `factor`, class 1: sklearn.datasets.make_circles
 *   spirals   arms from the center to radius 1, `turns` times around, one for each class
 *   xor       the corners (0,0), (0,1), (1,0), (1,1) in turn, class x != y; 4 rows without noise
 *             are its truth table */
AD_API nn_data *nn_data_moons(size_t rows, double noise, uint64_t seed);
AD_API nn_data *nn_data_circles(size_t rows, double factor, double noise, uint64_t seed);
AD_API nn_data *nn_data_spirals(size_t rows, size_t classes, double turns, double noise,
                                uint64_t seed);
AD_API nn_data *nn_data_xor(size_t rows, double noise, uint64_t seed);

/* One input x, uniform in [-pi, pi); the target is sin(x) plus the noise. */
AD_API nn_data *nn_data_sine(size_t rows, double noise, uint64_t seed);

AD_API void nn_data_free(nn_data *data);

AD_API ad_status   nn_data_status(const nn_data *data);  /* the first error, or AD_OK */
AD_API const char *nn_data_message(const nn_data *data); /* the same in a sentence; "" for AD_OK */

AD_API size_t nn_data_rows(const nn_data *data);    /* 0 after an error */
AD_API size_t nn_data_inputs(const nn_data *data);  /* columns */
AD_API size_t nn_data_targets(const nn_data *data); /* columns, right of the inputs */

/* The inputs + targets numbers of a row, owned by the data; NULL if there is no such row. */
AD_API const double *nn_data_row(const nn_data *data, size_t row);

/* Shuffles the rows. */
AD_API void nn_data_shuffle(nn_data *data, uint64_t seed);

/* Shuffles, then moves round(fraction*rows) rows to a new object, which the caller frees. Neither
 * part may be empty: AD_BAD_ARGUMENT on both. An error of the data is passed on to the new object.
 * NULL when memory is out. */
AD_API nn_data *nn_data_split(nn_data *data, double fraction, uint64_t seed);

/* Multiplies every input by a factor (1.0/16 for pixels of 0..16); targets stay as they are. A
 * result that is not finite is AD_BAD_ARGUMENT. */
AD_API void nn_data_scale(nn_data *data, double factor);

/* Mean and standard deviation (divided by rows, not by rows - 1) of each input column; each array
 * has space for all inputs. A constant column has exactly its value as mean and deviation 0; the
 * deviation of any other column is above 0. All NaN after an error. */
AD_API void nn_data_moments(const nn_data *data, double mean[], double deviation[]);

/* Every input becomes (x - mean)/deviation of its column; with deviation 0, x - mean. Apply the
 * moments of the training rows to the held-out rows too. AD_BAD_ARGUMENT for a result or a moment
 * that is not finite, and for a deviation below 0. */
AD_API void nn_data_standardize(nn_data *data, const double mean[], const double deviation[]);

/* What noise columns hold. */
typedef enum nn_noise { NN_NORMAL, NN_UNIFORM } nn_noise;

/* Adds `columns` columns of noise to every row, behind all its inputs and before its targets, for
 * variational autoencoders (normal numbers of mean 0 and deviation 1) and for nn_dropout (uniform
 * ones in [0, 1)). They are inputs: counted by nn_data_inputs, leaves of the row in a loss and in
 * a forward function. In the rows that nn_train learns from they are filled anew for each use,
 * from its seed, the epoch and the number of the row and nothing else. Everywhere else (held-out
 * rows, scores, nn_predict, nn_evaluate, nn_check, a shape, nn_data_row) normal ones are 0 and
 * uniform ones -1, at which nn_dropout passes x on. What depends on noise must be recorded
 * (ad_where, ad_branch), like all that depends on the row, see nn_train. nn_data_split takes them
 * along; nn_data_scale and nn_data_standardize leave them as they are; nn_data_join refuses them:
 * they are added after it. AD_BAD_ARGUMENT for no columns, too many to count, or another kind. */
AD_API void nn_data_noise(nn_data *data, nn_noise kind, size_t columns);

/* Replaces target number `target` (from 0) by `classes` targets: 1 in the column of its class, 0 in
 * the others. classes 0: one more than the largest class in the data. A number that is not a class
 * is AD_BAD_ARGUMENT. */
AD_API void nn_data_one_hot(nn_data *data, size_t target, size_t classes);

/* Writes shape[0] x ... x shape[axes - 1] numbers, row-major, as a .npy file (format 1.0, '<f8').
 * To write a table, pass the nn_data_rows x columns array at nn_data_row(data, 0). The file is
 * replaced as by nn_model_save. Returns AD_OK, or AD_BAD_ARGUMENT, AD_BAD_FILE or AD_NO_MEMORY and
 * then the sentence in message, truncated to room bytes; message may be NULL if room is 0. */
AD_API ad_status nn_npy_save(const char *path, size_t axes, const size_t shape[],
                             const double value[], size_t room, char message[]);

/* ---- models ---------------------------------------------------------------------------------- */

typedef struct nn_model nn_model; /* named arrays of parameters, consecutive on a tape */

/* How an array is filled: uniform in [low, high), or low itself if the two are equal; plus normal
 * noise of standard deviation `deviation` unless that is 0. */
typedef struct nn_init {
    double   low, high, deviation;
    uint64_t reserved[8];
} nn_init;

/* A rule computes an nn_init from the inputs of a unit (fan_in) and the number of units
 * (fan_out). */
typedef nn_init nn_init_rule(size_t fan_in, size_t fan_out);

AD_API nn_init nn_init_uniform(double low, double high);
AD_API nn_init nn_init_normal(double mean, double deviation);
AD_API nn_init nn_init_zeros(size_t fan_in, size_t fan_out);
AD_API nn_init nn_init_ones(size_t fan_in, size_t fan_out);

/* U(+-1/sqrt(fan_in)): torch.nn.Linear, weight and bias alike. */
AD_API nn_init nn_init_linear(size_t fan_in, size_t fan_out);

/* For relu, He et al. 2015: U(+-sqrt(6/fan_in)), torch.nn.init.kaiming_uniform_; or normal with
 * deviation sqrt(2/fan_in), kaiming_normal_. */
AD_API nn_init nn_init_he(size_t fan_in, size_t fan_out);
AD_API nn_init nn_init_he_normal(size_t fan_in, size_t fan_out);

/* Glorot and Bengio 2010: U(+-sqrt(6/(fan_in + fan_out))), torch.nn.init.xavier_uniform_; or normal
 * with deviation sqrt(2/(fan_in + fan_out)), xavier_normal_. */
AD_API nn_init nn_init_xavier(size_t fan_in, size_t fan_out);
AD_API nn_init nn_init_xavier_normal(size_t fan_in, size_t fan_out);

/* U(-1, 1): the weights of Karpathy's micrograd, whose biases are zeros. */
AD_API nn_init nn_init_micrograd(size_t fan_in, size_t fan_out);

/* A model without parameters on the tape, which must outlive it. NULL when memory is out. */
AD_API nn_model *nn_model_new(ad_tape *tape, uint64_t seed);
AD_API void      nn_model_free(nn_model *model); /* the tape and its nodes stay */

/* Adds an array of parameters, named as in "layers.0.weight": shape[0] x ... x shape[rank - 1]
 * numbers, row-major; rank 0 is one number and allows a NULL shape. They directly follow the
 * model's other parameters on the tape, so nothing else may have been recorded since the first of
 * them. Name and shape are copied; the handles are owned by the model and stay where they are until
 * it is freed. NULL and AD_BAD_ARGUMENT for no name, a name already taken, a shape without
 * elements, bounds or a deviation that are not finite, low above high, a deviation below 0, or
 * nodes recorded in between. */
AD_API const ad_var *nn_param(nn_model *model, const char *name, size_t rank, const size_t shape[],
                              nn_init init);

/* All parameters of the model, in the order of nn_param. The array is valid until the next
 * nn_param. */
AD_API size_t        nn_model_count(const nn_model *model);
AD_API const ad_var *nn_model_params(const nn_model *model);
AD_API ad_tape      *nn_model_tape(const nn_model *model);

/* All values, in the same order, as an array of nn_model_count numbers. Operations recorded earlier
 * see new values at the next ad_replay. Returns the status of the model; a failed model is not
 * changed. */
AD_API void      nn_model_values(const nn_model *model, double values[]);
AD_API ad_status nn_model_set_values(nn_model *model, const double values[]);

/* One of the named arrays, owned by the model. */
typedef struct nn_array {
    const char   *name;
    size_t        rank;
    const size_t *shape; /* rank numbers */
    size_t        count; /* their product */
    const ad_var *param;
    uint64_t      reserved[8];
} nn_array;

AD_API size_t   nn_model_arrays(const nn_model *model);
/* all 0 and NULL if there is none */
AD_API nn_array nn_model_array(const nn_model *model, size_t i);

/* Prints a table of the model: a line for each layer (the part of the names before the last dot),
 * with its shapes and its number of parameters, then the total. AD_BAD_FILE when writing fails. */
AD_API ad_status nn_summary(const nn_model *model, FILE *to);

/* The first error of the model, or else that of its tape. nn_model_clear forgets both. */
AD_API ad_status   nn_model_status(const nn_model *model);
AD_API const char *nn_model_message(const nn_model *model);
AD_API void        nn_model_clear(nn_model *model);

/* A remark of the last nn_train (where it is also shown in the progress), nn_predict or nn_evaluate
 * that is not an error, as a sentence; "" if there is none. There is one such remark: rows for
 * which no program is kept, see nn_train. */
AD_API const char *nn_model_note(const nn_model *model);

/* ---- groups of parameters -------------------------------------------------------------------- */

/* A prefix names all arrays of parameters that the model has with names that begin so: "layers.0."
 * a layer, "" everything. A * in it stands for any characters: "*.bias" is every bias. One that
 * names none is AD_BAD_ARGUMENT. The last call for an array counts. These settings belong to the
 * program, as an optimizer does: they are in no file, and a program that resumes a run makes them
 * again. Both return the status of the model.
 *
 * Frozen parameters are not trained: nn_train and nn_optimizer_step leave them and their part of
 * the optimizer's state as they are, with any weight decay, and their derivatives count as 0, also
 * in the norm that is clipped (as those of PyTorch's without requires_grad, which have none). The
 * number of steps in an optimizer's equations is that of the optimizer, also for parameters that
 * are not frozen any more. A model of which everything is frozen is AD_BAD_ARGUMENT in both. */
AD_API ad_status nn_model_freeze(nn_model *model, const char *prefix, bool frozen);

/* PyTorch's parameter groups: in nn_train and nn_optimizer_step these parameters have the rate of
 * the optimizer (or of the schedule) times rate_factor, and this weight decay in place of the
 * optimizer's, or with NN_SAME that. AD_BAD_ARGUMENT for a number that is not finite and at least
 * 0. Usual for biases and norms, which need no decay: nn_model_group(model, "*.bias", 1, 0). */
#define NN_SAME (-1.0)
AD_API ad_status nn_model_group(nn_model *model, const char *prefix, double rate_factor,
                                double weight_decay);

/* ---- buffers --------------------------------------------------------------------------------- */

/* A named array of numbers that belong to the model but are not trained, such as the means and
 * deviations of its inputs: shape[0] x ... x shape[rank - 1], row-major; rank 0 is one number and
 * allows a NULL shape. All is copied. With the name of a buffer that is there, its numbers are set
 * (where they stand). Buffers are saved and loaded with the parameters, by nn_model_save and _load
 * and in checkpoints, as those in the state_dict of PyTorch are; a model is loaded into one that
 * has made the same buffers, with any numbers. Returns the status of the model: AD_BAD_ARGUMENT for
 * no name, that of a parameter, another shape than the buffer has, a shape without elements, no
 * values. */
AD_API ad_status nn_buffer(nn_model *model, const char *name, size_t rank, const size_t shape[],
                           const double value[]);

/* The numbers of a buffer, owned by the model and where they are until it is freed; NULL if there
 * is none of that name. Losses and forward functions use them as plain numbers (ad_num), which are
 * constants of what is compiled: after a change of them (by nn_on_step, say) nn_train compiles
 * again. */
AD_API const double *nn_buffer_value(const nn_model *model, const char *name);

/* ---- activations, neurons, layers ------------------------------------------------------------ */

/* Any operation of one operand: ad_tanh, ad_relu, ... */
typedef ad_var nn_activation(ad_var x);

AD_API ad_var nn_identity(ad_var x);

/* "identity", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "softplus"; NULL for
 * any other. */
AD_API nn_activation *nn_activation_named(const char *name);

/* The inverse; "identity" for NULL, "activation" for a function of the caller's own. */
AD_API const char *nn_activation_name(nn_activation *activation);

/* One unit: activation(bias + the sum of weight[i]*x[i]); activation NULL: the identity. */
AD_API ad_var nn_neuron(size_t n, const ad_var weight[], const ad_var x[], ad_var bias,
                        nn_activation *activation);

/* A layer of units that share their inputs: torch.nn.Linear and an activation,
 * output = activation(weight*input + bias). A value, never freed; its arrays are the model's. */
typedef struct nn_layer {
    size_t         inputs, outputs;
    const ad_var  *weight; /* outputs x inputs, row-major; NULL after an error */
    const ad_var  *bias;   /* outputs; NULL without */
    nn_activation *activation;
    uint64_t       reserved[8];
} nn_layer;

/* What a layer is made of. */
typedef struct nn_layer_config {
    size_t         inputs, outputs; /* at least 1 each */
    nn_activation *activation;      /* NULL: the identity */
    nn_init_rule  *weight, *bias;   /* NULL: nn_init_linear */
    bool           without_bias;
    uint64_t       reserved[8];
} nn_layer_config;

/* Adds the parameters NAME.weight and NAME.bias to the model; errors as for nn_param. */
AD_API nn_layer nn_layer_add(nn_model *model, const char *name, const nn_layer_config *config);

/* input: inputs handles or plain numbers; output: outputs handles, another array. Of a layer whose
 * `reserved` is not all 0: AD_BAD_ARGUMENT on the tape of its weights. */
AD_API void nn_layer_forward(const nn_layer *layer, const ad_var input[], ad_var output[]);

/* ---- multilayer perceptrons ------------------------------------------------------------------ */

typedef struct nn_mlp nn_mlp; /* layers one after the other */

/* What a multilayer perceptron is made of. */
typedef struct nn_mlp_config {
    size_t         layers;        /* at least 1 */
    const size_t  *sizes;         /* layers + 1: the inputs, then the units of each layer */
    nn_activation *hidden;        /* of every layer but the last; NULL: ad_tanh */
    nn_activation *output;        /* of the last; NULL: the identity, for logits */
    nn_init_rule  *weight, *bias; /* NULL: nn_init_linear */
    const char    *name;          /* NULL: "layers", for layers.0.weight, layers.0.bias, ... */
    bool           without_bias;
    uint64_t       reserved[8];
} nn_mlp_config;

/* Adds the layers to the model. NULL after an error, which is on the model. */
AD_API nn_mlp *nn_mlp_new(nn_model *model, const nn_mlp_config *config);
AD_API void    nn_mlp_free(nn_mlp *mlp); /* the parameters stay, they are the model's */

/* The layers one by one, first to last; all 0 and NULL if there is none. */
AD_API size_t   nn_mlp_layers(const nn_mlp *mlp);
AD_API nn_layer nn_mlp_layer(const nn_mlp *mlp, size_t i);

/* Records one example: sizes[0] inputs, as handles or plain numbers, to sizes[layers] outputs, each
 * layer in a scope of its name ("layers.0"; ad_scope). Not thread-safe, as the tape is not. Does
 * nothing if mlp is NULL. */
AD_API void nn_mlp_forward(const nn_mlp *mlp, const ad_var input[], ad_var output[]);

/* ---- building blocks ------------------------------------------------------------------------- */

/* Functions of arrays of handles or plain numbers, for models that a program writes itself. Output
 * and input may be the same array only where stated. */

/* Drops each x with probability `rate`, by a uniform number in [0, 1) for each (nn_data_noise):
 * y[i] = 0 if mask[i] < rate, else x[i]/(1 - rate), torch.nn.Dropout in training; y[i] = x[i] for a
 * mask below 0, as in evaluation. A rate that is not at least 0 and below 1, or a mask that is NaN
 * when it is recorded, is AD_BAD_ARGUMENT on the tape; a mask that becomes NaN in another row of a
 * program makes y NaN. y may be x. */
AD_API void nn_dropout(size_t n, const ad_var x[], const ad_var mask[], double rate, ad_var y[]);

/* y = weight*x, weight m x n, row-major: torch.nn.functional.linear without a bias. */
AD_API void nn_linear(size_t m, size_t n, const ad_var weight[], const ad_var x[], ad_var y[]);

/* y = x + f: a residual connection. y may be x or f. */
AD_API void nn_residual(size_t n, const ad_var x[], const ad_var f[], ad_var y[]);

/* y[i] = x[i]/sqrt(mean of x^2 + epsilon), times scale[i] unless scale is NULL: torch.nn.RMSNorm. y
 * may be x. */
AD_API void nn_rms_norm(size_t n, const ad_var x[], const ad_var scale[], double epsilon,
                        ad_var y[]);

/* y[i] = (x[i] - mean)/sqrt(variance + epsilon), times scale[i], plus shift[i], unless these are
 * NULL; the variance is divided by n: torch.nn.LayerNorm. y may be x. */
AD_API void nn_layer_norm(size_t n, const ad_var x[], const ad_var scale[], const ad_var shift[],
                          double epsilon, ad_var y[]);

/* Recorded: y[i] = exp(x[i])/sum of exp(x[j]), torch.nn.Softmax; or its logarithm. An offset common
 * to all x cancels, however large. -infinity gets probability 0; if any x is infinity, or all are
 * -infinity, every y is NaN. y may be x. */
AD_API void nn_softmax_recorded(size_t n, const ad_var x[], ad_var y[]);
AD_API void nn_log_softmax(size_t n, const ad_var x[], ad_var y[]);

/* Attention: torch.nn.functional.scaled_dot_product_attention, with the width divided among
 * `heads`. query, key, value and y are positions x width, row-major; width is a multiple of heads.
 * For each head and position t
 *
 *     y[t] = sum over s of softmax(query[t].key[s]/sqrt(width/heads))[s] * value[s]
 *
 * with s up to t if `causal`, else over all positions. scratch: 2*positions handles. */
AD_API void nn_attend(size_t positions, size_t width, size_t heads, bool causal,
                      const ad_var query[], const ad_var key[], const ad_var value[], ad_var y[],
                      ad_var scratch[]);

/* Multi-head attention with its projections, torch.nn.MultiheadAttention on one sequence: adds
 * NAME.query, NAME.key, NAME.value and NAME.output, width x width each, without biases. NULL after
 * an error, which is on the model. */
typedef struct nn_attention nn_attention;

/* The sizes of attention. */
typedef struct nn_attention_config {
    const char   *name;
    size_t        width, heads, positions; /* positions: the maximum; heads divide width */
    bool          causal;
    nn_init_rule *weight; /* NULL: nn_init_xavier, as in PyTorch */
    uint64_t      reserved[8];
} nn_attention_config;

AD_API nn_attention *nn_attention_new(nn_model *model, const nn_attention_config *config);
AD_API void          nn_attention_free(nn_attention *attention); /* the parameters stay */

/* x and y: positions x width, row-major. Does nothing if attention is NULL, or for more positions
 * than it was made for. y may be x. Everything is recorded in a scope of the attention's name. */
AD_API void nn_attention_forward(const nn_attention *attention, size_t positions, const ad_var x[],
                                 ad_var y[]);

/* A table of `count` vectors of `width` numbers, looked up by index: torch.nn.Embedding,
 * NAME.weight, count x width; init NULL: normal, mean 0 and deviation 1. The index may be an input:
 * the lookup is recorded with ad_pick, so one program serves all indices; outside 0..count-1 is
 * AD_BAD_ARGUMENT on the tape. */
typedef struct nn_embedding nn_embedding;

AD_API nn_embedding *nn_embedding_new(nn_model *model, const char *name, size_t count, size_t width,
                                      const nn_init *init);
AD_API void          nn_embedding_free(nn_embedding *embedding); /* the parameters stay */
/* y: width */
AD_API void          nn_embedding_forward(const nn_embedding *embedding, ad_var number, ad_var y[]);

/* ---- pictures -------------------------------------------------------------------------------- */

/* A window that moves over a picture of channels x height x width numbers, row-major (PyTorch's
 * layout, without the batch). Pairs are {down, across}. */
typedef struct nn_window {
    size_t   channels, height, width; /* of the picture; at least 1 each */
    size_t   kernel[2];               /* of the window; at least 1 */
    size_t   stride[2];               /* 0: 1 for a convolution, the kernel for pooling */
    size_t   padding[2];              /* on each side; for pooling at most half of the kernel */
    uint64_t reserved[8];
} nn_window;

/* Each of these writes channels x h x w numbers to y, another array than x, and returns how many:
 *
 *     h = (height + 2*padding[0] - kernel[0])/stride[0] + 1, rounded down, w alike
 *
 * With y NULL nothing is recorded, and x and weight may be NULL too. 0 after an error, which is on
 * the tape of the handles (AD_BAD_ARGUMENT for sizes that do not fit, or a window whose `reserved`
 * is not all 0); then nothing is recorded either, and y stays as it is. */

/* torch.nn.functional.conv2d: y[k] at each place is bias[k] plus the sum over the window of
 * weight[k]*x; around the picture there are zeros. weight: outputs x channels x kernel[0] x
 * kernel[1]; bias: outputs, or NULL; y has `outputs` channels. */
AD_API size_t nn_conv2d(const nn_window *window, size_t outputs, const ad_var weight[],
                        const ad_var bias[], const ad_var x[], ad_var y[]);

/* Adds NAME.weight and NAME.bias for that to the model, U(+-1/sqrt(inputs)) both, as PyTorch does;
 * inputs: channels*kernel[0]*kernel[1]. All 0 and NULL after an error, which is on the model. */
AD_API nn_layer nn_conv2d_add(nn_model *model, const char *name, const nn_window *window,
                              size_t outputs);

/* The largest number under the window (ad_largest: those that are equal share the adjoint; in
 * PyTorch the first of them has it), or the mean, in which zeros around the picture count:
 * torch.nn.functional.max_pool2d, avg_pool2d. */
AD_API size_t nn_max_pool2d(const nn_window *window, const ad_var x[], ad_var y[]);
AD_API size_t nn_avg_pool2d(const nn_window *window, const ad_var x[], ad_var y[]);

/* ---- sequences ------------------------------------------------------------------------------- */

/* The parameters of a recurrent layer, named and laid out as in torch.nn.GRU and torch.nn.LSTM (of
 * one layer, without the suffix _l0) and in their cells: a block of `hidden` rows for each gate. A
 * value, never freed; its arrays are the model's. */
typedef struct nn_cell {
    size_t        gates;             /* 3: reset, update, new (GRU); 4: in, forget, cell, out */
    size_t        inputs, hidden;    /* numbers of a step and of the state; at least 1 each */
    const ad_var *weight_ih;         /* gates*hidden x inputs; NULL after an error */
    const ad_var *weight_hh;         /* gates*hidden x hidden */
    const ad_var *bias_ih, *bias_hh; /* gates*hidden; NULL: without */
    uint64_t      reserved[8];
} nn_cell;

/* Add NAME.weight_ih, NAME.weight_hh, NAME.bias_ih and NAME.bias_hh to the model, all of them
 * U(+-1/sqrt(hidden)), as in PyTorch. All 0 and NULL after an error, which is on the model. */
AD_API nn_cell nn_gru_add(nn_model *model, const char *name, size_t inputs, size_t hidden);
AD_API nn_cell nn_lstm_add(nn_model *model, const char *name, size_t inputs, size_t hidden);

/* `length` steps of torch.nn.GRU; one of them is torch.nn.GRUCell. x: length x inputs. h: the
 * state, hidden numbers, before the first step (plain zeros where a sequence begins) and then after
 * the last. y: length x hidden, h after each step; or NULL. With the rows of the gates r, z, n
 *
 *     r = sigmoid(weight_ih[r]*x + bias_ih[r] + weight_hh[r]*h + bias_hh[r]), z likewise
 *     n = tanh(weight_ih[n]*x + bias_ih[n] + r*(weight_hh[n]*h + bias_hh[n]))
 *     h = (1 - z)*n + z*h
 *
 * Does nothing with a cell of NULLs. A cell of another kind, or whose `reserved` is not all 0, is
 * AD_BAD_ARGUMENT on the tape of its weights, and nothing is recorded. */
AD_API void nn_gru(const nn_cell *cell, size_t length, const ad_var x[], ad_var h[], ad_var y[]);

/* The same for torch.nn.LSTM and LSTMCell, whose state is h and c, hidden numbers each. With
 * a(k) = weight_ih[k]*x + bias_ih[k] + weight_hh[k]*h + bias_hh[k] for the rows of the gates i, f,
 * g, o
 *
 *     c = sigmoid(a(f))*c + sigmoid(a(i))*tanh(a(g)),   h = sigmoid(a(o))*tanh(c) */
AD_API void nn_lstm(const nn_cell *cell, size_t length, const ad_var x[], ad_var h[], ad_var c[],
                    ad_var y[]);

/* The least of the buckets, in any order, that holds this length; the length itself if none does.
 * As `shape` of nn_train it gives sequences of like lengths one program: the loss records as many
 * positions as the bucket has, and leaves the state as it was (ad_where) in those past the end. */
AD_API size_t nn_bucket(size_t length, size_t buckets, const size_t bucket[]);

/* ---- losses of one example ------------------------------------------------------------------- */

/* For an example with n outputs each loss is the mean over the outputs, or with _sum their sum; 0
 * for n = 0. How nn_train combines examples is set in its configuration. */

/* log(sum of exp(logits[k] - logits[label])): torch.nn.CrossEntropyLoss for one example with a
 * class number; infinite if the label's logit is -infinity or another one is infinity, NaN if the
 * label's is infinity itself. A label that is not an integer in 0..classes-1 is AD_BAD_ARGUMENT on
 * the tape. */
AD_API ad_var nn_cross_entropy(size_t classes, const ad_var logits[], ad_var label);

/* With label smoothing (0 to 1; NaN outside), torch's label_smoothing: the target distribution is
 * 1 - smoothing on the label plus smoothing/classes on each class. */
AD_API ad_var nn_cross_entropy_smooth(size_t classes, const ad_var logits[], ad_var label,
                                      double smoothing);

/* 1 if no logit is larger than that of the label, else 0 (NaN among them: 0), recorded: its mean
 * over examples is the accuracy. */
AD_API ad_var nn_correct(size_t classes, const ad_var logits[], ad_var label);

/* (prediction - target)^2: torch.nn.MSELoss. */
AD_API ad_var nn_mse(size_t n, const ad_var prediction[], const ad_var target[]);
AD_API ad_var nn_mse_sum(size_t n, const ad_var prediction[], const ad_var target[]);

/* |prediction - target|: torch.nn.L1Loss. */
AD_API ad_var nn_mae(size_t n, const ad_var prediction[], const ad_var target[]);
AD_API ad_var nn_mae_sum(size_t n, const ad_var prediction[], const ad_var target[]);

/* With e = |prediction - target|: e^2/2 up to delta, from there delta*(e - delta/2):
 * torch.nn.HuberLoss. NaN unless delta is at least 0. */
AD_API ad_var nn_huber(size_t n, const ad_var prediction[], const ad_var target[], double delta);
AD_API ad_var nn_huber_sum(size_t n, const ad_var prediction[], const ad_var target[],
                           double delta);

/* softplus(logit) - target*logit, targets 0 to 1: torch.nn.BCEWithLogitsLoss. Accurate for logits
 * of any size, including infinite ones: their loss is 0 if they are right. */
AD_API ad_var nn_bce(size_t n, const ad_var logit[], const ad_var target[]);
AD_API ad_var nn_bce_sum(size_t n, const ad_var logit[], const ad_var target[]);

/* relu(1 - target*score), targets -1 or 1: the hinge loss of support-vector machines, Cortes and
 * Vapnik 1995. */
AD_API ad_var nn_hinge(size_t n, const ad_var score[], const ad_var target[]);
AD_API ad_var nn_hinge_sum(size_t n, const ad_var score[], const ad_var target[]);

/* The index of the largest value, the first among equals; NaN is never the largest. 0 for n = 0. */
AD_API size_t nn_argmax(size_t n, const ad_var x[]);

/* exp(logits[i])/sum of exp(logits) as numbers, not recorded: torch.nn.Softmax. */
AD_API void nn_softmax(size_t n, const ad_var logits[], double probability[]);

/* ---- optimizers ------------------------------------------------------------------------------ */

typedef struct nn_optimizer nn_optimizer;

/* Each is made by a function nn_NAME_new from a configuration, which is used as it is, without
 * defaults; nn_NAME_usual returns PyTorch's defaults as a starting point:
 *
 *     nn_adam_config c = nn_adam_usual(0.01);
 *     c.beta1 = 0.85;
 *     nn_optimizer *adam = nn_adam_new(&c);
 *
 * In the equations p is a parameter, g its derivative, t the number of the step from 1; the other
 * single letters are state kept between steps, initially 0; everything is element by element. The
 * equations are those of PyTorch 2's documentation of torch.optim, with its names; before them
 *
 *     g = -g  if maximize;     g = g + weight_decay*p, but not in AdamW
 *
 * Numbers that are not finite or out of range are AD_BAD_ARGUMENT on the optimizer: rates are above
 * 0, betas in [0, 1), dampening any number, the others at least 0. NULL when memory is out. */

/* torch.optim.SGD.   b = momentum*b + (1 - dampening)*g, but b = g in the first step;
 *                    g = g + momentum*b if nesterov, else g = b;     p = p - rate*g
 * Without momentum p = p - rate*g. Nesterov's needs momentum and no dampening. */
typedef struct nn_sgd_config {
    double   rate, momentum, dampening, weight_decay;
    bool     nesterov, maximize;
    uint64_t reserved[8];
} nn_sgd_config;

AD_API nn_optimizer *nn_sgd(double rate); /* plain: p = p - rate*g */
AD_API nn_optimizer *nn_sgd_new(const nn_sgd_config *config);

/* torch.optim.Adam, Kingma and Ba 2015.
 *                    m = beta1*m + (1 - beta1)*g;     v = beta2*v + (1 - beta2)*g^2
 *                    w = max(w, v) if amsgrad, else w = v
 *                    p = p - rate*m/(1 - beta1^t)/(sqrt(w/(1 - beta2^t)) + epsilon)
 * torch.optim.AdamW, Loshchilov and Hutter 2019: weight decay is not part of g; instead, before
 * that,
 *                    p = p - rate*weight_decay*p
 * Defaults: betas 0.9 and 0.999, epsilon 1e-8, weight decay 0, and 0.01 for AdamW. */
typedef struct nn_adam_config {
    double   rate, beta1, beta2, epsilon, weight_decay;
    bool     amsgrad, maximize;
    uint64_t reserved[8];
} nn_adam_config;

AD_API nn_adam_config nn_adam_usual(double rate);
AD_API nn_adam_config nn_adamw_usual(double rate);
AD_API nn_optimizer  *nn_adam(double rate); /* with the defaults */
AD_API nn_optimizer  *nn_adamw(double rate);
AD_API nn_optimizer  *nn_adam_new(const nn_adam_config *config);
AD_API nn_optimizer  *nn_adamw_new(const nn_adam_config *config);

/* torch.optim.RMSprop, Hinton 2012.
 *                    v = alpha*v + (1 - alpha)*g^2;   w = v
 *                    m = alpha*m + (1 - alpha)*g;     w = v - m^2   if centered
 *                    b = momentum*b + g/(sqrt(w) + epsilon);   p = p - rate*b
 * A variance w that rounding made negative counts as 0. Defaults: alpha 0.99, epsilon 1e-8, the
 * others 0. */
typedef struct nn_rmsprop_config {
    double   rate, alpha, epsilon, momentum, weight_decay;
    bool     centered, maximize;
    uint64_t reserved[8];
} nn_rmsprop_config;

AD_API nn_rmsprop_config nn_rmsprop_usual(double rate);
AD_API nn_optimizer     *nn_rmsprop_new(const nn_rmsprop_config *config);

/* torch.optim.Adagrad, Duchi, Hazan and Singer 2011.
 *                    s = s + g^2, starting at initial_accumulator;
 *                    p = p - rate/(1 + (t - 1)*rate_decay)*g/(sqrt(s) + epsilon)
 * Defaults: epsilon 1e-10, the others 0. */
typedef struct nn_adagrad_config {
    double   rate, rate_decay, epsilon, weight_decay, initial_accumulator;
    bool     maximize;
    uint64_t reserved[8];
} nn_adagrad_config;

AD_API nn_adagrad_config nn_adagrad_usual(double rate);
AD_API nn_optimizer     *nn_adagrad_new(const nn_adagrad_config *config);

AD_API void nn_optimizer_free(nn_optimizer *optimizer);

AD_API double      nn_optimizer_rate(const nn_optimizer *optimizer);
/* bad rates as above */
AD_API void        nn_optimizer_set_rate(nn_optimizer *optimizer, double rate);
AD_API ad_status   nn_optimizer_status(const nn_optimizer *optimizer);
AD_API const char *nn_optimizer_message(const nn_optimizer *optimizer);

/* Takes one step: new values for all parameters of the model, by its groups (nn_model_group);
 * gradient: nn_model_count numbers. Operations recorded earlier see them at the next ad_replay.
 * Returns the status of the optimizer if it is an error, else that of the model. */
AD_API ad_status nn_optimizer_step(nn_optimizer *optimizer, nn_model *model,
                                   const double gradient[]);

/* The same for parameters in an array of numbers. An optimizer is bound to the n of its first step:
 * another n is AD_BAD_ARGUMENT. Returns its status. */
AD_API ad_status nn_optimizer_update(nn_optimizer *optimizer, size_t n, double param[],
                                     const double gradient[]);

/* The state of an optimizer, as named arrays for a checkpoint: "steps" and "rate", one number each,
 * then the state of its equations, n numbers each, under PyTorch's names ("exp_avg"). Writing the
 * same numbers into the arrays of another optimizer made with the same call resumes exactly where
 * the first one was. nn_optimizer_prepare(optimizer, n) allocates the arrays, as they are before
 * the first step, if no step has done so yet. */
typedef struct nn_state {
    const char *name;
    size_t      count;
    double     *value; /* owned by the optimizer; to be read and written */
    uint64_t    reserved[8];
} nn_state;

/* "sgd", "adam", "adamw", "rmsprop", "adagrad" */
AD_API const char *nn_optimizer_name(const nn_optimizer *optimizer);
AD_API ad_status   nn_optimizer_prepare(nn_optimizer *optimizer, size_t n);
AD_API size_t      nn_optimizer_state_count(const nn_optimizer *optimizer);
/* all 0 and NULL if there is none */
AD_API nn_state    nn_optimizer_state(nn_optimizer *optimizer, size_t i);

/* Gradient clipping. By norm: all times most/(norm + 1e-6) if that is below 1
 * (torch.nn.utils.clip_grad_norm_, Euclidean norm); returns the norm before clipping. By value:
 * each is clamped to [-most, most] (clip_grad_value_). NaN stays NaN. A limit that is NaN or below
 * 0, which would reverse the gradient, is refused: the gradient is left as it is, and the norm
 * returned is NaN. */
AD_API double nn_clip_norm(size_t n, double gradient[], double most);
AD_API void   nn_clip_value(size_t n, double gradient[], double most);

/* ---- schedules of the rate ------------------------------------------------------------------- */

/* The rate as a function of the number of steps taken before, s = 0, 1, ... A value, never freed.
 *
 *     constant      rate
 *     step          rate*factor^floor(s/every)                               torch's StepLR
 *     exponential   rate*factor^s                                            ExponentialLR
 *     linear        from rate to last in `steps` equal steps, then last      LinearLR
 *     cosine        last + (rate - last)*(1 + cos(pi*s/steps))/2, then last  CosineAnnealingLR
 *
 * Warm-up can precede any of them: rate*(s + 1)/w for the first w steps, then the other schedule at
 * s - w. Rates are above 0 (last: at least 0) and finite, factors above 0, steps at least 1. */
typedef enum nn_schedule_shape {
    NN_CONSTANT,
    NN_STEP,
    NN_EXPONENTIAL,
    NN_LINEAR,
    NN_COSINE
} nn_schedule_shape;

/* How the learning rate changes from step to step. */
typedef struct nn_schedule {
    nn_schedule_shape shape;
    double            rate, last, factor;
    size_t            steps, warm_up;
    uint64_t          reserved[8];
} nn_schedule;

AD_API nn_schedule nn_schedule_constant(double rate);
AD_API nn_schedule nn_schedule_step(double rate, size_t every, double factor);
AD_API nn_schedule nn_schedule_exponential(double rate, double factor);
AD_API nn_schedule nn_schedule_linear(double rate, double last, size_t steps);
AD_API nn_schedule nn_schedule_cosine(double rate, double last, size_t steps);
AD_API nn_schedule nn_schedule_warm_up(size_t steps, nn_schedule then);

/* NaN if it is not good */
AD_API double nn_schedule_rate(const nn_schedule *schedule, size_t step);
AD_API bool   nn_schedule_good(const nn_schedule *schedule); /* true if its numbers are in range */

/* ---- saving ---------------------------------------------------------------------------------- */

/* Saves the parameters and buffers as a safetensors file (github.com/huggingface/safetensors,
 * "Format"): each array under its name and with its shape, as F64, which keeps every bit, or as
 * F32, rounded to nearest, half the size. Readable by PyTorch, NumPy and others (docs/data.md).
 *
 * A file is replaced atomically: the new one is written next to the old one without a name (or, if
 * the file system does not support that, as .tapir- and 16 digits), synced and renamed, and the
 * folder is synced. An error, a full disk or a crash at any moment leaves the old file or the new
 * one. No lock is taken and no other file is touched. A symbolic link is followed, even to a file
 * that does not exist yet; anything but a regular file is left alone. The read, write and execute
 * permissions of the old file are kept.
 *
 * All of these return the status of the model, which keeps the first error: AD_BAD_FILE with the
 * system's reason, AD_BAD_ARGUMENT for a number too large for F32 or a name that is not UTF-8,
 * AD_UNSUPPORTED in a build without jansson. nn_model_clear clears it; the parameters are
 * unchanged. */
AD_API ad_status nn_model_save(nn_model *model, const char *path);
AD_API ad_status nn_model_save_f32(nn_model *model, const char *path);

/* Loads a safetensors file, F64 or F32, from any writer, into the model's parameters and buffers of
 * the same names and shapes. The whole file is checked first: AD_BAD_FILE, with file and
 * position in the message and the model unchanged, for a truncated file, offsets that overlap,
 * leave a gap or overflow, another type or shape, a duplicate name, or a name missing from the
 * model or from the file. Of a checkpoint only parameters and buffers are read. */
AD_API ad_status nn_model_load(nn_model *model, const char *path);

/* Numbers that a checkpoint keeps besides the parameters and the optimizer's state: a name of up to
 * 80 characters and `count` numbers, either real or whole; the other pointer is NULL. */
typedef struct nn_entry {
    const char *name;
    size_t      count;
    double     *real;  /* array "training.NAME", of rank 1, or 0 for one number */
    uint64_t   *whole; /* text in __metadata__: "training.NAME" */
    uint64_t    reserved[8];
} nn_entry;

/* A checkpoint: parameters and buffers, the optimizer's state ("optimizer.NAME") and n entries in
 * one safetensors file, F64, replaced like a model's. Load it into a model with the same arrays,
 * an optimizer of the same kind (prepared if it is not) and entries of the same names and counts:
 * the numbers are written where the entries point, all or, after an error, none. The run then
 * continues bit for bit. Errors as above; the status is also the model's. */
AD_API ad_status nn_checkpoint_save(const char *path, nn_model *model, nn_optimizer *optimizer,
                                    size_t n, const nn_entry entry[]);
AD_API ad_status nn_checkpoint_load(const char *path, nn_model *model, nn_optimizer *optimizer,
                                    size_t n, const nn_entry entry[]);

/* ---- training -------------------------------------------------------------------------------- */

/* Records the loss of one example on the model's tape and returns it. input: the row of the data,
 * its inputs first (noise last of them), then its targets, each a leaf of that tape (ad_input) in
 * every caller: programs, by_example, nn_check, held-out rows. So a loss may differentiate with
 * respect to its inputs, as that of a physics-informed network does (ad_record_gradient). inputs:
 * how many numbers the row has, targets included. */
typedef ad_var nn_loss(nn_model *model, size_t inputs, const ad_var input[], void *user);

/* The shape of a row, for example the length of a sequence: rows of equal shape record the same
 * graph, except for branches noted by ad_branch. row: its `columns` numbers; user: as for the
 * loss. */
typedef uint64_t nn_shape(size_t columns, const double row[], void *user);

/* A number shown after each epoch, for what is not a mean of a score over rows. Whatever it records
 * is rewound afterwards. */
typedef double nn_metric(nn_model *model, void *user);

/* What is known after a step. */
typedef struct nn_step {
    size_t   epoch, step, steps; /* from 1; in this epoch, from 1; in total */
    double   loss;               /* mean over the examples of the step, before it */
    double   rate;
    uint64_t reserved[8];
} nn_step;

/* What is known after an epoch. */
typedef struct nn_epoch {
    size_t   epoch;               /* from 1 */
    double   loss;                /* mean over the epoch's examples, each before its step */
    double   metric;              /* or score; NaN without one */
    double   seconds;             /* since the training began */
    double   examples_per_second; /* in this epoch, without held-out rows and metric */
    double   held_out_loss;       /* mean over the held-out rows; NaN without any */
    double   rate;                /* of the last step */
    bool     best;                /* better than every epoch before, in what `monitor` says */
    uint64_t reserved[8];
} nn_epoch;

/* Called after each step and each epoch; returning false ends the training, which is not an error.
 * They may change the parameters (ad_set, nn_model_set_values) and the optimizer's rate. */
typedef bool nn_on_step(const nn_step *step, void *user);
typedef bool nn_watch(const nn_epoch *epoch, void *user);

/* What makes an epoch the best: the loss (of the held-out rows if there are any), or metric or
 * score. */
typedef enum nn_monitor { NN_LOWEST_LOSS, NN_HIGHEST_METRIC, NN_LOWEST_METRIC } nn_monitor;

/* Everything is off when zero; pointers may be NULL. */
typedef struct nn_train_config {
    size_t      epochs, batch; /* passes over the data, examples a step; at least 1 each */
    uint64_t    seed;          /* of the order of the examples */
    bool        progress;      /* a bar on a terminal, else a line per epoch of up to 80 columns */
    FILE       *stream;        /* where progress goes; NULL: stderr */
    const char *history;       /* file for a row per epoch: TSV with a header line */
    nn_metric  *metric;
    /* of metric or score, for progress and history, without control characters; NULL: "metric" */
    const char *metric_name;
    nn_watch   *watch;            /* after each epoch */
    const char *checkpoint;       /* file that keeps the run; tried before the first step */
    size_t      checkpoint_steps; /* also save every so many steps; 0: only after epochs */
    bool        resume;           /* continue from the checkpoint, if the file exists */
    nn_shape   *shape;            /* NULL: detected, see below */
    bool        by_example;       /* no programs: each example recorded, swept and rewound */

    nn_on_step        *on_step;  /* after each step */
    bool               in_order; /* rows in the order of the data, not shuffled */
    bool               sum;      /* the loss of a step is the sum over its examples */
    /* clip the gradient, by norm first (nn_clip_norm); 0: do not */
    double             clip_norm, clip_value;
    const nn_schedule *schedule; /* the rate of each step; NULL: the optimizer's own */

    const nn_data *held_out; /* rows not trained on, as wide as the data; after each epoch */
    /* their mean loss is measured, and the mean of score, recorded like the loss, as the metric
     * (nn_correct: the accuracy) */
    nn_loss       *score;
    nn_monitor     monitor;
    size_t         patience;     /* stop after so many epochs without a new best; 0: never */
    double         min_delta;    /* a new best is better by more than this */
    bool           restore_best; /* in the end the parameters are those after the best epoch */
    uint64_t       reserved[8];
} nn_train_config;

/* Minibatch gradient descent. The rows are reshuffled for each epoch and taken `batch` at a time
 * (the last step of an epoch takes what is left). The gradients are *averaged* over the examples of
 * a step and passed to the optimizer. Afterwards tape and handles are as before, except for the
 * values of the parameters.
 *
 * The loss of one row is recorded, with its numbers as inputs, and compiled; all rows with the same
 * graph are then lanes of that program (ad_compile), many times faster than recording rows one by
 * one. So everything that depends on the row must be recorded: ad_pick and ad_where choose by a
 * number of the row, ad_branch notes an `if`, and rows that take the other side get a program of
 * their own. A loss that looks at its inputs with ad_value and records different things (a loop
 * over a sequence of that length) declares with `shape` which rows record the same graph. Without
 * `shape` a few rows are compared, and if they differ every row is recorded once to find its
 * program. In either case some rows are recorded again in the first steps and compared with what
 * their program computes: a difference is AD_BAD_ARGUMENT. When a shape has 64 programs, or 64 or
 * more programs have been recorded from 4 million nodes in total, rows that would need another one
 * are recorded one by one, about ten times slower, and nn_model_note says so: it is faster to pad
 * sequences to a few lengths, or to one with a mask. by_example records all rows that way, with the
 * same results up to rounding; use it to see every node, and for a loss that uses random numbers of
 * its own (nn_data_noise makes them numbers of the row, for programs).
 *
 * A checkpoint (nn_checkpoint_save) holds the whole run: a run that was killed at any moment and is
 * restarted with `resume` and the same model, loss, data, optimizer and configuration ends with the
 * same bits as an uninterrupted one, on the same processor, as long as no row is recorded one by
 * one because it could not be compiled; its history has the same lines. A run resumed with more
 * epochs continues, and so does one that on_step ended; one that watch ended stays ended. State
 * that `user` keeps is not in the checkpoint. A checkpoint that cannot be written ends the
 * training.
 *
 * The status is also that of the model, with a sentence in nn_model_message: errors of tape,
 * model, data or optimizer; AD_BAD_ARGUMENT for epochs or batch 0, a batch larger than the data,
 * a model without parameters or with nothing but frozen ones, a number of the configuration out
 * of its range, a loss that is a plain number, or a loss or gradient that is not finite (the
 * message gives epoch, step and row, and the first node that was not finite; the parameters stay
 * as they were before that step); AD_TWO_TAPES for a loss on another tape than the model's;
 * AD_BAD_FILE when the history or the checkpoint cannot be written, or does not belong to this
 * run: a history that is resumed must have the same columns. History, checkpoint and a file that
 * the progress goes to must be different files, under any names: else AD_BAD_ARGUMENT. */
AD_API ad_status nn_train(nn_model *model, nn_loss *loss, void *user, const nn_data *data,
                          nn_optimizer *optimizer, const nn_train_config *config);

/* ---- a model in use -------------------------------------------------------------------------- */

/* Records the outputs of a model for one row on the model's tape. input: the `inputs` numbers of
 * the row without its targets, each a leaf of that tape; output: as many handles or plain numbers
 * as nn_predict was told, NaN where none is written. */
typedef void nn_forward(nn_model *model, size_t inputs, const ad_var input[], ad_var output[],
                        void *user);

/* The outputs of all rows of the data, rows x outputs, at the current parameters (after training
 * with restore_best, the best ones). Rows run as in nn_train without `shape`: recorded once for
 * each graph, compiled, as lanes on all threads. A function that looks at its inputs with ad_value
 * is noticed, except where only few rows differ, and then every row is recorded to find its
 * program. A row's outputs do not depend on the other rows, and need not be finite. The tape is as
 * before. May be called from the functions that nn_train calls between steps. Returns the status,
 * which is also the model's, and all outputs are NaN after an error: those of tape, model and
 * data; AD_BAD_ARGUMENT for no forward function, no outputs or no array, or where a row cannot be
 * computed (the message gives it); AD_TWO_TAPES for an output on another tape. */
AD_API ad_status nn_predict(nn_model *model, nn_forward *forward, void *user, size_t outputs,
                            const nn_data *data, double output[]);

/* The mean over all rows of a loss or a score (nn_correct: the accuracy), as nn_train measures it
 * over held-out rows; errors as there and above, and then it is NaN. */
AD_API ad_status nn_evaluate(nn_model *model, nn_loss *what, void *user, const nn_data *data,
                             double *mean);

/* Checks the gradient of a loss. The mean loss of the first `rows` rows of the data (0: 8) is
 * recorded and checked by ad_check with respect to all parameters, array by array; options as
 * there, except that blocks are set here. The tape is as before. After an error, which is on the
 * model too, the report has its status and its sentence, as ad_check's; NULL when memory is out.
 * Free the report with ad_check_free. */
AD_API ad_check_report *nn_check(nn_model *model, nn_loss *loss, void *user, const nn_data *data,
                                 size_t rows, const ad_check_options *options);

/* ---- the lesson of backpropagation ----------------------------------------------------------- */

/* Everything that happens when a network learns from a few examples: the forward pass unit by unit;
 * the loss; backward, how each output should change (its *wish*: the negative gradient -dC/da),
 * what that asks of the weights (in proportion to the activation they multiply) and of the previous
 * activations (in proportion to the weight), and the sum of all wishes; the mean over the batch;
 * the step of gradient descent and the loss after it. The inputs cannot change. All numbers are
 * read from the tape. */
typedef struct nn_lesson nn_lesson;

/* The examples of a lesson, its step, and the names it shows. */
typedef struct nn_lesson_config {
    size_t             rows;         /* how many examples, at least 1 */
    const size_t      *row;          /* which rows of the data */
    double             rate;         /* of the step; above 0 */
    bool               squares;      /* C = sum of (output - wanted)^2, not cross-entropy */
    size_t             image;        /* side of the square picture in the inputs; 0: none */
    const char        *title;        /* NULL: "backpropagation" */
    const char *const *input_names;  /* of each input; NULL: x1, x2, ... */
    const char *const *output_names; /* of each output; NULL: y1, y2, ... */
    uint64_t           reserved[8];
} nn_lesson_config;

/* The data have one target, a class number, or for squares as many targets as the network has
 * outputs. The model's parameters are afterwards as before. NULL after an error, which is on the
 * model: sizes that do not match, units without a bias, rows that do not exist, a class that has no
 * output, a rate that is not a finite number above 0, a loss that is not finite. */
AD_API nn_lesson *nn_lesson_new(nn_model *model, const nn_mlp *mlp, const nn_data *data,
                                const nn_lesson_config *config);
AD_API void       nn_lesson_free(nn_lesson *lesson);
/* the mean over the examples, before the step */
AD_API double     nn_lesson_loss(const nn_lesson *lesson);
AD_API double     nn_lesson_loss_after(const nn_lesson *lesson); /* and after it */

/* Prints one example for a terminal: tables, arrows and bars; ascii: no characters outside
 * ASCII. */
AD_API ad_status nn_lesson_print(const nn_lesson *lesson, size_t example, bool ascii, FILE *to);

/* Writes JSON: {"format":"tapir-lesson/1", "title", "sizes", "activations", "loss":"cross-entropy"
 * or "squares", "rate", "image", "inputs", "outputs",
 * "layers":[{"layer","weight","bias","new_weight","new_bias","mean_dweight","mean_dbias"}],
 * "examples":[{"row","loss","loss_after","input","wanted","guess",
 * "layers":[{"layer","z","a","dz","da","a_after","dweight","dbias"}]}], "mean_loss",
 * "mean_loss_after", "gap"}: weights as one list, outputs x inputs,
 * row-major; gap is the largest difference between the mean of the gradients and the gradient of
 * the mean. */
AD_API ad_status nn_lesson_json(const nn_lesson *lesson, FILE *to);

/* Writes one self-contained page to step through the passes and the batch. */
AD_API ad_status nn_lesson_html(const nn_lesson *lesson, FILE *to);

#ifdef __cplusplus
}
#endif

#endif
