/* templates.h - what the files of bench-templates share: the sizes, and one list of the eight
 * functions.
 *
 * Each is f(param) = the sum of something over rows of data, and a problem has a number of such
 * rows: the points of a mixture, the one starting point of a simulation. So the same text gives
 * a tape over plain data, a program of one row that holds all the data of a problem as
 * constants, and a program of rows, one for each row of data. */
#ifndef TAPIR_BENCH_TEMPLATES_H
#define TAPIR_BENCH_TEMPLATES_H

#include "engine/ad.h"

/* K components in D dimensions; of each alpha, the mean, the logarithms of the diagonal of an
 * inverse square root of the covariance, what stands below that diagonal row by row. A row: a
 * point. */
enum {
    MIX_K = 8,
    MIX_D = 4,
    MIX_BELOW = MIX_D * (MIX_D - 1) / 2,
    MIX_EACH = 1 + 2 * MIX_D + MIX_BELOW,
    MIX_PARAMS = MIX_K * MIX_EACH
};

/* N coefficients. A row: N regressors, what is observed. */
enum { FIT_N = 40, FIT_INPUTS = FIT_N + 1 };

/* MASSES in a line between two walls, and a spring before, between and after them: each spring's
 * stiffness, the cubic coefficient of all, the damping of all. A row: positions, velocities, the
 * positions that are wanted at the end. */
enum {
    ODE_MASSES = 7,
    ODE_SPRINGS = ODE_MASSES + 1,
    ODE_STATE = 2 * ODE_MASSES,
    ODE_STEPS = 250,
    ODE_PARAMS = ODE_SPRINGS + 2,
    ODE_INPUTS = ODE_STATE + ODE_MASSES
};

/* The energies of N levels. A row: a temperature. */
enum { LSE_N = 400 };

/* K centres in D dimensions. A row: a point. */
enum { MEANS_K = 8, MEANS_D = 8, MEANS_PARAMS = MEANS_K * MEANS_D };

/* Four gates (input, forget, output, change) of H units over I inputs and H hidden values:
 * weights, one unit after the other, then biases; then a linear layer from H back to I, weights
 * and biases. A row: STEPS + 1 vectors of I numbers. */
enum {
    LSTM_H = 16,
    LSTM_I = 4,
    LSTM_STEPS = 24,
    LSTM_IN = LSTM_I + LSTM_H,
    LSTM_GATES = 4 * LSTM_H,
    LSTM_BIAS = LSTM_GATES * LSTM_IN,
    LSTM_READ = LSTM_BIAS + LSTM_GATES,
    LSTM_PARAMS = LSTM_READ + LSTM_I * (LSTM_H + 1),
    LSTM_INPUTS = (LSTM_STEPS + 1) * LSTM_I
};

/* The four Denavit-Hartenberg parameters of JOINTS joints: offset of the angle, d, a, alpha. A
 * row: the angles, the measured pose as the upper three rows of its matrix. */
enum {
    ARM_JOINTS = 6,
    ARM_EACH = 4,
    ARM_PARAMS = ARM_JOINTS * ARM_EACH,
    ARM_POSE = 12,
    ARM_INPUTS = ARM_JOINTS + ARM_POSE
};

/* Two hidden layers with tanh. Of each layer the weights, one unit after the other, then the
 * biases. A row: inputs, then the outputs that are wanted. */
enum {
    NET_IN = 16,
    NET_HIDDEN = 32,
    NET_OUT = 4,
    NET_SECOND = NET_HIDDEN * (NET_IN + 1),
    NET_LAST = NET_SECOND + NET_HIDDEN * (NET_HIDDEN + 1),
    NET_PARAMS = NET_LAST + NET_OUT * (NET_HIDDEN + 1),
    NET_INPUTS = NET_IN + NET_OUT
};

/* clang-format off */
/* Of each: the parameters, the numbers in a row, the rows of a problem and those that a program of
 * rows is run over, between which numbers the parameters and the data are drawn, a title. */
#define TEMPLATES(row)                                                                             \
    row(mixture,       MIX_PARAMS,   MIX_D,       200, 200, -1,   1,   -2,  2, "Gaussian mixture") \
    row(least_squares, FIT_N,        FIT_INPUTS,  400, 400, -1,   1,   -1,  1, "least squares")    \
    row(runge_kutta,   ODE_PARAMS,   ODE_INPUTS,  1,   64,  0.5,  1.5, -1,  1, "Runge-Kutta")      \
    row(log_sum_exp,   LSE_N,        1,           20,  20,  0,    4,   0.5, 2, "log-sum-exp")      \
    row(k_means,       MEANS_PARAMS, MEANS_D,     250, 250, -1,   1,   -1,  1, "k-means")          \
    row(lstm,          LSTM_PARAMS,  LSTM_INPUTS, 1,   64,  -0.5, 0.5, -1,  1, "LSTM")             \
    row(kinematics,    ARM_PARAMS,   ARM_INPUTS,  40,  40,  -1,   1,   -1,  1, "kinematic chain")  \
    row(perceptron,    NET_PARAMS,   NET_INPUTS,  16,  16,  -0.5, 0.5, -1,  1, "perceptron")
/* clang-format on */

#ifdef __cplusplus
extern "C" {
#endif

typedef double bench_function(const double param[], size_t rows, const double data[]);
typedef double bench_gradient(const double param[], size_t rows, const double data[],
                              double grad[]);

/* What a user of ad.hpp writes once for all functions: the tape is rewound to `start`, f is
 * recorded on it and swept. */
typedef double bench_on_tape(ad_tape *tape, ad_mark start, const double param[], size_t rows,
                             const double data[], double grad[]);

/* A program, to be freed by the caller, or NULL with its message on stderr: with all rows as
 * constants, or with a row of data as its inputs, recorded at the first. */
typedef ad_program *bench_one_row(const double param[], size_t rows, const double data[]);
typedef ad_program *bench_of_rows(const double param[], const double data[]);

#define TEMPLATE_SIDES(name, ...)  \
    bench_function name##_alone;   \
    bench_gradient name##_by_hand; \
    bench_on_tape  name##_on_tape; \
    bench_one_row  name##_one_row; \
    bench_of_rows  name##_of_rows;
TEMPLATES(TEMPLATE_SIDES)
#undef TEMPLATE_SIDES

/* The step sizes of the simulation, which grow from 0.01 to 0.02. */
static inline double ode_step(int i) {
    return 0.01 * (1 + (double)i / ODE_STEPS);
}

#ifdef __cplusplus
}
#endif

#endif
