/* estimate.c - differences at steps h, h/4, h/16, ..., extrapolated to h = 0 (Romberg 1955), and a
 * verdict on a claim.
 *
 * The error of a central difference is a series in even powers of h, that of a one-sided one a
 * series in all powers, so each column of the table removes one term. Which entry to trust is
 * decided by the function, not by a formula for the best step: the one with the smallest estimated
 * error among those that every finer step confirms, as far as the noise of that step allows. Noise
 * is the rounding error of the values divided by the step.
 *
 * Steps at which the function has no value, or is on the other side of a kink, say nothing about
 * the slope at x: only levels finer than the last of them count.
 *
 * A step that is long compared with the scale of the function sees a bounded function as flat, and
 * so do all longer ones: they agree with each other and with nothing else. Only shorter steps
 * reveal it. So no claim is called wrong before the steps have gone down to the last places of x,
 * and a function that still turns there is not judged at all. */
#include "check/estimate.h"

#include <math.h>
#include <string.h>

enum { LEVELS = 20, MOST_LEVELS = 32, COLUMNS = 5, FEWEST = 3, RUN = 4 };
enum { SIDE = 4, LONG_SIDE = 8, LONG = 3 };

#define WIDE_UNIT      0x1p-15 /* fewer digits than this, and steps begin at x */
#define SMALL_SIZE     0x1p-12 /* below this, steps small beside 1 are not small beside x */
#define AMPLIFIED      1.2 /* extrapolation enlarges noise by (16 + 1)/15, less in later columns */
#define SMALLEST       0x1p-1073 /* two of the smallest numbers: the most that underflow may cost */
#define NEGLIGIBLE     0x1p-1000 /* a function of this size is 0, within the noise of underflow */
#define PREFILTER      1e-9      /* the smallest tolerance that the cheap estimate can certify */
#define RESOLVED       1e-5      /* an error this small relative to the slope resolves it */
#define WEAK           1e-6      /* ... relative to the function's scale: the slope is small */
#define INFORMATIVE    0.01      /* noise beside the slope at which a step can still contradict */
#define MARGIN         10        /* so many times the estimated error is allowed */
#define LONGEST        1.27      /* of the long steps, beside the shortest */
#define LONG_AMPLIFIED 2.72      /* noise of a value over a long step, with the weights of all */
#define POOR           1e-8      /* a tolerance above this calls for longer steps */
#define NOISY          64        /* noise of this many roundings of the value has another source */
#define ALIASED        0x1p-20   /* f turning in steps this short may turn within one place */
#define HIDDEN         32        /* what is less than this many times the noise can hide in it */

static double unit_of(const ad__slice *line) {
    return line->unit > AD__ROUNDING ? line->unit : AD__ROUNDING;
}

static bool is_coarse(const ad__slice *line) {
    return line->unit > AD__ROUNDING;
}

/* With fewer digits, so is what can be resolved at all. */
static double at_unit(const ad__slice *line, double usual, double roots) {
    return is_coarse(line) ? fmax(usual, roots * sqrt(line->unit)) : usual;
}

/* ---- sampling -------------------------------------------------------------------------------- */

typedef struct ladder {
    int    levels;
    double h[MOST_LEVELS], central[MOST_LEVELS], left[MOST_LEVELS], right[MOST_LEVELS];
    double noise[MOST_LEVELS]; /* of a central difference; a one-sided one has twice that */
    bool   finite_left[MOST_LEVELS], finite_right[MOST_LEVELS], same[MOST_LEVELS];
    double range[MOST_LEVELS]; /* how far the values were from the one at x */
    size_t evaluations;
    double informative;
} ladder;

/* Where there is no value, that at x stands in for it: the difference is one-sided. */
static double noise_of(const ad__slice *line, double value) {
    return line->noise + 2 * unit_of(line) * fabs(isfinite(value) ? value : line->value) + SMALLEST;
}

static double away(const ad__slice *line, double value) {
    return isfinite(value) ? fabs(value - line->value) : 0;
}

/* What is computed from x has no more places than x, and a few places away from x its roundings may
 * all have one sign. */
static double last_places(const ad__slice *line, double slope, double width) {
    return isfinite(slope) ? 2 * unit_of(line) * line->size * fabs(slope) / width : 0;
}

static void sample_level(const ad__slice *line, const ad__sample *up, const ad__sample *down,
                         ladder *l) {
    const int    k = l->levels++;
    const double width = up->moved - down->moved;
    l->h[k] = width / 2;
    l->central[k] = (up->value - down->value) / width;
    l->right[k] = (up->value - line->value) / up->moved;
    l->left[k] = (down->value - line->value) / down->moved;
    /* displacements of few digits are not quite opposite */
    if (is_coarse(line))
        l->central[k] = (up->moved * l->left[k] - down->moved * l->right[k]) / width;
    l->noise[k] = (noise_of(line, up->value) + noise_of(line, down->value)) / width;
    if (k >= LEVELS && !line->bounded) l->noise[k] += last_places(line, l->central[k], width);
    l->finite_right[k] = isfinite(l->right[k]);
    l->finite_left[k] = isfinite(l->left[k]);
    l->same[k] = up->same && down->same;
    l->range[k] = fmax(away(line, up->value), away(line, down->value));
}

/* The ladder ends at steps that no longer move x accurately: where a displacement is off by more
 * than a quarter of the step. */
