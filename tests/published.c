/* published.c - examples from papers, courses and other engines, with the numbers printed there. */
#include "support.h"

#include "expect.h"
#include <math.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
    ad_tape_free(tape);
}

TestSuite(published, .init = make, .fini = drop);

/* Agrees with a number printed to so many decimals. */
static void expect_printed(double got, double printed, int decimals) {
    cr_expect(fabs(got - printed) <= 0.5 * pow(10, -decimals) + 1e-12, "%.10g, printed is %.*f",
              got, decimals, printed);
}

/* github.com/karpathy/micrograd, README.md, "Example usage". */
Test(published, micrograd_readme) {
    ad_var a = ad_input(tape, -4), b = ad_input(tape, 2), one = ad_num(1), two = ad_num(2);
    ad_var c = ad_add(a, b);
    ad_var d = ad_add(ad_mul(a, b), ad_pow(b, ad_num(3)));
    c = ad_add(c, ad_add(c, one));
    c = ad_add(c, ad_add(ad_add(one, c), ad_neg(a)));
    d = ad_add(d, ad_add(ad_mul(d, two), ad_relu(ad_add(b, a))));
    d = ad_add(d, ad_add(ad_mul(ad_num(3), d), ad_relu(ad_sub(b, a))));
    ad_var e = ad_sub(c, d), f = ad_pow(e, two), g = ad_div(f, two);
    g = ad_add(g, ad_div(ad_num(10), f));
    expect_printed(ad_value(g), 24.7041, 4);
    ad_backward(g);
    expect_printed(ad_grad(a), 138.8338, 4);
    expect_printed(ad_grad(b), 645.5773, 4);
}

/* The same as a formula, in stages. */
Test(published, micrograd_readme_as_a_formula) {
    ad_var a = ad_input(tape, -4), b = ad_input(tape, 2);
    ad_var g =
        ad_formula(tape, c = a + b; d = a * b + pow(b, 3); c = c + c + 1; c = c + 1 + c + (-a);
                   d = d + d * 2 + relu(b + a); d = d + 3 * d + relu(b - a); e = c - d;
                   f = pow(e, 2); g = f / 2.0; g = g + 10.0 / f, a, b);
    double       grad[2];
    const ad_var x[] = {a, b};
    ad_gradient(g, 2, x, grad);
    expect_printed(ad_value(g), 24.7041, 4);
    expect_printed(grad[0], 138.8338, 4);
    expect_printed(grad[1], 645.5773, 4);
}

/* A. Karpathy, "The spelled-out intro to neural networks and backpropagation: building micrograd",
 * 2022, github.com/karpathy/nn-zero-to-hero, lecture 1: a neuron with tanh. */
Test(published, micrograd_lecture_neuron) {
    ad_var x1 = ad_input(tape, 2), x2 = ad_input(tape, 0), w1 = ad_input(tape, -3),
           w2 = ad_input(tape, 1);
    ad_var b = ad_input(tape, 6.8813735870195432);
    ad_var o = ad_formula(tape, tanh(x1 * w1 + x2 * w2 + b), x1, x2, w1, w2, b);
    ad_backward(o);
    expect_printed(ad_value(o), 0.7071, 4);
    expect_printed(ad_grad(x1), -1.5, 4);
    expect_printed(ad_grad(w1), 1, 4);
    expect_printed(ad_grad(x2), 0.5, 4);
    expect_printed(ad_grad(w2), 0, 4);
    expect_printed(ad_grad(b), 0.5, 4);
}

/* A. G. Baydin, B. A. Pearlmutter, A. A. Radul, J. M. Siskind, "Automatic differentiation in
 * machine learning: a survey", JMLR 18 (2018), table 3: y = ln(x1) + x1*x2 - sin(x2) at (2, 5). */
Test(published, baydin_survey_table_3) {
    ad_var x1 = ad_input(tape, 2), x2 = ad_input(tape, 5);
    ad_var v1 = ad_log(x1), v2 = ad_mul(x1, x2), v3 = ad_sin(x2), v4 = ad_add(v1, v2),
           y = ad_sub(v4, v3);
    expect_printed(ad_value(v1), 0.693, 3);
    expect_printed(ad_value(v2), 10, 3);
    cr_expect(fabs(ad_value(v3) - -0.959) < 0.0005);
    expect_printed(ad_value(v4), 10.693, 3);
    expect_printed(ad_value(y), 11.652, 3);
    ad_backward(y);
    cr_expect_eq(ad_grad(x1), 5.5);
    expect_printed(ad_grad(x2), 1.716, 3);
    cr_expect(ad_grad(v4) == 1 && ad_grad(v3) == -1 && ad_grad(v2) == 1 && ad_grad(v1) == 1);
}

/* cs231n.github.io/optimization-2, "Compound expressions with chain rule": f = (x + y)*z. */
Test(published, cs231n_compound_expression) {
    ad_var x = ad_input(tape, -2), y = ad_input(tape, 5), z = ad_input(tape, -4);
    ad_var q = ad_add(x, y), f = ad_mul(q, z);
    cr_expect(ad_value(q) == 3 && ad_value(f) == -12);
    ad_backward(f);
    cr_expect(ad_grad(x) == -4 && ad_grad(y) == -4 && ad_grad(z) == 3 && ad_grad(q) == -4);
}

