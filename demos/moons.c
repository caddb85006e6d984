/* moons - a network learns to separate two half moons: the demo of Karpathy's micrograd, with its
 * network (2-16-16-1, relu), its loss and its rates.
 *
 * Each step is over all examples; the loss of an example is the hinge loss, max(0, 1 - t*score)
 * with t = -1 or 1, and a weight decay of 2e-4 is the gradient of micrograd's 1e-4*sum p^2. The
 * boundary is mapped during training. */
#include "command.h"
#include "inspect.h"
#include "map.h"
#include "report.h"
#include "terminal.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

static uint64_t    seed = 1;
static size_t      steps = 100, points = 100;
static double      noise = 0.1;
static const char *out = "moons-out";
static bool        inspect;

static const size_t sizes[] = {2, 16, 16, 1};

static const command_option options[] = {
    {"seed", COMMAND_SEED, &seed, 0, 0, "of the points and the initial weights"},
    {"steps", COMMAND_COUNT, &steps, 1, 100000, "steps, each over all points"},
    {"points", COMMAND_COUNT, &points, 10, 10000, "how many"},
    {"noise", COMMAND_RATE, &noise, 0, 0, "standard deviation of the noise on each coordinate"},
    {"out", COMMAND_FOLDER, &out, 0, 0,
     "where history.tsv, map.tsv and, with gnuplot, the pictures go"},
    {"inspect", COMMAND_FLAG, &inspect, 0, 0,
     "look inside too: activations, gradients, dead units"},
    {0},
};

typedef struct learner {
    nn_mlp   *mlp;
    map      *map;
    nn_model *model;
    bool      good; /* false: a frame failed, which has been reported */
} learner;

static ad_var score(const learner *l, const ad_var point[]) {
    ad_var output[1];
    nn_mlp_forward(l->mlp, point, output);
    return output[0];
}

static ad_var hinge(size_t n, const ad_var output[], ad_var side) {
    const ad_var target = ad_sub(ad_mul(ad_num(2), side), ad_num(1));
    return nn_hinge(n, output, &target);
}

static ad_var loss(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)model;
    const ad_var s = score(user, row);
    return hinge(1, &s, row[n - 1]);
}

static double accuracy(nn_model *model, void *user) {
    const learner *l = user;
    size_t         right;
    return map_count_correct(l->map, model, &right) ? (double)right / (double)points : NAN;
}

/* Adds a frame after about 5, 10, 20, 50 and 100 per cent of the steps. */
static bool watch(const nn_epoch *e, void *user) {
    static const size_t percent[] = {5, 10, 20, 50, 100};
    learner            *l = user;
    char                title[CHART_CAPTION];
    snprintf(title, sizeof title, "step %zu: %.0f%%", e->epoch, 100 * e->metric);
    for (size_t i = 0; i < sizeof percent / sizeof *percent; i++)
        if (e->epoch == (percent[i] * steps + 99) / 100)
            return l->good = map_add_frame(l->map, l->model, title);
    return true;
}

static bool train(learner *l, const nn_data *data, nn_optimizer *sgd) {
    char              history[4096];
    const nn_schedule falling = nn_schedule_linear(1, 0.1, steps);
    snprintf(history, sizeof history, "%s/history.tsv", out);
    if (nn_train(l->model, loss, l, data, sgd,
                 &(nn_train_config){.epochs = steps,
                                    .batch = points,
                                    .history = history,
                                    .schedule = &falling,
                                    .metric = accuracy,
                                    .metric_name = "accuracy",
                                    .watch = watch}) == AD_OK)
        return l->good;
    fprintf(stderr, "moons: %s\n", nn_model_message(l->model));
    return false;
}

static bool look_inside(const learner *l, const nn_data *data) {
    return inspect_layers(&(inspection){.model = l->model,
                                        .layers = 3,
                                        .sizes = sizes,
                                        .hidden = ad_relu,
                                        .loss = hinge,
                                        .data = data},
                          terminal_of(stdout), out);
}

static bool show(const learner *l) {
    const terminal t = terminal_of(stdout);
    size_t         right;
    if (!map_count_correct(l->map, l->model, &right)) return false;
    map_print(l->map, t, 0);
    printf("\n%zu of %zu points on their side: %.1f%%\n", right, points,
           100 * (double)right / (double)points);
    if (!map_write(l->map, out)) return false;
    printf("In %s:\n  history.tsv, map.tsv%s\n", option_shown(out),
           report_gnuplot() ? ", map.svg, map.png" : "");
    return true;
}

static int run(void) {
    ad_tape *tape = ad_tape_new();
    nn_data *data = nn_data_moons(points, noise, seed);
    learner  l = {.model = nn_model_new(tape, seed), .good = true};
    l.mlp = nn_mlp_new(l.model, &(nn_mlp_config){.layers = 3,
                                                 .sizes = sizes,
                                                 .hidden = ad_relu,
                                                 .weight = nn_init_micrograd,
                                                 .bias = nn_init_zeros});
    nn_optimizer *sgd = nn_sgd_new(&(nn_sgd_config){.rate = 1, .weight_decay = 2e-4});
    terminal_line(stdout,
                  "two moons of %zu points; network 2-16-16-1 of relu, %zu parameters, seed %llu\n",
                  points, nn_model_count(l.model), (unsigned long long)seed);
    const bool good = (l.map = map_new(l.model, l.mlp, 1, data)) != NULL && report_folder(out) &&
                      map_add_frame(l.map, l.model, "at first") && train(&l, data, sgd) &&
                      show(&l) && (!inspect || look_inside(&l, data));
    map_free(l.map);
    nn_optimizer_free(sgd);
    nn_mlp_free(l.mlp);
    nn_model_free(l.model);
    nn_data_free(data);
    ad_tape_free(tape);
    return good ? 0 : BAD_RUN;
}

int main(int count, char *arguments[]) {
    int status;
    setlocale(LC_CTYPE, "");
    if (command_read("Learns to tell two half moons apart, as Karpathy's micrograd does, and shows "
                     "the boundary\nwhile it learns.",
                     options, count, arguments, &status))
        status = run();
    return output_end(status, BAD_RUN);
}