static void sample(const ad__slice *line, double first, int levels, ladder *l) {
    double h = first;
    l->levels = 0, l->evaluations = 0, l->informative = at_unit(line, INFORMATIVE, 4);
    for (int k = 0; k < levels; k++, h /= 4) {
        const ad__sample up = line->at(line->context, h), down = line->at(line->context, -h);
        l->evaluations += 2;
        if ((k >= LEVELS || is_coarse(line)) &&
            !(fabs(up.moved - h) <= h / 4 && fabs(down.moved + h) <= h / 4))
            break;
        sample_level(line, &up, &down, l);
    }
}

/* The levels finer than the last bad one, moved to the front. */
static ladder finer_than_bad(const ladder *all, bool left, bool right, bool same) {
    ladder good = *all;
    int    from = 0;
    for (int k = 0; k < all->levels; k++)
        if ((left && !all->finite_left[k]) || (right && !all->finite_right[k]) ||
            (same && !all->same[k]))
            from = k + 1;
    good.levels = all->levels - from;
    const size_t count = (size_t)good.levels;
    memmove(good.h, good.h + from, count * sizeof *good.h);
    memmove(good.central, good.central + from, count * sizeof *good.central);
    memmove(good.left, good.left + from, count * sizeof *good.left);
    memmove(good.right, good.right + from, count * sizeof *good.right);
    memmove(good.noise, good.noise + from, count * sizeof *good.noise);
    memmove(good.range, good.range + from, count * sizeof *good.range);
    return good;
}

/* ---- extrapolation --------------------------------------------------------------------------- */

typedef struct choice {
    double slope, error, step;
    double three; /* the most that three successive levels, this one among them, are off */
} choice;

typedef double table[MOST_LEVELS][COLUMNS];

static int columns(int level) {
    return level < COLUMNS ? level + 1 : COLUMNS;
}

static void romberg(int levels, const double slope[], double base, table t) {
    for (int k = 0; k < levels; k++) {
        double factor = base;
        t[k][0] = slope[k];
        for (int j = 1; j < columns(k); j++, factor *= base)
            t[k][j] = t[k][j - 1] + (t[k][j - 1] - t[k - 1][j - 1]) / (factor - 1);
    }
}

/* The error estimate of an entry: what the last column changed, and the distance to the next
 * coarser step, so that an entry that agrees by chance is not trusted. */
static double entry_error(table t, int k, int j, double base, double noise) {
    const double coarser = j < columns(k - 1) ? fabs(t[k][j] - t[k - 1][j]) : 0;
    return fmax(j > 0 ? fabs(t[k][j] - t[k][j - 1]) : coarser, coarser / base) + AMPLIFIED * noise;
}

/* What is extrapolated: slopes at steps h with their noise, the base of the table, how far the two
 * one-sided slopes are apart (`bend`; NULL if the slopes are one-sided), and a typical slope. */
typedef struct steps {
    int           levels;
    const double *h, *slope, *noise, *bend;
    double        base, scale, informative; /* noise beside the slope */
} steps;

/* Does every finer step confirm the entry, as far as its noise allows: with the same slope, and no
 * more bend? */
static bool confirmed(const steps *s, table t, int k, int j, double error) {
    bool informative = false;
    for (int m = k + 1; m < s->levels; m++) {
        if (!(fabs(t[m][j] - t[k][j]) <= error + 2 * s->noise[m])) return false;
        if (s->bend != NULL && s->bend[m] > 2 * s->bend[k] + error + 8 * s->noise[m]) return false;
        if (s->noise[m] <= s->informative * fmax(s->scale, fabs(t[k][j]))) informative = true;
    }
    return informative;
}

/* A bound on the distance of level m from the entry, in the same column or the last one that level
 * has. */
static double apart(table t, const double noise[], int k, int j, int m) {
    return fabs(t[m][j < columns(m) ? j : columns(m) - 1] - t[k][j]) + noise[m];
}

/* Of the three windows of three levels that contain level k, the one that agrees best. */
static double three_levels(table t, int levels, const double noise[], int k, int j) {
    double best = INFINITY;
    for (int from = k - 2; from <= k; from++) {
        double worst = 0;
        if (from < 0 || from + 2 >= levels) continue;
        for (int m = from; m < from + 3; m++) worst = fmax(worst, apart(t, noise, k, j, m));
        best = fmin(best, worst);
    }
    return best;
}

static bool extrapolate(const steps *s, choice *best) {
    table t;
    bool  found = false;
    romberg(s->levels, s->slope, s->base, t);
    for (int k = 1; k < s->levels; k++) {
        for (int j = 0; j < columns(k); j++) {
            const double error = entry_error(t, k, j, s->base, s->noise[k]);
            if (found && error >= best->error) continue;
            if (!isfinite(error) || !confirmed(s, t, k, j, error)) continue;
            *best = (choice){t[k][j], error, s->h[k], three_levels(t, s->levels, s->noise, k, j)};
            found = true;
        }
    }
    return found;
}

/* ---- kinks ----------------------------------------------------------------------------------- */

/* How |D+ - D-| (or a slope itself) changes over RUN levels up to level k. That of a smooth
 * function falls to a quarter from level to level, that of |x|^p changes by 4^(1 - p). */
typedef enum course { FALLS, STAYS, GROWS } course;

