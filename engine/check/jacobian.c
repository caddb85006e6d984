/* jacobian.c - what is claimed about the Jacobian of a function of many values.
 *
 * Each output, and each sum of outputs with weights, is a function of one value, and is judged as
 * such. They all ask for the same points, at which f is called once (memo.c). So few entries cost
 * as many evaluations as the gradient of one output; and to find the outputs that are wrong along
 * a direction, once their sum is, costs none. */
#include "check/jacobian.h"

#include "check/conclude.h"
#include "check/local_check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECTIONS = 4, MOST_FOUND = AD__CULPRITS, STACK = 128, ATTEMPTS = 3, ROUNDINGS = 64 };

#define NEAR 0x1p-7 /* the step along a direction that tells how fast each output changes */

/* ---- sums of outputs ------------------------------------------------------------------------- */

/* With twice the digits (Ogita, Rump, Oishi, Accurate sum and dot product, SIAM J. Sci. Comput.
 * 26, 2005), so that the noise of the sum is that of the outputs: the roundings of a plain sum are
 * about the same at neighbouring points, and so cannot be measured. */
static double weighted(const ad__jacobian *j, const double y[]) {
    double total = 0, rest = 0;
    for (size_t i = j->from; i < j->end; i++) {
        if (j->u[i] == 0) continue;
        const double part = j->u[i] * y[i], sum = total + part, added = sum - total;
        rest += (total - (sum - added)) + (part - added) + fma(j->u[i], y[i], -part);
        total = sum;
    }
    return isfinite(total) ? total + rest : total;
}

static const double *values_at(ad__jacobian *j, const double x[]) {
    const double *y = ad__memo_at(&j->memo, x);
    if (y == NULL) j->r->no_memory = true;
    return y;
}

static double sum_at(size_t n, const double x[], void *context) {
    ad__jacobian *j = context;
    const double *y = values_at(j, x);
    (void)n;
    return y == NULL ? NAN : weighted(j, y);
}

/* The outputs from..end-1 with their weights. */
static void aim(ad__jacobian *j, size_t from, size_t end) {
    j->from = from, j->end = end;
    j->c.value = weighted(j, j->y);
    j->c.direction = j->scaled;
    j->c.noise = ad__measured_noise(ad__call_at, &j->c, 0, 1, j->c.unit);
    j->r->page.noise = fmax(j->r->page.noise, j->c.noise);
}

static void aim_at_rows(ad__jacobian *j, size_t from, size_t end) {
    for (size_t i = 0; i < j->memo.m; i++)
        j->u[i] = i >= from && i < end && !j->aside[i] ? j->weight[i] : 0;
    aim(j, from, end);
}

static void aim_at_row(ad__jacobian *j, size_t i) {
    memset(j->u, 0, j->memo.m * sizeof *j->u);
    j->u[i] = 1;
    aim(j, i, i + 1);
}

/* size: of the terms that u'J v is the sum of */
static double claimed_along(ad__jacobian *j, const double v[], double *size) {
    const ad__claims *of = j->claims;
    double            total = *size = 0;
    if (of->left == NULL) {
        of->right(of->self, v, j->w);
        for (size_t i = j->from; i < j->end; i++)
            if (j->u[i] != 0) total += j->u[i] * j->w[i], *size += fabs(j->u[i] * j->w[i]);
        return total;
    }
    of->left(of->self, j->u, j->g);
    if (of->sizes != NULL) of->sizes(of->self, j->u, j->s);
    for (size_t i = 0; i < j->memo.n; i++) {
        if (v[i] == 0) continue;
        total += j->g[i] * v[i];
        *size += fabs((of->sizes != NULL ? j->s[i] : j->g[i]) * v[i]);
    }
    return total;
}

/* Weights with which all outputs change about as fast along the direction, none of them near 0. The
 * value of an output, and the largest change of any, keep one that hardly changes from being
 * nothing but noise. */
