/* estimate.c - differences at steps h, h/4, h/16, ..., extrapolated to h = 0 as Romberg did in 1955, and judged.
 *
 * Central differences err by even powers of h, one-sided ones by all powers, so each column of the table
 * removes one. Which entry to believe is decided by the function, not by a formula for the best step:
 * it is the one with the least estimated error among those that every finer step confirms, as far as
 * the noise of that step lets it see. Rounding errors of the value, divided by the step, are that noise.
 *
 * Steps at which the function has no value, or is on the other side of a kink, say nothing about the
 * slope at x: only levels finer than the last of them count. */
#include "estimate.h"

#include <math.h>
#include <string.h>

enum { LEVELS = 20, COLUMNS = 5, FEWEST = 3, RUN = 4 };

#define SMALL_SIZE    0x1p-12    /* below this, steps that are small beside 1 are not small beside x */
#define AMPLIFIED     1.2        /* extrapolation enlarges noise by (16 + 1)/15, less in later columns */
#define SMALLEST      0x1p-1073  /* two of the smallest numbers: what underflow may cost */
#define NEGLIGIBLE    0x1p-1000  /* a function of this size is 0, within the noise of underflow */
#define PREFILTER     1e-9       /* the cheap estimate certifies no less than this */
#define RESOLVED      1e-5       /* an estimate as good as this relative to the slope resolves it */
#define WEAK          1e-6       /* ... relative to the scale of the function, says that the slope is small */
#define INFORMATIVE   0.01       /* noise beside the slope at which a step can still contradict */

/* ---- sampling --------------------------------------------------------------------------------- */

typedef struct ladder {
    int    levels;
    double h[LEVELS], central[LEVELS], left[LEVELS], right[LEVELS];
    double noise[LEVELS];                 /* of a central difference; of a one-sided one it is twice that */
    bool   finite_left[LEVELS], finite_right[LEVELS], same[LEVELS];
} ladder;

/* Where there is no value, the difference of the other side is taken to the one at x. */
static double noise_of(const ad__slice *line, double value) {
    return line->noise + 2*AD__ROUNDING*fabs(isfinite(value) ? value : line->value) + SMALLEST;
}

static void sample(const ad__slice *line, double first, ladder *l) {
    double h = first;
    l->levels = LEVELS;
    for (int k = 0; k < LEVELS; k++, h /= 4) {
        const ad__sample up = line->at(line->context, h), down = line->at(line->context, -h);
        const double     width = up.moved - down.moved;
        l->h[k] = width/2;
        l->central[k] = (up.value - down.value)/width;
        l->right[k] = (up.value - line->value)/up.moved;
        l->left[k] = (down.value - line->value)/down.moved;
        l->noise[k] = (noise_of(line, up.value) + noise_of(line, down.value))/width;
        l->finite_right[k] = isfinite(l->right[k]);
        l->finite_left[k] = isfinite(l->left[k]);
        l->same[k] = up.same && down.same;
    }
}

/* The levels finer than the last bad one, moved to the front. */
static ladder finer_than_bad(const ladder *all, bool left, bool right, bool same) {
    ladder good = *all;
    int    from = 0;
    for (int k = 0; k < all->levels; k++)
        if ((left && !all->finite_left[k]) || (right && !all->finite_right[k]) || (same && !all->same[k]))
            from = k + 1;
    good.levels = all->levels - from;
    const size_t count = (size_t)good.levels;
    memmove(good.h, good.h + from, count*sizeof *good.h);
    memmove(good.central, good.central + from, count*sizeof *good.central);
    memmove(good.left, good.left + from, count*sizeof *good.left);
    memmove(good.right, good.right + from, count*sizeof *good.right);
    memmove(good.noise, good.noise + from, count*sizeof *good.noise);
    return good;
}

/* ---- extrapolation ---------------------------------------------------------------------------- */

typedef struct choice {
    double slope, error, step;
} choice;

typedef double table[LEVELS][COLUMNS];

static int columns(int level) {
    return level < COLUMNS ? level + 1 : COLUMNS;
}