static course course_of(const double size[], int k) {
    bool stays = true, grows = true;
    for (int m = k - RUN + 2; m <= k; m++) {
        const double ratio = size[m] / size[m - 1];
        if (!(ratio > 0.7 && ratio < 1.4)) stays = false;
        if (!(ratio >= 1.4)) grows = false;
    }
    return stays ? STAYS : grows ? GROWS : FALLS;
}

/* The course over the finest run that is clear of the noise and that no finer level contradicts. */
static course finest_course(int levels, const double size[], const double noise[], double clear) {
    for (int k = levels - 1; k >= RUN - 1; k--) {
        bool seen = true;
        for (int m = k - RUN + 1; m <= k; m++)
            if (!(size[m] > clear * noise[m])) seen = false;
        if (!seen) continue;
        const course here = course_of(size, k);
        if (here == FALLS) return FALLS;
        for (int m = k + 1; m < levels; m++)
            if (size[m] + clear * noise[m] < size[k] / 2) return FALLS;
        return here;
    }
    return FALLS;
}

static course jump_course(const ladder *l, double jump[MOST_LEVELS]) {
    for (int k = 0; k < l->levels; k++) jump[k] = fabs(l->right[k] - l->left[k]);
    /* the noise of a jump is at most 4 times this */
    return finest_course(l->levels, jump, l->noise, 8);
}

static course slope_course(const ladder *l) {
    double size[MOST_LEVELS];
    for (int k = 0; k < l->levels; k++) size[k] = fabs(l->central[k]);
    return finest_course(l->levels, size, l->noise, 8);
}

static double one_side(const ladder *l, const double slope[], const ad__estimate *e,
                       double *error) {
    double noise[MOST_LEVELS];
    choice best = {NAN, INFINITY, NAN, INFINITY};
    for (int k = 0; k < l->levels; k++) noise[k] = 2 * l->noise[k];
    if (!extrapolate(&(steps){l->levels, l->h, slope, noise, NULL, 4, e->scale, l->informative},
                     &best))
        return NAN;
    if (best.error > *error) *error = best.error;
    return best.slope;
}

/* ---- the estimate ---------------------------------------------------------------------------- */

/* The value per unit of x, or the median over all steps of the steeper one-sided slope, whichever
 * is larger. */
static double scale_of(const ad__slice *line, const ladder *l) {
    double slope[MOST_LEVELS];
    int    count = 0;
    for (int k = 0; k < l->levels; k++) {
        if (!l->finite_left[k] || !l->finite_right[k]) continue;
        const double steepest = fmax(fabs(l->left[k]), fabs(l->right[k]));
        int          place = count++;
        for (; place > 0 && slope[place - 1] > steepest; place--) slope[place] = slope[place - 1];
        slope[place] = steepest;
    }
    return fmax(fmax(fabs(line->value) / fmax(1, line->size), count > 0 ? slope[count / 2] : 0),
                NEGLIGIBLE);
}

static void sides(const ladder *l, ad__estimate *e) {
    e->side_error = 0;
    e->left = one_side(l, l->left, e, &e->side_error);
    e->right = one_side(l, l->right, e, &e->side_error);
}

/* The steepest slope that is clear of the noise; 0 if none is. */
static double steepest(const ladder *l) {
    double slope = 0;
    for (int k = 0; k < l->levels; k++)
        if (fabs(l->central[k]) > 2 * l->noise[k] && fabs(l->central[k]) > slope)
            slope = fabs(l->central[k]);
    return slope;
}

static double range_from(const ladder *l, double step) {
    double range = 0;
    for (int k = 0; k < l->levels; k++)
        if (l->h[k] <= step) range = fmax(range, l->range[k]);
    return range;
}

/* Two lengths: a step this short sees nothing but noise; within one this long the function must
 * have turned. */
static void lengths(const ad__slice *line, const ladder *l, ad__estimate *e) {
    const double slope = steepest(l);
    if (!(slope > 0)) return;
    e->drowned = noise_of(line, line->value) / slope;
    e->turned = range_from(l, INFINITY) / slope;
}

/* Is the value at the shortest step about as far from that at x as those at steps up to 64 times as
 * long? If the function is resolved, it is 64 times as near as the value at the longest of them. */
static bool far_at_last(const ladder *l) {
    const int last = l->levels - 1;
    double    far = 0;
    for (int k = last - 3; k < last; k++) far = fmax(far, k >= 0 ? l->range[k] : INFINITY);
    return l->range[last] > 8 * (2 * l->h[last] * l->noise[last]) && l->range[last] > far / 16;
}

/* Does the function still turn between the shortest steps? Then no step resolves it. */
static bool turns_at_last(const ladder *l) {
    const int k = l->levels - 1;
    if (far_at_last(l)) return true;
    const double change = fabs(l->central[k] - l->central[k - 1]);
    return change > 8 * (l->noise[k] + l->noise[k - 1]) &&
           2 * change > fmax(fabs(l->central[k]), fabs(l->central[k - 1]));
}

/* At a jump or a vertical tangent slopes grow by a constant factor from step to step; if the
 * function turns within the shortest steps, at random. */
