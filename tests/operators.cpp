/* operators.cpp - tests engine/ad.hpp: templates written with a type parameter, as numbers and on a
 * tape. A plain program; every failure is a line.
 *
 * The two templates are the objectives of ADBench (Srajer, Kukelova and Fitzgibbon 2018): the
 * log-likelihood of a Gaussian mixture, and an LSTM that predicts the next of a row of vectors. */
#include "engine/ad.hpp"

extern "C" {
#include "support.h"
}

#include <algorithm>
#include <cfloat>
#include <climits>
#include <cstdio>
#include <cstring>
#include <iomanip>
#include <numeric>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

using std::size_t;

static const double LEAST = std::numeric_limits<double>::denorm_min();

static int failures;

static void expect(bool good, const char *what, double got = 0, double want = 0) {
    if (good) return;
    std::printf("FAILED: %s: %.17g, not %.17g\n", what, got, want);
    failures++;
}

/* ---- a mixture of Gaussians ------------------------------------------------------------------ */

/* K components of D dimensions. For each: alpha (its weight is softmax(alpha)), mean, q (logarithms
 * of the diagonal of the inverse square root of the covariance) and l, what stands below that
 * diagonal. */
enum { K = 3, D = 2, EACH = 1 + D + D + D * (D - 1) / 2 };
static const int POINTS = 5;

static const double points[POINTS][D] = {{0.5, -1}, {0, 0.25}, {-2, 1}, {1.5, 1.75}, {0.1, -0.2}};

template <class T> T log_sum_exp(const std::vector<T> &x) {
    using std::exp;
    using std::log;
    T most = *std::max_element(x.begin(), x.end()), sum = 0;
    for (const T &each : x) sum += exp(each - most);
    return log(sum) + most;
}

template <class T> T mixture(const std::vector<T> &theta) {
    using std::exp;
    T              all = 0;
    std::vector<T> alpha;
    for (size_t k = 0; k < K; k++) alpha.push_back(theta[k * EACH]);
    for (const double *point : points) {
        std::vector<T> inner;
        for (size_t k = 0; k < K; k++) {
            const T *mean = &theta[k * EACH + 1], *q = mean + D, *l = q + D;
            T        trace = 0, square = 0;
            for (size_t i = 0; i < D; i++) {
                T z = exp(q[i]) * (point[i] - mean[i]);
                for (size_t j = 0; j < i; j++) z += l[i * (i - 1) / 2 + j] * (point[j] - mean[j]);
                square += z * z;
                trace += q[i];
            }
            inner.push_back(alpha[k] + trace - 0.5 * square);
        }
        all += log_sum_exp(inner);
    }
    return all - POINTS * log_sum_exp(alpha);
}

/* ---- a long short-term memory ---------------------------------------------------------------- */

enum { WIDTH = 3, STEPS = 4, GATES = 4, WEIGHTS = GATES * 2 * WIDTH };

template <class T> T logistic(T x) {
    using std::exp;
    return 1 / (1 + exp(-x));
}

/* One step: hidden and cell in place. Gates are diagonal: w*x + b for forget and output, w*h + b
 * for the others. */
template <class T> void lstm_step(const T *w, const T *x, T *hidden, T *cell) {
    using std::tanh;
    const T *b = w + GATES * WIDTH;
    for (size_t i = 0; i < WIDTH; i++) {
        T forget = logistic(x[i] * w[i] + b[i]);
        T ingate = logistic(hidden[i] * w[WIDTH + i] + b[WIDTH + i]);
        T outgate = logistic(x[i] * w[2 * WIDTH + i] + b[2 * WIDTH + i]);
        T change = tanh(hidden[i] * w[3 * WIDTH + i] + b[3 * WIDTH + i]);
        cell[i] = cell[i] * forget + ingate * change;
        hidden[i] = outgate * tanh(cell[i]);
    }
}

template <class T> T lstm(const std::vector<T> &weight) {
    std::vector<T> hidden(WIDTH, T(0.1)), cell(WIDTH), x(WIDTH);
    T              loss = 0;
    for (int t = 0; t < STEPS; t++) {
        for (int i = 0; i < WIDTH; i++) x[size_t(i)] = std::sin(3 * t + i);
        lstm_step(weight.data(), x.data(), hidden.data(), cell.data());
        T norm = log_sum_exp(hidden);
        for (int i = 0; i < WIDTH; i++) loss -= std::cos(3 * t + i) * (hidden[size_t(i)] - norm);
    }
    return loss;
}

