/* program_check.c - is the mean gradient of a program right, and that of rows alone? And does a row
 * have the same value among others as alone? */
#include "check/conclude.h"
#include "check/function.h"
#include "check/local_check.h"
#include "check/readback.h"
#include "program/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ALONE = 64, NOISE_ROWS = 16 };

typedef struct batch {
    const ad_program *program;
    size_t            rows;
    const double     *input;
    double           *output;
    ad_status         status;
} batch;

/* The mean of output 0, from values alone: not the code path that computed the gradient. */
static double batch_mean(size_t n, const double x[], void *context) {
    batch       *b = context;
    const size_t outputs = b->program->outputs;
    (void)n;
    const ad_status status = ad_program_values(b->program, x, b->rows, b->input, b->output);
    if (status != AD_OK) {
        if (b->status == AD_OK) b->status = status;
        return NAN;
    }
    double total = 0;
    for (size_t i = 0; i < b->rows; i++) total += b->output[i * outputs];
    return total / (double)b->rows;
}

/* The mean of what rounding may do to a sample of the rows; costly, so only computed
 * if a claim would fail or nothing was conclusive. */
static double batch_noise(const double x[], void *context) {
    batch          *b = context;
    const size_t    step = b->rows / NOISE_ROWS + 1;
    double          total = 0;
    size_t          rows = 0;
    ad__readback    back;
    const ad_status status = ad__readback_open(&back, b->program, x, b->input);
    for (size_t i = 0; status == AD_OK && i < b->rows; i += step, rows++)
        total += ad__readback_noise(&back, x,
                                    b->input == NULL ? NULL : b->input + i * b->program->inputs, 0);
    if (status == AD_NO_MEMORY) b->status = status;
    ad__readback_close(&back);
    return rows > 0 ? total / (double)rows : 0;
}

/* In the same way the sizes of the terms of the gradient. NULL: out of memory. */
static const double *batch_terms(void *self) {
    ad__callable *c = self;
    const batch  *b = c->context;
    const size_t  step = b->rows / NOISE_ROWS + 1, rows = (b->rows - 1) / step + 1;
    ad__readback  back;
    if (c->terms != NULL) return c->terms;
    double         *terms = calloc(c->n + 1, sizeof *terms);
    const ad_status status = ad__readback_open(&back, b->program, c->x, b->input);
    bool            ok = terms != NULL && status != AD_NO_MEMORY;
    for (size_t i = 0; ok && status == AD_OK && i < b->rows; i += step)
        ok = ad__readback_terms(&back, c->x,
                                b->input == NULL ? NULL : b->input + i * b->program->inputs, terms);
    ad__readback_close(&back);
    for (size_t i = 0; ok && i < c->n; i++) terms[i] /= (double)rows;
    if (ok) return c->terms = terms;
    free(terms);
    return NULL;
}

static double row_noise(const batch *row, const double param[], size_t output, ad__report *r) {
    ad__readback    back;
    const ad_status status = ad__readback_open(&back, row->program, param, row->input);
    const double noise = status == AD_OK ? ad__readback_noise(&back, param, row->input, output) : 0;
    if (status == AD_NO_MEMORY) r->no_memory = true;
    ad__readback_close(&back);
    return noise;
}

/* `count` rows from `from` on, as a function of the parameters. */
static batch rows_of(const batch *all, size_t from, size_t count) {
    batch b = *all;
    b.rows = count;
    if (b.input != NULL) b.input += from * b.program->inputs;
    return b;
}

/* A call that succeeded before succeeds again, unless memory is out or a custom operation is not
 * deterministic. */
static bool went_well(const ad_program *program, ad_status status, ad__report *r) {
    char text[1000];
    if (status == AD_NO_MEMORY) r->no_memory = true;
    if (status == AD_OK || status == AD_NO_MEMORY) return status == AD_OK;
    ad_program_message(program, sizeof text, text);
    ad__all_coordinates(r, AD_UNSTABLE);
    ad__report_say(r, AD_OK,
                   "the function is not deterministic: for the same x it failed at last: %s", text);
    return false;
}

/* If a direction fails or is inconclusive, the coordinates decide: near a kink or a jump each of
 * them may be right although the slope along the direction is not the sum of theirs. Returns the
 * worst of them. With too many to check one by one, the direction is all that is known. */
