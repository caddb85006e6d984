/* suggest.c - what the author of a formula may have meant: names and signs of other notations, and
 * the nearest of several words by the distance of Damerau (1964), with adjacent transpositions. */
#include "base/suggest.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST = 24 };

/* Lower case, without underscores; 0 if it is too long. */
static size_t plain(const char *word, size_t length, char to[LONGEST + 1]) {
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        if (word[i] == '_') continue;
        if (n == LONGEST) return 0;
        to[n++] = (char)tolower((unsigned char)word[i]);
    }
    to[n] = '\0';
    return n;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t na, const char *b, size_t nb) {
    size_t d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= na; i++) {
        for (size_t j = 0; j <= nb; j++) {
            d[i][j] = i + j; /* at a border; elsewhere an upper bound */
            if (i == 0 || j == 0) continue;
            d[i][j] = least(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
                            least(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[na][nb];
}

void ad__nearest_try(ad__nearest *n, const char *word, size_t length) {
    char         a[LONGEST + 1], b[LONGEST + 1];
    const size_t na = plain(n->word, n->length, a), nb = plain(word, length, b);
    if (na == 0 || nb == 0) return;
    const size_t d = distance(a, na, b, nb), allowed = na <= 2 ? 0 : na <= 4 ? 1 : 2;
    if (d > allowed || (n->best != NULL && d >= n->distance)) return;
    n->best = word, n->best_length = length, n->distance = d;
}

typedef struct pair {
    const char *other, *here;
} pair;

/* clang-format off */
static const pair functions[] = {
    {"ln", "log"},          {"loge", "log"},        {"lg", "log10"},        {"ld", "log2"},
    {"lb", "log2"},         {"tg", "tan"},          {"ctg", "1/tan(x)"},    {"cot", "1/tan(x)"},
    {"sec", "1/cos(x)"},    {"csc", "1/sin(x)"},    {"cosec", "1/sin(x)"},  {"arcsin", "asin"},
    {"arccos", "acos"},     {"arctan", "atan"},     {"arctg", "atan"},      {"arctan2", "atan2"},
    {"arsinh", "asinh"},    {"arcsinh", "asinh"},   {"argsinh", "asinh"},   {"arcosh", "acosh"},
    {"arccosh", "acosh"},   {"argcosh", "acosh"},   {"artanh", "atanh"},    {"arctanh", "atanh"},
    {"argtanh", "atanh"},   {"sh", "sinh"},         {"ch", "cosh"},         {"th", "tanh"},
    {"tgh", "tanh"},        {"sqr", "x^2"},         {"square", "x^2"},      {"root", "sqrt"},
    {"power", "pow"},       {"exponential", "exp"}, {"sgn", "(x > 0) - (x < 0)"},
    {"sign", "(x > 0) - (x < 0)"},                  {"signum", "(x > 0) - (x < 0)"},
    {"logistic", "sigmoid"},                        {"expit", "sigmoid"},   {"sigm", "sigmoid"},
    {"logit", "log(x/(1 - x))"},                    {"lrelu", "leaky_relu"},
    {"swish", "silu"},      {"absolute", "abs"},    {"minimum", "min"},     {"maximum", "max"},
    {"mod", "fmod"},        {"modulo", "fmod"},     {"rem", "fmod"},        {"ceiling", "ceil"},
    {"int", "trunc"},       {"fix", "trunc"},       {"nint", "round"},      {"roundeven", "rint"},
    {"gammaln", "lgamma"},  {"loggamma", "lgamma"}, {"lngamma", "lgamma"},  {"gamma", "tgamma"},
    {"factorial", "tgamma(x + 1)"},                 {"digamma", "polygamma(0, x)"},
    {"psi", "polygamma(0, x)"},                     {"trigamma", "polygamma(1, x)"},
    {"average", "mean"},    {"avg", "mean"},        {"product", "prod"},    {"lse", "logsumexp"},
    {"if", "where"},        {"ifelse", "where"},    {"iif", "where"},       {"select", "where"},
    {"nrm2", "norm"},       {"norm2", "norm"},      {"l2norm", "norm"},     {"amax", "largest"},
    {"biggest", "largest"}, {"greatest", "largest"}, {"not", "!"},
    {"log10f", "log10"},    {"sinf", "sin"},
    {"cosf", "cos"},        {"tanf", "tan"},        {"expf", "exp"},        {"logf", "log"},
    {"sqrtf", "sqrt"},      {"powf", "pow"},        {"fabsf", "fabs"},      {"tanhf", "tanh"},
};
/* clang-format on */

/* clang-format off */
static const pair constants[] = {
    {"mpi", "pi"},          {"math.pi", "pi"},      {"np.pi", "pi"},        {"tau", "2*pi"},
    {"me", "exp(1)"},       {"euler", "exp(1)"},    {"inf", "1e999"},       {"infinity", "1e999"},
    {"nan", "0/0"},         {"true", "1"},          {"false", "0"},         {"hugeval", "1e999"},
};
/* clang-format on */

/* Longer signs before their prefixes. */
/* clang-format off */
static const pair operators[] = {
    {"**", "^"},            {"//", "floor(x/y)"},   {"%", "fmod(x, y)"},    {"=>", ">="},
    {"=<", "<="},           {"=", "=="},            {"<>", "!="},           {"&", "&&"},
    {"|", "||"},            {"!", "tgamma(x + 1)"}, {"\xc3\x97", "*"},      {"\xc2\xb7", "*"},
    {"\xe2\x8b\x85", "*"},  {"\xe2\x88\x99", "*"},  {"\xe2\x88\x97", "*"},  {"\xc3\xb7", "/"},
    {"\xe2\x88\x95", "/"},  {"\xe2\x88\x92", "-"},  {"\xe2\x80\x93", "-"},  {"\xe2\x80\x94", "-"},
    {"\xc2\xb2", "^2"},     {"\xc2\xb3", "^3"},     {"\xe2\x89\xa4", "<="}, {"\xe2\x89\xa5", ">="},
    {"\xe2\x89\xa0", "!="}, {"\xe2\x88\xa7", "&&"}, {"\xe2\x88\xa8", "||"},
    {"\xc2\xa0", "a plain space"},
};
/* clang-format on */

/* clang-format off */
static const pair operands[] = {
    {"\xe2\x88\x92", "-"},  {"\xe2\x80\x93", "-"},  {"\xe2\x80\x94", "-"},  {"\xcf\x80", "pi"},
    {"\xe2\x88\x9a", "sqrt(x)"},                    {"\xe2\x88\x9e", "1e999"},
    {"\xe2\x88\x91", "sum(x, y)"},                  {"\xe2\x88\x8f", "prod(x, y)"},
    {"\xc2\xac", "!"},      {"[", "("},             {"{", "("},             {"|", "abs(x)"},
    {"~", "!"},             {"\xc2\xa0", "a plain space"},
};
/* clang-format on */
#define COUNT(list) (sizeof(list) / sizeof *(list))

static const char *named(const char *name, size_t length, const pair list[], size_t n) {
    char         word[LONGEST + 1];
    const size_t letters = plain(name, length, word);
    for (size_t i = 0; i < n && letters > 0; i++)
        if (strcmp(word, list[i].other) == 0) return list[i].here;
    return NULL;
}

static const char *begun(const char *at, const pair list[], size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strncmp(at, list[i].other, strlen(list[i].other)) == 0) return list[i].here;
    return NULL;
}

const char *ad__foreign_function(const char *name, size_t length) {
    return named(name, length, functions, COUNT(functions));
}

const char *ad__foreign_constant(const char *name, size_t length) {
    return named(name, length, constants, COUNT(constants));
}

const char *ad__foreign_operator(const char *at) {
    return begun(at, operators, COUNT(operators));
}

const char *ad__foreign_operand(const char *at) {
    return begun(at, operands, COUNT(operands));
}
