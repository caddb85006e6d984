/* special.c - polygamma: the recurrence moves x to the right, where the asymptotic series holds;
 * reflection for arguments left of 1/2. Formulas: Abramowitz and Stegun 6.3 and 6.4, DLMF 5.15. */
#include "base/special.h"

#include <math.h>
#include <stddef.h>

double ad__lgamma(double x) {
    int sign;
    return lgamma_r(x, &sign);
}

/* The functions behind polygamma are both code and text, in pieces of at most 4095 characters, the
 * limit of a C99 string literal. Their names begin with ad__ even though they are static, so that
 * the exporter can recognise them. */
/* clang-format off */
AD__CODE_AND_TEXT(digamma_source,
/* Bernoulli numbers B2, B4, ..., B24 (DLMF 24.2). */
static const double ad__pi = 3.141592653589793;
enum { ad__largest_order = 100 };
static const double ad__bernoulli[] = {
    1.0/6, -1.0/30, 1.0/42, -1.0/30, 5.0/66, -691.0/2730, 7.0/6, -3617.0/510, 43867.0/798,
    -174611.0/330, 854513.0/138, -236364091.0/2730,
};

/* sin and cos of pi*x, or both negated, without the rounding of pi*x: x is first reduced to [-1/2,
 * 1/2], exactly. */
static void ad__sincos_pi(double x, double *s, double *c) {
    const double rest = x - nearbyint(x);
    *s = sin(ad__pi*rest);
    *c = cos(ad__pi*rest);
}

/* 6.3.18: log x - 1/(2x) - sum B2k / (2k x^2k), accurate to rounding from x = 10 on. */
static double ad__digamma_right(double x) {
    double sum = 0;
    for (; x < 10; x += 1) sum -= 1/x;
    const double r = 1/(x*x);
    double term = 1, series = 0;
    for (int k = 0; k < 10; k++) {
        term *= r;
        series += ad__bernoulli[k]*term/(2*(k + 1));
    }
    return sum + (log(x) - 0.5/x - series);
}

static double ad__digamma(double x) {
    if (x >= 0.5) return ad__digamma_right(x);
    double s, c;
    ad__sincos_pi(x, &s, &c);
    return s == 0 ? NAN : ad__digamma_right(1 - x) - ad__pi*c/s;                       /* 6.3.7 */
}
)

AD__CODE_AND_TEXT(zeta_source,
/* n! zeta(n + 1, x) for x >= 1/2: the terms up to n + 10, then Euler-Maclaurin for the rest
 * (6.4.11); that far out the first twelve Bernoulli terms are accurate to rounding. */
static double ad__scaled_zeta(int n, double x) {
    double sum = 0, factorial = 1;
    for (int k = 2; k < n; k++) factorial *= k;                                /* (n-1)! */
    for (; x < n + 10; x += 1) sum += pow(x, -n - 1);
    const double power = pow(x, -n), r = 1/(x*x);
    double series = 1 + 0.5*n/x, ratio = n;                 /* (2k+n-1)!/((2k)! (n-1)!) */
    double scale = r;
    for (int k = 1; k <= 12; k++) {
        ratio *= (n + 2*k - 1.0)/(2*k)*(k > 1 ? (n + 2*k - 2.0)/(2*k - 1) : 1);
        series += ad__bernoulli[k - 1]*ratio*scale;
        scale *= r;
    }
    return factorial*(n*sum + power*series);
}
)

AD__CODE_AND_TEXT(cotangent_source,
/* The n-th derivative of pi*cot(pi*x): as a polynomial in c = cot(pi*x), dc/dx = -pi*(1 + c^2). */
static double ad__cotangent_derivative(int n, double s, double c) {
    double p[ad__largest_order + 3] = {0, ad__pi}, q[ad__largest_order + 3];
    for (int k = 0; k < n; k++) {
        for (int i = 0; i <= k + 2; i++)
            q[i] = -ad__pi*((i + 1)*p[i + 1] + (i > 0 ? (i - 1)*p[i - 1] : 0));
        for (int i = 0; i <= k + 2; i++) p[i] = q[i];
    }
    double value = 0;
    for (int i = n + 1; i >= 0; i--) value = value*(c/s) + p[i];
    return value;
}
)

AD__CODE_AND_TEXT(polygamma_source,
double ad__polygamma(double order, double x) {
    if (!(order >= 0 && order <= ad__largest_order)) return NAN;
    if (order != floor(order) || isnan(x)) return NAN;
    const int n = (int)order;
    if (x == INFINITY) return n == 0 ? INFINITY : 0;
    if (x == -INFINITY) return NAN;
    if (n == 0) return ad__digamma(x);
    const double sign = n%2 == 1 ? 1 : -1;                                     /* (-1)^(n+1) */
    if (x >= 0.5) return sign*ad__scaled_zeta(n, x);
    if (x == floor(x)) return n%2 == 1 ? INFINITY : NAN;
    double s, c;
    ad__sincos_pi(x, &s, &c);
    /* 6.4.7: psi_n(1 - x) + (-1)^(n+1) psi_n(x) = (-1)^n d^n/dx^n pi cot(pi x) */
    return sign*(-sign*ad__cotangent_derivative(n, s, c) - sign*ad__scaled_zeta(n, 1 - x));
}
)
/* clang-format on */

const char *const ad__polygamma_source[] = {digamma_source, zeta_source, cotangent_source,
                                            polygamma_source, NULL};
