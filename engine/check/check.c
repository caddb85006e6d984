/* check.c - is this gradient right? The ok function is compared with differences, coordinate by
 * coordinate or along directions, and a tape also has its rules and its sweep checked; then one
 * conclusion is drawn.
 *
 * The estimate by differences is made without looking at the claim; the claim only decides how much
 * of that work is needed. Before anything else a function is called again: one that gives two
 * values for the same x, or none, is not checked further. */
#include "base/text.h"
#include "check/conclude.h"
#include "check/local_check.h"
#include "check/readback.h"
#include "check/second.h"
#include "program/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIRECTIONS = 4,
    FEW = 4,
    COORDINATES = 100,
    MOST_FOUND = AD__CULPRITS,
    STACK = 128,
    MOST_ALONE = 64,
    KINK_DIRECTIONS = 8,
    NEARBY = 8,
    NOISE_ROWS = 16
};

#define RTOL 1e-9
#define SEED 42

/* What is checked: n numbers, a claim about each, and a way to get the function along a line
 * through any of them. */
typedef struct subject {
    size_t        n;
    const double *x, *claimed;
    ad__slice (*coordinate)(void *self, size_t i);
    ad__slice (*direction)(void *self, const double direction[]);
    const char *(*name)(void *self, size_t i); /* NULL: it has none */
    void *self;
    /* n: sizes of the terms that the claims are sums of. NULL: not known */
    const double *(*terms)(void *self);
} subject;

typedef struct task {
    const subject   *s;
    ad_check_options options;
    ad__report      *r;
    uint64_t         random;
    double          *direction, *part; /* n each */
    /* of a bisection: how many coordinates fail, and how many are on a kink */
    size_t           found, kinked;
} task;

static ad_check_options filled(const ad_check_options *given) {
    ad_check_options o = given != NULL ? *given : (ad_check_options){0};
    if (o.rtol == 0) o.rtol = RTOL;
    if (o.seed == 0) o.seed = SEED;
    if (o.coordinates == 0) o.coordinates = COORDINATES;
    return o;
}

/* ---- blocks and names ------------------------------------------------------------------------ */

/* The number of elements of a block; SIZE_MAX if it overflows. */
static size_t block_count(const ad_check_block *b) {
    size_t count = 1;
    for (size_t d = 0; d < b->rank; d++) {
        if (b->shape[d] != 0 && count > SIZE_MAX / b->shape[d]) return SIZE_MAX;
        count *= b->shape[d];
    }
    return count;
}

/* The struct whose spare room is not all 0, or NULL. */
static const char *not_zero(const ad_check_options *o) {
    if (o == NULL) return NULL;
    if (!ad__all_zero(o->reserved, o + 1)) return "ad_check_options";
    for (size_t b = 0; o->block != NULL && b < o->blocks; b++)
        if (!ad__all_zero(o->block[b].reserved, &o->block[b] + 1)) return "ad_check_block";
    return NULL;
}

/* NULL: the spare room is all 0. */
static const char *bad_options(const char *what, const ad_check_options *o,
                               char text[AD__NAME_ROOM]) {
    const char *type = not_zero(o);
    if (type == NULL) return NULL;
    snprintf(text, AD__NAME_ROOM, AD__NOT_ZERO, what, type);
    return text;
}

static bool blocks_fit(const ad_check_options *o, size_t n) {
    size_t total = 0;
    if (o->blocks > 0 && o->block == NULL) return false;
    for (size_t b = 0; b < o->blocks; b++) {
        if (o->block[b].name == NULL || (o->block[b].rank > 0 && o->block[b].shape == NULL))
            return false;
        const size_t count = block_count(&o->block[b]);
        if (count > n - total) return false;
        total += count;
    }
    return o->blocks == 0 || total == n;
}

