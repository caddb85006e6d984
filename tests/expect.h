/* expect.h - Criterion, with its commonest assertions in a few instructions each. They mean what
 * Criterion's manual says. Its own macros write out at each of two thousand places how a failure is
 * put into words; two fifths of what the compiler did for the tests was that. */
#ifndef TAPIR_TESTS_EXPECT_H
#define TAPIR_TESTS_EXPECT_H

/* The message may be left out, which C11 did not foresee. */
#pragma GCC system_header
#ifdef __clang__
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif

#include <criterion/criterion.h>
#include <string.h>

/* Reports a failure at this line of a test, with the expression that does not hold or with the
 * test's own words, and ends the test if it is fatal. */
void expectation_failed(bool fatal, const char *file, unsigned line, const char *expression,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));

#define EXPECTATION(fatal, holds, expression, ...) \
    ((holds) ? (void)0 : expectation_failed(fatal, __FILE__, __LINE__, expression, "" __VA_ARGS__))

#undef cr_assert
#undef cr_assert_eq
#undef cr_assert_not_null
#undef cr_expect
#undef cr_expect_eq
#undef cr_expect_float_eq
#undef cr_expect_str_eq
#define cr_assert(condition, ...)   EXPECTATION(true, condition, #condition, __VA_ARGS__)
#define cr_assert_eq(a, b, ...)     EXPECTATION(true, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_not_null(p, ...)  EXPECTATION(true, (p) != NULL, #p " != NULL", __VA_ARGS__)
#define cr_expect(condition, ...)   EXPECTATION(false, condition, #condition, __VA_ARGS__)
#define cr_expect_eq(a, b, ...)     EXPECTATION(false, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) EXPECTATION(false, strcmp(a, b) == 0, #a " is " #b, __VA_ARGS__)
#define cr_expect_float_eq(a, b, epsilon, ...)                           \
    EXPECTATION(false, (b) - (a) <= (epsilon) && (a) - (b) <= (epsilon), \
                #a " == " #b " within " #epsilon, __VA_ARGS__)

#endif
