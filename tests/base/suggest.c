/* suggest.c - tests of what is guessed: which words are near each other, and names and signs of
 * other notations. */
#include "engine/base/suggest.h"

#include "expect.h"
#include <string.h>

static const char *const known[] = {"sin",  "sinh",       "asin",   "sigmoid", "softplus",
                                    "relu", "leaky_relu", "weight", "x",       "tanh"};

static const char *nearest(const char *word) {
    static char text[40];
    ad__nearest n = {.word = word, .length = strlen(word)};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        ad__nearest_try(&n, known[i], strlen(known[i]));
    if (n.best == NULL) return "none";
    memcpy(text, n.best, n.best_length);
    text[n.best_length] = '\0';
    return text;
}

Test(suggest, a_letter_too_many_too_few_wrong_or_exchanged_is_near) {
    /* clang-format off */
    static const struct { const char *word, *near; } of[] = {
        {"sigmoidd", "sigmoid"},                    {"sigmod", "sigmoid"},   {"sigmoit", "sigmoid"},
        {"sigmiod", "sigmoid"},                     {"siggmoit", "sigmoid"}, {"wieght", "weight"},
        {"tnah", "tanh"},                           {"sihn", "sin"},         {"sn", "none"},
        {"y", "none"},                              {"sigmxyz", "none"},     {"", "none"},
        {"a_name_that_is_longer_than_any", "none"},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        cr_expect_str_eq(nearest(of[i].word), of[i].near, "%s: %s", of[i].word,
                         nearest(of[i].word));
}

Test(suggest, capitals_and_underscores_count_for_nothing) {
    cr_expect_str_eq(nearest("ReLU"), "relu");
    cr_expect_str_eq(nearest("LeakyReLU"), "leaky_relu");
    cr_expect_str_eq(nearest("SIN"), "sin");
    cr_expect_str_eq(nearest("soft_plus"), "softplus");
    cr_expect_str_eq(nearest("X"), "x");
}

/* Of two words as near as each other the first that was tried. */
Test(suggest, nearer_words_go_first) {
    cr_expect_str_eq(nearest("sinn"), "sin");
    cr_expect_str_eq(nearest("sinhh"), "sinh");
    cr_expect_str_eq(nearest("asinn"), "asin");
}

Test(suggest, names_of_other_languages_are_known) {
    cr_expect_str_eq(ad__foreign_function("ln", 2), "log");
    cr_expect_str_eq(ad__foreign_function("ArcSin", 6), "asin");
    cr_expect_str_eq(ad__foreign_function("log_e", 5), "log");
    cr_expect_str_eq(ad__foreign_function("cot", 3), "1/tan(x)");
    cr_expect_null(ad__foreign_function("lnx", 3));
    cr_expect_null(ad__foreign_function("l", 1));
    cr_expect_str_eq(ad__foreign_constant("M_PI", 4), "pi");
    cr_expect_str_eq(ad__foreign_constant("Infinity", 8), "1e999");
    cr_expect_null(ad__foreign_constant("e", 1));
}

Test(suggest, signs_of_other_notations_are_known) {
    cr_expect_str_eq(ad__foreign_operator("**2"), "^");
    cr_expect_str_eq(ad__foreign_operator("% 2"), "fmod(x, y)");
    cr_expect_str_eq(ad__foreign_operator("\xc3\x97 y"), "*");
    cr_expect_str_eq(ad__foreign_operator("=> y"), ">=");
    cr_expect_str_eq(ad__foreign_operand("\xe2\x88\x92x"), "-");
    cr_expect_str_eq(ad__foreign_operand("[x]"), "(");
    cr_expect_null(ad__foreign_operator("+ y"));
    cr_expect_null(ad__foreign_operator(""));
    cr_expect_null(ad__foreign_operand(")"));
}
