/* plain_memory.c - memory refused at every single place of all that is built on a tape: programs,
 * derivatives, explanations and pictures, tables, models, files, training, lessons. Each scenario
 * is run with its n-th request refused, for every n, and with every request refused from the n-th
 * on.
 *
 * Whatever happens, no block is lost, nothing crashes, and an error has a sentence. A scenario that
 * says AD_OK although a request was refused has done without, and its result is the same to the
 * bit. */
#include "files.h"
#include "nn/nn.h"
#include "refuse.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

typedef struct outcome {
    ad_status status;
    double    result;
    bool      silent; /* an error without a sentence */
} outcome;

typedef outcome scenario(FILE *to);

static FILE *null;

/* Hundreds of files are saved, none of which has to outlive a power cut. */
int fsync(int file) {
    (void)file;
    return 0;
}

static outcome ended(ad_status status, double result, const char *message) {
    return (outcome){status, result, status != AD_OK && strlen(message) < 10};
}

/* ---- the engine ------------------------------------------------------------------------------ */

typedef struct graph {
    ad_tape *tape;
    ad_var   x[3], y[2];
} graph;

static graph record(void) {
    graph g = {.tape = ad_tape_new()};
    for (int i = 0; i < 3; i++) g.x[i] = ad_input(g.tape, 0.5 + i);
    ad_name(g.x[0], "a name long enough to need memory of its own");
    ad_scope(g.tape, "layer 0");
    ad_var a = ad_parse(g.tape, "u = a*b; tanh(u) + sum(a, b, u)", 2, "a, b", g.x);
    ad_scope_end(g.tape);
    ad_var b = ad_source(ad_dot(2, g.x, g.x + 1), "file.c", 7);
    if (ad_branch(ad_less(g.x[0], g.x[1]))) b = ad_exp(ad_neg(b));
    g.y[0] = ad_add(ad_mul(a, b), ad_where(ad_less(a, b), a, ad_pick(ad_num(1), 3, g.x)));
    g.y[1] = ad_logsumexp(3, g.x);
    ad_name(g.y[0], "result");
    return g;
}

static outcome forget(graph *g, ad_status status, double result) {
    if (ad_tape_status(g->tape) != AD_OK) status = ad_tape_status(g->tape);
    const outcome o =
        ended(status, result,
              ad_tape_status(g->tape) != AD_OK ? ad_tape_message(g->tape) : "as returned");
    ad_tape_free(g->tape);
    return o;
}

static outcome programs(FILE *to) {
    graph        g = record();
    const double param[] = {0.75}, input[] = {1.5, 2.5, 1.25, 2, 1, 3};
    double       value[6] = {0}, mean = 0, grad[1] = {0}, jacobian[12] = {0};
    char         text[200];
    ad_program  *program = ad_compile(&(ad_interface){1, g.x, 2, g.x + 1, 2, g.y, 0});
    ad_status    status = program == NULL ? ad_tape_status(g.tape) : AD_OK;
    if (program != NULL) {
        status = ad_program_values(program, param, 3, input, value);
        if (status == AD_OK) status = ad_program_gradient(program, param, 3, input, &mean, grad);
        if (status == AD_OK) status = ad_program_jacobian(program, param, 3, input, jacobian);
        if (status != AD_OK && ad_program_message(program, sizeof text, text) < 10)
            status = AD_STATUS_COUNT;
        if (status == AD_OK) status = ad_program_print(program, to);
    }
    ad_program_free(program);
    double sum = mean + grad[0];
    for (int i = 0; i < 6; i++) sum += value[i] + jacobian[i] + jacobian[6 + i];
    return forget(&g, status, sum);
}

