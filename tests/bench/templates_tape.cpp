/* templates_tape.cpp - the templates as numbers, on a tape and compiled, in the way that
 * ad.hpp's users do it. */
#include "templates.hpp"

#include "engine/ad.hpp"

#include <cstdio>

static std::vector<ad::var> inputs(ad_tape *tape, size_t n, const double number[]) {
    std::vector<ad::var> x(n);
    for (size_t i = 0; i < n; i++) x[i] = ad_input(tape, number[i]);
    return x;
}

template <class F>
static double gradient(F f, ad_tape *tape, ad_mark start, size_t params, const double param[],
                       double grad[]) {
    ad_tape_rewind(tape, start);
    const std::vector<ad::var> x = inputs(tape, params, param);
    const ad::var              y = f(x.data());
    ad_gradient(y, params, x.data(), grad);
    return ad_value(y);
}

/* The program of f(param, input); no inputs: f is given the data itself. */
template <class F>
static ad_program *compiled(F f, size_t params, const double param[], size_t inputs_of_a_row,
                            const double row[]) {
    ad::tape                   tape;
    const std::vector<ad::var> x = inputs(tape, params, param),
                               input = inputs(tape, inputs_of_a_row, row);
    const ad_var y = f(x.data(), input.data());
    ad_interface interface = {};
    interface.params = params, interface.param = x.data();
    interface.inputs = inputs_of_a_row, interface.input = input.data();
    interface.outputs = 1, interface.output = &y;
    ad_program *program = ad_compile(&interface);
    if (!program) std::fprintf(stderr, "ad_compile: %s\n", tape.message());
    return program;
}

#define SIDES(name, params, inputs, ...)                                                       \
    double name##_alone(const double param[], size_t rows, const double data[]) {              \
        return name(param, rows, data);                                                        \
    }                                                                                          \
    double name##_on_tape(ad_tape *tape, ad_mark start, const double param[], size_t rows,     \
                          const double data[], double grad[]) {                                \
        const auto f = [=](const ad::var *x) { return name(x, rows, data); };                  \
        return gradient(f, tape, start, params, param, grad);                                  \
    }                                                                                          \
    ad_program *name##_one_row(const double param[], size_t rows, const double data[]) {       \
        const auto f = [=](const ad::var *x, const ad::var *) { return name(x, rows, data); }; \
        return compiled(f, params, param, 0, data);                                            \
    }                                                                                          \
    ad_program *name##_of_rows(const double param[], const double data[]) {                    \
        const auto f = [](const ad::var *x, const ad::var *row) { return name(x, 1, row); };   \
        return compiled(f, params, param, inputs, data);                                       \
    }
TEMPLATES(SIDES)