static void choose_weights(ad__jacobian *j, const double direction[]) {
    double largest = 0;
    j->c.direction = direction;
    for (int side = 0; side < 2; side++) {
        const double  t = side == 0 ? NEAR : -NEAR;
        const double *y;
        for (size_t i = 0; i < j->memo.n; i++)
            j->c.at[i] = ad__rounded_to(j->c.unit, j->c.x[i] + t * direction[i]);
        if ((y = values_at(j, j->c.at)) == NULL) return;
        for (size_t i = 0; i < j->memo.m; i++)
            j->weight[i] = side == 0 ? y[i] : fabs(j->weight[i] - y[i]) / (2 * NEAR);
    }
    for (size_t i = 0; i < j->memo.m; i++)
        if (isfinite(j->weight[i]) && !j->aside[i]) largest = fmax(largest, j->weight[i]);
    for (size_t i = 0; i < j->memo.m; i++) {
        const uint64_t bits = ad__random(&j->random);
        const double   size = 1 + (double)(bits >> 12) * 0x1p-52;
        const double   fast = isfinite(j->weight[i]) ? j->weight[i] : 0;
        const double   scale =
            fmax(fmax(fast, 0x1p-10 * fabs(j->y[i])), fmax(0x1p-20 * largest, DBL_MIN));
        j->weight[i] = ldexp(bits & 1 ? size : -size, -ilogb(scale));
    }
}

/* ---- an output by itself --------------------------------------------------------------------- */

static void call_lines_by(ad__jacobian *j, size_t i) {
    char name[AD__NAME_ROOM];
    if (i != SIZE_MAX) j->output_name(j, i, name);
    snprintf(j->r->prefix, sizeof j->r->prefix, "%s%s%s", j->what, i != SIZE_MAX ? name : j->all,
             j->between);
    j->r->output = i;
}

static void call_lines_by_nothing(ad__jacobian *j) {
    j->r->prefix[0] = '\0';
    j->r->output = SIZE_MAX;
}

static double row_claim(void *self, const double direction[]) {
    double size;
    return claimed_along(((ad__callable *)self)->context, direction, &size);
}

/* Output i as what is checked; c is aimed at it. */
static ad__subject row_subject(ad__jacobian *j, size_t i) {
    ad__subject s = {.n = j->memo.n,
                     .x = j->c.x,
                     .claimed = j->row,
                     .coordinate = ad__call_coordinate,
                     .direction = ad__call_direction,
                     .self = &j->c};
    aim_at_row(j, i);
    if (j->claims->left != NULL) j->claims->left(j->claims->self, j->u, j->row);
    else s.claim = row_claim;
    return s;
}

static void worse(unsigned char *worst, unsigned char verdict) {
    if (verdict > *worst) *worst = verdict;
}

/* The verdicts of the coordinates in one output; INCONCLUSIVE where nothing was looked at. */
static unsigned char *begin_row(ad__jacobian *j) {
    unsigned char *kept = j->r->coordinate;
    j->r->coordinate = j->verdict + j->memo.n;
    memset(j->r->coordinate, AD_INCONCLUSIVE, j->memo.n);
    return kept;
}

static void end_row(ad__jacobian *j, unsigned char *kept, size_t from, size_t count) {
    for (size_t i = from; i < from + count; i++) worse(&j->verdict[i], j->r->coordinate[i]);
    j->r->coordinate = kept;
}

static void check_row(ad__jacobian *j, size_t i) {
    ad__report       *r = j->r;
    const ad__subject s = row_subject(j, i);
    ad__task          t;
    if (!ad__task_begin(&t, &s, &j->options, r)) return;
    const double   taylor = r->page.taylor;
    unsigned char *kept = begin_row(j);
    call_lines_by(j, i);
    ad__check_all(&t);
    if (j->options.direction == NULL) ad__check_taylor(&t);
    r->page.taylor = fmin(r->page.taylor, taylor);
    call_lines_by_nothing(j);
    end_row(j, kept, 0, j->memo.n);
    ad__task_end(&t);
}

/* ---- many entries ---------------------------------------------------------------------------- */

/* Coordinates from..from+count-1, which move along the direction j->v. */
typedef struct block {
    const char *name;
    size_t      from, count;
} block;