/* "layers.0.weight[1][2]": row-major; the stride of an index is the product of all later sizes. */
static void place_in_block(const ad_check_block *b, size_t i, char text[AD__NAME_ROOM]) {
    const int shown = ad__cut_bytes(b->name, 80);
    size_t    left = block_count(b),
           length = (size_t)snprintf(text, AD__NAME_ROOM, "%.*s", shown, b->name);
    for (size_t d = 0; d < b->rank && length < AD__NAME_ROOM; d++) {
        left /= b->shape[d];
        length += (size_t)snprintf(text + length, AD__NAME_ROOM - length, "[%zu]", i / left);
        i %= left;
    }
}

static void name_of(const task *t, size_t i, char text[AD__NAME_ROOM]) {
    const ad_check_options *o = &t->options;
    const char             *own = t->s->name != NULL ? t->s->name(t->s->self, i) : NULL;
    if (own != NULL) {
        snprintf(text, AD__NAME_ROOM, "%.*s", ad__cut_bytes(own, AD__NAME_ROOM - 1), own);
        return;
    }
    size_t from = 0;
    for (size_t b = 0; b < o->blocks; b++) {
        const size_t count = block_count(&o->block[b]);
        if (i - from < count) {
            place_in_block(&o->block[b], i - from, text);
            return;
        }
        from += count;
    }
    snprintf(text, AD__NAME_ROOM, "x[%zu]", i);
}

/* ---- the global layer ------------------------------------------------------------------------ */

/* NULL: not known, or out of memory, which is then noted in the report. */
static const double *terms_of(task *t) {
    const double *terms = t->s->terms != NULL ? t->s->terms(t->s->self) : NULL;
    if (t->s->terms != NULL && terms == NULL) t->r->no_memory = true;
    return terms;
}

/* At infinity there are no differences. */
static ad__judgement judge_coordinate(task *t, size_t i) {
    if (!isfinite(t->s->x[i]))
        return (ad__judgement){AD_DOMAIN, NAN, NAN, {.shape = AD__EDGE, .left = NAN, .right = NAN}};
    const ad__slice line = t->s->coordinate(t->s->self, i);
    ad__judgement   j = ad__judge(&line, t->s->claimed[i], t->options.rtol);
    const double   *terms = j.verdict == AD_FAIL ? terms_of(t) : NULL;
    if (terms != NULL) ad__allow_rounding(&j, terms[i], t->s->claimed[i]);
    return j;
}

static ad_verdict check_coordinate(task *t, size_t i) {
    char                name[AD__NAME_ROOM];
    const ad__judgement j = judge_coordinate(t, i);
    name_of(t, i, name);
    if (!isfinite(t->s->x[i]) && t->r->infinite == SIZE_MAX) t->r->infinite = i;
    ad__report_line(t->r, &t->r->first, name, i, t->s->claimed[i], &j);
    t->r->coordinate[i] = (unsigned char)j.verdict;
    return j.verdict;
}

static double along(const subject *s, const double direction[]) {
    double claimed = 0;
    for (size_t i = 0; i < s->n; i++)
        if (direction[i] != 0) claimed += s->claimed[i] * direction[i];
    return claimed;
}

static ad__judgement judge_along(task *t, const double direction[], double *claimed) {
    const ad__slice line = t->s->direction(t->s->self, direction);
    *claimed = along(t->s, direction);
    ad__judgement j = ad__judge(&line, *claimed, t->options.rtol);
    const double *terms = j.verdict == AD_FAIL ? terms_of(t) : NULL;
    double        total = 0;
    for (size_t i = 0; terms != NULL && i < t->s->n; i++) total += fabs(terms[i] * direction[i]);
    ad__allow_rounding(&j, total, *claimed);
    return j;
}

/* Does the direction, restricted to coordinates from..end-1, fail? */
static bool part_fails(task *t, size_t from, size_t end) {
    double claimed;
    for (size_t i = 0; i < t->s->n; i++) t->part[i] = i >= from && i < end ? t->direction[i] : 0;
    return judge_along(t, t->part, &claimed).verdict == AD_FAIL;
}

