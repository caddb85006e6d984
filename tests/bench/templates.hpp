/* templates.hpp - eight functions with a type parameter, as one writes them who knows nothing of
 * tapes: numbers of type T, data of type X, which are double while they are data and T where
 * derivatives in them might be wanted too. */
#ifndef TAPIR_BENCH_TEMPLATES_HPP
#define TAPIR_BENCH_TEMPLATES_HPP

#include "templates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

using std::size_t;

/* ---- a mixture of Gaussians ------------------------------------------------------------------ */

template <class T> T log_of_sum(const std::vector<T> &x) {
    using std::exp;
    using std::log;
    using std::max;
    T largest = x[0], total = 0;
    for (const T &each : x) largest = max(largest, each);
    for (const T &each : x) total += exp(each - largest);
    return largest + log(total);
}

/* |Q(x - mean)|^2, where Q has this diagonal and is below it what `below` says */
template <class T, class X>
T distance(const X *x, const T *mean, const T *diagonal, const T *below) {
    std::array<T, MIX_D> centered;
    T                    square = 0;
    for (size_t i = 0; i < MIX_D; i++) centered[i] = x[i] - mean[i];
    for (size_t i = 0; i < MIX_D; i++) {
        T z = diagonal[i] * centered[i];
        for (size_t j = 0; j < i; j++) z += *below++ * centered[j];
        square += z * z;
    }
    return square;
}

template <class T, class X> T mixture(const T *param, size_t rows, const X *point) {
    using std::exp;
    std::vector<T> alpha(MIX_K), scale(MIX_K), diagonal(MIX_K * MIX_D), term(MIX_K);
    for (size_t k = 0; k < MIX_K; k++) {
        const T *each = param + k * MIX_EACH, *q = each + 1 + MIX_D;
        scale[k] = alpha[k] = each[0];
        for (size_t i = 0; i < MIX_D; i++) {
            diagonal[k * MIX_D + i] = exp(q[i]);
            scale[k] += q[i];
        }
    }
    T sum = -double(rows) * (log_of_sum(alpha) + 0.5 * MIX_D * std::log(2 * M_PI));
    for (size_t r = 0; r < rows; r++, point += MIX_D) {
        for (size_t k = 0; k < MIX_K; k++) {
            const T *mean = param + k * MIX_EACH + 1;
            term[k] =
                scale[k] - 0.5 * distance(point, mean, &diagonal[k * MIX_D], mean + 2 * MIX_D);
        }
        sum += log_of_sum(term);
    }
    return sum;
}

/* ---- least squares --------------------------------------------------------------------------- */

template <class T, class X> T least_squares(const T *coefficient, size_t rows, const X *row) {
    T sum = 0;
    for (size_t r = 0; r < rows; r++, row += FIT_INPUTS) {
        T predicted = 0;
        for (size_t j = 0; j < FIT_N; j++) predicted += row[j] * coefficient[j];
        T residual = predicted - row[FIT_N];
        sum += residual * residual;
    }
    return sum;
}

/* ---- Runge-Kutta ----------------------------------------------------------------------------- */

/* Springs with a linear and a cubic part, masses of 1. */
template <class T> void rates(const T *param, const std::vector<T> &state, std::vector<T> &rate) {
    const T       *x = state.data(), *v = x + ODE_MASSES;
    const T        cubic = param[ODE_SPRINGS], damping = param[ODE_SPRINGS + 1];
    std::vector<T> force(ODE_SPRINGS);
    for (size_t i = 0; i < ODE_SPRINGS; i++) {
        T stretch = 0;
        if (i < ODE_MASSES) stretch += x[i];
        if (i > 0) stretch -= x[i - 1];
        force[i] = param[i] * stretch + cubic * stretch * stretch * stretch;
    }
    for (size_t i = 0; i < ODE_MASSES; i++) {
        rate[i] = v[i];
        rate[ODE_MASSES + i] = force[i + 1] - force[i] - damping * v[i];
    }
}