static void romberg(int levels, const double slope[], double base, table t) {
    for (int k = 0; k < levels; k++) {
        double factor = base;
        t[k][0] = slope[k];
        for (int j = 1; j < columns(k); j++, factor *= base)
            t[k][j] = t[k][j - 1] + (t[k][j - 1] - t[k - 1][j - 1])/(factor - 1);
    }
}

/* What an entry may be off: what the last column changed, and a coarser step beside it; so that one that
 * agrees by chance is not believed. */
static double entry_error(table t, int k, int j, double base, double noise) {
    const double coarser = j < columns(k - 1) ? fabs(t[k][j] - t[k - 1][j]) : 0;
    return fmax(j > 0 ? fabs(t[k][j] - t[k][j - 1]) : coarser, coarser/base) + AMPLIFIED*noise;
}

static bool confirmed(table t, int levels, const double noise[], int k, int j, double error, double scale) {
    bool informative = false;
    for (int m = k + 1; m < levels; m++) {
        if (!(fabs(t[m][j] - t[k][j]) <= error + 2*noise[m])) return false;
        if (noise[m] <= INFORMATIVE*fmax(scale, fabs(t[k][j]))) informative = true;
    }
    return informative;
}

static bool extrapolate(int levels, const double h[], const double slope[], const double noise[], double base,
                        double scale, choice *best) {
    table t;
    bool  found = false;
    romberg(levels, slope, base, t);
    for (int k = 1; k < levels; k++) {
        for (int j = 0; j < columns(k); j++) {
            const double error = entry_error(t, k, j, base, noise[k]);
            if (found && error >= best->error) continue;
            if (!isfinite(error) || !confirmed(t, levels, noise, k, j, error, scale)) continue;
            *best = (choice){t[k][j], error, h[k]};
            found = true;
        }
    }
    return found;
}

/* ---- kinks ------------------------------------------------------------------------------------ */

/* How D+ - D- (or a slope itself) goes on over RUN levels up to level k: as it is, or growing. A smooth
 * function's falls to a quarter from level to level; that of |x|^p goes by 4^(1 - p). */
typedef enum course { FALLS, STAYS, GROWS } course;

static course course_of(const double size[], int k) {
    bool stays = true, grows = true;
    for (int m = k - RUN + 2; m <= k; m++) {
        const double ratio = size[m]/size[m - 1];
        if (!(ratio > 0.7 && ratio < 1.4)) stays = false;
        if (!(ratio >= 1.4)) grows = false;
    }
    return stays ? STAYS : grows ? GROWS : FALLS;
}

/* The course over the finest run that stands clear of the noise and that no finer level contradicts. */
static course finest_course(int levels, const double size[], const double noise[], double clear) {
    for (int k = levels - 1; k >= RUN - 1; k--) {
        bool seen = true;
        for (int m = k - RUN + 1; m <= k; m++)
            if (!(size[m] > clear*noise[m])) seen = false;
        if (!seen) continue;
        const course here = course_of(size, k);
        if (here == FALLS) return FALLS;
        for (int m = k + 1; m < levels; m++)
            if (size[m] + clear*noise[m] < size[k]/2) return FALLS;
        return here;
    }
    return FALLS;
}

static course jump_course(const ladder *l) {
    double jump[LEVELS];
    for (int k = 0; k < l->levels; k++) jump[k] = fabs(l->right[k] - l->left[k]);
    return finest_course(l->levels, jump, l->noise, 8);        /* noise of a jump: at most 4 of these */
}

static course slope_course(const ladder *l) {
    double size[LEVELS];
    for (int k = 0; k < l->levels; k++) size[k] = fabs(l->central[k]);
    return finest_course(l->levels, size, l->noise, 8);
}

static double one_side(const ladder *l, const double slope[], double scale, double *error) {
    double noise[LEVELS];
    choice best = {NAN, INFINITY, NAN};
    for (int k = 0; k < l->levels; k++) noise[k] = 2*l->noise[k];
    if (!extrapolate(l->levels, l->h, slope, noise, 4, scale, &best)) return NAN;
    if (best.error > *error) *error = best.error;
    return best.slope;
}