static bool erratic(const ladder *l, const double bend[]) {
    int last = l->levels - 1;
    while (last > 0 && !(bend[last] > 8 * l->noise[last])) last--;
    double least = INFINITY, most = 0;
    for (int k = last - RUN + 2; k <= last; k++) {
        const double ratio = k > 0 ? bend[k] / bend[k - 1] : NAN;
        if (!(ratio > 0)) return false;
        least = fmin(least, ratio), most = fmax(most, ratio);
    }
    return most > 2 * least;
}

static bool is_level(const ladder *l) {
    for (int k = 0; k < l->levels; k++)
        if (l->left[k] != 0 || l->right[k] != 0) return false;
    return true;
}

/* The estimate from levels that all have values on both sides. False: these levels do not give
 * one. The same value at all steps has the slope 0, however much noise was measured elsewhere; but
 * noise that is known may be what keeps it the same. */
static bool from_levels(const ad__slice *line, const ladder *l, ad__estimate *e) {
    if (l->levels < FEWEST) return false;
    double       bend[MOST_LEVELS];
    const course jump = jump_course(l, bend);
    if (jump == STAYS) {
        sides(l, e);
        if (isnan(e->left) || isnan(e->right)) return false;
        e->shape = AD__KINKED;
        return true;
    }
    if (jump == GROWS || slope_course(l) == GROWS) {
        e->shape = erratic(l, bend) ? AD__UNRESOLVED : AD__VERTICAL;
        return true;
    }
    const double noise = AMPLIFIED * l->noise[0];
    choice       best = {0, noise, l->h[0], noise};
    e->level = is_level(l);
    if (turns_at_last(l) || (!extrapolate(&(steps){l->levels, l->h, l->central, l->noise, bend, 16,
                                                   e->scale, l->informative},
                                          &best) &&
                             (line->bounded || !e->level)))
        return false;
    e->shape = AD__SMOOTH, e->range = range_from(l, best.step);
    e->slope = best.slope, e->error = best.error, e->step = best.step, e->three = best.three;
    return true;
}

static bool resolved(const ad__slice *line, const ad__estimate *e) {
    return e->shape == AD__SMOOTH &&
           e->error <= at_unit(line, WEAK, 4) * fmax(fabs(e->slope), e->scale);
}

static bool any_change(const ladder *l) {
    for (int k = 0; k < l->levels; k++)
        if (!l->same[k]) return true;
    return false;
}

static ad__estimate from_ladder(const ad__slice *line, double first, int levels) {
    ladder all;
    sample(line, first, levels, &all);
    ad__estimate nothing = {.shape = AD__UNRESOLVED,
                            .slope = NAN,
                            .error = INFINITY,
                            .step = NAN,
                            .three = INFINITY,
                            .left = NAN,
                            .right = NAN,
                            .side_error = INFINITY,
                            .drowned = NAN,
                            .turned = NAN,
                            .scale = scale_of(line, &all),
                            .evaluations = all.evaluations};
    lengths(line, &all, &nothing);
    ad__estimate near = nothing, wide = nothing;
    const bool   changes = any_change(&all);
    ladder       use = finer_than_bad(&all, true, true, true);
    const bool   found_near = from_levels(line, &use, &near);
    if (found_near && (!changes || resolved(line, &near))) return near;
    use = finer_than_bad(&all, true, true, false);
    if (changes && from_levels(line, &use, &wide) && (!found_near || wide.shape != AD__SMOOTH))
        return wide;
    if (found_near || use.levels >= FEWEST) return near;
    near.shape = AD__EDGE; /* no values on one side, at any step */
    near.side_error = 0;
    use = finer_than_bad(&all, true, false, false);
    if (use.levels >= FEWEST) near.left = one_side(&use, use.left, &near, &near.side_error);
    use = finer_than_bad(&all, false, true, false);
    if (use.levels >= FEWEST) near.right = one_side(&use, use.right, &near, &near.side_error);
    return near;
}

/* Of two ladders, the one with an answer; of two answers, the more accurate, unless the finer one
 * contradicts it. */
static ad__estimate better(const ad__estimate *coarse, const ad__estimate *fine) {
    if (coarse->shape != AD__SMOOTH || fine->shape != AD__SMOOTH)
        return coarse->shape == AD__SMOOTH && fine->shape >= AD__EDGE     ? *coarse
             : fine->shape == AD__UNRESOLVED && coarse->shape != AD__EDGE ? *coarse
                                                                          : *fine;
    if (fabs(coarse->slope - fine->slope) > 10 * (coarse->error + fine->error)) return *fine;
    return coarse->error <= fine->error ? *coarse : *fine;
}

/* With half precision there are only four steps above the noise, if the first is as long as x. */
static ad__estimate estimate(const ad__slice *line, int levels) {
    const double       first = fmax(1, line->size) / (line->unit > WIDE_UNIT ? 1 : 4);
    const ad__estimate coarse = from_ladder(line, first, levels);
    if (!(line->size < SMALL_SIZE && line->size > 0)) return coarse;
    ad__estimate fine = from_ladder(line, line->size / 4, levels);
    ad__estimate best = better(&coarse, &fine);
    best.evaluations = coarse.evaluations + fine.evaluations;
    return best;
}

static ad__estimate deeper(const ad__slice *line, const ad__estimate *e) {
    ad__estimate deep = estimate(line, MOST_LEVELS);
    deep.evaluations += e->evaluations;
    return deep;
}

