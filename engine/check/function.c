/* function.c - a function that can only be called: its values along a line, its measured noise, and
 * the check of its gradient. One that gives two values for the same x, or none, is not checked
 * further. */
#include "check/function.h"

#include "check/conclude.h"
#include "check/local_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double call(ad__callable *c) {
    c->evaluations++;
    return c->f(c->n, c->at, c->context);
}

/* How far rounded points are along the direction. */
static double moved_along(const ad__callable *c, double t) {
    double moved = 0, square = 0;
    for (size_t i = 0; i < c->n; i++) {
        moved += c->direction[i] * (c->at[i] - c->x[i]);
        square += c->direction[i] * c->direction[i];
    }
    return square > 0 ? moved / square : t;
}

/* The array is filled again for each call, since the function may have written into it. */
ad__sample ad__call_at(void *context, double t) {
    ad__callable *c = context;
    double        moved = t;
    memcpy(c->at, c->x, c->n * sizeof *c->at);
    if (c->direction == NULL) {
        c->at[c->coordinate] = ad__rounded_to(c->unit, c->at[c->coordinate] + t);
        moved = c->at[c->coordinate] - c->x[c->coordinate];
    } else {
        for (size_t i = 0; i < c->n; i++)
            if (c->direction[i] != 0)
                c->at[i] = ad__rounded_to(c->unit, c->at[i] + t * c->direction[i]);
        if (c->unit > AD__ROUNDING) moved = moved_along(c, t);
    }
    return (ad__sample){moved, call(c), true};
}

/* Values away from x may be rounded more coarsely than those at x. */
static double call_noise(void *context, double t) {
    const ad__callable *c = context;
    const double        size = c->direction == NULL ? fabs(c->x[c->coordinate]) : 1;
    const double        measured =
        ad__measured_noise(ad__call_at, context, t, size > 0 ? fmax(size, fabs(t)) : 1, c->unit);
    if (c->rounding_bound == NULL) return measured;
    ad__call_at(context, t); /* only to set c->at */
    return fmax(measured, c->rounding_bound(c->at, c->context));
}

ad__slice ad__call_coordinate(void *self, size_t i) {
    ad__callable *c = self;
    c->coordinate = i;
    c->direction = NULL;
    return (ad__slice){
        ad__call_at, call_noise, c, c->value, c->noise, fabs(c->x[i]), c->rounding_bound != NULL,
        c->unit};
}

ad__slice ad__call_direction(void *self, const double direction[]) {
    ad__callable *c = self;
    c->direction = direction;
    return (ad__slice){ad__call_at, call_noise, c, c->value, c->noise, 0, c->rounding_bound != NULL,
                       c->unit};
}

void ad__noise_direction(uint64_t *random, size_t n, const double x[], double direction[]) {
    ad__random_direction(random, n, x, direction);
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0 && isfinite(x[i])) direction[i] *= fabs(x[i]) / fmax(1, fabs(x[i]));
}

double ad__call_noise_measured(ad__task *t, ad__callable *c) {
    ad__noise_direction(&t->random, c->n, c->x, t->direction);
    c->direction = t->direction;
    return ad__measured_noise(ad__call_at, c, 0, 1, c->unit);
}

void ad__check_callable(ad__callable *c, ad__report *r, const ad_check_options *o,
                        const double claimed[]) {
    const ad__subject s = {.n = c->n,
                           .x = c->x,
                           .claimed = claimed,
                           .coordinate = ad__call_coordinate,
                           .direction = ad__call_direction,
                           .self = c,
                           .terms = c->sizes};
    ad__task          t;
    if (!ad__task_begin(&t, &s, o, r)) return;
    c->direction = t.direction; /* all 0 */
    c->value = ad__call_at(c, 0).value;
    const double second = ad__call_at(c, 0).value;
    r->page.value = c->value;
    if (!ad__same_number(c->value, second)) {
        ad__unstable(r, c->value, second);
    } else if (!isfinite(c->value)) {
        ad__without_value(r, c->value);
    } else {
        r->page.noise = c->noise = ad__call_noise_measured(&t, c);
        ad__check_all(&t);
        if (o->direction == NULL) ad__check_taylor(&t);
        c->direction = NULL, c->coordinate = 0;
        const double last = ad__call_at(c, 0).value;
        if (!ad__same_number(c->value, last)) ad__unstable(r, c->value, last);
    }
    ad__task_end(&t);
    r->page.evaluations = c->evaluations;
}

/* ---- the arithmetic of a function ------------------------------------------------------------ */

void ad__point_nearby(uint64_t *random, size_t n, const double x[], double near[]) {
    for (size_t i = 0; i < n; i++) {
        const double part = (double)(ad__random(random) >> 11) * 0x1p-53 - 0.5;
        near[i] = x[i] + part * 0x1p-6 * fmax(1, fabs(x[i]));
    }
}

static double measured_unit(ad__callable *c, uint64_t random) {
    ad__unit_seen seen = {0};
    for (int k = 0; k < AD__UNIT_POINTS; k++) {
        ad__point_nearby(&random, c->n, c->x, c->at);
        ad__unit_note(&seen, call(c));
    }
    return ad__unit_of(&seen);
}

static void check_function(ad__callable *c, ad__report *r, ad_check_options *o,
                           const double claimed[]) {
    double *own = malloc(c->n * sizeof *own);
    if (own == NULL) {
        r->no_memory = true;
        return;
    }
    const double unit = o->unit < 0 ? measured_unit(c, o->seed) : o->unit;
    c->x = ad__use_unit(o, r, unit, c->n, c->x, own);
    c->unit = o->unit;
    ad__check_callable(c, r, o, claimed);
    if (!r->no_memory) ad__conclude_function(r);
    ad__conclude_rounded(r);
    free(own);
}

ad_check_report *ad_check_function(double (*f)(size_t n, const double x[], void *context),
                                   void *context, size_t n, const double x[],
                                   const double claimed[], const ad_check_options *options) {
    char             text[AD__NAME_ROOM];
    ad_check_options o = ad__options_filled(options);
    ad__report      *r = ad__report_begin(n, &o);
    if (r == NULL) return NULL;
    if (ad__options_bad("ad_check_function", options, text) != NULL)
        return ad__report_refuse(r, AD_BAD_ARGUMENT, text);
    if (f == NULL || (n > 0 && (x == NULL || claimed == NULL)))
        return ad__report_refuse(
            r, AD_BAD_ARGUMENT,
            "ad_check_function: a function, x and a claimed gradient are needed");
    if (!ad__worth_checking(r, n, &o)) return ad__report_done(r);
    ad__callable c = {.f = f, .context = context, .n = n, .x = x, .at = malloc(n * sizeof *c.at)};
    if (c.at == NULL) r->no_memory = true;
    else check_function(&c, r, &o, claimed);
    free(c.at);
    return ad__report_done(r);
}