static ad__judgement judge_sum(ad__jacobian *j, double *claimed) {
    double          size;
    const ad__slice line = ad__call_direction(&j->c, j->v);
    *claimed = claimed_along(j, j->v, &size);
    ad__judgement found = ad__judge(&line, *claimed, j->options.rtol);
    if (j->c.unit > 0) size *= ROUNDINGS * j->c.unit / AD__TERMS;
    ad__allow_rounding(&found, size, *claimed);
    return found;
}

/* An output by itself along the same direction, and its coordinates if it fails. */
static ad_verdict split_row(ad__jacobian *j, size_t i, const block *b) {
    ad__report       *r = j->r;
    const ad__subject s = row_subject(j, i);
    ad__task          t;
    double            claimed;
    if (!ad__task_begin(&t, &s, &j->options, r)) return AD_PASS;
    const ad__judgement found = judge_sum(j, &claimed);
    ad_verdict          verdict = found.verdict;
    if (verdict > AD_WEAK) {
        const size_t line = r->first.count;
        call_lines_by(j, i);
        ad__report_line(r, &r->first, b->name, SIZE_MAX, claimed, &found);
        j->aside[i] = true;
        if (verdict == AD_FAIL && !r->no_memory && j->options.direction == NULL) {
            unsigned char *kept = begin_row(j);
            memcpy(t.direction, j->v, j->memo.n * sizeof *t.direction);
            t.found = j->found;
            ad__find_wrong(&t, b->from, b->count);
            j->found = t.found > j->found ? t.found : j->found + 1;
            verdict = r->no_memory ? verdict : r->first.line[line].verdict;
            end_row(j, kept, b->from, b->count);
        }
        call_lines_by_nothing(j);
    }
    ad__task_end(&t);
    return verdict;
}

static bool settled(ad__jacobian *j, size_t from, size_t end) {
    double claimed;
    aim_at_rows(j, from, end);
    return judge_sum(j, &claimed).verdict <= AD_WEAK;
}

/* Halves the outputs whose sum is not settled. Returns the worst verdict of one by itself. */
static ad_verdict split(ad__jacobian *j, const block *b) {
    size_t     stack[STACK][2] = {{0, j->memo.m}}, depth = 1, looked = 0;
    ad_verdict worst = AD_PASS;
    while (depth > 0 && looked < MOST_FOUND && j->found < MOST_FOUND && !j->r->no_memory) {
        const size_t low = stack[--depth][0], high = stack[depth][1];
        if (high - low == 1) {
            const ad_verdict verdict = j->aside[low] ? AD_PASS : split_row(j, low, b);
            if (verdict > AD_WEAK) looked++;
            if (verdict > worst) worst = verdict;
            continue;
        }
        const size_t middle = low + (high - low) / 2, half[2][2] = {{middle, high}, {low, middle}};
        for (int k = 0; k < 2 && depth < STACK; k++) {
            if (settled(j, half[k][0], half[k][1])) continue;
            stack[depth][0] = half[k][0], stack[depth][1] = half[k][1];
            depth++;
        }
    }
    return worst;
}

static void add_sum(ad__jacobian *j, const block *b, double claimed, const ad__judgement *found) {
    call_lines_by(j, SIZE_MAX);
    ad__report_line(j->r, &j->r->first, b->name, SIZE_MAX, claimed, found);
    call_lines_by_nothing(j);
}

static void take_line_back(ad__report *r) {
    if (!r->no_memory) free((void *)(uintptr_t)r->first.line[--r->first.count].name);
}

/* All outputs together along j->v, with other weights if their sum is not settled although each of
 * its halves is. At a kink, and where terms cancel, claims that are right need not add up to the
 * slope of a sum; so the outputs themselves decide whether it fails. */
static ad_verdict check_sum(ad__jacobian *j, const block *b) {
    ad__report *r = j->r;
    for (int attempt = 1; !r->no_memory; attempt++) {
        double claimed;
        choose_weights(j, j->v);
        aim_at_rows(j, 0, j->memo.m);
        const ad__judgement found = judge_sum(j, &claimed);
        const size_t        line = r->first.count;
        add_sum(j, b, claimed, &found);
        if (found.verdict <= AD_WEAK || r->no_memory) return found.verdict;
        const ad_verdict worst = split(j, b);
        if (r->no_memory) break;
        if (worst <= AD_WEAK && attempt < ATTEMPTS) {
            take_line_back(r);
            continue;
        }
        if (found.verdict == AD_FAIL && worst < AD_FAIL)
            return r->first.line[line].verdict = worst > AD_INCONCLUSIVE ? worst : AD_INCONCLUSIVE;
        return worst > found.verdict ? worst : found.verdict;
    }
    return AD_INCONCLUSIVE;
}