static ad__judgement by_coordinates(ad__task *t, const ad__judgement *along, double *claimed) {
    ad__judgement worst = {AD_PASS, NAN, NAN, {0}};
    size_t        which = SIZE_MAX;
    if (t->s->n > t->options.coordinates) return *along;
    for (size_t i = 0; i < t->s->n; i++) {
        const ad__judgement j = ad__judge_coordinate(t, i);
        if (j.verdict == AD_FAIL) return *along;
        if (which == SIZE_MAX || j.verdict > worst.verdict) worst = j, which = i;
    }
    *claimed = t->s->claimed[which];
    return worst;
}

/* The mean gradient over some of the rows, along one random direction. */
static void check_part(const batch *all, size_t from, size_t count, ad__task *t, ad__report *r,
                       const char *name) {
    batch           b = rows_of(all, from, count);
    double         *claimed = malloc(2 * (t->s->n + 1) * sizeof *claimed), mean;
    ad__callable    c = {.f = batch_mean,
                         .context = &b,
                         .n = t->s->n,
                         .x = t->s->x,
                         .direction = t->part,
                         .rounding_bound = batch_noise};
    ad__subject     s = {.n = t->s->n,
                         .x = t->s->x,
                         .claimed = claimed,
                         .coordinate = ad__call_coordinate,
                         .direction = ad__call_direction,
                         .self = &c,
                         .terms = batch_terms};
    const ad_status status =
        claimed == NULL ? AD_NO_MEMORY
                        : ad_program_gradient(b.program, c.x, count, b.input, &mean, claimed);
    if (!went_well(b.program, status, r)) {
        free(claimed);
        return;
    }
    ad__task part = *t;
    part.s = &s;
    c.at = claimed + s.n + 1;
    memset(t->part, 0, s.n * sizeof *t->part);
    c.value = ad__call_at(&c, 0).value;
    c.noise = ad__call_noise_measured(&part, &c);
    ad__random_direction(&part.random, s.n, s.x, part.direction);
    double        along;
    ad__judgement j = ad__judge_along(&part, part.direction, &along);
    if (j.verdict > AD_WEAK) j = by_coordinates(&part, &j, &along);
    ad__report_line(r, &r->first, name, SIZE_MAX, along, &j);
    r->page.evaluations += c.evaluations;
    t->random = part.random;
    if (b.status == AD_NO_MEMORY) r->no_memory = true;
    free(c.terms);
    free(claimed);
}

/* Three single rows, and all rows but the last: so one of the row counts is not a multiple of any
 * block size. */
static void check_parts(const batch *all, ad__task *t, ad__report *r) {
    char         name[AD__NAME_ROOM];
    const size_t alone[] = {0, all->rows / 2, all->rows - 1};
    for (size_t k = 0; k < 3 && !r->no_memory; k++) {
        if (k > 0 && alone[k] == alone[k - 1]) continue;
        snprintf(name, sizeof name, "row %zu alone", alone[k]);
        check_part(all, alone[k], 1, t, r, name);
    }
    if (all->rows > 2 && !r->no_memory)
        check_part(all, 0, all->rows - 1, t, r, "all rows but the last");
}

/* A row among others must have the value that it has alone, up to rounding. Only a mismatch gets a
 * line. */
static void check_values(const batch *all, const double param[], double one[], ad__report *r) {
    const size_t outputs = all->program->outputs, step = all->rows / MOST_ALONE + 1;
    char         name[AD__NAME_ROOM];
    for (size_t i = 0; i < all->rows;
         i += i + 1 < all->rows && i + step >= all->rows ? all->rows - 1 - i : step) {
        const batch b = rows_of(all, i, 1);
        if (!went_well(b.program, ad_program_values(b.program, param, 1, b.input, one), r)) return;
        for (size_t k = 0; k < outputs; k++) {
            const double among = all->output[i * outputs + k], gap = fabs(among - one[k]);
            const double allowed = r->page.rtol * fmax(fabs(among), fabs(one[k])) +
                                   16 * r->page.noise * (double)all->rows;
            if (ad__same_number(among, one[k]) || gap <= allowed ||
                gap <= 2 * row_noise(&b, param, k, r))
                continue;
            if (outputs == 1) snprintf(name, sizeof name, "value of row %zu", i);
            else snprintf(name, sizeof name, "value of row %zu, output %zu", i, k);
            ad__report_line(
                r, &r->first, name, SIZE_MAX, among,
                &(ad__judgement){AD_FAIL,
                                 gap,
                                 allowed,
                                 {.shape = AD__SMOOTH, .slope = one[k], .error = 0, .step = NAN}});
            ad__report_say(r, AD_OK, "row %zu has the value %.17g among the others and %.17g alone",
                           i, among, one[k]);
            return;
        }
    }
}