static outcome derivatives(FILE *to) {
    (void)to;
    graph        g = record();
    const double direction[] = {1, -0.5, 2};
    double       grad[3] = {0}, jacobian[6] = {0}, hessian[9] = {0}, times[3] = {0};
    ad_var       recorded[3];
    ad_gradient(g.y[0], 3, g.x, grad);
    const double tangent = ad_tangent(g.y[0], 3, g.x, direction);
    ad_record_gradient(g.y[0], 3, g.x, recorded);
    ad_jacobian(2, g.y, 3, g.x, jacobian);
    ad_hessian(g.y[0], 3, g.x, hessian);
    ad_hessian_times(g.y[0], 3, g.x, direction, times);
    double sum = tangent + ad_value(recorded[0]);
    for (int i = 0; i < 3; i++)
        sum += grad[i] + times[i] + jacobian[i] + hessian[i] + hessian[3 + i];
    return forget(&g, AD_OK, sum);
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* x*y*y, with all that an operation may have. */
static double own_value(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] * x[1] * x[1];
}
static void own_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = x[1] * x[1], partial[1] = 2 * x[0] * x[1];
}
static void own_record(size_t n, const ad_var x[], ad_var v, ad_var partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = ad_mul(x[1], x[1]);
    const ad_var product = ad_mul(x[0], x[1]);
    partial[1] = ad_mul(ad_num(2), product);
}
static void own_lanes(size_t n, size_t width, const double *const x[], double v[], void *context) {
    (void)n, (void)context;
    for (size_t l = 0; l < width; l++) v[l] = x[0][l] * x[1][l] * x[1][l];
}
static void wrong_partials(size_t n, const double x[], double v, double partial[], void *context) {
    own_partials(n, x, v, partial, context);
    partial[0] *= 1.001;
}
static const ad_custom_op own = {"own", 2, own_value, own_partials, NULL, NULL, own_record},
                          by_lanes = {"by_lanes", 2,    own_value, own_partials,
                                      own_lanes,  NULL, own_record},
                          wrong = {"wrong", 2, own_value, wrong_partials, NULL, NULL, own_record};

static double sum_of(const ad_check_report *r) {
    double sum = (double)r->verdict;
    for (size_t i = 0; i < r->lines; i++) sum += r->line[i].estimate;
    for (size_t i = 0; i < r->second_lines; i++) sum += r->second[i].estimate;
    return sum;
}

/* A report that is printed in every form and freed. The status is that of a missing one: memory. */
static outcome reported(ad_check_report *r, FILE *to) {
    if (r == NULL) return (outcome){AD_NO_MEMORY, 0, false};
    outcome o = ended(r->status, sum_of(r), r->message);
    for (int format = AD_TEXT; format <= AD_TAP; format++)
        if (ad_check_print(r, (ad_format)format, to) != AD_OK) o.status = AD_BAD_FILE;
    ad_check_free(r);
    return o;
}

/* After an error the tape holds it, and once cleared the graph on it gives what it always gave. */
static outcome still_usable(ad_tape *tape, outcome o, ad_var y, size_t n, const ad_var x[],
                            double want) {
    if (ad_tape_status(tape) != AD_OK) {
        o.silent = o.silent || strlen(ad_tape_message(tape)) < 10;
        o.status = ad_tape_status(tape);
    }
    disarm();
    ad_tape_clear(tape);
    double grad[3];
    if (y.tape != NULL && o.status == AD_NO_MEMORY) {
        ad_replay(tape);
        ad_gradient(y, n, x, grad);
        if (ad_tape_status(tape) != AD_OK || ad_value(y) != want) o.status = AD_STATUS_COUNT;
    }
    ad_tape_free(tape);
    return o;
}

/* With the rule of one operation wrong, so that a culprit is kept too, and second derivatives on
 * request. */
static outcome check_tape(const ad_custom_op *op, bool second, FILE *to) {
    ad_tape *tape = ad_tape_new();
    ad_var   x[2] = {ad_input(tape, 1.5), ad_input(tape, -0.5)};
    ad_name(x[0], "a name long enough to need memory of its own");
    const ad_var inner = ad_source(ad_custom(tape, op, 2, x, NULL), "file.c", 7);
    const ad_var y = ad_add(ad_sin(inner), ad_sum(2, x));
    outcome      o = {ad_tape_status(tape), 0, false};
    if (o.status != AD_OK) return still_usable(tape, o, ad_num(0), 2, x, 0);
    o = reported(ad_check(y, 2, x, NULL, &(ad_check_options){.second = second}), to);
    return still_usable(tape, o, y, 2, x, sin(1.5 * 0.25) + 1);
}