static void check_block(ad__jacobian *j, const block *b) {
    ad_verdict worst = AD_PASS;
    for (int d = 0; d < DIRECTIONS && worst != AD_FAIL && !j->r->no_memory; d++) {
        memset(j->v, 0, j->memo.n * sizeof *j->v);
        ad__block_direction(&j->random, j->c.unit, b->count, j->c.x + b->from, j->v + b->from);
        const ad_verdict verdict = check_sum(j, b);
        if (verdict > worst) worst = verdict;
    }
    for (size_t i = b->from; i < b->from + b->count; i++)
        worse(&j->verdict[i], (unsigned char)(worst == AD_FAIL ? AD_INCONCLUSIVE : worst));
}

/* Directions leave out coordinates that are not finite. */
static void check_infinite(ad__jacobian *j) {
    const ad__judgement none = {
        AD_DOMAIN, NAN, NAN, {.shape = AD__EDGE, .left = NAN, .right = NAN}};
    char name[AD__NAME_ROOM];
    for (size_t i = 0; i < j->memo.n; i++) {
        if (isfinite(j->c.x[i])) continue;
        worse(&j->verdict[i], AD_DOMAIN);
        if (j->r->infinite != SIZE_MAX) continue;
        j->r->infinite = i;
        ad__coordinate_name(&j->options, i, name);
        call_lines_by(j, SIZE_MAX);
        ad__report_line(j->r, &j->r->first, name, i, NAN, &none);
        call_lines_by_nothing(j);
    }
}

static void check_taylor(ad__jacobian *j) {
    double size;
    ad__random_direction(&j->random, j->memo.n, j->c.x, j->v);
    choose_weights(j, j->v);
    aim_at_rows(j, 0, j->memo.m);
    const ad__slice line = ad__call_direction(&j->c, j->v);
    j->r->page.taylor =
        fmin(j->r->page.taylor, ad__taylor_slope(&line, claimed_along(j, j->v, &size), 0, 1));
}

static void check_many(ad__jacobian *j) {
    const ad_check_options *o = &j->options;
    size_t                  from = 0;
    if (o->direction != NULL) {
        memcpy(j->v, o->direction, j->memo.n * sizeof *j->v);
        check_sum(j, &(block){"direction", 0, j->memo.n});
        return;
    }
    check_taylor(j);
    check_infinite(j);
    if (o->blocks == 0) check_block(j, &(block){"all of x", 0, j->memo.n});
    for (size_t b = 0; b < o->blocks; b++) {
        const size_t count = ad__block_count(&o->block[b]);
        if (count > 0) check_block(j, &(block){o->block[b].name, from, count});
        from += count;
    }
}

/* ---- from beginning to end ------------------------------------------------------------------- */

static void usual_name(const void *self, size_t i, char text[AD__NAME_ROOM]) {
    (void)self;
    snprintf(text, AD__NAME_ROOM, "y[%zu]", i);
}

static double *numbers(size_t n) {
    return calloc(n + 1, sizeof(double));
}

/* The coarsest of all outputs. */
static double measured_unit(ad__jacobian *j) {
    ad__unit_seen *seen = calloc(j->memo.m, sizeof *seen);
    double         unit = 0;
    if (seen == NULL) j->r->no_memory = true;
    for (int k = 0; seen != NULL && k < AD__UNIT_POINTS; k++) {
        ad__point_nearby(&j->random, j->memo.n, j->c.x, j->c.at);
        ad__memo_call(&j->memo, j->c.at, j->again);
        for (size_t i = 0; i < j->memo.m; i++) ad__unit_note(&seen[i], j->again[i]);
    }
    for (size_t i = 0; seen != NULL && i < j->memo.m; i++) unit = fmax(unit, ad__unit_of(&seen[i]));
    free(seen);
    return unit;
}

