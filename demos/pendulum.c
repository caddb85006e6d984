/* pendulum - a model without layers: finds the pull and drag of a damped pendulum, and how it was
 * released, from noisy angles.
 *
 *     angle'' = -pull*sin(angle) - drag*angle'
 *
 * is integrated in 1,000 Runge-Kutta steps; the loss is the mean squared difference from the
 * observed angles, and its gradient goes back through the whole integration. */
#include "chart.h"
#include "command.h"
#include "nn/nn.h"
#include "report.h"

#include <locale.h>
#include <math.h>

enum { STEPS = 1000, EVERY = 20, SEEN = STEPS / EVERY };
static const double duration = 6, h = 6.0 / STEPS; /* seconds */

static uint64_t    seed = 1;
static size_t      epochs = 400;
static double      noise = 0.1, rate = 0.05;
static const char *out = "pendulum-out";
static bool        quiet;

static const command_option options[] = {
    {"seed", COMMAND_SEED, &seed, 0, 0, "of the noise"},
    {"epochs", COMMAND_COUNT, &epochs, 1, 100000, "steps of Adam"},
    {"noise", COMMAND_RATE, &noise, 0, 0, "standard deviation of an observed angle, in radians"},
    {"rate", COMMAND_RATE, &rate, 0, 0, "learning rate"},
    {"out", COMMAND_FOLDER, &out, 0, 0,
     "where history.tsv, pendulum.tsv and, with gnuplot, the\npictures go"},
    {"quiet", COMMAND_FLAG, &quiet, 0, 0, "print only the result, and write no files"},
    {0},
};

enum { PULL, DRAG, ANGLE, SPEED, PARAMS };
static const char *const names[PARAMS] = {"pull", "drag", "angle", "speed"};
static const char *const units[PARAMS] = {"1/s^2", "1/s", "rad", "rad/s"};
static const double      truth[PARAMS] = {9.81, 0.25, 1.2, 0.5}, guess[PARAMS] = {8, 0.5, 1, 0};

/* ---- the model ------------------------------------------------------------------------------- */

static ad_var acceleration(ad_tape *tape, const ad_var p[PARAMS], ad_var angle, ad_var speed) {
    const ad_var pull = p[PULL], drag = p[DRAG];
    return ad_formula(tape, -pull * sin(angle) - drag * speed, pull, drag, angle, speed);
}

static ad_var moved(ad_var x, double time, ad_var rate_of_x) {
    return ad_add(x, ad_mul(ad_num(time), rate_of_x));
}

/* One step of the fourth-order Runge-Kutta method: v is angle', w is speed'. */
static void step(ad_tape *tape, const ad_var p[PARAMS], ad_var *angle, ad_var *speed) {
    const ad_var v1 = *speed, w1 = acceleration(tape, p, *angle, v1);
    const ad_var v2 = moved(*speed, h / 2, w1),
                 w2 = acceleration(tape, p, moved(*angle, h / 2, v1), v2);
    const ad_var v3 = moved(*speed, h / 2, w2),
                 w3 = acceleration(tape, p, moved(*angle, h / 2, v2), v3);
    const ad_var v4 = moved(*speed, h, w3), w4 = acceleration(tape, p, moved(*angle, h, v3), v4);
    *angle = moved(*angle, h / 6, ad_formula(tape, v1 + 2 * v2 + 2 * v3 + v4, v1, v2, v3, v4));
    *speed = moved(*speed, h / 6, ad_formula(tape, w1 + 2 * w2 + 2 * w3 + w4, w1, w2, w3, w4));
}

/* The angle after every EVERY steps. With plain numbers for p nothing is recorded. */
static void swing(ad_tape *tape, const ad_var p[PARAMS], ad_var seen[SEEN]) {
    ad_var angle = p[ANGLE], speed = p[SPEED];
    for (size_t i = 1; i <= STEPS; i++) {
        step(tape, p, &angle, &speed);
        if (i % EVERY == 0) seen[i / EVERY - 1] = angle;
    }
}

static ad_var loss(nn_model *model, size_t n, const ad_var observed[], void *user) {
    (void)user;
    ad_var seen[SEEN];
    swing(nn_model_tape(model), nn_model_params(model), seen);
    return nn_mse(n, seen, observed);
}

/* ---- the run --------------------------------------------------------------------------------- */

static double time_of(size_t i) {
    return duration * (double)(i + 1) / SEEN;
}

static void angles(ad_tape *tape, const double value[PARAMS], double angle[SEEN]) {
    ad_var p[PARAMS], seen[SEEN];
    for (size_t k = 0; k < PARAMS; k++) p[k] = ad_num(value[k]);
    swing(tape, p, seen);
    for (size_t i = 0; i < SEEN; i++) angle[i] = ad_value(seen[i]);
}

typedef struct swings {
    double observed[SEEN], before[SEEN], found[SEEN];
} swings;