/* ---- both as numbers and on a tape ----------------------------------------------------------- */

typedef double  numbers(const std::vector<double> &);
typedef ad::var scalars(const std::vector<ad::var> &);

struct moved {
    numbers            *f;
    std::vector<double> at;
    size_t              i;
};

extern "C" {
static double at_moved(double x, void *context) {
    moved *m = static_cast<moved *>(context);
    m->at[m->i] = x;
    return m->f(m->at);
}
}

static void same_as_numbers_and_differences(const char *what, size_t n, numbers *f, scalars *g) {
    std::vector<double> at, grad(n), direction;
    uint64_t            state = 7;
    for (size_t i = 0; i < n; i++) {
        at.push_back(random_uniform(&state, -0.8, 0.8));
        direction.push_back(random_uniform(&state, -1, 1));
    }
    ad::tape             tape;
    std::vector<ad::var> x;
    for (double each : at) x.push_back(tape.input(each));
    ad::var y = g(x);
    ad_gradient(y, n, x.data(), grad.data());
    expect(tape.status() == AD_OK, tape.message());
    expect(same_bits(ad::value(y), f(at)), what, ad::value(y), f(at));
    double along = 0;
    for (size_t i = 0; i < n; i++) {
        moved          m = {f, at, i};
        const estimate slope = differences(at_moved, &m, at[i], 0.125);
        expect(close_to(grad[i], slope.value, 1e-8, 1e-8), what, grad[i], slope.value);
        along += grad[i] * direction[i];
    }
    const double tangent = ad_tangent(y, n, x.data(), direction.data());
    expect(close_to(tangent, along, 1e-13, 1e-13), what, tangent, along);

    std::vector<double> mean(1), by_program(n);
    ad_var              output = y;
    ad_interface        interface = {};
    interface.params = n, interface.param = x.data();
    interface.outputs = 1, interface.output = &output;
    ad_program *program = ad_compile(&interface);
    expect(ad_program_gradient(program, at.data(), 1, nullptr, mean.data(), by_program.data()) ==
               AD_OK,
           what);
    expect(close_to(mean[0], f(at), 1e-14, 0), what, mean[0], f(at));
    for (size_t i = 0; i < n; i++)
        expect(close_to(by_program[i], grad[i], 1e-12, 1e-14), what, by_program[i], grad[i]);
    ad_program_free(program);
}

/* ---- operators one by one -------------------------------------------------------------------- */