bool ad__jacobian_open(ad__jacobian *j, ad__many *f, void *context, size_t n, const double x[],
                       size_t m, const ad_check_options *o, ad__report *r) {
    *j = (ad__jacobian){.output_name = usual_name,
                        .between = "/",
                        .all = "all of y",
                        .of_value = "",
                        .r = r,
                        .options = *o};
    double **const         of_m[] = {&j->y, &j->again, &j->weight, &j->u, &j->w},
                   **const of_n[] = {&j->v, &j->g, &j->s, &j->scaled, &j->row, &j->own, &j->c.at};
    bool                   ok = ad__memo_open(&j->memo, f, context, n, m);
    for (size_t k = 0; k < sizeof of_m / sizeof *of_m; k++) ok &= (*of_m[k] = numbers(m)) != NULL;
    for (size_t k = 0; k < sizeof of_n / sizeof *of_n; k++) ok &= (*of_n[k] = numbers(n)) != NULL;
    j->aside = calloc(m + 1, sizeof *j->aside);
    j->verdict = calloc(2 * n + 1, sizeof *j->verdict);
    j->random = o->seed;
    j->c.f = sum_at, j->c.context = j, j->c.n = n, j->c.x = x;
    r->page.outputs = m;
    if (!ok || j->aside == NULL || j->verdict == NULL) {
        r->no_memory = true;
        return false;
    }
    const double unit = o->unit < 0 ? measured_unit(j) : o->unit;
    j->c.x = ad__use_unit(&j->options, r, unit, n, x, j->own);
    j->c.unit = j->options.unit;
    ad__noise_direction(&j->random, n, x, j->scaled);
    return true;
}

void ad__jacobian_close(ad__jacobian *j) {
    ad__memo_close(&j->memo);
    double *const all[] = {j->y, j->again, j->weight, j->u,   j->w,   j->v,
                           j->g, j->s,     j->scaled, j->row, j->own, j->c.at};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
    free(j->aside);
    free(j->verdict);
}

static bool deterministic(ad__jacobian *j) {
    char name[AD__NAME_ROOM];
    ad__memo_call(&j->memo, j->c.x, j->again);
    for (size_t i = 0; i < j->memo.m; i++) {
        if (ad__same_number(j->y[i], j->again[i])) continue;
        j->output_name(j, i, name);
        ad__all_coordinates(j->r, AD_UNSTABLE);
        ad__report_say(
            j->r, AD_OK,
            "the function is not deterministic: for the same x %s%s was %.17g and then %.17g",
            j->of_value, name, j->y[i], j->again[i]);
        return false;
    }
    return true;
}

static void no_value(ad__jacobian *j, size_t i) {
    const ad__judgement none = {
        AD_DOMAIN, NAN, NAN, {.shape = AD__EDGE, .left = NAN, .right = NAN}};
    ad__report *r = j->r;
    char        name[AD__NAME_ROOM], whole[AD__NAME_ROOM + 40];
    j->aside[i] = true;
    if (r->undefined == SIZE_MAX) r->undefined = i;
    if (r->first.count >= MOST_FOUND) return;
    j->output_name(j, i, name);
    snprintf(whole, sizeof whole, "%s%s", j->of_value, name);
    r->output = i;
    ad__report_line(r, &r->first, whole, SIZE_MAX, NAN, &none);
    r->output = SIZE_MAX;
}

bool ad__jacobian_values(ad__jacobian *j) {
    size_t finite = 0;
    char   name[AD__NAME_ROOM];
    j->r->page.evaluations = 2;
    ad__memo_call(&j->memo, j->c.x, j->y);
    if (!deterministic(j)) return false;
    for (size_t i = 0; i < j->memo.m; i++) finite += isfinite(j->y[i]) != 0;
    if (finite == 0) {
        j->output_name(j, 0, name);
        ad__all_coordinates(j->r, AD_DOMAIN);
        ad__report_say(j->r, AD_OK,
                       "no output has a finite value at x, %s%s is %g: there is no "
                       "derivative",
                       j->of_value, name, isnan(j->y[0]) ? NAN : j->y[0]);
        return false;
    }
    for (size_t i = 0; i < j->memo.m; i++)
        if (!isfinite(j->y[i])) no_value(j, i);
    if (finite < j->memo.m) memset(j->verdict, AD_DOMAIN, j->memo.n);
    return true;
}