/* Halve a range that fails, keeping the halves that fail themselves, down to single coordinates. */
static void bisect(task *t, size_t from, size_t end) {
    size_t stack[STACK][2], depth = 1;
    stack[0][0] = from, stack[0][1] = end;
    while (depth > 0 && t->found < MOST_FOUND && !t->r->no_memory) {
        const size_t low = stack[--depth][0], high = stack[depth][1];
        if (high - low == 1) {
            const ad_verdict verdict =
                t->r->coordinate[low] == AD_FAIL ? AD_PASS : check_coordinate(t, low);
            if (verdict == AD_FAIL) t->found++;
            if (verdict == AD_KINK) t->kinked++;
            continue;
        }
        const size_t middle = low + (high - low) / 2, half[2][2] = {{middle, high}, {low, middle}};
        for (int k = 0; k < 2 && depth < STACK; k++) {
            if (!part_fails(t, half[k][0], half[k][1])) continue;
            stack[depth][0] = half[k][0], stack[depth][1] = half[k][1];
            depth++;
        }
    }
}

/* At a kink a claim that is right in every coordinate need not be the slope along a direction. So a
 * failing direction is reported as KINK, not FAIL, if the bisection ends at nothing but kinks. */
static void find_wrong(task *t, size_t from, size_t count) {
    ad__report  *r = t->r;
    const size_t line = r->first.count - 1, found = t->found;
    t->kinked = 0;
    bisect(t, from, from + count);
    if (r->no_memory || t->found > found || t->kinked == 0) return;
    r->first.line[line].verdict = AD_KINK;
    for (size_t i = from; i < from + count; i++)
        if (r->coordinate[i] == AD_INCONCLUSIVE) r->coordinate[i] = AD_KINK;
}

static void check_block(task *t, const char *name, size_t from, size_t count) {
    const subject *s = t->s;
    if (count <= FEW) {
        for (size_t i = from; i < from + count && !t->r->no_memory; i++)
            if (isfinite(s->claimed[i])) check_coordinate(t, i);
        return;
    }
    ad_verdict worst = AD_PASS;
    for (int d = 0; d < DIRECTIONS && worst != AD_FAIL && !t->r->no_memory; d++) {
        double claimed;
        for (size_t i = 0; i < s->n; i++) t->direction[i] = 0;
        ad__random_direction(&t->random, count, s->x + from, t->direction + from);
        for (size_t i = from; i < from + count; i++)
            if (!isfinite(s->claimed[i])) t->direction[i] = 0; /* checked one by one before this */
        const ad__judgement j = judge_along(t, t->direction, &claimed);
        ad__report_line(t->r, &t->r->first, name, SIZE_MAX, claimed, &j);
        if (j.verdict > worst) worst = j.verdict;
    }
    for (size_t i = from; i < from + count; i++)
        if (isfinite(s->claimed[i]))
            t->r->coordinate[i] = (unsigned char)(worst == AD_FAIL ? AD_INCONCLUSIVE : worst);
    if (worst == AD_FAIL) find_wrong(t, from, count);
}

/* In a sum a claim that is not finite would hide all others, so these are checked first, one by
 * one. */
static void check_not_finite(task *t) {
    const subject *s = t->s;
    size_t         looked = 0;
    for (size_t i = 0; i < s->n && !t->r->no_memory; i++) {
        if (isfinite(s->claimed[i])) continue;
        if (looked++ < MOST_FOUND) check_coordinate(t, i);
        else t->r->coordinate[i] = AD_FAIL;
    }
}

static void check_given(task *t) {
    double claimed, largest = 0;
    for (size_t i = 0; i < t->s->n; i++) largest = fmax(largest, fabs(t->options.direction[i]));
    ad__judgement j = judge_along(t, t->options.direction, &claimed);
    if (!(largest > 0)) j.verdict = AD_INCONCLUSIVE;
    ad__report_line(t->r, &t->r->first, "direction", SIZE_MAX, claimed, &j);
    if (!(largest > 0))
        ad__report_say(t->r, AD_OK,
                       "the direction is zero everywhere: there is nothing to check along it");
}