ad__estimate ad__estimate_slope(const ad__slice *line) {
    const ad__estimate e = estimate(line, LEVELS);
    return e.shape == AD__KINKED || e.shape == AD__EDGE || resolved(line, &e) ? e
                                                                              : deeper(line, &e);
}

/* ---- long steps ------------------------------------------------------------------------------ */

/* Central differences at steps h, 2h, ..., side*h, combined so that what is left out is of order
 * 2*side in h; and of two orders less, to tell how much that may be. Their noise. */
static bool long_steps(const ad__slice *line, double h, int side, ad__estimate *e, double *noise) {
    double lower = 0, high = 2, low = 2;
    e->slope = *noise = 0, e->step = h;
    for (int k = 1; k <= side; k++) {
        const ad__sample up = line->at(line->context, k * h),
                         down = line->at(line->context, -k * h);
        const double width = up.moved - down.moved, central = (up.value - down.value) / width;
        e->evaluations += 2;
        if (!up.same || !down.same || !isfinite(central)) return false;
        high *= (side - k + 1.) / (side + k), low *= (side - (double)k) / (side - 1 + k);
        lower += (k % 2 ? low : -low) * central, e->slope += (k % 2 ? high : -high) * central;
        *noise += high * (noise_of(line, up.value) + noise_of(line, down.value)) / width;
        e->range = fmax(e->range, fmax(away(line, up.value), away(line, down.value)));
    }
    e->error = fabs(e->slope - lower) + *noise;
    return isfinite(e->error);
}

/* Shorter ones as long as what they leave out is more than their noise. */
static ad__estimate by_long_steps(const ad__slice *line) {
    double       h = fmax(1, line->size) / 4, noise;
    ad__estimate best = {.shape = AD__UNRESOLVED, .error = INFINITY}, e = best;
    for (int k = 0; k < LONG; k++, h /= 4) {
        if (!long_steps(line, h, SIDE, &e, &noise)) continue;
        if (e.error < best.error) best = e, best.shape = AD__SMOOTH;
        if (best.error <= 2 * noise) break;
    }
    return best;
}

/* What an oscillation that one step does not see, or terms of higher order, may add differs from
 * step to step; so the error is no less than what steps that are no multiples of each other
 * disagree by. */
static bool several_long_steps(const ad__slice *line, double h, ad__estimate *e, double *noise) {
    static const double longer[] = {1.11, LONGEST};
    double              spread = 0, other_noise;
    if (!long_steps(line, h, LONG_SIDE, e, noise)) return false;
    for (int k = 0; k < 2; k++) {
        ad__estimate other = *e;
        if (!long_steps(line, longer[k] * h, LONG_SIDE, &other, &other_noise)) return false;
        spread = fmax(spread, fabs(other.slope - e->slope));
        e->evaluations = other.evaluations, e->range = fmax(e->range, other.range);
    }
    e->error += spread;
    return true;
}

/* The ladder needs steps short enough for its few columns, at which the noise of a value that is
 * large beside its change hides much; a smooth function is resolved better in long ones. False: not
 * better, or not the same. */
static bool refine(const ad__slice *line, ad__estimate *e) {
    double       h = 0.4 * fmax(1, line->size), noise;
    ad__estimate best = *e;
    for (int k = 0; k < LONG + 1; k++, h /= 2) {
        ad__estimate one = *e;
        const bool   seen = several_long_steps(line, h, &one, &noise);
        e->evaluations = one.evaluations;
        if (seen && one.error < best.error) best = one;
        if (seen && best.error <= 2 * noise) break;
    }
    if (!(best.error <= e->error / 4) || !(fabs(best.slope - e->slope) <= e->error)) return false;
    best.evaluations = e->evaluations, best.three = best.error;
    *e = best;
    return true;
}

/* ---- judging --------------------------------------------------------------------------------- */

static double larger(double x, double y) {
    return fmax(fabs(x), fabs(y));
}

/* Two central differences and the bend at each, for the many cases in which that is enough. The
 * claim decides whether it is enough, never what the estimate is. */
static bool prefiltered(const ad__slice *line, double claimed, double rtol, ad__judgement *j) {
    if (!(rtol >= PREFILTER) || !isfinite(claimed) || is_coarse(line)) return false;
    double central[2], jump[2], noise[2], h = cbrt(2 * AD__ROUNDING) * fmax(1, line->size);
    if (h > line->size / 4 && line->size > 0) return false; /* not small compared with x */
    const double step = h;
    for (int k = 0; k < 2; k++, h *= 2) {
        const ad__sample up = line->at(line->context, h), down = line->at(line->context, -h);
        const double     width = up.moved - down.moved;
        if (!up.same || !down.same) return false;
        central[k] = (up.value - down.value) / width;
        jump[k] =
            fabs((up.value - line->value) / up.moved - (down.value - line->value) / down.moved);
        noise[k] = (noise_of(line, up.value) + noise_of(line, down.value)) / width;
        if (!isfinite(central[k]) || !isfinite(jump[k])) return false;
    }
    if (jump[0] > 4 * noise[0] && jump[0] > 0.7 * jump[1]) return false; /* a kink? */
    const double slope = central[0] + (central[0] - central[1]) / 3;
    const double error = fabs(slope - central[0]) + AMPLIFIED * noise[0],
                 size = larger(slope, claimed);
    if (!(10 * error <= PREFILTER * size) || !(fabs(slope - claimed) <= PREFILTER * size))
        return false;
    *j = (ad__judgement){AD_PASS,
                         fabs(slope - claimed),
                         PREFILTER * size,
                         {.shape = AD__SMOOTH,
                          .slope = slope,
                          .error = error,
                          .step = step,
                          .left = NAN,
                          .right = NAN,
                          .side_error = INFINITY,
                          .scale = fabs(slope),
                          .evaluations = 4}};
    return true;
}