static outcome checks(FILE *to) {
    return check_tape(&own, false, to);
}
static outcome checks_that_fail(FILE *to) {
    return check_tape(&wrong, false, to);
}
static outcome second_order_checks(FILE *to) {
    return check_tape(&own, true, to);
}

static outcome curves(FILE *to) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 1.5), y = ad_sin(x);
    outcome  o = {ad_tape_status(tape), 0, false};
    if (o.status != AD_OK) return still_usable(tape, o, ad_num(0), 1, &x, 0);
    ad_curve *curve = ad_check_curve(y, x, NULL);
    if (curve != NULL) {
        o.result = curve->estimate;
        for (int picture = AD_TSV; picture <= AD_SVG && o.status == AD_OK; picture++)
            o.status = ad_curve_print(curve, (ad_picture)picture, to);
    } else {
        o.status = AD_NO_MEMORY;
        o.silent = ad_tape_status(tape) == AD_OK; /* the tape says why */
    }
    ad_curve_free(curve);
    return still_usable(tape, o, y, 1, &x, sin(1.5));
}

static double product(size_t n, const double x[], void *context) {
    (void)context;
    double total = 1;
    for (size_t i = 0; i < n; i++) total *= x[i];
    return total;
}
static outcome checks_of_functions(FILE *to) {
    const double x[] = {2, 3, 4, 5, 6, 7}, wrong_claim[] = {2520, 1680, 1260, 1008, 840, 721};
    return reported(
        ad_check_function(product, NULL, 6, x, wrong_claim, &(ad_check_options){.coordinates = 2}),
        to);
}

static void sums(size_t n, const double x[], size_t m, double y[], void *context) {
    (void)context;
    for (size_t i = 0; i < m; i++) {
        y[i] = (double)i;
        for (size_t k = 0; k < n; k++) y[i] += (double)(k + 1) * x[k];
    }
}

static outcome checks_of_vectors(FILE *to) {
    const double x[] = {2, 3, 4, 5, 6, 7};
    const double claimed[] = {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 7};
    return reported(
        ad_check_vector(sums, NULL, 6, x, 2, claimed, &(ad_check_options){.coordinates = 2}), to);
}

static void times_left(size_t n, const double x[], size_t m, const double u[], double g[],
                       void *context) {
    (void)x, (void)context;
    for (size_t k = 0; k < n; k++) {
        g[k] = 0;
        for (size_t i = 0; i < m; i++) g[k] += u[i] * (double)(k + 1);
    }
}

static void times_right(size_t n, const double x[], const double v[], size_t m, double w[],
                        void *context) {
    const double none = 0;
    sums(n, v, m, w, context);
    for (size_t i = 0; i < m; i++) w[i] -= (double)i + none * x[0];
}

static outcome checks_of_products(FILE *to) {
    const double x[] = {2, 3, 4, 5, 6, 7};
    return reported(ad_check_products(sums, times_left, times_right, NULL, 6, x, 2, NULL), to);
}

static outcome checks_of_many_products(FILE *to) {
    const double x[] = {2, 3, 4, 5, 6, 7};
    return reported(ad_check_products(sums, times_left, times_right, NULL, 6, x, 2,
                                      &(ad_check_options){.coordinates = 2}),
                    to);
}

