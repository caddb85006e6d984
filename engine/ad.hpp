/* ad.hpp - operators over ad.h, so that C++ templates written with a type parameter run on a tape.
 *
 *     template <class T> T energy(T x, T y) { using std::exp; return x*x/2 + exp(-y) + (x < y ? x : 3*y); }
 *
 *     ad::tape tape;
 *     ad::var  x = tape.input(2), y = tape.input(1);
 *     ad::var  e = energy(x, y);                               energy(2.0, 1.0) is the same number
 *     ad_backward(e);
 *     std::printf("%g %g %g\n", ad_value(e), ad_grad(x), ad_grad(y));
 *
 * A class of its own, because templates write T x = 0, T(n), x += y, which the ad_var of C cannot have. It adds
 * no member to ad_var, so that a var is passed to every function of ad.h, and an array of vars where an array
 * of ad_vars is asked for.
 *
 * What is a decision in C++ is one on the tape: < <= > >= == != and a var as a condition are ad_branch, so a
 * replay or a program in which one would turn says AD_BRANCH_CHANGED. less(x, y) and its like record 0 or 1
 * instead, for where(). Errors stick to the tape, as in C; nothing throws. Operators do not note their lines:
 * AD_TRACE_SOURCE is for functions.
 *
 * C++11 and later. Nothing here is compiled into the library. */
#ifndef TAPIR_AD_HPP
#define TAPIR_AD_HPP

#include "ad.h"

#include <cmath>
#include <limits>
#include <type_traits>

namespace ad {

struct var : ad_var {
    var() : ad_var(ad_num(0)) {}             /* the number 0, as T() is for double */
    var(ad_var x) : ad_var(x) {}
    template <class N, class = typename std::enable_if<std::is_convertible<N, double>::value>::type>
    var(N number) : ad_var(ad_num(static_cast<double>(number))) {}

    var &operator+=(var y) { return *this = *this + y; }
    var &operator-=(var y) { return *this = *this - y; }
    var &operator*=(var y) { return *this = *this * y; }
    var &operator/=(var y) { return *this = *this / y; }
    var &operator++() { return *this += 1; }
    var &operator--() { return *this -= 1; }

    explicit operator bool() const { return ad_branch(*this); }

    /* In parentheses the functions are not the macros of AD_TRACE_SOURCE, which would note this line. */
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
};

static_assert(sizeof(var) == sizeof(ad_var), "an array of vars is an array of ad_vars");

/* ad::exp, ad::atan2, ad::relu, ...: every row of ops.def, found by the type of its operand where a template says
 * exp(x) after `using std::exp`. */
#define R1(name, ...) \
    inline var name(var x) { return (ad_##name)(x); }
#define R2(name, ...) \
    inline var name(var x, var y) { return (ad_##name)(x, y); }
#include "ops.def"

/* C's other names for rows, as in formulas. */
inline var fabs(var x) { return (ad_abs)(x); }
inline var fmin(var x, var y) { return (ad_min)(x, y); }
inline var fmax(var x, var y) { return (ad_max)(x, y); }
inline var fma(var x, var y, var z) { return x*y + z; }

inline var sum(size_t n, const var x[]) { return (ad_sum)(n, x); }
inline var dot(size_t n, const var x[], const var y[]) { return (ad_dot)(n, x, y); }
inline var logsumexp(size_t n, const var x[]) { return (ad_logsumexp)(n, x); }
inline var where(var condition, var yes, var no) { return (ad_where)(condition, yes, no); }
inline var pick(var index, size_t n, const var x[]) { return (ad_pick)(index, n, x); }

/* Of the value as it is now; not noted on the tape. */
inline bool isnan(var x) { return std::isnan(ad_value(x)); }
inline bool isinf(var x) { return std::isinf(ad_value(x)); }
inline bool isfinite(var x) { return std::isfinite(ad_value(x)); }

inline double value(var x) { return ad_value(x); }
inline double grad(var x) { return ad_grad(x); }

/* A tape that is freed at the end of its block; passed to every function of ad.h. */
class tape {
    ad_tape *held;

public:
    tape() : held(ad_tape_new()) {}
    ~tape() { ad_tape_free(held); }
    tape(tape &&other) noexcept : held(other.held) { other.held = nullptr; }
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