/* At a kink a claim must lie between the two one-sided slopes. */
static ad_verdict judge_kink(double claimed, double rtol, ad__judgement *j) {
    const ad__estimate *e = &j->estimate;
    const double        low = fmin(e->left, e->right), high = fmax(e->left, e->right);
    j->gap = claimed < low     ? low - claimed
           : claimed > high    ? claimed - high
           : isfinite(claimed) ? 0
                               : INFINITY;
    j->tolerance = fmax(10 * e->side_error,
                        rtol * fmax(larger(low, high), isfinite(claimed) ? fabs(claimed) : 0));
    return j->gap <= j->tolerance ? AD_KINK : AD_FAIL;
}

/* Adds to the error if the noise at the ends of the steps used is larger than at x; false if it is
 * not. */
static bool noise_at_the_ends(const ad__slice *line, ad__estimate *e, double *noise) {
    if (line->noise_at == NULL) return false;
    const double step = e->step;
    const double there =
        fmax(line->noise_at(line->context, step), line->noise_at(line->context, -step));
    if (!(there > line->noise)) return false;
    *noise = there;
    e->error += AMPLIFIED * (there - line->noise) / step;
    e->evaluations += 2;
    return true;
}

/* If x has so few digits that the function turns within its last place, the values look like noise.
 * So a contradiction does not count if the noise is far more than rounding and nearly all that the
 * values do; and, unless the noise is a known bound, if a slope as large as the claimed one could
 * turn one last place of x into that much noise. */
static bool hides(const ad__slice *line, const ad__estimate *e, double noise, double claimed) {
    const double last_place = 2 * unit_of(line) * (line->size > 0 ? line->size : 1);
    return noise > NOISY * unit_of(line) * fabs(line->value) && e->range <= HIDDEN * noise &&
           (line->bounded || HIDDEN * HIDDEN * fabs(claimed) * last_place >= noise);
}

/* By chance a period may nearly fit into one last place of x, or a few, and the samples look smooth
 * and slow: sin at 1e22. Such a function turns within steps that are short compared with x, and a
 * slope as large as the claimed one would leave the range of all samples within one last place;
 * then no evaluation can tell whether it has that slope. */
static bool aliased(const ad__slice *line, const ad__estimate *e, double claimed) {
    return e->turned < ALIASED * line->size && e->range > 0 &&
           fabs(claimed) * 2 * unit_of(line) * line->size > HIDDEN * e->range;
}

/* So many times the estimated error is allowed. With few digits most of that error is a bound on
 * noise, and there is none to give away. */
static double margin(const ad__slice *line) {
    return is_coarse(line) ? 5 : MARGIN;
}

static ad_verdict judge_smooth(const ad__slice *line, double claimed, double rtol,
                               ad__judgement *j) {
    ad__estimate *e = &j->estimate;
    if (!isfinite(claimed)) {
        j->gap = INFINITY, j->tolerance = margin(line) * e->error;
        return AD_FAIL;
    }
    const double size = larger(e->slope, claimed);
    double       noise = line->noise;
    j->gap = fabs(e->slope - claimed);
    j->tolerance = fmax(margin(line) * e->error, rtol * size);
    if (j->gap > j->tolerance && noise_at_the_ends(line, e, &noise))
        j->tolerance = fmax(margin(line) * e->error, rtol * size);
    if (!(j->gap <= j->tolerance))
        return j->gap > e->three && !hides(line, e, noise, claimed) && !aliased(line, e, claimed)
                 ? AD_FAIL
                 : AD_INCONCLUSIVE;
    if (margin(line) * e->error <= at_unit(line, RESOLVED, 1) * size) return AD_PASS;
    const bool exactly_0 = e->level && claimed == 0 && !line->bounded;
    return exactly_0 || e->error <= at_unit(line, WEAK, 4) * e->scale ? AD_WEAK : AD_INCONCLUSIVE;
}

/* The outermost values may have more noise than that at x. */
static void noise_far_away(const ad__slice *line, ad__estimate *e) {
    const double far = LONG_SIDE * LONGEST * e->step;
    if (line->noise_at == NULL) return;
    const double there =
        fmax(line->noise_at(line->context, far), line->noise_at(line->context, -far));
    if (there > line->noise) e->error += LONG_AMPLIFIED * (there - line->noise) / e->step;
    e->evaluations += 2;
}

static void judge(const ad__slice *line, double claimed, double rtol, ad__judgement *j) {
    j->gap = j->tolerance = NAN;
    switch (j->estimate.shape) {
    case AD__SMOOTH: j->verdict = judge_smooth(line, claimed, rtol, j); break;
    case AD__KINKED: j->verdict = judge_kink(claimed, rtol, j); break;
    case AD__EDGE: j->verdict = AD_DOMAIN; break;
    default: j->verdict = AD_INCONCLUSIVE;
    }
}