/* ---- the estimate ----------------------------------------------------------------------------- */

/* The value per unit of x, or the slope at a step of middle size: half of all are larger. */
static double scale_of(const ad__slice *line, const ladder *l) {
    double slope[LEVELS];
    int    count = 0;
    for (int k = 0; k < l->levels; k++) {
        if (!l->finite_left[k] || !l->finite_right[k]) continue;
        const double steepest = fmax(fabs(l->left[k]), fabs(l->right[k]));
        int          place = count++;
        for (; place > 0 && slope[place - 1] > steepest; place--) slope[place] = slope[place - 1];
        slope[place] = steepest;
    }
    return fmax(fmax(fabs(line->value)/fmax(1, line->size), count > 0 ? slope[count/2] : 0), NEGLIGIBLE);
}

static void sides(const ladder *l, ad__estimate *e) {
    e->side_error = 0;
    e->left = one_side(l, l->left, e->scale, &e->side_error);
    e->right = one_side(l, l->right, e->scale, &e->side_error);
}

/* From levels that all have values on both sides. */
static bool from_levels(const ladder *l, ad__estimate *e) {
    if (l->levels < FEWEST) return false;
    const course jump = jump_course(l);
    if (jump == STAYS) {
        sides(l, e);
        if (isnan(e->left) || isnan(e->right)) return false;
        e->shape = AD__KINKED;
        return true;
    }
    if (jump == GROWS || slope_course(l) == GROWS) {
        e->shape = AD__VERTICAL;
        return true;
    }
    choice best;
    if (!extrapolate(l->levels, l->h, l->central, l->noise, 16, e->scale, &best)) return false;
    e->shape = AD__SMOOTH;
    e->slope = best.slope, e->error = best.error, e->step = best.step;
    return true;
}

static bool resolved(const ad__estimate *e) {
    return e->shape == AD__SMOOTH && e->error <= WEAK*fmax(fabs(e->slope), e->scale);
}

static bool any_change(const ladder *l) {
    for (int k = 0; k < l->levels; k++)
        if (!l->same[k]) return true;
    return false;
}

static ad__estimate from_ladder(const ad__slice *line, double first) {
    ladder all;
    sample(line, first, &all);
    const ad__estimate nothing = {.shape = AD__UNRESOLVED, .slope = NAN, .error = INFINITY, .step = NAN,
                                  .left = NAN, .right = NAN, .side_error = INFINITY,
                                  .scale = scale_of(line, &all), .evaluations = 2*LEVELS};
    ad__estimate       near = nothing, wide = nothing;
    const bool         changes = any_change(&all);
    ladder             use = finer_than_bad(&all, true, true, true);
    const bool         found_near = from_levels(&use, &near);
    if (found_near && (!changes || resolved(&near))) return near;
    use = finer_than_bad(&all, true, true, false);
    if (changes && from_levels(&use, &wide) && (!found_near || wide.shape != AD__SMOOTH)) return wide;
    if (found_near || use.levels >= FEWEST) return near;
    near.shape = AD__EDGE;                          /* no values on a side, however near */
    near.side_error = 0;
    use = finer_than_bad(&all, true, false, false);
    if (use.levels >= FEWEST) near.left = one_side(&use, use.left, near.scale, &near.side_error);
    use = finer_than_bad(&all, false, true, false);
    if (use.levels >= FEWEST) near.right = one_side(&use, use.right, near.scale, &near.side_error);
    return near;
}

/* Of two ladders, the one with an answer; of two answers, the surer, unless the finer contradicts it. */
static ad__estimate better(const ad__estimate *coarse, const ad__estimate *fine) {
    if (coarse->shape != AD__SMOOTH || fine->shape != AD__SMOOTH)
        return coarse->shape == AD__SMOOTH && fine->shape >= AD__EDGE ? *coarse
             : fine->shape == AD__UNRESOLVED && coarse->shape != AD__EDGE ? *coarse : *fine;
    if (fabs(coarse->slope - fine->slope) > 10*(coarse->error + fine->error)) return *fine;
    return coarse->error <= fine->error ? *coarse : *fine;
}

