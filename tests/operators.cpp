/* operators.cpp - tests engine/ad.hpp: templates written with a type parameter, as numbers and on a tape. A plain
 * program; every failure is a line.
 *
 * The two templates are the objectives of ADBench (Srajer, Kukelova and Fitzgibbon 2018): the log-likelihood of a
 * Gaussian mixture, and an LSTM that predicts the next of a row of vectors. */
#include "engine/ad.hpp"

extern "C" {
#include "support.h"
}

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

using std::size_t;

static int failures;

static void expect(bool good, const char *what, double got = 0, double want = 0) {
    if (good) return;
    std::printf("FAILED: %s: %.17g, not %.17g\n", what, got, want);
    failures++;
}

/* ---- a mixture of Gaussians -------------------------------------------------------------------- */

/* K components of D dimensions. For each: alpha (its weight is softmax(alpha)), mean, q (logarithms of the
 * diagonal of the inverse square root of the covariance) and l, what stands below that diagonal. */
enum { K = 3, D = 2, EACH = 1 + D + D + D*(D - 1)/2 };
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
    for (size_t k = 0; k < K; k++) alpha.push_back(theta[k*EACH]);
    for (const double *point : points) {
        std::vector<T> inner;
        for (size_t k = 0; k < K; k++) {
            const T *mean = &theta[k*EACH + 1], *q = mean + D, *l = q + D;
            T        trace = 0, square = 0;
            for (size_t i = 0; i < D; i++) {
                T z = exp(q[i])*(point[i] - mean[i]);
                for (size_t j = 0; j < i; j++) z += l[i*(i - 1)/2 + j]*(point[j] - mean[j]);
                square += z*z;
                trace += q[i];
            }
            inner.push_back(alpha[k] + trace - 0.5*square);
        }
        all += log_sum_exp(inner);
    }
    return all - POINTS*log_sum_exp(alpha);
}

/* ---- a long short-term memory ------------------------------------------------------------------ */

enum { WIDTH = 3, STEPS = 4, GATES = 4, WEIGHTS = GATES*2*WIDTH };

template <class T> T logistic(T x) {
    using std::exp;
    return 1/(1 + exp(-x));
}

/* One step: hidden and cell in place. Gates are diagonal: w*x + b for forget and output, w*h + b for the others. */
template <class T> void lstm_step(const T *w, const T *x, T *hidden, T *cell) {
    using std::tanh;
    const T *b = w + GATES*WIDTH;
    for (size_t i = 0; i < WIDTH; i++) {
        T forget = logistic(x[i]*w[i] + b[i]);
        T ingate = logistic(hidden[i]*w[WIDTH + i] + b[WIDTH + i]);
        T outgate = logistic(x[i]*w[2*WIDTH + i] + b[2*WIDTH + i]);
        T change = tanh(hidden[i]*w[3*WIDTH + i] + b[3*WIDTH + i]);
        cell[i] = cell[i]*forget + ingate*change;
        hidden[i] = outgate*tanh(cell[i]);
    }
}

template <class T> T lstm(const std::vector<T> &weight) {
    std::vector<T> hidden(WIDTH, T(0.1)), cell(WIDTH), x(WIDTH);
    T              loss = 0;
    for (int t = 0; t < STEPS; t++) {
        for (int i = 0; i < WIDTH; i++) x[size_t(i)] = std::sin(3*t + i);
        lstm_step(weight.data(), x.data(), hidden.data(), cell.data());
        T norm = log_sum_exp(hidden);
        for (int i = 0; i < WIDTH; i++) loss -= std::cos(3*t + i)*(hidden[size_t(i)] - norm);
    }
    return loss;
}

/* ---- both as numbers and on a tape -------------------------------------------------------------- */

typedef double numbers(const std::vector<double> &);
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
    uint64_t             state = 7;
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
        along += grad[i]*direction[i];
    }
    const double tangent = ad_tangent(y, n, x.data(), direction.data());
    expect(close_to(tangent, along, 1e-13, 1e-13), what, tangent, along);

    std::vector<double> mean(1), by_program(n);
    ad_var              output = y;
    ad_interface        interface = {};
    interface.params = n, interface.param = x.data();
    interface.outputs = 1, interface.output = &output;
    ad_program *program = ad_compile(&interface);
    expect(ad_program_gradient(program, at.data(), 1, nullptr, mean.data(), by_program.data()) == AD_OK, what);
    expect(close_to(mean[0], f(at), 1e-14, 0), what, mean[0], f(at));
    for (size_t i = 0; i < n; i++) expect(close_to(by_program[i], grad[i], 1e-12, 1e-14), what, by_program[i], grad[i]);
    ad_program_free(program);
}