/* A program with an operation that has lanes and one that has none; run and checked. */
static outcome own_in_programs(FILE *to) {
    ad_tape     *tape = ad_tape_new();
    const double param[] = {0.75, 1.25}, input[] = {1.5, 2.5, 1.25};
    double       value[3] = {0}, mean = 0, grad[2] = {0};
    ad_var       x[3];
    char         text[200] = "";
    for (int i = 0; i < 3; i++) x[i] = ad_input(tape, 0.5 + i);
    ad_var inner = ad_custom(tape, &by_lanes, 2, x + 1, NULL);
    inner = ad_custom(tape, &own, 2, (ad_var[]){x[0], inner}, NULL);
    const ad_var y = ad_custom(tape, &own, 2, (ad_var[]){inner, x[1]}, NULL);
    ad_program  *p = ad_compile(&(ad_interface){2, x, 1, x + 2, 1, &y, 0});
    outcome      o = ended(ad_tape_status(tape), 0, ad_tape_message(tape));
    if (p != NULL) {
        ad_status status = ad_program_values(p, param, 3, input, value);
        if (status == AD_OK) status = ad_program_gradient(p, param, 3, input, &mean, grad);
        if (status != AD_OK && ad_program_message(p, sizeof text, text) < 10)
            status = AD_STATUS_COUNT;
        o = status == AD_OK ? reported(ad_check_program(p, param, 3, input, NULL), to)
                            : ended(status, 0, text);
        o.result += value[0] + mean + grad[0] + grad[1];
    }
    ad_program_free(p);
    ad_tape_free(tape);
    return o;
}

static outcome explanations(FILE *to) {
    graph     g = record();
    ad_status status = ad_explain(g.y[0], to);
    if (status == AD_OK)
        status = ad_explain_all(2, g.y,
                                &(ad_view){.order = AD_ORDER_DEPTH_FIRST, .bug = AD_BUG_STALE}, to);
    if (status == AD_OK) status = ad_explain_json(2, g.y, NULL, to);
    if (status == AD_OK) status = ad_explain_json(2, g.y, &(ad_view){.bug = AD_BUG_OVERWRITE}, to);
    if (status == AD_OK) status = ad_explain_paths(g.y[0], g.x[0], 3, to);
    ad_var bad = ad_exp(ad_log(ad_sub(g.x[0], ad_num(9))));
    if (status == AD_OK && ad_tape_status(g.tape) == AD_OK) ad_explain_nonfinite(bad, to);
    return forget(&g, status, 0);
}