ad__judgement ad__judge(const ad__slice *line, double claimed, double rtol) {
    ad__judgement j = {AD_INCONCLUSIVE, NAN, NAN, {0}};
    if (prefiltered(line, claimed, rtol, &j)) return j;
    j.estimate = estimate(line, LEVELS);
    j.estimate.evaluations += 4;
    judge(line, claimed, rtol, &j);
    if (j.verdict != AD_FAIL && j.verdict != AD_INCONCLUSIVE) return j;
    j.estimate = deeper(line, &j.estimate);
    judge(line, claimed, rtol, &j);
    return j;
}

/* Only the shortest steps reveal that longer ones are too long for the function. */
static bool same_in_the_last_places(const ad__slice *line, ad__estimate *e) {
    const ad__estimate deep = deeper(line, e);
    e->evaluations = deep.evaluations;
    return deep.shape == AD__SMOOTH && fabs(deep.slope - e->slope) <= deep.error + e->error;
}

void ad__look_closer(ad__judgement *j, const ad__slice *line, double claimed, double rtol) {
    const ad__estimate *e = &j->estimate;
    ad__judgement       closer = *j;
    const double        allowed = rtol * larger(e->slope, claimed);
    if (j->verdict != AD_PASS || e->shape != AD__SMOOTH || is_coarse(line) || !(j->gap > e->error))
        return;
    if (!(MARGIN * e->error > fmax(allowed, POOR * larger(e->slope, claimed)))) return;
    const bool better = refine(line, &closer.estimate);
    j->estimate.evaluations = closer.estimate.evaluations;
    if (!better ||
        !(fabs(closer.estimate.slope - claimed) > fmax(allowed, MARGIN * closer.estimate.error)))
        return;
    if (!same_in_the_last_places(line, &closer.estimate)) return;
    noise_far_away(line, &closer.estimate);
    closer.verdict = judge_smooth(line, claimed, rtol, &closer);
    if (closer.verdict == AD_FAIL) *j = closer;
}

void ad__allow_rounding(ad__judgement *j, double terms, double claimed) {
    const double allowed = AD__TERMS * terms;
    const bool   smooth = j->estimate.shape == AD__SMOOTH;
    if (j->verdict != AD_FAIL || !isfinite(claimed) ||
        !(smooth || j->estimate.shape == AD__KINKED) || !(j->gap <= allowed))
        return;
    if (!smooth) { /* both sides, as one slope */
        j->estimate.slope = (j->estimate.left + j->estimate.right) / 2;
        j->estimate.error = fabs(j->estimate.right - j->estimate.left) / 2 + j->estimate.side_error;
    }
    j->tolerance = allowed;
    j->verdict =
        smooth && allowed <= RESOLVED * larger(claimed, j->estimate.slope) ? AD_PASS : AD_WEAK;
}

/* ---- a hint ---------------------------------------------------------------------------------- */

ad__judgement ad__suspect(const ad__slice *line, double claimed) {
    ad__judgement j = {AD_PASS, NAN, NAN, by_long_steps(line)};
    if (j.estimate.shape != AD__SMOOTH) return j;
    j.gap = fabs(j.estimate.slope - claimed), j.tolerance = MARGIN * j.estimate.error;
    if (j.gap > j.tolerance) j.verdict = AD_FAIL;
    return j;
}

/* ---- noise of a function that can only be called --------------------------------------------- */

enum { POINTS = 10, ORDER = 6, SPACINGS = 20, MOST_SPACINGS = 32, NARROW = 3 };

#define WIDEST 0x1p-8             /* spacing, if there are few digits: ten of it are still short */
#define GOLDEN 0.6180339887498949 /* not a multiple of any step a function may have */

/* The root mean square of the differences of order 6 of values with independent errors is
 * sqrt(12!/(6!6!)) times that of the errors (J. More, S. Wild, Estimating computational noise, SIAM
 * J. Sci. Comput. 33, 2011). What a smooth function adds is of the sixth power of the step. All
 * points are on one side of x, so that a kink or a jump at x is not taken for noise. */
static double differences_of_order_6(ad__sample (*at)(void *, double), void *context, double t,
                                     double step, bool *level) {
    double           d[POINTS], largest = 0, square = 0;
    const ad__sample first = at(context, t + step);
    /* a whole number of places of x, so that the points are evenly spaced */
    const double     whole = first.moved - t;
    if (whole == 0) return NAN;
    d[0] = first.value, *level = true;
    for (int i = 1; i < POINTS; i++)
        d[i] = at(context, t + (i + 1) * whole).value, *level = *level && d[i] == d[0];
    for (int order = 0; order < ORDER; order++)
        for (int i = 0; i + order + 1 < POINTS; i++) d[i] = d[i + 1] - d[i];
    for (int i = 0; i < POINTS - ORDER; i++) {
        if (!isfinite(d[i])) return NAN;
        largest = fmax(largest, fabs(d[i]));
    }
    if (largest == 0) return 0;
    /* scaled first: the square of 1e-200 is 0 */
    for (int i = 0; i < POINTS - ORDER; i++) square += d[i] / largest * (d[i] / largest);
    return largest * sqrt(square / (POINTS - ORDER) / 924);
}

/* The noise on the quieter side; level: all values there are the same. */
typedef struct spacing {
    double noise;
    bool   level;
} spacing;