/* ---- kinks of several coordinates ------------------------------------------------------------ */

/* The range of the slopes along a direction, at x and at points near x, where the function is
 * smooth as a rule. */
typedef struct slopes {
    double low, high;
} slopes;

static void widen(slopes *s, double slope) {
    if (isnan(slope)) return;
    s->low = fmin(s->low, slope), s->high = fmax(s->high, slope);
}

static double value_at(task *t, const double displacement[]) {
    const ad__slice line = t->s->direction(t->s->self, displacement);
    return line.at(line.context, 1).value;
}

/* The slope at a random point near x (at the distance `far`), by one central difference with a much
 * shorter step. */
static double slope_nearby(task *t, const double direction[]) {
    const double far = 0x1p-10, step = 0x1p-22;
    double      *away = t->part, up, down;
    ad__random_direction(&t->random, t->s->n, t->s->x, away);
    for (size_t i = 0; i < t->s->n; i++)
        away[i] = t->r->coordinate[i] == AD_KINK ? away[i] * far + step * direction[i] : 0;
    up = value_at(t, away);
    for (size_t i = 0; i < t->s->n; i++) away[i] -= 2 * step * direction[i];
    down = value_at(t, away);
    return (up - down) / (2 * step);
}

/* Moves all coordinates that are on a kink along one direction. A claim is a subgradient only if
 * its slope along the direction is also among those that the function has at x and around it.
 * Pieces of the function that were not sampled may have other slopes, so the range is widened by
 * its own length. */
static bool refuted_along(task *t, const double direction[]) {
    double        claimed;
    ad__judgement j = judge_along(t, direction, &claimed);
    if (j.verdict != AD_FAIL || !isfinite(claimed)) return false;
    const ad__estimate *e = &j.estimate;
    slopes              s = {INFINITY, -INFINITY};
    const bool          smooth = e->shape == AD__SMOOTH;
    widen(&s, smooth ? e->slope : e->left), widen(&s, smooth ? e->slope : e->right);
    for (int k = 0; k < NEARBY; k++) widen(&s, slope_nearby(t, direction));
    const double spread = s.high - s.low + 0x1p-8 * fmax(fabs(s.low), fabs(s.high));
    if (claimed >= s.low - spread && claimed <= s.high + spread) return false;
    ad__report_line(t->r, &t->r->first, "all kinks together", SIZE_MAX, claimed, &j);
    return true;
}

/* Directions of the kinked coordinates: 0 all forwards; 1 alternating signs; then at random, even
 * ones all forwards. */
static void kink_direction(task *t, int k) {
    const double *x = t->s->x;
    int           sign = 1;
    if (k > 1) ad__random_direction(&t->random, t->s->n, x, t->direction);
    for (size_t i = 0; i < t->s->n; i++) {
        if (t->r->coordinate[i] != AD_KINK) {
            t->direction[i] = 0;
            continue;
        }
        if (k <= 1) t->direction[i] = sign * fmax(1, fabs(x[i]));
        else if (k % 2 == 0) t->direction[i] = fabs(t->direction[i]);
        if (k == 1) sign = -sign;
    }
}

/* Coordinate by coordinate the claim may lie between the one-sided slopes and still be no
 * subgradient. */
static void check_kinks(task *t) {
    size_t kinks = 0;
    for (size_t i = 0; i < t->s->n; i++) kinks += t->r->coordinate[i] == AD_KINK;
    if (kinks < 2 || t->s->n > t->options.coordinates) return;
    for (int k = 0; k < KINK_DIRECTIONS && !t->r->no_memory; k++) {
        kink_direction(t, k);
        if (!refuted_along(t, t->direction)) continue;
        for (size_t i = 0; i < t->s->n; i++)
            if (t->r->coordinate[i] == AD_KINK) t->r->coordinate[i] = AD_FAIL;
        return;
    }
}