ad__estimate ad__estimate_slope(const ad__slice *line) {
    const ad__estimate coarse = from_ladder(line, fmax(1, line->size)/4);
    if (!(line->size < SMALL_SIZE && line->size > 0)) return coarse;
    ad__estimate fine = from_ladder(line, line->size/4);
    ad__estimate best = better(&coarse, &fine);
    best.evaluations = coarse.evaluations + fine.evaluations;
    return best;
}

/* ---- judging ---------------------------------------------------------------------------------- */

static double larger(double x, double y) {
    return fmax(fabs(x), fabs(y));
}

/* Two central differences and the jump at each, for the many cases in which that is enough. The claim
 * decides whether it is, never what the estimate is. */
static bool prefiltered(const ad__slice *line, double claimed, double rtol, ad__judgement *j) {
    if (!(rtol >= PREFILTER) || !isfinite(claimed)) return false;
    double central[2], jump[2], noise[2], h = cbrt(2*AD__ROUNDING)*fmax(1, line->size);
    if (h > line->size/4 && line->size > 0) return false;          /* not small beside x */
    const double step = h;
    for (int k = 0; k < 2; k++, h *= 2) {
        const ad__sample up = line->at(line->context, h), down = line->at(line->context, -h);
        const double     width = up.moved - down.moved;
        if (!up.same || !down.same) return false;
        central[k] = (up.value - down.value)/width;
        jump[k] = fabs((up.value - line->value)/up.moved - (down.value - line->value)/down.moved);
        noise[k] = (noise_of(line, up.value) + noise_of(line, down.value))/width;
        if (!isfinite(central[k]) || !isfinite(jump[k])) return false;
    }
    if (jump[0] > 4*noise[0] && jump[0] > 0.7*jump[1]) return false;        /* a kink? */
    const double slope = central[0] + (central[0] - central[1])/3;
    const double error = fabs(slope - central[0]) + AMPLIFIED*noise[0], size = larger(slope, claimed);
    if (!(10*error <= PREFILTER*size) || !(fabs(slope - claimed) <= PREFILTER*size)) return false;
    *j = (ad__judgement){AD_PASS, fabs(slope - claimed), PREFILTER*size,
                         {.shape = AD__SMOOTH, .slope = slope, .error = error, .step = step, .left = NAN,
                          .right = NAN, .side_error = INFINITY, .scale = fabs(slope), .evaluations = 4}};
    return true;
}

/* A claim at a kink lies between the slopes of its sides. */
static ad_verdict judge_kink(double claimed, double rtol, ad__judgement *j) {
    const ad__estimate *e = &j->estimate;
    const double low = fmin(e->left, e->right), high = fmax(e->left, e->right);
    j->gap = claimed < low ? low - claimed : claimed > high ? claimed - high : isfinite(claimed) ? 0 : INFINITY;
    j->tolerance = fmax(10*e->side_error, rtol*fmax(larger(low, high), isfinite(claimed) ? fabs(claimed) : 0));
    return j->gap <= j->tolerance ? AD_KINK : AD_FAIL;
}

/* The noise at the ends of the steps used may be larger than at x. */
static bool repriced(const ad__slice *line, ad__estimate *e) {
    if (line->noise_at == NULL) return false;
    const double step = e->step;
    const double there = fmax(line->noise_at(line->context, step), line->noise_at(line->context, -step));
    if (!(there > line->noise)) return false;
    e->error += AMPLIFIED*(there - line->noise)/step;
    e->evaluations += 2;
    return true;
}

static ad_verdict judge_smooth(const ad__slice *line, double claimed, double rtol, ad__judgement *j) {
    ad__estimate *e = &j->estimate;
    if (!isfinite(claimed)) {
        j->gap = INFINITY, j->tolerance = 10*e->error;
        return AD_FAIL;
    }
    const double size = larger(e->slope, claimed);
    j->gap = fabs(e->slope - claimed);
    j->tolerance = fmax(10*e->error, rtol*size);
    if (j->gap > j->tolerance && repriced(line, e)) j->tolerance = fmax(10*e->error, rtol*size);
    if (!(j->gap <= j->tolerance)) return AD_FAIL;
    if (10*e->error <= RESOLVED*size) return AD_PASS;
    return e->error <= WEAK*e->scale ? AD_WEAK : AD_INCONCLUSIVE;
}