bool ad__jacobian_is_small(const ad__jacobian *j) {
    const size_t columns = j->options.direction != NULL ? 1 : j->memo.n;
    return columns <= j->options.coordinates / j->memo.m;
}

void ad__jacobian_check(ad__jacobian *j, const ad__claims *claims, const char *what) {
    const size_t m = j->memo.m;
    j->claims = claims, j->what = what, j->found = 0;
    for (size_t i = 0; i < m; i++) j->aside[i] = !isfinite(j->y[i]);
    if (!ad__jacobian_is_small(j)) check_many(j);
    else
        for (size_t i = 0; i < m && !j->r->no_memory; i++)
            if (!j->aside[i]) check_row(j, i);
}

void ad__jacobian_finish(ad__jacobian *j) {
    if (deterministic(j)) memcpy(j->r->coordinate, j->verdict, j->memo.n);
    j->r->page.evaluations = j->memo.evaluations;
}

/* ---- a matrix -------------------------------------------------------------------------------- */

static void matrix_left(void *self, const double u[], double g[]) {
    const ad__matrix *of = self;
    memset(g, 0, of->n * sizeof *g);
    for (size_t i = 0; i < of->m; i++) {
        const double *row = of->a + i * of->n;
        for (size_t k = 0; u[i] != 0 && k < of->n; k++) g[k] += u[i] * row[k];
    }
}

static void matrix_sizes(void *self, const double u[], double s[]) {
    const ad__matrix *of = self;
    memset(s, 0, of->n * sizeof *s);
    for (size_t i = 0; i < of->m; i++) {
        const double *row = of->a + i * of->n;
        for (size_t k = 0; u[i] != 0 && k < of->n; k++) s[k] += fabs(u[i] * row[k]);
    }
}

ad__claims ad__matrix_claims(ad__matrix *matrix) {
    return (ad__claims){.left = matrix_left, .sizes = matrix_sizes, .self = matrix};
}

/* ---- for users ------------------------------------------------------------------------------- */

static void check_vector(ad__jacobian *j, const double claimed[]) {
    ad__matrix       matrix = {j->memo.n, j->memo.m, claimed};
    const ad__claims claims = ad__matrix_claims(&matrix);
    if (ad__jacobian_values(j)) {
        ad__jacobian_check(j, &claims, "");
        ad__jacobian_finish(j);
    }
    j->r->claim = "Jacobian";
    if (!j->r->no_memory) ad__conclude_function(j->r);
    ad__conclude_rounded(j->r);
}

ad_check_report *ad_check_vector(void (*f)(size_t n, const double x[], size_t m, double y[],
                                           void *context),
                                 void *context, size_t n, const double x[], size_t m,
                                 const double claimed[], const ad_check_options *options) {
    char                   text[AD__NAME_ROOM];
    const ad_check_options o = ad__options_filled(options);
    ad__report            *r = ad__report_begin(n, &o);
    ad__jacobian           j;
    if (r == NULL) return NULL;
    if (ad__options_bad("ad_check_vector", options, text) != NULL)
        return ad__report_refuse(r, AD_BAD_ARGUMENT, text);
    if (f == NULL || (n > 0 && x == NULL) || (n > 0 && m > 0 && claimed == NULL))
        return ad__report_refuse(
            r, AD_BAD_ARGUMENT, "ad_check_vector: a function, x and a claimed Jacobian are needed");
    if (!ad__worth_checking(r, n, &o)) return ad__report_done(r);
    if (m == 0) return ad__report_refuse(r, AD_OK, "m = 0: there is nothing to check");
    if (ad__jacobian_open(&j, f, context, n, x, m, &o, r)) check_vector(&j, claimed);
    ad__jacobian_close(&j);
    return ad__report_done(r);
}