static void check_all(task *t) {
    const subject          *s = t->s;
    const ad_check_options *o = &t->options;
    size_t                  from = 0;
    if (o->direction != NULL) {
        check_given(t);
    } else if (s->n <= o->coordinates) {
        for (size_t i = 0; i < s->n && !t->r->no_memory; i++) check_coordinate(t, i);
        if (!t->r->no_memory) check_kinks(t);
    } else {
        check_not_finite(t);
        if (o->blocks == 0) check_block(t, "all of x", 0, s->n);
        for (size_t b = 0; b < o->blocks; b++) {
            const size_t count = block_count(&o->block[b]);
            check_block(t, o->block[b].name, from, count);
            from += count;
        }
    }
}

static void taylor(task *t) {
    const subject *s = t->s;
    ad__random_direction(&t->random, s->n, s->x, t->direction);
    const ad__slice line = s->direction(s->self, t->direction);
    t->r->page.taylor = ad__taylor_slope(&line, along(s, t->direction), 0, 1);
}

/* ---- preconditions --------------------------------------------------------------------------- */

static bool same(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

/* False, with the reason in the report, if there is nothing to check or the options are bad. */
static bool worth_checking(ad__report *r, const subject *s, const ad_check_options *o) {
    if (s->n == 0) {
        ad__report_say(r, AD_OK, "n = 0: there is nothing to check");
    } else if (!(o->rtol >= 0) || !isfinite(o->rtol)) {
        ad__report_say(r, AD_BAD_ARGUMENT, "rtol is %g: a finite number, not below 0, is needed",
                       o->rtol);
    } else if (!blocks_fit(o, s->n)) {
        ad__report_say(r, AD_BAD_ARGUMENT,
                       "the %zu blocks do not cover the %zu coordinates, each of them once",
                       o->blocks, s->n);
    } else {
        return true;
    }
    return false;
}

static void all_coordinates(ad__report *r, ad_verdict verdict) {
    for (size_t i = 0; i < r->page.n; i++) r->coordinate[i] = (unsigned char)verdict;
    r->page.verdict = verdict;
}

static void unstable(ad__report *r, double first, double second) {
    all_coordinates(r, AD_UNSTABLE);
    ad__report_say(r, AD_OK,
                   "the function is not deterministic: for the same x it gave %.17g and then %.17g",
                   first, second);
}

/* Without a value there are no differences; wrong rules and sweeps are found all the same. */
static void without_value(ad__report *r, double value) {
    all_coordinates(r, AD_DOMAIN);
    ad__report_say(r, AD_OK, "the function is %g at x: it has no derivative there",
                   isnan(value) ? NAN : value);
}

static ad__report *begin(size_t n, const ad_check_options *o) {
    ad__report *r = ad__report_new(n);
    if (r == NULL) return NULL;
    r->page.rtol = o->rtol;
    r->page.seed = o->seed;
    return r;
}

static ad_check_report *refuse(ad__report *r, ad_status status, const char *sentence) {
    if (r == NULL) return NULL;
    ad__report_say(r, status, "%s", sentence);
    return ad__report_done(r);
}

ad_check_report *ad_check_refused(ad_status status, const char *sentence) {
    return refuse(ad__report_new(0), status,
                  sentence != NULL && *sentence != '\0' ? sentence : ad_status_text(status));
}

static void finish(task *t) {
    free(t->direction);
    free(t->part);
}

static bool prepare(task *t, const subject *s, const ad_check_options *o, ad__report *r) {
    *t = (task){.s = s, .options = *o, .r = r, .random = o->seed};
    t->direction = calloc(s->n + 1, sizeof *t->direction);
    t->part = calloc(s->n + 1, sizeof *t->part);
    if (t->direction != NULL && t->part != NULL) return true;
    finish(t);
    r->no_memory = true;
    return false;
}

/* ---- a tape ---------------------------------------------------------------------------------- */

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
    if (bad_options("ad_check", options, text) != NULL) return text;
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
    const subject s = {p->n,
                       p->base,
                       claimed != NULL ? claimed : p->gradient,
                       tape_coordinate,
                       tape_direction,
                       tape_name,
                       p,
                       tape_terms};
    task          t;
    r->page.has_tape = true;
    r->page.value = p->value, r->page.noise = p->noise;
    ad__check_rules(p, r, o->rtol);
    ad__check_sweep(p, r, o->seed);
    if (!isfinite(p->value)) {
        without_value(r, p->value);
    } else if (!r->no_memory && prepare(&t, &s, o, r)) {
        const double again = value_again(p);
        if (!same(again, p->value)) {
            unstable(r, p->value, again);
        } else {
            check_all(&t);
            if (o->direction == NULL) taylor(&t);
            if (o->second) ad__check_second(p, r, o);
            const double last = value_again(p);
            if (!same(last, p->value)) unstable(r, p->value, last);
        }
        finish(&t);
    }
    r->page.evaluations = p->evaluations;
    if (r->page.status == AD_OK && !r->no_memory) ad__conclude_tape(p, r, claimed == NULL);
}

