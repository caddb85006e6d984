/* adolc_side.cpp - the simulation of steps.h with ADOL-C's types; its drivers do the rest. */
#include "adolc.h"

#include <adolc/adolc.h>

enum { TAG = 1 };

void adolc_record_steps(int steps) {
    double last;
    trace_on(TAG);
    adouble a, x;
    a <<= 0.3;
    x <<= 0.5;
    for (int i = 0; i < steps; i++) x = sin(x) * x + a * x + exp(-(x * x));
    x >>= last;
    trace_off();
}

double adolc_steps(double a, size_t rows, const double start[]) {
    double mean = 0, da = 0;
    for (size_t r = 0; r < rows; r++) {
        double at[2] = {a, start[r]}, y, grad[2];
        function(TAG, 1, 2, at, &y);
        gradient(TAG, 2, at, grad);
        mean += y;
        da += grad[0];
    }
    return (mean + da) / static_cast<double>(rows);
}