/* y + h*k */
template <class T>
void moved(const std::vector<T> &y, double h, const std::vector<T> &k, std::vector<T> &out) {
    for (size_t i = 0; i < y.size(); i++) out[i] = y[i] + h * k[i];
}

template <class T> void step(const T *param, double h, std::vector<T> &y) {
    const size_t   n = y.size();
    std::vector<T> k1(n), k2(n), k3(n), k4(n), at(n);
    rates(param, y, k1);
    moved(y, h / 2, k1, at);
    rates(param, at, k2);
    moved(y, h / 2, k2, at);
    rates(param, at, k3);
    moved(y, h, k3, at);
    rates(param, at, k4);
    for (size_t i = 0; i < n; i++) y[i] += h / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
}

template <class T, class X> T runge_kutta(const T *param, size_t rows, const X *row) {
    T sum = 0;
    for (size_t r = 0; r < rows; r++, row += ODE_INPUTS) {
        std::vector<T> y(row, row + ODE_STATE);
        for (int i = 0; i < ODE_STEPS; i++) step(param, ode_step(i), y);
        for (size_t i = 0; i < ODE_MASSES; i++) {
            T miss = y[i] - row[ODE_STATE + i];
            sum += miss * miss;
        }
    }
    return sum;
}

/* ---- log-sum-exp by a loop with a maximum ---------------------------------------------------- */

/* Free energies -t log(sum of exp(-level/t)), added up over temperatures t. */
template <class T, class X> T log_sum_exp(const T *level, size_t rows, const X *temperature) {
    using std::exp;
    using std::log;
    T sum = 0;
    for (size_t r = 0; r < rows; r++) {
        std::vector<T> x(LSE_N);
        for (size_t i = 0; i < LSE_N; i++) x[i] = -level[i] / temperature[r];
        T largest = x[0], total = 0;
        for (size_t i = 1; i < LSE_N; i++)
            if (x[i] > largest) largest = x[i];
        for (size_t i = 0; i < LSE_N; i++) total += exp(x[i] - largest);
        sum -= temperature[r] * (largest + log(total));
    }
    return sum;
}

/* ---- k-means --------------------------------------------------------------------------------- */

template <class T, class X> T k_means(const T *centre, size_t rows, const X *point) {
    using std::min;
    T sum = 0;
    for (size_t r = 0; r < rows; r++, point += MEANS_D) {
        T nearest = 1e300;
        for (size_t k = 0; k < MEANS_K; k++) {
            T square = 0;
            for (size_t i = 0; i < MEANS_D; i++) {
                T difference = point[i] - centre[k * MEANS_D + i];
                square += difference * difference;
            }
            nearest = min(nearest, square);
        }
        sum += nearest;
    }
    return sum;
}

/* ---- a long short-term memory ---------------------------------------------------------------- */

template <class T> T logistic(T x) {
    using std::exp;
    return 1 / (1 + exp(-x));
}

/* bias + weight . (x, hidden) of one unit of one gate */
template <class T, class X>
T gate(const T *param, size_t unit, const X *x, const std::vector<T> &hidden) {
    const T *weight = param + unit * LSTM_IN;
    T        z = param[LSTM_BIAS + unit];
    for (size_t j = 0; j < LSTM_I; j++) z += weight[j] * x[j];
    for (size_t j = 0; j < LSTM_H; j++) z += weight[LSTM_I + j] * hidden[j];
    return z;
}

template <class T, class X>
void lstm_step(const T *param, const X *x, std::vector<T> &hidden, std::vector<T> &cell) {
    using std::tanh;
    std::vector<T> next(LSTM_H);
    for (size_t i = 0; i < LSTM_H; i++) {
        T input = logistic(gate(param, i, x, hidden));
        T forget = logistic(gate(param, LSTM_H + i, x, hidden));
        T output = logistic(gate(param, 2 * LSTM_H + i, x, hidden));
        T change = tanh(gate(param, 3 * LSTM_H + i, x, hidden));
        cell[i] = forget * cell[i] + input * change;
        next[i] = output * tanh(cell[i]);
    }
    hidden = next;
}