static void script(FILE *to, const void *what) {
    const swings *s = what;
    fputs("$s << END\n", to);
    for (size_t i = 0; i < SEEN; i++)
        fprintf(to, "%g %.8g %.8g %.8g\n", time_of(i), s->observed[i], s->before[i], s->found[i]);
    fputs("END\nset border 3 lc rgb '#555555'; set tics nomirror tc rgb '#555555'; set grid lc rgb "
          "'#dddddd' lt 1\n"
          "set xlabel 'seconds' tc rgb '#555555'; set ylabel 'angle, radians' tc rgb '#555555'; "
          "set key top right\n"
          "plot $s using 1:3 with lines dt 2 lc rgb '#999999' title 'the first guess', $s using "
          "1:4 smooth csplines lw 2 lc rgb '#2060a0' title 'found', $s using 1:2 with points pt 7 "
          "ps 0.6 lc rgb '#c04020' title 'observed'\n",
          to);
}

static void draw(terminal t, const swings *s) {
    chart c = chart_of(72, 20, 0, duration, -1.5, 1.5);
    for (size_t column = 0; column < c.columns; column++)
        chart_put(&c, chart_x(&c, column), 0, CHART_AXIS);
    for (size_t i = 0; i < SEEN; i++) {
        chart_put(&c, time_of(i), s->found[i], CHART_LINE);
        chart_put(&c, time_of(i), s->observed[i], CHART_POINT_1);
    }
    snprintf(c.caption, sizeof c.caption, "angle over %g s: x observed, %s found", duration,
             t.blocks ? "\u2588" : "#");
    fputc('\n', t.to);
    chart_print(t, 1, &c);
    fputc('\n', t.to);
}

static void print_found(const double value[PARAMS]) {
    printf("         true   guess   found\n");
    for (size_t k = 0; k < PARAMS; k++)
        printf("  %-5s %6.3f  %6.3f  %6.3f  %s\n", names[k], truth[k], guess[k], value[k],
               units[k]);
}

static bool write_all(const swings *s) {
    FILE *file = report_create(out, "pendulum.tsv");
    if (file == NULL) return false;
    fputs("seconds\tobserved\tguess\tfound\n", file);
    for (size_t i = 0; i < SEEN; i++)
        fprintf(file, "%g\t%.17g\t%.17g\t%.17g\n", time_of(i), s->observed[i], s->before[i],
                s->found[i]);
    if (!report_close(file, out, "pendulum.tsv")) return false;
    const bool gnuplot = report_gnuplot();
    if (gnuplot && !report_draw(out, "pendulum", 720, 420, script, s)) return false;
    printf("\nIn %s:\n  history.tsv, pendulum.tsv%s\n", option_shown(out),
           gnuplot ? ", pendulum.svg, pendulum.png" : "");
    return true;
}

static bool fit(nn_model *model) {
    swings        s;
    double        value[PARAMS];
    char          history[4096];
    nn_random     random = nn_random_seeded(seed);
    nn_optimizer *adam = nn_adam(rate);
    angles(nn_model_tape(model), truth, s.observed);
    angles(nn_model_tape(model), guess, s.before);
    for (size_t i = 0; i < SEEN; i++) s.observed[i] += noise * nn_random_normal(&random);
    nn_data *data = nn_data_new(1, SEEN, 0, s.observed);
    snprintf(history, sizeof history, "%s/history.tsv", out);
    bool good =
        nn_train(model, loss, NULL, data, adam,
                 &(nn_train_config){
                     .epochs = epochs, .batch = 1, .history = quiet ? NULL : history}) == AD_OK;
    if (!good) fprintf(stderr, "pendulum: %s\n", nn_model_message(model));
    nn_model_values(model, value);
    angles(nn_model_tape(model), value, s.found);
    if (good && !quiet) draw(terminal_of(stdout), &s);
    if (good) print_found(value);
    good = good && (quiet || write_all(&s));
    nn_data_free(data);
    nn_optimizer_free(adam);
    return good;
}

static int run(void) {
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, seed);
    for (size_t k = 0; k < PARAMS; k++)
        nn_param(model, names[k], 0, NULL, nn_init_uniform(guess[k], guess[k]));
    if (!quiet)
        printf("%d angles of a damped pendulum in %g s, each with a noise of %g;\n"
               "%d steps of integration\n",
               SEEN, duration, noise, STEPS);
    const bool good = (quiet || report_folder(out)) && fit(model);
    nn_model_free(model);
    ad_tape_free(tape);
    return good ? 0 : BAD_RUN;
}

int main(int count, char *arguments[]) {
    int status;
    setlocale(LC_CTYPE, "");
    if (command_read("Finds the pull and the drag of a damped pendulum from noisy angles, through "
                     "an integration of\n"
                     "1,000 steps.",
                     options, count, arguments, &status))
        status = run();
    return output_end(status, BAD_RUN);
}