static outcome pictures(FILE *to) {
    graph     g = record();
    ad_status status = ad_draw_dot(2, g.y, NULL, to);
    if (status == AD_OK) status = ad_draw_svg(2, g.y, &(ad_view){.most = 5}, to);
    if (status == AD_OK) status = ad_draw_html(2, g.y, NULL, to);
    if (status == AD_OK) status = ad_draw_html(2, g.y, &(ad_view){.bug = AD_BUG_DEPTH_FIRST}, to);
    return forget(&g, status, 0);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static outcome told(nn_data *data) {
    double       sum = 0;
    const size_t columns = nn_data_inputs(data) + nn_data_targets(data);
    for (size_t i = 0; i < nn_data_rows(data); i++)
        for (size_t k = 0; k < columns; k++) sum += nn_data_row(data, i)[k] * (double)(i + k + 1);
    const outcome o = ended(nn_data_status(data), sum, nn_data_message(data));
    nn_data_free(data);
    return o;
}

static outcome csv(FILE *to) {
    (void)to;
    return told(nn_data_csv(file_path("a.csv"), NULL));
}
static outcome npy(FILE *to) {
    (void)to;
    char            text[200] = "";
    const ad_status status = nn_npy_save(file_path("b.npy"), 2, (const size_t[]){2, 2},
                                         (const double[]){1, 2, 3, 4}, sizeof text, text);
    return status == AD_OK ? told(nn_data_npy(file_path("b.npy"), 1)) : ended(status, 0, text);
}
static outcome idx(FILE *to) {
    (void)to;
    return told(nn_data_idx(file_path("a.idx"), 1));
}
static outcome generated(FILE *to) {
    (void)to;
    nn_data *x = nn_data_moons(10, 0.1, 1), *y = nn_data_split(x, 0.5, 1), *z = nn_data_join(x, y);
    nn_data_noise(y, NN_UNIFORM, 2);
    nn_data_noise(y, NN_NORMAL, 1);
    nn_data *part = nn_data_split(y, 0.4, 1);
    nn_data *a = nn_data_circles(4, 0.5, 0, 1), *b = nn_data_spirals(6, 3, 1, 0, 1),
            *c = nn_data_xor(4, 0, 1), *d = nn_data_sine(4, 0, 1);
    nn_data *all[] = {x, y, a, b, c, d, part};
    nn_data_one_hot(x, 0, 2);
    nn_data_shuffle(z, 3);
    outcome o = told(z);
    for (int i = 0; i < 7; i++) {
        const outcome other = told(all[i]);
        o.result += other.result, o.silent = o.silent || other.silent;
        if (o.status == AD_OK) o.status = other.status;
    }
    return o;
}

/* ---- models ---------------------------------------------------------------------------------- */

typedef struct network {
    ad_tape  *tape;
    nn_model *model;
    nn_mlp   *mlp;
} network;

static network make(void) {
    network n = {.tape = ad_tape_new()};
    n.model = nn_model_new(n.tape, 1);
    n.mlp = nn_mlp_new(n.model, &(nn_mlp_config){.layers = 2, .sizes = (const size_t[]){2, 3, 1}});
    return n;
}
static outcome unmake(network *n, ad_status status, double result) {
    if (status == AD_OK) status = nn_model_status(n->model);
    const outcome o = ended(status, result, nn_model_message(n->model));
    nn_mlp_free(n->mlp);
    nn_model_free(n->model);
    ad_tape_free(n->tape);
    return o;
}

static double weights(const network *n) {
    double       sum = 0;
    const size_t count = nn_model_count(n->model);
    for (size_t i = 0; i < count; i++)
        sum += (double)(i + 1) * ad_value(nn_model_params(n->model)[i]);
    return sum;
}

static outcome parts(FILE *to) {
    network       n = make();
    nn_attention *attention =
        nn_attention_new(n.model, &(nn_attention_config){"attention", 4, 2, 2, true, NULL});
    nn_embedding *embedding = nn_embedding_new(n.model, "embedding", 3, 4, NULL);
    ad_var        x[8], y[1];
    for (int i = 0; i < 8; i++) x[i] = ad_num(i);
    nn_embedding_forward(embedding, ad_num(1), x);
    nn_attention_forward(attention, 2, x, x);
    nn_mlp_forward(n.mlp, x, y);
    const double result = nn_model_status(n.model) == AD_OK ? ad_value(ad_add(y[0], x[7])) : 0;
    ad_status    status = nn_model_status(n.model);
    if (status == AD_OK) status = nn_summary(n.model, to);
    nn_embedding_free(embedding);
    nn_attention_free(attention);
    return unmake(&n, status, result);
}

static outcome pictures_and_sequences(FILE *to) {
    (void)to;
    const nn_window whole = {1, 3, 3, .kernel = {2, 2}, .padding = {1, 1}},
                    half = {2, 4, 4, .kernel = {2, 2}};
    network       n = make();
    const nn_cell gru = nn_gru_add(n.model, "gru", 2, 2), lstm = nn_lstm_add(n.model, "lstm", 2, 2);
    const ad_var *p = nn_model_params(n.model);
    ad_var        x[9], y[32] = {{0}}, z[16] = {{0}}, h[2], c[2];
    for (int i = 0; i < 9; i++) x[i] = ad_num(i);
    for (int i = 0; i < 2; i++) h[i] = c[i] = ad_num(0);
    if (nn_model_status(n.model) == AD_OK) nn_conv2d(&whole, 2, p, p + 8, x, y);
    nn_max_pool2d(&half, y, z), nn_avg_pool2d(&half, y, z + 8);
    nn_gru(&gru, 4, z, h, z), nn_lstm(&lstm, 4, z, h, c, NULL);
    const double result = nn_model_status(n.model) == AD_OK ? ad_value(ad_add(h[0], z[15])) : 0;
    return unmake(&n, nn_model_status(n.model), result);
}

static outcome files(FILE *to) {
    (void)to;
    network        n = make();
    double         x[2] = {1, 2};
    uint64_t       k = 3;
    nn_optimizer  *adam = nn_adam(0.1);
    const nn_entry entry[] = {{"x", 2, x, NULL}, {"k", 1, NULL, &k}};
    nn_buffer(n.model, "mean", 1, (const size_t[]){2}, x);
    ad_status status = nn_model_save(n.model, file_path("m"));
    if (status == AD_OK) status = nn_model_save_f32(n.model, file_path("f"));
    if (status == AD_OK) status = nn_model_load(n.model, file_path("m"));
    if (status == AD_OK) status = nn_checkpoint_save(file_path("c"), n.model, adam, 2, entry);
    if (status == AD_OK) status = nn_checkpoint_load(file_path("c"), n.model, adam, 2, entry);
    nn_optimizer_free(adam);
    return unmake(&n, status, weights(&n) + x[0] + x[1] + (double)k);
}

static ad_var loss(nn_model *model, size_t inputs, const ad_var row[], void *mlp) {
    ad_var y;
    (void)model;
    nn_mlp_forward(mlp, row, &y);
    return nn_mse(1, &y, &row[inputs - 1]);
}

static void forward(nn_model *model, size_t inputs, const ad_var row[], ad_var y[], void *mlp) {
    (void)model, (void)inputs;
    nn_mlp_forward(mlp, row, y);
    if (ad_branch(ad_less(row[0], ad_num(0.5)))) y[1] = ad_neg(y[0]);
}

static outcome predictions(FILE *to) {
    (void)to;
    network   n = make();
    nn_data  *data = nn_data_xor(4, 0.1, 1);
    double    y[8] = {0}, mean = 0, sum = 0;
    ad_status status = nn_predict(n.model, forward, n.mlp, 2, data, y);
    if (status == AD_OK) status = nn_evaluate(n.model, loss, n.mlp, data, &mean);
    for (int i = 0; i < 8; i++) sum += y[i] == y[i] ? (i + 1) * y[i] : 0; /* not set: NaN */
    nn_data_free(data);
    return unmake(&n, status, status == AD_OK ? sum + mean : 0);
}

static outcome checks_of_models(FILE *to) {
    network          n = make();
    nn_data         *data = nn_data_xor(4, 0.1, 1);
    ad_check_report *r = nn_check(n.model, loss, n.mlp, data, 2, NULL);
    outcome o = {nn_data_status(data) != AD_OK ? nn_data_status(data) : nn_model_status(n.model), 0,
                 false};
    if (r != NULL) o = reported(r, to);
    nn_data_free(data);
    const outcome last = unmake(&n, o.status, o.result);
    return (outcome){last.status, last.result, o.silent || (r == NULL && last.status == AD_OK)};
}

static outcome train(nn_train_config config, nn_optimizer *optimizer) {
    network  n = make();
    nn_data *data = nn_data_xor(4, 0.1, 1), *held_out = nn_data_xor(4, 0.1, 2);
    if (!config.by_example) config.held_out = held_out;
    const ad_status status = nn_train(n.model, loss, n.mlp, data, optimizer, &config);
    nn_data_free(data);
    nn_data_free(held_out);
    nn_optimizer_free(optimizer);
    return unmake(&n, status, status == AD_OK ? weights(&n) : 0);
}

static outcome by_programs(FILE *to) {
    (void)to;
    return train((nn_train_config){.epochs = 2, .batch = 4, .restore_best = true, .patience = 5},
                 nn_adamw(0.01));
}
static outcome by_examples(FILE *to) {
    (void)to;
    nn_rmsprop_config c = nn_rmsprop_usual(0.01);
    c.centered = true, c.momentum = 0.5;
    return train((nn_train_config){.epochs = 2, .batch = 4, .by_example = true},
                 nn_rmsprop_new(&c));
}
static outcome by_programs_with_files(FILE *to) {
    nn_adagrad_config c = nn_adagrad_usual(0.01);
    return train((nn_train_config){.epochs = 2,
                                   .batch = 4,
                                   .progress = true,
                                   .stream = to,
                                   .history = file_path("h"),
                                   .checkpoint = file_path("t")},
                 nn_adagrad_new(&c));
}

static outcome lessons(FILE *to) {
    network    n = make();
    nn_data   *data = nn_data_xor(4, 0, 1);
    nn_lesson *lesson =
        nn_lesson_new(n.model, n.mlp, data,
                      &(nn_lesson_config){
                          .rows = 2, .row = (const size_t[]){0, 1}, .rate = 0.1, .squares = true});
    ad_status    status = nn_model_status(n.model);
    const double result =
        lesson == NULL ? 0 : nn_lesson_loss(lesson) + nn_lesson_loss_after(lesson);
    if (lesson != NULL) status = nn_lesson_print(lesson, 1, false, to);
    if (lesson != NULL && status == AD_OK) status = nn_lesson_json(lesson, to);
    if (lesson != NULL && status == AD_OK) status = nn_lesson_html(lesson, to);
    if (status == AD_OK && lesson == NULL) status = nn_data_status(data);
    nn_lesson_free(lesson);
    nn_data_free(data);
    outcome o = unmake(&n, status, result);
    if (lesson != NULL) o.silent = false; /* writing has a status alone */
    return o;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    scenario   *run;
} scenarios[] = {
    {"programs", programs},
    {"derivatives", derivatives},
    {"explanations", explanations},
    {"pictures", pictures},
    {"checks", checks},
    {"checks that fail", checks_that_fail},
    {"second order checks", second_order_checks},
    {"curves", curves},
    {"checks of functions", checks_of_functions},
    {"checks of vectors", checks_of_vectors},
    {"checks of products", checks_of_products},
    {"checks of many products", checks_of_many_products},
    {"own operations in programs", own_in_programs},
    {"checks of models", checks_of_models},
    {"csv", csv},
    {"npy", npy},
    {"idx", idx},
    {"generated tables", generated},
    {"parts of networks", parts},
    {"pictures and sequences", pictures_and_sequences},
    {"files of models", files},
    {"predictions", predictions},
    {"training by programs", by_programs},
    {"training by examples", by_examples},
    {"training with files", by_programs_with_files},
    {"lessons", lessons},
};
static int fail(const char *name, size_t n, bool once, const char *what, outcome o) {
    printf("FAILED: %s, request %zu%s refused: %s: %s\n", name, n, once ? "" : " and all after it",
           what, ad_status_text(o.status));
    return 1;
}

/* The number of failures; n is then one more than the requests of the scenario. */
static int refuse_each(const char *name, scenario *run, bool once, outcome want, size_t *n) {
    int failures = 0;
    for (*n = 1; failures < 10; ++*n) {
        const long before = held;
        arm(*n, once);
        const outcome got = run(null);
        disarm();
        if (held != before) failures += fail(name, *n, once, "memory was lost", got);
        if (got.silent) failures += fail(name, *n, once, "no sentence", got);
        if (got.status == AD_OK && memcmp(&got.result, &want.result, sizeof want.result) != 0)
            failures += fail(name, *n, once, "another result", got);
        if (got.status != AD_OK && got.status != AD_NO_MEMORY && got.status != AD_BAD_FILE)
            failures += fail(name, *n, once, "another reason", got);
        if (!refused) {
            if (got.status != AD_OK)
                failures += fail(name, *n, once, "nothing was refused, and yet", got);
            break;
        }
    }
    return failures;
}

int main(int count, char *words[]) {
    int failures = 0;
    if (!CAN_REFUSE) return 77;
    null = nowhere();
    file_write_text(file_path("a.csv"), "1,2,3\n4,\"5\",6\n");
    file_write(file_path("a.idx"), 18,
               (const char[]){0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6});
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        if (count > 1 && strcmp(words[1], scenarios[i].name) != 0) continue;
        size_t        n = 0, m = 0;
        /* and what is allocated once stays from here on */
        const outcome want = scenarios[i].run(null);
        if (want.status == AD_UNSUPPORTED) continue;
        if (want.status != AD_OK)
            failures += fail(scenarios[i].name, 0, true, "without a refusal", want);
        failures += refuse_each(scenarios[i].name, scenarios[i].run, true, want, &n);
        failures += refuse_each(scenarios[i].name, scenarios[i].run, false, want, &m);
        printf("%s: %zu requests\n", scenarios[i].name, n - 1);
    }
    fclose(null);
    files_remove();
    return failures != 0;
}