ad_check_report *ad_check(ad_var y, size_t n, const ad_var x[], const double claimed[],
                          const ad_check_options *options) {
    char                   text[AD__NAME_ROOM];
    const ad_check_options o = filled(options);
    const char            *bad = bad_arguments(y, n, x, options, text);
    ad__report            *r = begin(n, &o);
    ad_tape               *tape = y.tape;
    if (bad != NULL || r == NULL) {
        if (r == NULL && tape != NULL)
            ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for a report");
        return refuse(r, tape != NULL && tape->status != AD_OK ? tape->status : AD_BAD_ARGUMENT,
                      bad != NULL ? bad : "");
    }
    const subject empty = {.n = n};
    if (!worth_checking(r, &empty, &o)) return ad__report_done(r);
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

/* ---- a function ------------------------------------------------------------------------------ */

typedef struct callable {
    double (*f)(size_t n, const double x[], void *context);
    void         *context;
    size_t        n, evaluations, coordinate;
    const double *x, *direction;
    double       *at;
    double        value, noise;
    double (*rounding_bound)(const double x[], void *context); /* of a value; NULL: not known */
    const double *(*sizes)(void *self); /* of the terms of its gradient; NULL: not known */
    double *terms;                      /* n, made by `sizes` */
} callable;

static double call(callable *c) {
    c->evaluations++;
    return c->f(c->n, c->at, c->context);
}

/* The array is filled again for each call, since the function may have written into it. */
static ad__sample call_at(void *context, double t) {
    callable *c = context;
    double    moved = t;
    memcpy(c->at, c->x, c->n * sizeof *c->at);
    if (c->direction == NULL) {
        c->at[c->coordinate] += t;
        moved = c->at[c->coordinate] - c->x[c->coordinate];
    } else {
        for (size_t i = 0; i < c->n; i++)
            if (c->direction[i] != 0) c->at[i] += t * c->direction[i];
    }
    return (ad__sample){moved, call(c), true};
}

/* Values away from x may be rounded more coarsely than those at x. */
static double call_noise(void *context, double t) {
    const callable *c = context;
    const double    size = c->direction == NULL ? fabs(c->x[c->coordinate]) : 1;
    const double    measured =
        ad__measured_noise(call_at, context, t, size > 0 ? fmax(size, fabs(t)) : 1);
    if (c->rounding_bound == NULL) return measured;
    call_at(context, t); /* only to set c->at */
    return fmax(measured, c->rounding_bound(c->at, c->context));
}

static ad__slice call_coordinate(void *self, size_t i) {
    callable *c = self;
    c->coordinate = i;
    c->direction = NULL;
    return (ad__slice){
        call_at, call_noise, c, c->value, c->noise, fabs(c->x[i]), c->rounding_bound != NULL};
}

static ad__slice call_direction(void *self, const double direction[]) {
    callable *c = self;
    c->direction = direction;
    return (ad__slice){call_at, call_noise, c, c->value, c->noise, 0, c->rounding_bound != NULL};
}

/* Rounding of x + t*direction counts as noise too; so it is measured along a direction, scaled to
 * x. */
static double measured(task *t, callable *c) {
    ad__random_direction(&t->random, c->n, c->x, t->direction);
    for (size_t i = 0; i < c->n; i++)
        if (c->x[i] != 0) t->direction[i] *= fabs(c->x[i]) / fmax(1, fabs(c->x[i]));
    c->direction = t->direction;
    return ad__measured_noise(call_at, c, 0, 1);
}

static void check_callable(callable *c, ad__report *r, const ad_check_options *o,
                           const double claimed[]) {
    const subject s = {c->n, c->x, claimed, call_coordinate, call_direction, NULL, c, c->sizes};
    task          t;
    if (!prepare(&t, &s, o, r)) return;
    c->direction = t.direction; /* all 0 */
    c->value = call_at(c, 0).value;
    const double second = call_at(c, 0).value;
    r->page.value = c->value;
    if (!same(c->value, second)) {
        unstable(r, c->value, second);
    } else if (!isfinite(c->value)) {
        without_value(r, c->value);
    } else {
        r->page.noise = c->noise = measured(&t, c);
        check_all(&t);
        if (o->direction == NULL) taylor(&t);
        c->direction = NULL, c->coordinate = 0;
        const double last = call_at(c, 0).value;
        if (!same(c->value, last)) unstable(r, c->value, last);
    }
    finish(&t);
    r->page.evaluations = c->evaluations;
}

ad_check_report *ad_check_function(double (*f)(size_t n, const double x[], void *context),
                                   void *context, size_t n, const double x[],
                                   const double claimed[], const ad_check_options *options) {
    char                   text[AD__NAME_ROOM];
    const ad_check_options o = filled(options);
    const subject          empty = {.n = n};
    ad__report            *r = begin(n, &o);
    if (r == NULL) return NULL;
    if (bad_options("ad_check_function", options, text) != NULL)
        return refuse(r, AD_BAD_ARGUMENT, text);
    if (f == NULL || (n > 0 && (x == NULL || claimed == NULL)))
        return refuse(r, AD_BAD_ARGUMENT,
                      "ad_check_function: a function, x and a claimed gradient are needed");
    if (!worth_checking(r, &empty, &o)) return ad__report_done(r);
    callable c = {.f = f, .context = context, .n = n, .x = x, .at = malloc(n * sizeof *c.at)};
    if (c.at == NULL) r->no_memory = true;
    else check_callable(&c, r, &o, claimed);
    if (!r->no_memory) ad__conclude_function(r);
    free(c.at);
    return ad__report_done(r);
}

/* ---- a program ------------------------------------------------------------------------------- */

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
    callable    *c = self;
    const batch *b = c->context;
    const size_t step = b->rows / NOISE_ROWS + 1, rows = (b->rows - 1) / step + 1;
    ad__readback back;
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
    all_coordinates(r, AD_UNSTABLE);
    ad__report_say(r, AD_OK,
                   "the function is not deterministic: for the same x it failed at last: %s", text);
    return false;
}