static void every_row_is_a_function() {
    ad::tape tape;
    ad::var  x = tape.input(0.5), y = tape.input(0.25);
#define R1(name, ...) expect(same_bits(ad::value(ad::name(x)), ad_value(ad_##name(x))), #name);
#define R2(name, ...) \
    expect(same_bits(ad::value(ad::name(x, y)), ad_value(ad_##name(x, y))), #name);
#include "engine/ops.def"
    expect(tape.status() == AD_OK || tape.status() == AD_BAD_ARGUMENT, tape.message());
}

template <class T> T polynomial(T x) {
    using std::pow;
    T y = +x;
    y *= x; /* x^2 */
    y += 3;
    y -= 2 * x;
    y /= 4; /* (x^2 - 2x + 3)/4 */
    ++y;
    --y;
    return -y + pow(x, 3) + pow(2, x) / 2;
}

static void arithmetic_is_that_of_numbers() {
    ad::tape tape;
    ad::var  x = tape.input(1.5), y = polynomial(x);
    ad_backward(y);
    const double slope = -(2 * 1.5 - 2) / 4 + 3 * 1.5 * 1.5 + std::pow(2, 1.5) * std::log(2.0) / 2;
    expect(same_bits(ad::value(y), polynomial(1.5)), "polynomial", ad::value(y), polynomial(1.5));
    expect(close_to(ad::grad(x), slope, 1e-15, 0), "slope", ad::grad(x), slope);
}

static void comparisons_are_decisions() {
    ad::tape tape;
    ad::var  x = tape.input(1), y = tape.input(2), z = tape.input(NAN);
    expect(x < y && x <= y && y > x && y >= x && x != y && !(x == y), "ordered");
    expect(!(x < z) && !(z >= x) && !(z == z) && z != z, "NaN is not ordered");
    expect(bool(x) && !ad::var(0) && !ad::var(), "a var as a condition");
    ad_replay(tape);
    expect(tape.status() == AD_OK, tape.message());
    ad_set(x, 3);
    ad_replay(tape);
    expect(tape.status() == AD_BRANCH_CHANGED, "x < y would turn");
}

static void comparisons_of_numbers_need_no_tape() {
    enum { TWO = 2 };
    expect(ad::value(ad::var(2) * TWO) == 4 && ad::value(size_t(3) - ad::var(1.0f)) == 2,
           "all kinds of numbers");
    expect(ad::var(1) < 2 && ad::value(ad::less(1, 2)) == 1, "numbers");
    expect(ad::value(ad::where(ad::less(1, 2), 5, 6)) == 5, "where");
    expect(std::numeric_limits<ad::var>::infinity() > ad::var(1e308), "infinity");
    expect(ad::isnan(ad::sqrt(ad::var(-1))) && ad::isfinite(ad::var(1)), "isnan");
}

static void reductions_take_arrays_of_vars() {
    ad::tape             tape;
    std::vector<ad::var> x;
    for (int i = 1; i <= 4; i++) x.push_back(tape.input(i));
    ad::var y = ad::dot(x.size(), x.data(), x.data()) + ad::sum(x.size(), x.data()) +
                ad::pick(2, x.size(), x.data());
    ad_backward(y);
    expect(ad::value(y) == 30 + 10 + 3 && ad::grad(x[2]) == 2 * 3 + 1 + 1, "reductions",
           ad::value(y), 43);
}

static void formulas_take_vars_and_handles() {
    ad::tape tape;
    ad::var  x = tape.input(2);
    ad_var   b[2] = {ad_input(tape, 3), ad_input(tape, 4)};
    ad::var  y = ad_formula(tape, x ^ 2 * b[1] + tanh(b[0]), x, b[0], b[1]);
    ad_backward(y);
    expect(ad::value(y) == 16 + std::tanh(3.0) && ad::grad(x) == 16 && ad::grad(b[1]) == 4,
           "formula", ad::value(y));
}

static void tape_moves_with_what_is_on_it() {
    ad::tape one;
    ad::var  x = one.input(2);
    ad::tape other = std::move(one);
    ad_backward(x * x);
    expect(other.status() == AD_OK && ad::grad(x) == 4 && static_cast<ad_tape *>(one) == nullptr,
           "moved");
    ad::tape third;
    third.input(1);
    third = std::move(other); /* what it held is freed: the leak checker looks */
    ad_backward(x * x * x);
    expect(third.status() == AD_OK && ad::grad(x) == 12 && static_cast<ad_tape *>(other) == nullptr,
           "moved again");
    ad::tape &same = third;
    third = std::move(same);
    expect(third.status() == AD_OK && ad_tape_length(third) == 4, "moved to itself");
    static_assert(std::is_nothrow_move_assignable<ad::tape>::value &&
                      !std::is_copy_assignable<ad::tape>::value,
                  "moves");
}

/* ---- whose function is called ---------------------------------------------------------------- */

/* Rows that the libraries of C and C++ have for numbers; the same as in ad.hpp, and written down
 * again. */
static bool in_the_library(const char *name) {
    static const char *const names[] = {
        "pow",   "sqrt",  "cbrt",  "exp",   "expm1", "exp2", "log",    "log1p",     "log2", "log10",
        "sin",   "cos",   "tan",   "asin",  "acos",  "atan", "sinh",   "cosh",      "tanh", "asinh",
        "acosh", "atanh", "atan2", "hypot", "erf",   "erfc", "lgamma", "tgamma",    "abs",  "min",
        "max",   "floor", "ceil",  "trunc", "round", "rint", "fmod",   "remainder",
    };
    for (const char *each : names)
        if (std::strcmp(each, name) == 0) return true;
    return false;
}

/* Does a call without ad:: find anything, where nothing of that name is in sight? */
namespace stranger {
#define R1(name, ...)                                                                      \
    template <class T> auto found_##name(const T &x)->decltype(name(x), std::true_type()); \
    std::false_type         found_##name(...);
#define R2(name, ...)                                                                             \
    template <class T>                                                                            \
    auto            found_##name(const T &x, const T &y)->decltype(name(x, y), std::true_type()); \
    std::false_type found_##name(...);
#include "engine/ops.def"
#define FINDS(name, call)                                                          \
    template <class T, class Tape>                                                 \
    auto found_##name(const T &x, size_t n, const T *p, Tape &tape)                \
        ->decltype(void(x), void(n), void(p), void(tape), call, std::true_type()); \
    std::false_type found_##name(...);
/* clang-format off */
FINDS(sum, sum(n, p)) FINDS(dot, dot(n, p, p)) FINDS(logsumexp, logsumexp(n, p))
FINDS(norm, norm(n, p)) FINDS(largest, largest(n, p))
FINDS(where, where(x, x, x)) FINDS(pick, pick(x, n, p)) FINDS(value, value(x)) FINDS(grad, grad(x))
FINDS(input, input(tape, 1.0)) FINDS(status, status(tape)) FINDS(decided, decided_(x, 1))
/* clang-format on */
}

static void only_names_of_the_library_are_found_by_argument() {
#define R1(name, ...)                                                          \
    expect(decltype(stranger::found_##name(std::declval<ad::var>()))::value == \
               in_the_library(#name),                                          \
           #name);
#define R2(name, ...)                                                                              \
    expect(decltype(stranger::found_##name(                                                        \
               std::declval<ad::var>(), std::declval<ad::var>()))::value == in_the_library(#name), \
           #name);
#include "engine/ops.def"
#define HIDDEN(name)                                                             \
    expect(!decltype(stranger::found_##name(std::declval<ad::var>(), size_t(),   \
                                            std::declval<ad::var *>(),           \
                                            std::declval<ad::tape &>()))::value, \
           #name);
    /* clang-format off */
    HIDDEN(sum) HIDDEN(dot) HIDDEN(logsumexp) HIDDEN(norm) HIDDEN(largest)
    HIDDEN(where) HIDDEN(pick)
    HIDDEN(value) HIDDEN(grad) HIDDEN(input) HIDDEN(status) HIDDEN(decided)
    /* clang-format on */
}

/* A program's own functions, some of the names in the global namespace too: those are not looked at
 * for double, so they must not be for ad::var. */
/* clang-format off */
template <class T> T sigmoid(T x) { return 100 - x; }
template <class T> T scale(T x, T y) { return 100 - x - y; }
template <class T> T loss(T x) { return 100 - x; }
/* clang-format on */

namespace program {
/* clang-format off */
#define R1(name, ...) template <class T> T name(T x) { return x + 1000; }
#define R2(name, ...) template <class T> T name(T x, T y) { return x + y*0.5 + 2000; }
#include "engine/ops.def"
template <class T> T sum(size_t n, const T *x) { return x[0] + double(n) + 1; }
template <class T> T dot(size_t n, const T *x, const T *y) { return x[0]*y[n - 1] + 2; }
template <class T> T logsumexp(size_t n, const T *x) { return x[n - 1] + 3; }
template <class T> T where(T x, T y, T z) { return x*y + z + 4; }
template <class T> T pick(T x, size_t n, const T *y) { return x*y[n - 1] + 5; }
template <class T> T value(T x) { return x*3; }
template <class T> T grad(T x) { return x*5; }
template <class T> T loss(T x) { return x*7; }
/* clang-format on */

/* Each of them by itself. */
template <class T> std::vector<T> each(const T *x) {
    std::vector<T> y;
#define R1(name, ...) \
    if (!in_the_library(#name)) y.push_back(name(x[0]));
#define R2(name, ...) \
    if (!in_the_library(#name)) y.push_back(name(x[1], x[2]));
#include "engine/ops.def"
    for (const T &more : {sum(3, x), dot(3, x, x), logsumexp(3, x), where(x[0], x[1], x[2]),
                          pick(x[1], 3, x), value(x[0]), grad(x[2]), loss(x[1])})
        y.push_back(more);
    return y;
}

/* Of beta 5, as PyTorch's softplus(x, 5). */
template <class T> T softly(T x) {
    using std::exp;
    using std::log;
    return log(1 + exp(5 * x)) / 5;
}
}

static void own_functions_are_called_for_vars_as_for_numbers() {
    ad::tape                   tape;
    double                     x[] = {0.5, 1.25, -2};
    ad::var                    v[] = {tape.input(x[0]), tape.input(x[1]), tape.input(x[2])};
    const std::vector<double>  want = program::each(x);
    const std::vector<ad::var> got = program::each(v);
    expect(want.size() > 25 && want.size() == got.size(), "calls", double(got.size()),
           double(want.size()));
    for (size_t i = 0; i < want.size(); i++)
        expect(same_bits(ad::value(got[i]), want[i]), "own function", ad::value(got[i]), want[i]);
    expect(same_bits(ad::value(program::softly(v[1])), program::softly(x[1])),
           "softplus of beta 5");
    expect(same_bits(ad::value(sigmoid(v[0])), 99.5), "in the global namespace",
           ad::value(sigmoid(v[0])), 99.5);
    expect(same_bits(ad::value(scale(v[0], v[1])), 98.25), "in the global namespace");
}

namespace follower {
using namespace ad;

/* With a using-directive the old names are there without ad::. */
static double all_names(var x) {
    var y[] = {sigmoid(x), relu(x), exp(x), scale(x, 2), where(less(x, 1), x, 3)};
    return value(sum(5, y)) + value(dot(5, y, y)) + value(max(x, 0)) + value(hypot(x, 1, 2)) +
           value(pick(1, 5, y));
}
}

static void using_directive_brings_all_names() {
    ad::tape     tape;
    ad::var      x = tape.input(0.5);
    const double y[] = {1 / (1 + std::exp(-0.5)), 0.5, std::exp(0.5), 1, 0.5};
    double       want = 0.5 + std::sqrt(0.25 + 1 + 4) + y[1];
    for (double each : y) want += each + each * each;
    expect(close_to(follower::all_names(x), want, 4 * U, 0), "names", follower::all_names(x), want);
}

/* Functions of Tapir are passed on as functions, the names of the library too. */
static void functions_are_passed_by_name() {
    ad::tape             tape;
    std::vector<ad::var> x = {tape.input(3), 4.0f, 12};
    expect(ad::value(std::accumulate(x.begin(), x.end(), ad::var(0), ad::hypot)) == 13, "hypot");
    std::transform(x.begin(), x.end(), x.begin(), ad::relu);
    std::transform(x.begin(), x.end(), x.begin(), ad::floor);
    expect(ad::value(std::accumulate(x.begin(), x.end(), ad::var(0))) == 19, "accumulate");
}

/* ---- what a numeric template calls ----------------------------------------------------------- */

template <class T> std::vector<T> library(T x, T y) {
    using namespace std;
    T         part, whole;
    int       n;
    vector<T> v = {
        ceil(x),          floor(x),       trunc(x),        round(x),        rint(x),
        nearbyint(x),     fmod(x, y),     fmod(7.5f, y),   remainder(x, y), remainder(x, 2),
        fdim(x, y),       fdim(y, x),     fdim(x, 1),      copysign(x, y),  copysign(y, x),
        copysign(2.0, x), tgamma(x),      lgamma(x),       ldexp(x, 5),     ldexp(x, -3),
        scalbn(y, 2),     scalbln(y, -2), fma(x, y, 2.0),  fmin(x, y),      fmax(x, 1),
        fabs(x),          abs(y),         cbrt(x),         exp2(y),         log2(fabs(x)),
        pow(fabs(x), 3),  pow(2, y),      pow(fabs(x), y), hypot(x, y),     atan2(y, x),
        max(x, y),        min(x, y),      erf(x),          expm1(y),        log1p(fabs(y))};
    part = modf(x, &whole);
    v.push_back(part), v.push_back(whole);
    part = frexp(x, &n);
    v.push_back(part), v.push_back(n);
    v.push_back(double(lround(x))), v.push_back(double(llround(y))), v.push_back(double(lrint(x)));
    v.push_back(double(llrint(y)));
    T z = x;
    v.push_back(z++), v.push_back(z--), v.push_back(++z), v.push_back(--z);
    v.push_back(isnan(x) || isinf(x) || !isfinite(x) || !isnormal(x) || fpclassify(x) != FP_NORMAL
                    ? T(1)
                    : T(2));
    v.push_back(signbit(x) ? T(1) : T(2));
    return v;
}

struct at_library {
    double x, y;
    bool   in_y;
    size_t i;
};

extern "C" {
static double library_at(double at, void *context) {
    const at_library *c = static_cast<at_library *>(context);
    return library(c->in_y ? c->x : at, c->in_y ? at : c->y)[c->i];
}
}

/* No point is at a kink or a jump of any of them. */
static void library_is_that_of_numbers() {
    const double pairs[][2] = {{2.3, 1.7}, {-2.3, 1.7}, {5.4, -1.3}, {-0.6, -0.8}, {0.7, 3.2}};
    for (const double *at : pairs) {
        const std::vector<double> want = library(at[0], at[1]);
        for (size_t i = 0; i < want.size(); i++) {
            ad::tape             tape;
            ad::var              x = tape.input(at[0]), y = tape.input(at[1]);
            std::vector<ad::var> got = library(x, y);
            char                 what[80];
            std::snprintf(what, sizeof what, "library call %d at (%g, %g)", int(i), at[0], at[1]);
            expect(got.size() == want.size() && close_to(ad::value(got[i]), want[i], 2 * U, 0),
                   what, ad::value(got[i]), want[i]);
            const ad_var both[] = {x, y};
            double       grad[2];
            ad_gradient(got[i], 2, both, grad);
            for (int in_y = 0; in_y < 2; in_y++) {
                at_library     c = {at[0], at[1], in_y == 1, i};
                const estimate e = differences(library_at, &c, at[in_y], 0.03125);
                if (!std::isnan(e.value))
                    expect(close_to(grad[in_y], e.value, 1e-8, 1e-8 + 10 * e.error), what,
                           grad[in_y], e.value);
            }
            expect(tape.status() == AD_OK, tape.message());
        }
    }
}

/* Infinities, NaN and signed zeros come out as C's functions have them; of a NaN's sign nothing is
 * said. */
static void strange_numbers_come_out_as_in_c() {
    const double strange[] = {0.0,    -0.0,    1,       -1,       2.5,      -2.5,      LEAST,
                              -LEAST, DBL_MIN, DBL_MAX, -DBL_MAX, INFINITY, -INFINITY, NAN};
    for (double x : strange) {
        for (double y : strange) {
            ad::tape     tape;
            ad::var      a = tape.input(x), b = tape.input(y), whole;
            double       w;
            int          n, m;
            const double got[] = {ad::value(fdim(a, b)),      ad::value(copysign(a, b)),
                                  ad::value(modf(a, &whole)), ad::value(whole),
                                  ad::value(frexp(a, &n)),    ad::value(fmod(a, b)),
                                  ad::value(remainder(a, b))};
            const double part = std::modf(x, &w), fraction = std::frexp(x, &m);
            const double want[] = {std::fdim(x, y),
                                   std::isnan(y) ? got[1] : std::copysign(x, y),
                                   part,
                                   w,
                                   fraction,
                                   std::fmod(x, y),
                                   std::remainder(x, y)};
            for (size_t i = 0; i < 7; i++) {
                char what[80];
                std::snprintf(what, sizeof what, "call %d at (%g, %g)", int(i), x, y);
                expect(same_bits(got[i], want[i]) || (std::isnan(got[i]) && std::isnan(want[i])),
                       what, got[i], want[i]);
            }
            if (std::isfinite(x)) expect(n == m, "exponent", n, m);
        }
    }
}

/* One rounding, also where 2^n is no double or the result subnormal. */
static void ldexp_is_rounded_once() {
    const double some[] = {1,       -1.5,  1 + 2 * U, DBL_MAX,
                           DBL_MIN, LEAST, 3 * LEAST, std::ldexp(2 - 2 * U, -10),
                           0.0,     -0.0,  INFINITY,  std::ldexp(1.5 + 2 * U, 1000)};
    for (double x : some) {
        for (int n = -2200; n <= 2200; n += n > -1100 && n < -1000 ? 1 : 7) {
            const double got = ad::value(ldexp(ad::var(x), n));
            if (!same_bits(got, std::ldexp(x, n))) std::printf("ldexp(%g, %d)\n", x, n);
            expect(same_bits(got, std::ldexp(x, n)), "ldexp", got, std::ldexp(x, n));
        }
        expect(same_bits(ad::value(ldexp(ad::var(x), INT_MAX)), std::ldexp(x, INT_MAX)),
               "the largest exponent");
        expect(same_bits(ad::value(ldexp(ad::var(x), INT_MIN)), std::ldexp(x, INT_MIN)),
               "the smallest exponent");
        expect(same_bits(ad::value(scalbln(ad::var(x), LONG_MAX)), std::scalbln(x, LONG_MAX)),
               "the largest long");
    }
}

/* The slopes where differences cannot say: at 0 modf is the identity, and copysign and fdim have a
 * kink. */
static void slopes_at_kinks_are_chosen() {
    ad::tape tape;
    ad::var  x = tape.input(0.0), one = tape.input(1), whole;
    ad_backward(modf(x, &whole));
    expect(ad::grad(x) == 1, "modf at 0", ad::grad(x), 1);
    ad_backward(copysign(x, one));
    expect(ad::grad(x) == 0 && ad::grad(one) == 0, "copysign at 0");
    ad_backward(fdim(one, one));
    expect(ad::grad(one) == 0, "fdim at a tie");
    ad_backward(sqrt(fdim(x, one)));
    expect(ad::grad(x) == 0 && ad::grad(one) == 0, "nothing goes through what was not taken");
}

/* Right to second order at (0, 0, 2), where a nested hypot(0, 0) would be at its kink; the Hessian
 * is diag(1/2, 1/2, 0). */
static void hypot_of_three_is_smooth_off_the_origin() {
    for (size_t last = 0; last < 3; last++) {
        ad::tape tape;
        ad_var   x[3];
        double   grad[3], h[9];
        for (size_t i = 0; i < 3; i++) x[i] = tape.input(i == last ? -2 : 0);
        ad::var y = hypot(ad::var(x[0]), x[1], x[2]);
        ad_gradient(y, 3, x, grad);
        ad_hessian(y, 3, x, h);
        for (size_t i = 0; i < 9; i++) {
            expect(i > 2 || grad[i] == (i == last ? -1 : 0), "gradient", i > 2 ? 0 : grad[i],
                   i == last);
            const double want = i % 4 == 0 && i / 4 != last ? 0.5 : 0;
            expect(close_to(h[i], want, 4 * U, 0), "Hessian", h[i], want);
        }
    }
    ad::tape tape;
    ad::var  x = tape.input(3), y = tape.input(4e200), z = tape.input(3e200);
    expect(close_to(ad::value(hypot(x, y, z)), 5e200, 4 * U, 0), "no overflow");
    expect(ad::value(hypot(tape.input(2), 3, 6.0f)) == 7, "numbers of all kinds");
}

/* Whole numbers are taken out of a program as decisions: a replay in which one would be another
 * says so. */
static void whole_numbers_are_decisions() {
    for (int k = 0; k < 4; k++) {
        ad::tape tape;
        ad::var  x = tape.input(k == 3 ? 0 : 2.75);
        int      n = 0;
        if (k == 0) expect(lround(x) == 3, "lround");
        if (k == 1) expect(lrint(x) == 3, "lrint");
        if (k >= 2)
            expect(ad::value(frexp(x, &n)) == (k == 3 ? 0 : 0.6875) && n == (k == 3 ? 0 : 2),
                   "frexp");
        if (k < 3) {
            ad_set(x, 3.25);
            ad_replay(tape);
            expect(tape.status() == AD_OK, tape.message());
        }
        ad_set(x, k == 3 ? 0.75 : 4.5);
        ad_replay(tape);
        expect(tape.status() == AD_BRANCH_CHANGED, "another whole number");
    }
}

static void vars_are_printed_as_their_values() {
    ad::tape           tape;
    ad::var            x = tape.input(2.0 / 3);
    std::ostringstream to;
    to << x << ' ' << std::setprecision(3) << x << ' ' << std::setw(8) << std::fixed << x * x << ' '
       << ad::var(-1) << ' ' << tape.input(NAN);
    expect(to.str() == "0.666667 0.667    0.444 -1.000 nan", to.str().c_str());
    std::wostringstream wide;
    wide << x;
    expect(wide.str() == L"0.666667", "wide characters");
}

int main() {
    same_as_numbers_and_differences("mixture", K * EACH, mixture<double>, mixture<ad::var>);
    same_as_numbers_and_differences("lstm", WEIGHTS, lstm<double>, lstm<ad::var>);
    every_row_is_a_function();
    arithmetic_is_that_of_numbers();
    comparisons_are_decisions();
    comparisons_of_numbers_need_no_tape();
    reductions_take_arrays_of_vars();
    formulas_take_vars_and_handles();
    tape_moves_with_what_is_on_it();
    only_names_of_the_library_are_found_by_argument();
    own_functions_are_called_for_vars_as_for_numbers();
    using_directive_brings_all_names();
    functions_are_passed_by_name();
    library_is_that_of_numbers();
    strange_numbers_come_out_as_in_c();
    ldexp_is_rounded_once();
    slopes_at_kinks_are_chosen();
    hypot_of_three_is_smooth_off_the_origin();
    whole_numbers_are_decisions();
    vars_are_printed_as_their_values();
    return failures != 0;
}