/* Subsets of the rows, if their mean could be judged. */
static void check_rows(batch *all, const double param[], const double claimed[],
                       const ad_check_options *o, ad__report *r) {
    const ad__subject s = {.n = all->program->params, .x = param, .claimed = claimed};
    ad__task          t;
    double           *alone = malloc(all->program->outputs * sizeof *alone);
    if (alone == NULL) r->no_memory = true;
    else if (went_well(all->program,
                       ad_program_values(all->program, param, all->rows, all->input, all->output),
                       r))
        check_values(all, param, alone, r);
    free(alone);
    if (r->no_memory || r->page.verdict == AD_UNSTABLE || s.n == 0 || o->direction != NULL ||
        !ad__task_begin(&t, &s, o, r))
        return;
    check_parts(all, &t, r);
    ad__task_end(&t);
}

static void check_batch(batch *b, const double param[], const double claimed[],
                        const ad_check_options *o, ad__report *r) {
    const size_t n = b->program->params;
    ad__callable c = {.f = batch_mean,
                      .context = b,
                      .n = n,
                      .x = param,
                      .at = malloc(n * sizeof *c.at),
                      .rounding_bound = batch_noise,
                      .sizes = batch_terms};
    if (c.at == NULL) {
        r->no_memory = true;
        return;
    }
    ad__check_callable(&c, r, o, claimed);
    if (ad__report_has(r, AD_INCONCLUSIVE))
        r->page.noise = fmax(r->page.noise, batch_noise(param, b));
    if (r->first.count > 0 && r->page.verdict != AD_UNSTABLE && b->rows > 1 && !r->no_memory)
        check_rows(b, param, claimed, o, r);
    if (b->status != AD_OK && *r->message == '\0' && !ad__report_has(r, AD_FAIL)) {
        char text[1000];
        ad_program_message(b->program, sizeof text, text);
        ad__report_say(r, AD_OK, "near these parameters: %s", text);
    }
    if (b->status == AD_NO_MEMORY) r->no_memory = true;
    if (!r->no_memory) ad__conclude_function(r);
    free(c.terms);
    free(c.at);
}

ad_check_report *ad_check_program(const ad_program *program, const double param[], size_t rows,
                                  const double input[], const ad_check_options *options) {
    char             text[AD__NAME_ROOM];
    ad_check_options o = ad__options_filled(options);
    ad__report      *r = ad__report_begin(program == NULL ? 0 : program->params, &o);
    if (r == NULL) return NULL;
    if (ad__options_bad("ad_check_program", options, text) != NULL ||
        ad__unit_bad("ad_check_program", options, text) != NULL)
        return ad__report_refuse(r, AD_BAD_ARGUMENT, text);
    if (program == NULL || rows == 0)
        return ad__report_refuse(r, AD_BAD_ARGUMENT,
                                 "ad_check_program: a program and at least one row are needed");
    const size_t n = program->params;
    double       mean, *claimed = malloc((n + 1) * sizeof *claimed);
    batch        b = {program, rows, input, NULL, AD_OK};
    if (rows <= SIZE_MAX / sizeof *b.output / program->outputs)
        b.output = malloc(rows * program->outputs * sizeof *b.output);
    const bool      room = claimed != NULL && b.output != NULL;
    const ad_status status =
        room ? ad_program_gradient(program, param, rows, input, &mean, claimed) : AD_NO_MEMORY;
    if (status == AD_NO_MEMORY) {
        r->no_memory = true;
    } else if (status != AD_OK) {
        char said[1000];
        ad_program_message(program, sizeof said, said);
        ad__report_say(r, status, "%s", said);
    } else if (ad__worth_checking(r, n, &o)) {
        ad__use_unit(&o, r, 0, 0, NULL, NULL);
        check_batch(&b, param, claimed, &o, r);
    }
    free(claimed);
    free(b.output);
    return ad__report_done(r);
}
