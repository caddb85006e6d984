/* check.c - is the gradient of a tape right? Its rules are checked, its sweep, and the gradient
 * against differences; then one conclusion is drawn.
 *
 * Before that the tape is replayed: if it gives two values for the same x, or none, the gradient is
 * not checked further. */
#include "check/conclude.h"
#include "check/global.h"
#include "check/local_check.h"
#include "check/second.h"

#include <math.h>
#include <stdlib.h>

static ad__slice tape_coordinate(void *self, size_t i) {
    return ad__probe_coordinate(self, i);
}

static ad__slice tape_direction(void *self, const double direction[]) {
    return ad__probe_direction(self, direction);
}

static const char *tape_name(void *self, size_t i) {
    const ad__probe *p = self;
    return ad__name_of(p->tape, ad__node_of(p->x[i]));
}

static const double *tape_terms(void *self) {
    ad__probe *p = self;
    if (p->terms != NULL) return p->terms;
    double *size = malloc(((size_t)p->y + 1) * sizeof *size),
           *terms = calloc(p->n + 1, sizeof *terms);
    if (size != NULL && terms != NULL) {
        ad__probe_sweep(p);
        ad__adjoint_sizes(p->tape, p->y, size);
        for (size_t i = 0; i < p->n; i++)
            if (ad__node_of(p->x[i]) <= p->y) terms[i] = size[ad__node_of(p->x[i])];
        p->terms = terms, terms = NULL;
    }
    free(size);
    free(terms);
    return p->terms;
}

/* NULL if the arguments are good, else what is wrong with them. */
static const char *bad_arguments(ad_var y, size_t n, const ad_var x[],
                                 const ad_check_options *options, char text[AD__NAME_ROOM]) {
    ad_tape *tape = y.tape;
    if (tape == NULL) return "y is a plain number: it depends on nothing";
    if (tape->status != AD_OK || !ad__operand_valid(tape, y, "ad_check", 1)) return tape->message;
    if (ad__options_bad("ad_check", options, text) != NULL ||
        ad__unit_bad("ad_check", options, text) != NULL)
        return text;
    for (size_t i = 0; i < n; i++) {
        if (x[i].tape != NULL && !ad__operand_valid(tape, x[i], "ad_check", i + 1))
            return tape->message;
        if (x[i].tape != NULL && tape->code[ad__node_of(x[i])] == AD__input) continue;
        snprintf(text, AD__NAME_ROOM, "ad_check: x[%zu] is not an input of the tape", i);
        return text;
    }
    return NULL;
}

/* Only a custom operation can give another value for the same x. */
static double value_again(ad__probe *p) {
    ad_tape *tape = p->tape;
    p->evaluations++;
    ad__replay_range(tape, tape->leaves, p->y + 1);
    if (tape->status == AD_OK) return tape->value[p->y];
    ad_tape_clear(tape);
    return NAN;
}

static void check_tape(ad__probe *p, ad__report *r, const ad_check_options *o,
                       const double claimed[]) {
    const ad__subject s = {.n = p->n,
                           .x = p->base,
                           .claimed = claimed != NULL ? claimed : p->gradient,
                           .coordinate = tape_coordinate,
                           .direction = tape_direction,
                           .name = tape_name,
                           .self = p,
                           .terms = tape_terms};
    ad__task          t;
    r->page.has_tape = true;
    r->page.value = p->value, r->page.noise = p->noise;
    ad__check_rules(p, r, o->rtol);
    ad__check_sweep(p, r, o->seed);
    if (!isfinite(p->value)) {
        ad__without_value(r, p->value);
    } else if (!r->no_memory && ad__task_begin(&t, &s, o, r)) {
        const double again = value_again(p);
        if (!ad__same_number(again, p->value)) {
            ad__unstable(r, p->value, again);
        } else {
            ad__check_all(&t);
            if (o->direction == NULL) ad__check_taylor(&t);
            if (o->second) ad__check_second(p, r, o);
            const double last = value_again(p);
            if (!ad__same_number(last, p->value)) ad__unstable(r, p->value, last);
        }
        ad__task_end(&t);
    }
    r->page.evaluations = p->evaluations;
    if (r->page.status == AD_OK && !r->no_memory) ad__conclude_tape(p, r, claimed == NULL);
}

ad_check_report *ad_check(ad_var y, size_t n, const ad_var x[], const double claimed[],
                          const ad_check_options *options) {
    char             text[AD__NAME_ROOM];
    ad_check_options o = ad__options_filled(options);
    const char      *bad = bad_arguments(y, n, x, options, text);
    ad__report      *r = ad__report_begin(n, &o);
    ad_tape         *tape = y.tape;
    if (bad != NULL || r == NULL) {
        if (r == NULL && tape != NULL)
            ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for a report");
        return ad__report_refuse(
            r, tape != NULL && tape->status != AD_OK ? tape->status : AD_BAD_ARGUMENT,
            bad != NULL ? bad : "");
    }
    if (!ad__worth_checking(r, n, &o)) return ad__report_done(r);
    ad__use_unit(&o, r, 0, 0, NULL, NULL);
    ad__probe p;
    if (ad__probe_open(&p, y, n, x)) check_tape(&p, r, &o, claimed);
    ad__probe_close(&p);
    if (r->no_memory || tape->status == AD_NO_MEMORY) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: a check was not finished");
        r->no_memory = true;
    } else if (tape->status != AD_OK) {
        ad__report_say(r, tape->status, "%s", tape->message);
        r->page.verdict = AD_INCONCLUSIVE;
    }
    return ad__report_done(r);
}

ad_check_report *ad_check_refused(ad_status status, const char *sentence) {
    return ad__report_refuse(ad__report_new(0), status,
                             sentence != NULL && *sentence != '\0' ? sentence
                                                                   : ad_status_text(status));
}
