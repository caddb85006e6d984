/* ad.hpp - operators over ad.h, so that C++ templates written with a type parameter run on a tape.
 *
 *     template <class T> T energy(T x, T y) {
 *         using std::exp;
 *         return x*x/2 + exp(-y) + (x < y ? x : 3*y);
 *     }
 *
 *     ad::tape tape;
 *     ad::var  x = tape.input(2), y = tape.input(1);
 *     ad::var  e = energy(x, y);                               energy(2.0, 1.0) is the same number
 *     ad_backward(e);
 *     std::printf("%g %g %g\n", ad_value(e), ad_grad(x), ad_grad(y));
 *
 * A class of its own, because templates write T x = 0, T(n), x += y, which the ad_var of C cannot
 * have. It adds no member to ad_var, so that a var is passed to every function of ad.h, and an
 * array of vars where an array of ad_vars is asked for.
 *
 * What is a decision in C++ is one on the tape: < <= > >= == != and a var as a condition are
 * ad_branch, so a replay or a program in which one would turn says AD_BRANCH_CHANGED; so are the
 * whole numbers that lround, ilogb, frexp and their like return. less(x, y) and its like record 0
 * or 1 instead, for where(). Errors stick to the tape, as in C; nothing throws. Operators do not
 * note their lines: AD_TRACE_SOURCE is for functions.
 *
 * Which names are found: a call without ad:: finds, by the type of its operand, the names that C's
 * and C++'s libraries have for functions of numbers (exp, pow, min, abs, isnan, ...), since
 * templates say `using std::exp` and expect T's own. All other names of Tapir are called as
 * ad::sigmoid, ad::sum, ad::value, so that a program's own sigmoid, scale or sum is taken for
 * ad::var as it is for double.
 *
 * std::complex<ad::var> is not supported: the standard leaves it undefined.
 *
 * C++11 and later. Nothing here is compiled into the library. */
#ifndef TAPIR_AD_HPP
#define TAPIR_AD_HPP

#include "ad.h"

#include <cmath>
#include <iosfwd>
#include <limits>
#include <type_traits>

namespace ad {

struct var : ad_var {
    var() : ad_var(ad_num(0)) {} /* the number 0, as T() is for double */
    var(ad_var x) : ad_var(x) {}
    template <class N, class = typename std::enable_if<std::is_convertible<N, double>::value>::type>
    var(N number) : ad_var(ad_num(static_cast<double>(number))) {}

    var &operator+=(var y) { return *this = *this + y; }
    var &operator-=(var y) { return *this = *this - y; }
    var &operator*=(var y) { return *this = *this * y; }
    var &operator/=(var y) { return *this = *this / y; }
    var &operator++() { return *this += 1; }
    var &operator--() { return *this -= 1; }
    var  operator++(int) {
         const var before = *this;
         ++*this;
         return before;
    }
    var operator--(int) {
        const var before = *this;
        --*this;
        return before;
    }

    explicit operator bool() const { return ad_branch(*this); }

    /* In parentheses the functions are not the macros of AD_TRACE_SOURCE, which would note this
     * line. */
    friend var operator+(var x) { return x; }
    friend var operator-(var x) { return (ad_neg)(x); }
    friend var operator+(var x, var y) { return (ad_add)(x, y); }
    friend var operator-(var x, var y) { return (ad_sub)(x, y); }
    friend var operator*(var x, var y) { return (ad_mul)(x, y); }
    friend var operator/(var x, var y) { return (ad_div)(x, y); }

    friend bool operator<(var x, var y) { return ad_branch((ad_less)(x, y)); }
    friend bool operator<=(var x, var y) { return ad_branch((ad_less_equal)(x, y)); }
    friend bool operator>(var x, var y) { return ad_branch((ad_less)(y, x)); }
    friend bool operator>=(var x, var y) { return ad_branch((ad_less_equal)(y, x)); }
    friend bool operator==(var x, var y) { return ad_branch((ad_equal)(x, y)); }
    friend bool operator!=(var x, var y) { return ad_branch((ad_not_equal)(x, y)); }