ad__judgement ad__judge(const ad__slice *line, double claimed, double rtol) {
    ad__judgement j = {AD_INCONCLUSIVE, NAN, NAN, {0}};
    if (prefiltered(line, claimed, rtol, &j)) return j;
    j.estimate = ad__estimate_slope(line);
    j.estimate.evaluations += 4;
    switch (j.estimate.shape) {
    case AD__SMOOTH: j.verdict = judge_smooth(line, claimed, rtol, &j); break;
    case AD__KINKED: j.verdict = judge_kink(claimed, rtol, &j); break;
    case AD__EDGE:   j.verdict = AD_DOMAIN; break;
    default:         j.verdict = AD_INCONCLUSIVE;
    }
    return j;
}

/* ---- noise of a function that can only be called ---------------------------------------------- */

enum { POINTS = 10, ORDER = 6 };

#define GOLDEN 0.6180339887498949         /* steps that are no multiple of any step a function may have */

/* The root of the mean square of the differences of order 6 of values with independent errors is
 * sqrt(12!/(6!6!)) times that of the errors (J. More, S. Wild, Estimating computational noise, SIAM J.
 * Sci. Comput. 33, 2011). What a smooth function adds goes with the sixth power of the step. Points on
 * one side of x, so that a kink or a jump at x is not taken for noise. */
static double differences_of_order_6(ad__sample (*at)(void *, double), void *context, double t, double step) {
    double d[POINTS], square = 0;
    for (int i = 0; i < POINTS; i++) d[i] = at(context, t + (i + 1)*step).value;
    for (int order = 0; order < ORDER; order++)
        for (int i = 0; i + order + 1 < POINTS; i++) d[i] = d[i + 1] - d[i];
    for (int i = 0; i < POINTS - ORDER; i++) square += d[i]*d[i];
    return sqrt(square/(POINTS - ORDER)/924);
}

/* Noise is as large at one spacing as at another, or, when values come in steps, at a wide one only. What
 * grows with the spacing from a size that is more than rounding is the shape of the function. */
double ad__measured_noise(ad__sample (*at)(void *context, double t), void *context, double t, double unit) {
    const double rounding = AD__ROUNDING*fabs(at(context, t).value);
    double       noise = rounding, before = 0;
    for (int e = -40; e <= -13; e += 2) {
        const double step = ldexp(GOLDEN*unit, e)*(1 + 0.1*GOLDEN*(e%7));
        const double right = differences_of_order_6(at, context, t, step);
        const double left = differences_of_order_6(at, context, t, -step);
        const double seen = 4*(isfinite(right) ? fmin(left, right) : left);       /* fmin: not NaN */
        if (!isfinite(seen)) continue;
        if (before <= rounding || seen <= 3*before) noise = fmax(noise, seen);
        before = seen;
    }
    return noise;
}

/* ---- Taylor ----------------------------------------------------------------------------------- */

double ad__taylor_slope(const ad__slice *line, double slope, double curvature, int degree) {
    double ratio[LEVELS], before = 0, h = fmax(1, line->size)/4;
    int    count = 0;
    for (int k = 0; k < LEVELS; k++, h /= 4) {
        const ad__sample s = line->at(line->context, h);
        const double     t = s.moved;
        const double rest = fabs(s.value - line->value - t*slope - (degree > 1 ? t*t/2*curvature : 0));
        const bool   clear = isfinite(rest) && s.same && rest > 256*noise_of(line, s.value);
        if (clear && before > 0) ratio[count++] = log2(before/rest)/2;
        before = clear ? rest : 0;
    }
    if (count < FEWEST) return NAN;            /* the finest: there the next power of h counts least */
    double total = 0;
    for (int i = count - FEWEST; i < count; i++) total += ratio[i];
    return total/FEWEST;
}