/* If a direction fails or is inconclusive, the coordinates decide: near a kink or a jump each of
 * them may be right although the slope along the direction is not the sum of theirs. Returns the
 * worst of them. With too many to check one by one, the direction is all that is known. */
static ad__judgement by_coordinates(task *t, const ad__judgement *along, double *claimed) {
    ad__judgement worst = {AD_PASS, NAN, NAN, {0}};
    size_t        which = SIZE_MAX;
    if (t->s->n > t->options.coordinates) return *along;
    for (size_t i = 0; i < t->s->n; i++) {
        const ad__judgement j = judge_coordinate(t, i);
        if (j.verdict == AD_FAIL) return *along;
        if (which == SIZE_MAX || j.verdict > worst.verdict) worst = j, which = i;
    }
    *claimed = t->s->claimed[which];
    return worst;
}

/* The mean gradient over some of the rows, along one random direction. */
static void check_part(const batch *all, size_t from, size_t count, task *t, ad__report *r,
                       const char *name) {
    batch    b = rows_of(all, from, count);
    double  *claimed = malloc(2 * (t->s->n + 1) * sizeof *claimed), mean;
    callable c = {.f = batch_mean,
                  .context = &b,
                  .n = t->s->n,
                  .x = t->s->x,
                  .direction = t->part,
                  .rounding_bound = batch_noise};
    subject s = {t->s->n, t->s->x, claimed, call_coordinate, call_direction, NULL, &c, batch_terms};
    const ad_status status =
        claimed == NULL ? AD_NO_MEMORY
                        : ad_program_gradient(b.program, c.x, count, b.input, &mean, claimed);
    if (!went_well(b.program, status, r)) {
        free(claimed);
        return;
    }
    task part = *t;
    part.s = &s;
    c.at = claimed + s.n + 1;
    memset(t->part, 0, s.n * sizeof *t->part);
    c.value = call_at(&c, 0).value;
    c.noise = measured(&part, &c);
    ad__random_direction(&part.random, s.n, s.x, part.direction);
    double        along;
    ad__judgement j = judge_along(&part, part.direction, &along);
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
static void check_parts(const batch *all, task *t, ad__report *r) {
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
            if (same(among, one[k]) || gap <= allowed || gap <= 2 * row_noise(&b, param, k, r))
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
    const subject s = {.n = all->program->params, .x = param, .claimed = claimed};
    task          t;
    double       *alone = malloc(all->program->outputs * sizeof *alone);
    if (alone == NULL) r->no_memory = true;
    else if (went_well(all->program,
                       ad_program_values(all->program, param, all->rows, all->input, all->output),
                       r))
        check_values(all, param, alone, r);
    free(alone);
    if (r->no_memory || r->page.verdict == AD_UNSTABLE || s.n == 0 || o->direction != NULL ||
        !prepare(&t, &s, o, r))
        return;
    check_parts(all, &t, r);
    finish(&t);
}

static void check_batch(batch *b, const double param[], const double claimed[],
                        const ad_check_options *o, ad__report *r) {
    const size_t n = b->program->params;
    callable     c = {.f = batch_mean,
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
    check_callable(&c, r, o, claimed);
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
    char                   text[AD__NAME_ROOM];
    const ad_check_options o = filled(options);
    ad__report            *r = begin(program == NULL ? 0 : program->params, &o);
    if (r == NULL) return NULL;
    if (bad_options("ad_check_program", options, text) != NULL)
        return refuse(r, AD_BAD_ARGUMENT, text);
    if (program == NULL || rows == 0)
        return refuse(r, AD_BAD_ARGUMENT,
                      "ad_check_program: a program and at least one row are needed");
    const size_t n = program->params;
    double       mean, *claimed = malloc((n + 1) * sizeof *claimed);
    batch        b = {program, rows, input, NULL, AD_OK};
    if (rows <= SIZE_MAX / sizeof *b.output / program->outputs)
        b.output = malloc(rows * program->outputs * sizeof *b.output);
    const bool      room = claimed != NULL && b.output != NULL;
    const ad_status status =
        room ? ad_program_gradient(program, param, rows, input, &mean, claimed) : AD_NO_MEMORY;
    const subject empty = {.n = n};
    if (status == AD_NO_MEMORY) {
        r->no_memory = true;
    } else if (status != AD_OK) {
        char said[1000];
        ad_program_message(program, sizeof said, said);
        ad__report_say(r, status, "%s", said);
    } else if (worth_checking(r, &empty, &o)) {
        check_batch(&b, param, claimed, &o, r);
    }
    free(claimed);
    free(b.output);
    return ad__report_done(r);
}