    /* The largest goes first, so that the inner one is not at its kink unless all are 0. Found by
     * its arguments alone: ad::hypot stays the name of one function, which can be passed on. */
    friend var hypot(var x, var y, var z) {
        const bool last = std::fabs(ad_value(z)) > std::fabs(ad_value(x));
        return (ad_hypot)((ad_hypot)(last ? z : x, y), last ? x : z);
    }
};

static_assert(sizeof(var) == sizeof(ad_var), "an array of vars is an array of ad_vars");

/* Printed as its value, by the format of the stream. */
/* clang-format off */
template <class Character, class Traits>
std::basic_ostream<Character, Traits> &
operator<<(std::basic_ostream<Character, Traits> &to, const var &x) {
    return to << ad_value(x);
}
/* clang-format on */

/* ---- names of Tapir's own: ad::NAME, and by no other way ------------------------------------- */

/* A lookup by argument looks into the namespace of the argument's type but, unlike ad::NAME, not
 * into one that is named there by a using-directive. So what stands here must be asked for. */
namespace own_ {

/* ad::exp, ad::relu, ...: every row of ops.def. */
/* clang-format off */
#define R1(name, ...) \
    inline var name(var x) { return (ad_##name)(x); }
#define R2(name, ...) \
    inline var name(var x, var y) { return (ad_##name)(x, y); }
#include "ops.def"

/* ad::sum, ad::norm, ...: the sums and folds of reduce.def. */
#define AD_OWN1_(name) \
    inline var name(size_t n, const var x[]) { return (ad_##name)(n, x); }
#define AD_OWN2_(name) \
    inline var name(size_t n, const var x[], const var y[]) { return (ad_##name)(n, x, y); }
#define R_SUM(name, words, groups, ...) AD_OWN##groups##_(name)
#define R_FOLD(name, ...)               AD_OWN1_(name)
#define R_SELECT(...)
#include "reduce.def"
#undef AD_OWN1_
#undef AD_OWN2_

inline var where(var condition, var yes, var no) { return (ad_where)(condition, yes, no); }
inline var pick(var index, size_t n, const var x[]) { return (ad_pick)(index, n, x); }

inline double value(var x) { return ad_value(x); }
inline double grad(var x) { return ad_grad(x); }
/* clang-format on */

/* A whole number that C++ goes on with is a decision. */
inline long decided_(var rounded, long whole) {
    ad_branch((ad_equal)(rounded, ad_num(static_cast<double>(whole))));
    return whole;
}

}
using namespace own_;

/* ---- names of C's and C++'s libraries: found by the type of the operand too ------------------ */

/* Rows that are such names. A using-declaration, unlike a directive, is a name of this
 * namespace. */
/* clang-format off */
using own_::abs;   using own_::acos;   using own_::acosh;  using own_::asin;      using own_::asinh;
using own_::atan;  using own_::atan2;  using own_::atanh;  using own_::cbrt;      using own_::ceil;
using own_::cos;   using own_::cosh;   using own_::erf;    using own_::erfc;      using own_::exp;
using own_::exp2;  using own_::expm1;  using own_::floor;  using own_::fmod;      using own_::hypot;
using own_::log;   using own_::log10;  using own_::log1p;  using own_::log2;      using own_::max;
using own_::min;   using own_::pow;    using own_::lgamma; using own_::remainder; using own_::rint;
using own_::round; using own_::sin;    using own_::sinh;   using own_::sqrt;      using own_::tan;
using own_::tanh;  using own_::tgamma; using own_::trunc;
/* clang-format on */

/* C's other names for rows, as in formulas. */
/* clang-format off */
inline var fabs(var x) { return (ad_abs)(x); }
inline var fmin(var x, var y) { return (ad_min)(x, y); }
inline var fmax(var x, var y) { return (ad_max)(x, y); }
inline var nearbyint(var x) { return (ad_rint)(x); }
inline var fma(var x, var y, var z) { return x*y + z; }
/* clang-format on */

/* 0 where x <= y, and no gradient there. */
inline var fdim(var x, var y) {
    return (ad_where)((ad_less_equal)(x, y), ad_num(0), x - y);
}

/* -0 has a sign that < does not see, but 1/-0 has one that it does. A NaN counts as positive. */
inline var copysign(var x, var y) {
    const var size = (ad_abs)(x);
    return (ad_where)((ad_either)((ad_less)(y, ad_num(0)), (ad_less)(1 / y, ad_num(0))), -size,
                      size);
}

/* x*2^n, rounded once: where 2^n is no double, what of n is too much comes last, and the product
 * with that alone can leave the range of normal numbers. Beyond 4,000 everything is 0 or
 * infinite. */
inline var ldexp(var x, int n) {
    if (n > 1023) return (ldexp)(x, n > 4000 ? 4000 - 1023 : n - 1023) * std::ldexp(1.0, 1023);
    if (n < -1022) return (ldexp)(x, n < -4000 ? -4000 + 1022 : n + 1022) * std::ldexp(1.0, -1022);
    return x * std::ldexp(1.0, n);
}
/* clang-format off */
inline var scalbn(var x, int n) { return (ldexp)(x, n); }
/* clang-format on */
inline var scalbln(var x, long n) {
    return (ldexp)(x, n < -4000 ? -4000 : n > 4000 ? 4000 : static_cast<int>(n));
}

/* What stands behind the point, with the sign of x; 1/x is the zero that C wants of an infinity. */
inline var modf(var x, var *whole) {
    *whole = (ad_trunc)(x);
    const var infinite = (ad_equal)((ad_abs)(x), ad_num(std::numeric_limits<double>::infinity()));
    return (ad_where)(infinite, 1 / x, (ad_fmod)(x, ad_num(1)));
}

/* x = m*2^n with m from 1/2 to 1, and n a decision; of 0, an infinity and NaN x itself, and n =
 * 0. */
inline var frexp(var x, int *n) {
    const double at = ad_value(x);
    if (at == 0 || at - at != 0) {
        ad_branch((ad_either)((ad_equal)(x, ad_num(0)), (ad_not_equal)(x - x, ad_num(0))));
        *n = 0;
        return x;
    }
    (void)std::frexp(at, n);
    const var m = (ldexp)(x, -*n), size = (ad_abs)(m);
    ad_branch((ad_both)((ad_less_equal)(ad_num(0.5), size), (ad_less)(size, ad_num(1))));
    return m;
}

/* clang-format off */
inline long      lround(var x) { return decided_((ad_round)(x), std::lround(ad_value(x))); }
inline long      lrint(var x) { return decided_((ad_rint)(x), std::lrint(ad_value(x))); }
inline long long llround(var x) { return (lround)(x); }
inline long long llrint(var x) { return (lrint)(x); }
/* clang-format on */

/* Of the value as it is now; not noted on the tape. */
/* clang-format off */
inline bool isnan(var x) { return std::isnan(ad_value(x)); }
inline bool isinf(var x) { return std::isinf(ad_value(x)); }
inline bool isfinite(var x) { return std::isfinite(ad_value(x)); }
inline bool isnormal(var x) { return std::isnormal(ad_value(x)); }
inline bool signbit(var x) { return std::signbit(ad_value(x)); }
inline int  fpclassify(var x) { return std::fpclassify(ad_value(x)); }
/* clang-format on */

/* A tape that is freed at the end of its block; passed to every function of ad.h. */
class tape {
    ad_tape *held;

  public:
    tape() : held(ad_tape_new()) {}
    ~tape() { ad_tape_free(held); }
    tape(tape &&other) noexcept : held(other.held) { other.held = nullptr; }
    tape &operator=(tape &&other) noexcept { /* what was held is freed, unless it is the same */
        if (this == &other) return *this;
        ad_tape_free(held);
        held = other.held;
        other.held = nullptr;
        return *this;
    }
    tape(const tape &) = delete;
    tape &operator=(const tape &) = delete;

                operator ad_tape *() const { return held; }
    var         input(double number) { return (ad_input)(held, number); }
    ad_status   status() const { return ad_tape_status(held); }
    const char *message() const { return ad_tape_message(held); }
};

}

/* T's infinity() and epsilon() in a template would be 0 without this. */
template <> class std::numeric_limits<ad::var> : public std::numeric_limits<double> {};

#endif