/* cs231n.github.io/optimization-2, "Modularity: sigmoid example". The figure rounds to two decimals
 * at every gate (the sum enters 1/x with 1.37, and 0.20 goes back from there), so its 0.73 and the
 * gradients -0.20, 0.39, -0.39, -0.59, 0.20 are within 0.005 of the exact ones; the text beside it
 * computes them as (1 - f)*f times the other factor. */
Test(published, cs231n_sigmoid_neuron) {
    const double values[] = {2, -3, -3, -1, -2}; /* w0 w1 w2 x0 x1 */
    const double printed[] = {-0.20, -0.39, 0.20, 0.39, -0.59};
    ad_var       v[5];
    for (int i = 0; i < 5; i++) v[i] = ad_input(tape, values[i]);
    ad_var dot = ad_add(ad_add(ad_mul(v[0], v[3]), ad_mul(v[1], v[4])), v[2]);
    ad_var gates = ad_div(ad_num(1), ad_add(ad_exp(ad_neg(dot)), ad_num(1))), f = ad_sigmoid(dot);
    cr_expect_eq(ad_value(dot), 1);
    expect_printed(ad_value(gates), 0.73, 2);
    expect_printed(ad_value(f), 0.73, 2);
    const double ddot = (1 - ad_value(f)) * ad_value(f);
    const double exact[] = {values[3] * ddot, values[4] * ddot, ddot, values[0] * ddot,
                            values[1] * ddot};
    double       by_gates[5], at_once[5];
    ad_gradient(gates, 5, v, by_gates);
    ad_gradient(f, 5, v, at_once);
    for (int i = 0; i < 5; i++) {
        expect_printed(by_gates[i], printed[i], 2);
        cr_expect(close_to(by_gates[i], exact[i], 16 * U, 0));
        cr_expect(close_to(at_once[i], exact[i], 16 * U, 0));
    }
}

/* cs231n.github.io/optimization-2, "Patterns in backward flow": 2*(max(z, w) + x*y). */
Test(published, cs231n_patterns_in_backward_flow) {
    ad_var x = ad_input(tape, 3), y = ad_input(tape, -4), z = ad_input(tape, 2),
           w = ad_input(tape, -1);
    ad_var f = ad_mul(ad_add(ad_mul(x, y), ad_max(z, w)), ad_num(2));
    cr_expect_eq(ad_value(f), -20);
    ad_backward(f);
    cr_expect(ad_grad(x) == -8 && ad_grad(y) == 6 && ad_grad(z) == 2 && ad_grad(w) == 0);
}

/* Wikipedia, "Automatic differentiation": x1*x2 + sin(x1), with partials x2 + cos(x1) and x1. */
Test(published, wikipedia_example) {
    const double at[][2] = {{0.5, 4.2}, {2, 3}, {-1.3, 0}};
    for (int i = 0; i < 3; i++) {
        ad_var x1 = ad_input(tape, at[i][0]), x2 = ad_input(tape, at[i][1]);
        ad_var z = ad_add(ad_mul(x1, x2), ad_sin(x1));
        cr_expect_eq(ad_value(z), at[i][0] * at[i][1] + sin(at[i][0]));
        ad_backward(z);
        cr_expect_eq(ad_grad(x1), at[i][1] + cos(at[i][0]));
        cr_expect_eq(ad_grad(x2), at[i][0]);
    }
}

/* C. Olah, "Calculus on computational graphs: backpropagation", 2015: e = (a + b)*(b + 1). */
Test(published, olah_backpropagation) {
    ad_var a = ad_input(tape, 2), b = ad_input(tape, 1),
           e = ad_formula(tape, (a + b) * (b + 1), a, b);
    cr_expect_eq(ad_value(e), 6);
    ad_backward(e);
    cr_expect(ad_grad(a) == 2 && ad_grad(b) == 5);
}

/* M. Mazur, "A step by step backpropagation example", 2015: the first pass, two weights. */
Test(published, mazur_backpropagation_example) {
    const double w[] = {0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55};
    ad_var       v[8];
    for (int i = 0; i < 8; i++) v[i] = ad_input(tape, w[i]);
    const ad_var one = ad_num(1), i1 = ad_num(0.05), i2 = ad_num(0.10);
    const ad_var in[] = {i1, i2, one}, w1[] = {v[0], v[1], ad_num(0.35)},
                 w2[] = {v[2], v[3], ad_num(0.35)};
    const ad_var h[] = {ad_sigmoid(ad_dot(3, w1, in)), ad_sigmoid(ad_dot(3, w2, in)), one};
    const ad_var w3[] = {v[4], v[5], ad_num(0.60)}, w4[] = {v[6], v[7], ad_num(0.60)};
    ad_var       o1 = ad_sigmoid(ad_dot(3, w3, h)), o2 = ad_sigmoid(ad_dot(3, w4, h));
    ad_var       total = ad_formula(tape, 0.5 * (0.01 - o1) ^ 2 + 0.5 * (0.99 - o2) ^ 2, o1, o2);
    expect_printed(ad_value(h[0]), 0.593269992, 9);
    expect_printed(ad_value(o1), 0.75136507, 8);
    expect_printed(ad_value(o2), 0.772928465, 9);
    expect_printed(ad_value(total), 0.298371109, 9);
    ad_backward(total);
    expect_printed(ad_grad(v[4]), 0.082167041, 9);
    expect_printed(ad_grad(v[0]), 0.000438568, 9);
}
