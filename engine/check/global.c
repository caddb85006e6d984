/* global.c - the claim against differences of the whole function: by coordinates, or along random
 * directions, which are bisected where they fail.
 *
 * What is wrong in a coordinate that is small beside the others is within the tolerance of a
 * direction. So a few steps in which each coordinate moves by about 1 look again at a direction
 * that does not fail; if they see a gap that is more than noise, the direction is suspect, and
 * bisected too. Then only coordinates decide.
 *
 * The estimate by differences is made without looking at the claim; the claim only decides how much
 * of that work is needed. */
#include "check/global.h"

#include "base/text.h"
#include "check/local_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIRECTIONS = 4,
    FEW = 4,
    MOST_FOUND = AD__CULPRITS,
    STACK = 128,
    KINK_DIRECTIONS = 8,
    NEARBY = 8,
    ROUNDINGS = 256,
    LOOKS = 3 /* for each halving of a suspect direction: two halves, and one to spare */
};

static void name_of(const ad__task *t, size_t i, char text[AD__NAME_ROOM]) {
    const char *own = t->s->name != NULL ? t->s->name(t->s->self, i) : NULL;
    if (own == NULL) ad__coordinate_name(&t->options, i, text);
    else snprintf(text, AD__NAME_ROOM, "%.*s", ad__cut_bytes(own, AD__NAME_ROOM - 1), own);
}

/* ---- coordinates and directions -------------------------------------------------------------- */

/* NULL: not known, or out of memory, which is then noted in the report. */
static const double *terms_of(ad__task *t) {
    const double *terms = t->s->terms != NULL ? t->s->terms(t->s->self) : NULL;
    if (t->s->terms != NULL && terms == NULL) t->r->no_memory = true;
    return terms;
}

static double claim_of(ad__task *t, size_t i) {
    if (t->s->claim == NULL) return t->s->claimed[i];
    for (size_t k = 0; k < t->s->n; k++) t->part[k] = k == i;
    return t->s->claim(t->s->self, t->part);
}

/* At infinity there are no differences. */
ad__judgement ad__judge_coordinate(ad__task *t, size_t i) {
    if (!isfinite(t->s->x[i]))
        return (ad__judgement){AD_DOMAIN, NAN, NAN, {.shape = AD__EDGE, .left = NAN, .right = NAN}};
    const double    claimed = claim_of(t, i);
    const ad__slice line = t->s->coordinate(t->s->self, i);
    ad__judgement   j = ad__judge(&line, claimed, t->options.rtol);
    ad__look_closer(&j, &line, claimed, t->options.rtol);
    const double *terms = j.verdict == AD_FAIL ? terms_of(t) : NULL;
    if (terms != NULL) ad__allow_rounding(&j, terms[i], claimed);
    return j;
}

static ad_verdict report_coordinate(ad__task *t, size_t i, const ad__judgement *j) {
    char name[AD__NAME_ROOM];
    name_of(t, i, name);
    if (!isfinite(t->s->x[i]) && t->r->infinite == SIZE_MAX) t->r->infinite = i;
    ad__report_line(t->r, &t->r->first, name, i, claim_of(t, i), j);
    t->r->coordinate[i] = (unsigned char)j->verdict;
    return j->verdict;
}

static ad_verdict check_coordinate(ad__task *t, size_t i) {
    const ad__judgement j = ad__judge_coordinate(t, i);
    return report_coordinate(t, i, &j);
}

static double along(const ad__subject *s, const double direction[]) {
    double claimed = 0;
    if (s->claim != NULL) return s->claim(s->self, direction);
    for (size_t i = 0; i < s->n; i++)
        if (direction[i] != 0) claimed += s->claimed[i] * direction[i];
    return claimed;
}

void ad__block_direction(uint64_t *random, double unit, size_t n, const double x[],
                         double direction[]) {
    ad__random_direction(random, n, x, direction);
    for (size_t i = 0; unit > 0 && i < n; i++) direction[i] *= sqrt((double)n);
}