/* ---- operators one by one ----------------------------------------------------------------------- */

static void every_row_is_a_function() {
    ad::tape tape;
    ad::var  x = tape.input(0.5), y = tape.input(0.25);
#define R1(name, ...) expect(same_bits(ad::value(name(x)), ad_value(ad_##name(x))), #name);
#define R2(name, ...) expect(same_bits(ad::value(name(x, y)), ad_value(ad_##name(x, y))), #name);
#include "engine/ops.def"
    expect(tape.status() == AD_OK || tape.status() == AD_BAD_ARGUMENT, tape.message());
}

template <class T> T polynomial(T x) {
    using std::pow;
    T y = +x;
    y *= x;             /* x^2 */
    y += 3;
    y -= 2*x;
    y /= 4;             /* (x^2 - 2x + 3)/4 */
    ++y;
    --y;
    return -y + pow(x, 3) + pow(2, x)/2;
}

static void arithmetic_is_that_of_numbers() {
    ad::tape tape;
    ad::var  x = tape.input(1.5), y = polynomial(x);
    ad_backward(y);
    const double slope = -(2*1.5 - 2)/4 + 3*1.5*1.5 + std::pow(2, 1.5)*std::log(2.0)/2;
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
    expect(ad::value(ad::var(2)*TWO) == 4 && ad::value(size_t(3) - ad::var(1.0f)) == 2, "all kinds of numbers");
    expect(ad::var(1) < 2 && ad::value(ad::less(1, 2)) == 1, "numbers");
    expect(ad::value(ad::where(ad::less(1, 2), 5, 6)) == 5, "where");
    expect(std::numeric_limits<ad::var>::infinity() > ad::var(1e308), "infinity");
    expect(ad::isnan(ad::sqrt(ad::var(-1))) && ad::isfinite(ad::var(1)), "isnan");
}

static void reductions_take_arrays_of_vars() {
    ad::tape             tape;
    std::vector<ad::var> x;
    for (int i = 1; i <= 4; i++) x.push_back(tape.input(i));
    ad::var y = ad::dot(x.size(), x.data(), x.data()) + ad::sum(x.size(), x.data()) + ad::pick(2, x.size(), x.data());
    ad_backward(y);
    expect(ad::value(y) == 30 + 10 + 3 && ad::grad(x[2]) == 2*3 + 1 + 1, "reductions", ad::value(y), 43);
}

static void formulas_take_vars_and_handles() {
    ad::tape tape;
    ad::var  x = tape.input(2);
    ad_var   b[2] = {ad_input(tape, 3), ad_input(tape, 4)};
    ad::var  y = ad_formula(tape, x^2*b[1] + tanh(b[0]), x, b[0], b[1]);
    ad_backward(y);
    expect(ad::value(y) == 16 + std::tanh(3.0) && ad::grad(x) == 16 && ad::grad(b[1]) == 4, "formula", ad::value(y));
}

static void tape_moves_with_what_is_on_it() {
    ad::tape one;
    ad::var  x = one.input(2);
    ad::tape other = std::move(one);
    ad_backward(x*x);
    expect(other.status() == AD_OK && ad::grad(x) == 4 && static_cast<ad_tape *>(one) == nullptr, "moved");
}

int main() {
    same_as_numbers_and_differences("mixture", K*EACH, mixture<double>, mixture<ad::var>);
    same_as_numbers_and_differences("lstm", WEIGHTS, lstm<double>, lstm<ad::var>);
    every_row_is_a_function();
    arithmetic_is_that_of_numbers();
    comparisons_are_decisions();
    comparisons_of_numbers_need_no_tape();
    reductions_take_arrays_of_vars();
    formulas_take_vars_and_handles();
    tape_moves_with_what_is_on_it();
    return failures != 0;
}
