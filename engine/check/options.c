/* options.c - the options of a check: defaults, what is wrong with them, and the names that blocks
 * give to coordinates; and the report that a check begins with. */
#include "check/options.h"

#include "base/text.h"

#include <math.h>

#define RTOL 1e-9
#define SEED 42

#define WIDEST_UNIT 0x1p-4

enum { COORDINATES = 100, ROUNDINGS = 64 };

ad_check_options ad__options_filled(const ad_check_options *given) {
    ad_check_options o = given != NULL ? *given : (ad_check_options){0};
    if (o.seed == 0) o.seed = SEED;
    if (o.coordinates == 0) o.coordinates = COORDINATES;
    return o;
}

/* ---- blocks and names ------------------------------------------------------------------------ */

/* The number of elements of a block; SIZE_MAX if it overflows. */
size_t ad__block_count(const ad_check_block *b) {
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
const char *ad__options_bad(const char *what, const ad_check_options *o, char text[AD__NAME_ROOM]) {
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
        const size_t count = ad__block_count(&o->block[b]);
        if (count > n - total) return false;
        total += count;
    }
    return o->blocks == 0 || total == n;
}

/* "layers.0.weight[1][2]": row-major; the stride of an index is the product of all later sizes. */
static void place_in_block(const ad_check_block *b, size_t i, char text[AD__NAME_ROOM]) {
    const int shown = ad__cut_bytes(b->name, 80);
    size_t    left = ad__block_count(b),
           length = (size_t)snprintf(text, AD__NAME_ROOM, "%.*s", shown, b->name);
    for (size_t d = 0; d < b->rank && length < AD__NAME_ROOM; d++) {
        left /= b->shape[d];
        length += (size_t)snprintf(text + length, AD__NAME_ROOM - length, "[%zu]", i / left);
        i %= left;
    }
}

/* The name that the block of the coordinate gives it, or "x[3]". */
void ad__coordinate_name(const ad_check_options *o, size_t i, char text[AD__NAME_ROOM]) {
    size_t from = 0;
    for (size_t b = 0; b < o->blocks; b++) {
        const size_t count = ad__block_count(&o->block[b]);
        if (i - from < count) {
            place_in_block(&o->block[b], i - from, text);
            return;
        }
        from += count;
    }
    snprintf(text, AD__NAME_ROOM, "x[%zu]", i);
}

/* ---- the unit roundoff ----------------------------------------------------------------------- */

const char *ad__unit_bad(const char *what, const ad_check_options *o, char text[AD__NAME_ROOM]) {
    if (o == NULL || o->unit == 0 || o->unit == AD__ROUNDING) return NULL;
    snprintf(text, AD__NAME_ROOM, "%s: unit is %g, but a tape computes in double: it must be 0",
             what, o->unit);
    return text;
}

const double *ad__use_unit(ad_check_options *o, ad__report *r, double unit, size_t n,
                           const double x[], double own[]) {
    o->unit = unit > AD__ROUNDING ? unit : 0;
    if (o->rtol == 0) o->rtol = fmax(RTOL, ROUNDINGS * o->unit);
    r->page.unit = o->unit, r->page.rtol = o->rtol;
    if (o->unit == 0) return x;
    for (size_t i = 0; i < n; i++) {
        own[i] = ad__rounded_to(o->unit, x[i]);
        if (own[i] != x[i] && isfinite(x[i])) r->rounded = true;
    }
    return own;
}

/* ---- what a check begins with ---------------------------------------------------------------- */

/* False, with the reason in the report, if there is nothing to check or the options are bad. */
bool ad__worth_checking(ad__report *r, size_t n, const ad_check_options *o) {
    if (n == 0) {
        ad__report_say(r, AD_OK, "n = 0: there is nothing to check");
    } else if (!(o->rtol >= 0) || !isfinite(o->rtol)) {
        ad__report_say(r, AD_BAD_ARGUMENT, "rtol is %g: a finite number, not below 0, is needed",
                       o->rtol);
    } else if (o->unit > 0 && !(o->unit >= AD__ROUNDING && o->unit <= WIDEST_UNIT)) {
        ad__report_say(r, AD_BAD_ARGUMENT,
                       "unit is %g: 0, AD_UNIT_MEASURED, or a number from 2^-53 to 2^-4 is needed",
                       o->unit);
    } else if (isnan(o->unit)) {
        ad__report_say(r, AD_BAD_ARGUMENT, "unit is not a number");
    } else if (!blocks_fit(o, n)) {
        ad__report_say(r, AD_BAD_ARGUMENT,
                       "the %zu blocks do not cover the %zu coordinates, each of them once",
                       o->blocks, n);
    } else {
        return true;
    }
    return false;
}

ad__report *ad__report_begin(size_t n, const ad_check_options *o) {
    ad__report *r = ad__report_new(n);
    if (r == NULL) return NULL;
    r->page.rtol = o->rtol > 0 ? o->rtol : RTOL;
    r->page.seed = o->seed;
    return r;
}

ad_check_report *ad__report_refuse(ad__report *r, ad_status status, const char *sentence) {
    if (r == NULL) return NULL;
    ad__report_say(r, status, "%s", sentence);
    return ad__report_done(r);
}