/* Claims of few digits are wrong in the last of these, each for itself; in terms of AD__TERMS. */
double ad__claims_rounding(double unit, size_t n, const double claimed[],
                           const double direction[]) {
    double square = 0;
    for (size_t i = 0; i < n; i++)
        if (direction[i] != 0) square += claimed[i] * direction[i] * (claimed[i] * direction[i]);
    return ROUNDINGS * unit * sqrt(square) / AD__TERMS;
}

ad__judgement ad__judge_along(ad__task *t, const double direction[], double *claimed) {
    const ad__slice line = t->s->direction(t->s->self, direction);
    *claimed = along(t->s, direction);
    ad__judgement j = ad__judge(&line, *claimed, t->options.rtol);
    const double *terms = j.verdict == AD_FAIL ? terms_of(t) : NULL;
    double        total = 0;
    if (t->options.unit > 0 && t->s->claimed != NULL && t->s->claim == NULL)
        total = ad__claims_rounding(t->options.unit, t->s->n, t->s->claimed, direction);
    for (size_t i = 0; terms != NULL && i < t->s->n; i++) total += fabs(terms[i] * direction[i]);
    ad__allow_rounding(&j, total, *claimed);
    return j;
}

/* The sum of the claims is rounded, and so are the claims, each by its own terms. */
static double rounded_terms(ad__task *t, const double direction[]) {
    const ad__subject *s = t->s;
    const double      *terms = terms_of(t);
    double             total = 0;
    for (size_t i = 0; i < s->n; i++)
        if (direction[i] != 0)
            total += fmax(fabs(s->claimed[i]), terms != NULL ? terms[i] : 0) * fabs(direction[i]);
    return total;
}

/* FAIL: the direction is suspect. */
static ad__judgement suspect_along(ad__task *t, const double direction[]) {
    const ad__subject *s = t->s;
    if (t->options.unit > 0 || s->claim != NULL) return (ad__judgement){.verdict = AD_PASS};
    const ad__slice line = s->direction(s->self, direction);
    ad__judgement   j = ad__suspect(&line, along(s, direction));
    if (j.verdict != AD_FAIL) return j;
    j.tolerance += AD__TERMS * rounded_terms(t, direction);
    if (!(j.gap > j.tolerance)) j.verdict = AD_PASS;
    return j;
}

/* Does the direction, restricted to coordinates from..end-1, fail, or is it suspect? */
static bool part_fails(ad__task *t, size_t from, size_t end) {
    double claimed;
    for (size_t i = 0; i < t->s->n; i++) t->part[i] = i >= from && i < end ? t->direction[i] : 0;
    if (!t->suspects) return ad__judge_along(t, t->part, &claimed).verdict == AD_FAIL;
    t->looks++;
    return suspect_along(t, t->part).verdict == AD_FAIL;
}

/* Where a direction is only suspect, a coordinate that does not fail is not reported. */
static ad_verdict look_at(ad__task *t, size_t i) {
    if (t->r->coordinate[i] == AD_FAIL) return AD_PASS;
    if (!t->suspects) return check_coordinate(t, i);
    const ad__judgement j = ad__judge_coordinate(t, i);
    t->looks++;
    return j.verdict == AD_FAIL ? report_coordinate(t, i, &j) : AD_PASS;
}