static spacing look(ad__sample (*at)(void *, double), void *context, double t, double step) {
    bool         right_level = false, left_level = false;
    const double right = differences_of_order_6(at, context, t, step, &right_level);
    const double left = differences_of_order_6(at, context, t, -step, &left_level);
    const bool   to_right = isfinite(right) && !(left < right);
    return (spacing){4 * (to_right ? right : left), to_right ? right_level : left_level};
}

/* Is what is seen at this spacing, and not at a quarter of it, the shape of the function? If so,
 * 1/64 of it is seen at half the spacing, 1/8 at 0.7 of it and 3/8 at 0.85. For values that come in
 * steps it is none, or nearly all. */
static bool grows_into(ad__sample (*at)(void *, double), void *context, double t, double step,
                       double noise, double seen) {
    const double half = look(at, context, t, step / 2).noise,
                 most = look(at, context, t, step * 0.7071067811865476).noise;
    if (half > 8 * noise && half < seen / 8 && most <= 16 * half) return true;
    const double nearly = look(at, context, t, step * 0.85).noise;
    return most > seen / 16 && most < seen / 4 && nearly > seen / 5 && nearly < seen * 0.6;
}

/* Noise is measured at its own scale: from points a few places of x apart, and at wider spacings as
 * long as it stays the same. Where it grows, by 4^6 from one spacing to the next, it is the shape
 * of the function, up to the amplitude of an oscillation, which is not noise at any spacing. But
 * values that come in steps are level at a narrow spacing; at a wide one their noise appears at
 * once, and stays. */
double ad__measured_noise(ad__sample (*at)(void *context, double t), void *context, double t,
                          double length, double unit) {
    const bool       coarse = unit > AD__ROUNDING;
    const double     place = coarse ? unit : AD__ROUNDING;
    const ad__sample here = at(context, t);
    const double     rounding = place * fabs(here.value);
    double           noise = rounding, jumped = 0, step = GOLDEN * length * 4 * place;
    /* spacings accepted without a test: the first, or the two after a level one, where few steps
     * are seen */
    int              untested = 1;
    /* For a small x also the spacings up to those of 1, since steps go up to that too. */
    for (int k = 0; coarse ? k < 2 || step < WIDEST * length
                           : k < SPACINGS || (k < MOST_SPACINGS && step < 0x1p-13);
         k++, step *= 4) {
        const spacing s = look(at, context, here.moved, step);
        /* from few points, few roundings: they may be level by chance */
        const double  much = k < NARROW ? 100 : 8;
        if (!isfinite(s.noise)) continue;
        untested = s.level ? 3 : untested;
        if (untested-- > 0 || s.noise <= much * fmax(noise, jumped)) {
            noise = fmax(noise, fmax(s.noise, jumped)), jumped = 0;
            continue;
        }
        if (jumped > 0 || noise > NOISY * rounding) break;
        if (k < NARROW) jumped = s.noise;
        else if (grows_into(at, context, here.moved, step, noise, s.noise)) break;
        else noise = s.noise;
    }
    return noise;
}

/* ---- arithmetic with fewer digits ------------------------------------------------------------ */

/* The exponent of the smallest number, by digits. */
static int smallest_exponent(int digits) {
    return digits == 24 ? -149 : digits == 11 ? -24 : digits == 8 ? -133 : -1074;
}

double ad__rounded_to(double unit, double x) {
    if (!(unit > AD__ROUNDING) || x == 0 || !isfinite(x)) return x;
    const int digits = (int)ceil(-log2(unit)), least = smallest_exponent(digits);
    int       exponent;
    frexp(x, &exponent);
    exponent = exponent - digits > least ? exponent - digits : least;
    return ldexp(rint(ldexp(x, -exponent)), exponent);
}

/* Zero is in every arithmetic, and a value that is always the same may be in one by chance. */
void ad__unit_note(ad__unit_seen *seen, double value) {
    if (value == 0 || !isfinite(value)) return;
    if (!seen->any) seen->first = value;
    seen->any = true;
    seen->varies = seen->varies || value != seen->first;
    if (ad__rounded_to(0x1p-11, value) != value) seen->wider_than_half = true;
    if (ad__rounded_to(0x1p-24, value) != value) seen->wider_than_float = true;
}

double ad__unit_of(const ad__unit_seen *seen) {
    if (!seen->varies || seen->wider_than_float) return 0;
    return seen->wider_than_half ? 0x1p-24 : 0x1p-11;
}

/* ---- Taylor ---------------------------------------------------------------------------------- */

double ad__taylor_slope(const ad__slice *line, double slope, double curvature, int degree) {
    double ratio[LEVELS], before = 0, h = fmax(1, line->size) / 4;
    int    count = 0;
    for (int k = 0; k < LEVELS; k++, h /= 4) {
        const ad__sample s = line->at(line->context, h);
        const double     t = s.moved;
        const double     rest =
            fabs(s.value - line->value - t * slope - (degree > 1 ? t * t / 2 * curvature : 0));
        const bool clear = isfinite(rest) && s.same && rest > 256 * noise_of(line, s.value);
        if (clear && before > 0) ratio[count++] = log2(before / rest) / 2;
        before = clear ? rest : 0;
    }
    if (count < FEWEST) return NAN; /* the finest three: there the next power of h counts least */
    double total = 0;
    for (int i = count - FEWEST; i < count; i++) total += ratio[i];
    return total / FEWEST;
}
