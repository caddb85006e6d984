/* c_names.c - tests of the words that C has taken: of every header some, of every pattern one, and
 * words that are free. */
#include "engine/base/c_names.h"

#include "expect.h"
#include <string.h>

static void expect_all(const char *const names[], size_t n, const char *words) {
    for (size_t i = 0; i < n; i++) {
        const char *why = ad__c_name_taken(names[i]);
        if (words == NULL) cr_expect_null(why, "%s: %s", names[i], why);
        else
            cr_expect(why != NULL && strstr(why, words) != NULL, "%s: %s", names[i],
                      why == NULL ? "free" : why);
    }
}
#define EXPECT(words, ...)                                      \
    do {                                                        \
        static const char *const names[] = {__VA_ARGS__};       \
        expect_all(names, sizeof names / sizeof *names, words); \
    } while (0)

Test(c_names, keywords_of_every_standard) {
    EXPECT("keyword", "while", "restrict", "inline", "typeof", "alignas", "constexpr", "bool",
           "true", "nullptr", "asm");
}

Test(c_names, functions_of_every_header) {
    EXPECT("meaning", "assert", "cacos", "cacosf", "creall", "fesetround", "imaxabs", "setlocale",
           "tanh", "sinf", "acosl", "log1pl", "lgamma_r", "roundeven", "rsqrtf", "isnan", "signbit",
           "setjmp", "longjmp", "signal", "raise", "va_start", "atomic_load", "thrd_create",
           "mtx_lock", "ckd_add", "stdc_count_ones", "offsetof", "printf", "fprintf", "vsnprintf",
           "fopen", "remove", "puts", "malloc", "calloc", "free", "exit", "abort", "qsort", "rand",
           "abs", "div", "system", "getenv", "atof", "time", "clock", "mktime", "difftime",
           "c16rtomb", "fgetwc", "wprintf", "wmemcpy", "btowc", "main");
    EXPECT("for C's library", "strlen", "strcpy", "memcpy", "memset", "strtod", "strdup", "wcscpy",
           "wcslen", "isalpha", "isdigit", "iswalpha", "toupper", "tolower", "towlower", "strcpy_s",
           "strtok_r", "isalpha_l", "strfoo", "tofu");
}

Test(c_names, types_and_macros_of_every_header) {
    EXPECT("meaning", "size_t", "ptrdiff_t", "wchar_t", "max_align_t", "FILE", "fpos_t", "time_t",
           "clock_t", "div_t", "jmp_buf", "va_list", "int8_t", "uint_least16_t", "intmax_t",
           "uintptr_t", "float_t", "mbstate_t", "wint_t", "char16_t", "fenv_t", "NULL", "EOF",
           "BUFSIZ", "SEEK_SET", "stdin", "stdout", "stderr", "errno", "EDOM", "ERANGE", "E2BIG",
           "EXIT_FAILURE", "RAND_MAX", "INT_MAX", "UINT64_MAX", "INT_FAST8_MIN", "INT32_C",
           "CHAR_BIT", "LLONG_MIN", "SIZE_MAX", "DBL_MAX", "FLT_RADIX", "LDBL_DIG", "DEC32_MAX",
           "LC_ALL", "SIGINT", "SIG_DFL", "PRId64", "PRIX8", "SCNu32", "FE_INEXACT", "FP_x", "M_x",
           "M_PI", "HUGE_VAL", "NAN", "INFINITY", "I", "ATOMIC_VAR_INIT", "TIME_UTC",
           "CLOCKS_PER_SEC", "and", "xor_eq", "noreturn", "memory_order_relaxed",
           "TSS_DTOR_ITERATIONS");
}

Test(c_names, macros_that_compilers_predefine) {
    EXPECT("meaning", "unix", "linux", "i386", "mips", "sparc", "WIN32");
}

/* The beginnings of words, their ends, and words that are longer. */
Test(c_names, other_words_are_free) {
    EXPECT(NULL, "f", "v", "loss", "energy", "model", "my_function", "tanhh", "sinfl", "iff", "Int",
           "FPx", "Mx", "rint_", "mallo", "alloc", "printff", "xprintf", "size", "fopen2",
           "total_loss", "stress_xx", "is_hot", "to_do", "mem", "str", "isX", "to2", "wcs_",
           "Energy", "Error", "sigma", "SIGma", "Sig", "integral", "interest_t2", "uint",
           "INTEGRAL", "PRIOR", "DECAY", "FLTx", "LCx", "unix2", "Linux", "thrd", "atomic", "I2",
           "errno1", "tm2", "Main");
}