/* Halve a range that fails, keeping the halves that fail themselves, down to single coordinates. */
static void bisect(ad__task *t, size_t from, size_t end) {
    size_t stack[STACK][2], depth = 1;
    stack[0][0] = from, stack[0][1] = end;
    while (depth > 0 && t->found < MOST_FOUND && !t->r->no_memory &&
           !(t->suspects && t->looks >= t->most_looks)) {
        const size_t low = stack[--depth][0], high = stack[depth][1];
        if (high - low == 1) {
            const ad_verdict verdict = look_at(t, low);
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
void ad__find_wrong(ad__task *t, size_t from, size_t count) {
    ad__report  *r = t->r;
    const size_t line = r->first.count - 1, found = t->found;
    t->kinked = 0;
    bisect(t, from, from + count);
    if (r->no_memory || t->found > found || t->kinked == 0) return;
    r->first.line[line].verdict = AD_KINK;
    for (size_t i = from; i < from + count; i++)
        if (r->coordinate[i] == AD_INCONCLUSIVE) r->coordinate[i] = AD_KINK;
}

/* As along the direction on the unit sphere. */
static void fail_line(ad_check_line *line, const ad__judgement *j, double scale) {
    line->verdict = AD_FAIL;
    line->estimate = j->estimate.slope / scale, line->error = j->estimate.error / scale;
    line->gap = j->gap / scale, line->tolerance = j->tolerance / scale;
    line->step = j->estimate.step * scale;
}

void ad__begin_looks(ad__task *t, size_t count) {
    t->looks = 0, t->most_looks = LOOKS * (size_t)(1 + ilogb((double)count));
}

bool ad__find_hidden(ad__task *t, size_t from, size_t count) {
    const size_t line = t->r->first.count - 1, found = t->found;
    const double scale = sqrt((double)count);
    if (t->looks >= t->most_looks || t->r->no_memory) return false;
    for (size_t i = 0; i < t->s->n; i++) t->direction[i] *= scale;
    const ad__judgement j = suspect_along(t, t->direction);
    if (j.verdict != AD_FAIL) return false;
    t->suspects = true;
    bisect(t, from, from + count);
    t->suspects = false;
    if (t->found == found || t->r->no_memory) return false;
    fail_line(&t->r->first.line[line], &j, scale);
    return true;
}

/* With few digits the slope along a random direction can be lost in the noise of the function. That
 * along the claim is as large as one can be, if the claim is right; the differences do not look at
 * it. */
static void along_the_claim(const ad__subject *s, size_t from, size_t count, double direction[]) {
    double square = 0;
    for (size_t i = from; i < from + count; i++) {
        const double part = s->claimed[i] * fmax(1, fabs(s->x[i]));
        if (isfinite(part)) square += part * part;
    }
    if (!(square > 0) || !isfinite(square)) return;
    for (size_t i = from; i < from + count; i++) {
        const double size = fmax(1, fabs(s->x[i])), part = s->claimed[i] * size;
        direction[i] = isfinite(part) ? part * size * sqrt((double)count / square) : 0;
    }
}

/* Random, in the coordinates from..from+count-1 whose claims are finite: the others were checked
 * one by one before this. */
static void choose_direction(ad__task *t, size_t from, size_t count, bool first) {
    const ad__subject *s = t->s;
    for (size_t i = 0; i < s->n; i++) t->direction[i] = 0;
    ad__block_direction(&t->random, t->options.unit, count, s->x + from, t->direction + from);
    if (first && t->options.unit > 0) along_the_claim(s, from, count, t->direction);
    for (size_t i = from; i < from + count; i++)
        if (!isfinite(s->claimed[i])) t->direction[i] = 0;
}

/* Sets *hidden if the direction fails only because a coordinate does that is small beside the
 * others. */
static ad_verdict check_direction(ad__task *t, const char *name, size_t from, size_t count,
                                  bool *hidden) {
    double              claimed;
    const ad__judgement j = ad__judge_along(t, t->direction, &claimed);
    ad__report_line(t->r, &t->r->first, name, SIZE_MAX, claimed, &j);
    *hidden = j.verdict <= AD_WEAK && ad__find_hidden(t, from, count);
    return *hidden ? AD_FAIL : j.verdict;
}

static void check_block(ad__task *t, const char *name, size_t from, size_t count) {
    const ad__subject *s = t->s;
    if (count <= FEW) {
        for (size_t i = from; i < from + count && !t->r->no_memory; i++)
            if (isfinite(s->claimed[i])) check_coordinate(t, i);
        return;
    }
    ad_verdict worst = AD_PASS;
    bool       hidden = false;
    ad__begin_looks(t, count);
    for (int d = 0; d < DIRECTIONS && worst != AD_FAIL && !t->r->no_memory; d++) {
        choose_direction(t, from, count, d == 0);
        const ad_verdict verdict = check_direction(t, name, from, count, &hidden);
        if (verdict > worst) worst = verdict;
    }
    for (size_t i = from; i < from + count; i++)
        if (isfinite(s->claimed[i]) && !(hidden && t->r->coordinate[i] == AD_FAIL))
            t->r->coordinate[i] = (unsigned char)(worst == AD_FAIL ? AD_INCONCLUSIVE : worst);
    if (worst == AD_FAIL && !hidden) ad__find_wrong(t, from, count);
}

/* In a sum a claim that is not finite would hide all others, so these are checked first, one by
 * one. */
static void check_not_finite(ad__task *t) {
    const ad__subject *s = t->s;
    size_t             looked = 0;
    for (size_t i = 0; i < s->n && !t->r->no_memory; i++) {
        if (isfinite(s->claimed[i])) continue;
        if (looked++ < MOST_FOUND) check_coordinate(t, i);
        else t->r->coordinate[i] = AD_FAIL;
    }
}

static void check_given(ad__task *t) {
    double claimed, largest = 0;
    for (size_t i = 0; i < t->s->n; i++) largest = fmax(largest, fabs(t->options.direction[i]));
    ad__judgement j = ad__judge_along(t, t->options.direction, &claimed);
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

static double value_at(ad__task *t, const double displacement[]) {
    const ad__slice line = t->s->direction(t->s->self, displacement);
    return line.at(line.context, 1).value;
}

/* The slope at a random point near x (at the distance `far`), by one central difference with a much
 * shorter step. */
static double slope_nearby(ad__task *t, const double direction[]) {
    const double unit = t->options.unit, far = unit > 0 ? pow(unit, 0.2) : 0x1p-10,
                 step = unit > 0 ? pow(unit, 0.4) : 0x1p-22;
    double *away = t->part, up, down;
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
static bool refuted_along(ad__task *t, const double direction[]) {
    double        claimed;
    ad__judgement j = ad__judge_along(t, direction, &claimed);
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
static void kink_direction(ad__task *t, int k) {
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
static void check_kinks(ad__task *t) {
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

void ad__check_all(ad__task *t) {
    const ad__subject      *s = t->s;
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
            const size_t count = ad__block_count(&o->block[b]);
            check_block(t, o->block[b].name, from, count);
            from += count;
        }
    }
}

void ad__check_taylor(ad__task *t) {
    const ad__subject *s = t->s;
    ad__random_direction(&t->random, s->n, s->x, t->direction);
    const ad__slice line = s->direction(s->self, t->direction);
    t->r->page.taylor = ad__taylor_slope(&line, along(s, t->direction), 0, 1);
}

/* ---- functions without a value, or with two -------------------------------------------------- */

bool ad__same_number(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

void ad__all_coordinates(ad__report *r, ad_verdict verdict) {
    for (size_t i = 0; i < r->page.n; i++) r->coordinate[i] = (unsigned char)verdict;
    r->page.verdict = verdict;
}

void ad__unstable(ad__report *r, double first, double second) {
    ad__all_coordinates(r, AD_UNSTABLE);
    ad__report_say(r, AD_OK,
                   "the function is not deterministic: for the same x it gave %.17g and then %.17g",
                   first, second);
}

/* Without a value there are no differences; wrong rules and sweeps are found all the same. */
void ad__without_value(ad__report *r, double value) {
    ad__all_coordinates(r, AD_DOMAIN);
    ad__report_say(r, AD_OK, "the function is %g at x: it has no derivative there",
                   isnan(value) ? NAN : value);
}

/* ---- beginning and ending -------------------------------------------------------------------- */

void ad__task_end(ad__task *t) {
    free(t->direction);
    free(t->part);
}

bool ad__task_begin(ad__task *t, const ad__subject *s, const ad_check_options *o, ad__report *r) {
    *t = (ad__task){.s = s, .options = *o, .r = r, .random = o->seed};
    t->direction = calloc(s->n + 1, sizeof *t->direction);
    t->part = calloc(s->n + 1, sizeof *t->part);
    if (t->direction != NULL && t->part != NULL) return true;
    ad__task_end(t);
    r->no_memory = true;
    return false;
}
