/* spiral - three intertwined arms show what depth is for. No line or parabola separates them; a
 * network of two hidden layers bends its boundary along them. Karpathy's CS231n toy data. */
#include "command.h"
#include "map.h"
#include "report.h"
#include "terminal.h"

#include <locale.h>
#include <math.h>

enum { CLASSES = 3 };

static uint64_t       seed = 1;
static size_t         epochs = 150, points = 300;
static double         rate = 0.01, turns = 0.8, noise = 0.02;
static command_counts hidden = {8, 2, {24, 24}};
static const char    *out = "spiral-out";

static const command_option options[] = {
    {"seed", COMMAND_SEED, &seed, 0, 0, "of the points, the order and the initial weights"},
    {"epochs", COMMAND_COUNT, &epochs, 1, 100000, "passes over the points"},
    {"points", COMMAND_COUNT, &points, 30, 10000, "how many"},
    {"turns", COMMAND_RATE, &turns, 0, 0, "of each arm"},
    {"noise", COMMAND_RATE, &noise, 0, 0, "standard deviation of the noise on each coordinate"},
    {"hidden", COMMAND_COUNTS, &hidden, 1, 1000, "units of the hidden layers, 1 to 8 of them"},
    {"rate", COMMAND_RATE, &rate, 0, 0, "initial learning rate of Adam; cosine decay to 0"},
    {"out", COMMAND_FOLDER, &out, 0, 0,
     "where history.tsv, map.tsv and, with gnuplot, the pictures go"},
    {0},
};

typedef struct learner {
    nn_model *model;
    nn_mlp   *mlp;
    map      *map;
    bool      good; /* false: a frame failed, which has been reported */
} learner;

static ad_var loss(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)model;
    const learner *l = user;
    ad_var         logits[CLASSES];
    nn_mlp_forward(l->mlp, row, logits);
    return nn_cross_entropy(CLASSES, logits, row[n - 1]);
}

static double accuracy(nn_model *model, void *user) {
    const learner *l = user;
    size_t         right;
    return map_count_correct(l->map, model, &right) ? (double)right / (double)points : NAN;
}

/* Adds a frame after every fifth of the epochs. */
static bool watch(const nn_epoch *e, void *user) {
    learner *l = user;
    char     title[CHART_CAPTION];
    snprintf(title, sizeof title, "epoch %zu: %.0f%%", e->epoch, 100 * e->metric);
    l->good = e->epoch * 5 % epochs >= 5 || map_add_frame(l->map, l->model, title);
    return l->good;
}

static bool learn(learner *l, const nn_data *data, nn_optimizer *adam) {
    char              history[4096];
    const nn_schedule falling = nn_schedule_cosine(rate, 0, epochs * ((points + 31) / 32));
    const size_t      batch = points < 32 ? points : 32;
    snprintf(history, sizeof history, "%s/history.tsv", out);
    if (nn_train(l->model, loss, l, data, adam,
                 &(nn_train_config){.epochs = epochs,
                                    .batch = batch,
                                    .seed = seed,
                                    .progress = true,
                                    .stream = stdout,
                                    .history = history,
                                    .schedule = &falling,
                                    .metric = accuracy,
                                    .metric_name = "accuracy",
                                    .watch = watch}) == AD_OK)
        return l->good;
    fprintf(stderr, "spiral: %s\n", nn_model_message(l->model));
    return false;
}

static bool show(const learner *l) {
    size_t right;
    if (!map_count_correct(l->map, l->model, &right)) return false;
    fputc('\n', stdout);
    map_print(l->map, terminal_of(stdout), l->map->frames - 1);
    printf("\n%zu of %zu points in their arm: %.1f%%\n", right, points,
           100 * (double)right / (double)points);
    if (!map_write(l->map, out)) return false;
    printf("In %s:\n  history.tsv, map.tsv%s\n", option_shown(out),
           report_gnuplot() ? ", map.svg, map.png" : "");
    return true;
}

static int run(void) {
    size_t sizes[COMMAND_MOST_COUNTS + 2] = {2};
    for (size_t i = 0; i < hidden.n; i++) sizes[i + 1] = hidden.count[i];
    sizes[hidden.n + 1] = CLASSES;
    ad_tape *tape = ad_tape_new();
    nn_data *data = nn_data_spirals(points, CLASSES, turns, noise, seed);
    learner  l = {.model = nn_model_new(tape, seed), .good = true};
    l.mlp = nn_mlp_new(l.model, &(nn_mlp_config){.layers = hidden.n + 1, .sizes = sizes});
    nn_optimizer *adam = nn_adam(rate);
    terminal_line(stdout, "three arms of %zu points in all; %zu parameters of tanh, seed %llu\n",
                  points, nn_model_count(l.model), (unsigned long long)seed);
    const bool good = (l.map = map_new(l.model, l.mlp, CLASSES, data)) != NULL &&
                      report_folder(out) && map_add_frame(l.map, l.model, "at first") &&
                      learn(&l, data, adam) && show(&l);
    map_free(l.map);
    nn_optimizer_free(adam);
    nn_mlp_free(l.mlp);
    nn_model_free(l.model);
    nn_data_free(data);
    ad_tape_free(tape);
    return good ? 0 : BAD_RUN;
}

int main(int count, char *arguments[]) {
    int status;
    setlocale(LC_CTYPE, "");
    if (command_read("Learns to tell three spiral arms apart, and shows the boundary.", options,
                     count, arguments, &status))
        status = run();
    return output_end(status, BAD_RUN);
}