/* How badly the next vector is foretold, squared and added up. */
template <class T, class X> T lstm(const T *param, size_t rows, const X *row) {
    const T *weight = param + LSTM_READ, *bias = weight + LSTM_I * LSTM_H;
    T        sum = 0;
    for (size_t r = 0; r < rows; r++) {
        std::vector<T> hidden(LSTM_H), cell(LSTM_H);
        for (size_t t = 0; t < LSTM_STEPS; t++, row += LSTM_I) {
            lstm_step(param, row, hidden, cell);
            for (size_t i = 0; i < LSTM_I; i++) {
                T miss = bias[i] - row[LSTM_I + i];
                for (size_t j = 0; j < LSTM_H; j++) miss += weight[i * LSTM_H + j] * hidden[j];
                sum += miss * miss;
            }
        }
        row += LSTM_I;
    }
    return sum;
}

/* ---- a kinematic chain ----------------------------------------------------------------------- */

template <class T> struct matrix { T m[4][4]; };

template <class T> matrix<T> operator*(const matrix<T> &a, const matrix<T> &b) {
    matrix<T> c;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            T sum = 0;
            for (int k = 0; k < 4; k++) sum += a.m[i][k] * b.m[k][j];
            c.m[i][j] = sum;
        }
    return c;
}

template <class T> matrix<T> joint(T angle, T d, T a, T alpha) {
    using std::cos;
    using std::sin;
    T c = cos(angle), s = sin(angle), ca = cos(alpha), sa = sin(alpha);
    return {
        {{c, -s * ca, s * sa, a * c}, {s, c * ca, -c * sa, a * s}, {0, sa, ca, d}, {0, 0, 0, 1}}};
}

template <class T, class X> T kinematics(const T *param, size_t rows, const X *row) {
    T sum = 0;
    for (size_t r = 0; r < rows; r++, row += ARM_INPUTS) {
        matrix<T> pose = {{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}};
        for (size_t i = 0; i < ARM_JOINTS; i++) {
            const T *p = param + i * ARM_EACH;
            pose = pose * joint(row[i] + p[0], p[1], p[2], p[3]);
        }
        for (size_t i = 0; i < ARM_POSE; i++) {
            T miss = pose.m[i / 4][i % 4] - row[ARM_JOINTS + i];
            sum += miss * miss;
        }
    }
    return sum;
}

/* ---- a perceptron by naive loops ------------------------------------------------------------- */

/* W x + b; `param` is moved on to the next layer. */
template <class T, class X> std::vector<T> linear(const T *&param, size_t n, size_t m, const X *x) {
    std::vector<T> y(m);
    for (size_t j = 0; j < m; j++) {
        y[j] = param[m * n + j];
        for (size_t i = 0; i < n; i++) y[j] += param[j * n + i] * x[i];
    }
    param += m * (n + 1);
    return y;
}

template <class T, class X> T perceptron(const T *param, size_t rows, const X *row) {
    using std::tanh;
    T sum = 0;
    for (size_t r = 0; r < rows; r++, row += NET_INPUTS) {
        const T       *p = param;
        std::vector<T> a = linear(p, NET_IN, NET_HIDDEN, row);
        for (T &each : a) each = tanh(each);
        a = linear(p, NET_HIDDEN, NET_HIDDEN, a.data());
        for (T &each : a) each = tanh(each);
        a = linear(p, NET_HIDDEN, NET_OUT, a.data());
        for (size_t i = 0; i < NET_OUT; i++)
            sum += (a[i] - row[NET_IN + i]) * (a[i] - row[NET_IN + i]);
    }
    return sum;
}

#endif
