/* c_names.c - the names that C, its library and its compilers have taken: keywords, what the
 * headers of ISO C declare or define from C99 to C23 (clause 7 of ISO/IEC 9899:2024), what clause
 * 7.33 reserves for the future (7.31 of C11), and what compilers predefine without a leading
 * underscore.
 *
 * Names that begin with an underscore are not listed: all of them are reserved. */
#include "base/c_names.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Words are separated by spaces; the list of a header may span several lines. */
static const char keywords[] =
    "alignas alignof asm auto bool break case char complex const constexpr continue default do "
    "double else enum extern false float for goto if imaginary inline int long nullptr register "
    "restrict return short signed sizeof static static_assert struct switch thread_local true "
    "typedef typeof typeof_unqual union unsigned void volatile while";

/* math.h and complex.h: with the suffixes f and l too. From j0 on: POSIX and BSD functions that
 * math.h also declares. */
static const char functions_of_numbers[] =
    "acos acosh acospi asin asinh asinpi atan atan2 atan2pi atanh atanpi canonicalize cbrt ceil "
    "compoundn copysign cos cosh cospi erf erfc exp exp10 exp10m1 exp2 exp2m1 expm1 fabs fdim "
    "floor fma fmax fmaximum fmaximum_mag fmaximum_mag_num fmaximum_num fmin fminimum fminimum_mag "
    "fminimum_mag_num fminimum_num fmod frexp fromfp fromfpx getpayload hypot ilogb ldexp lgamma "
    "llogb llrint llround log log10 log10p1 log1p log2 log2p1 logb logp1 lrint lround modf nan "
    "nearbyint nextafter nextdown nexttoward nextup pow pown powr remainder remquo rint rootn "
    "round roundeven rsqrt scalbln scalbn setpayload setpayloadsig sin sinh sinpi sqrt tan tanh "
    "tanpi tgamma totalorder totalordermag trunc ufromfp ufromfpx cabs cacos cacosh carg casin "
    "casinh catan catanh ccos ccosh cexp cimag clog conj cpow cproj creal csin csinh csqrt ctan "
    "ctanh cacospi casinpi catanpi ccompoundn ccospi cerf cerfc cexp10 cexp10m1 cexp2 cexp2m1 "
    "cexpm1 clgamma clog10 clog10p1 clog1p clog2 clog2p1 clogp1 cpown cpowr crootn crsqrt csinpi "
    "ctanpi ctgamma j0 j1 jn y0 y1 yn drem exp10 finite gamma isinf isnan pow10 scalb significand "
    "sincos lgamma_r gamma_r";

static const char *const headers[] = {
    /* assert.h, complex.h, fenv.h, errno.h, float.h */
    "assert I CMPLX CMPLXF CMPLXL errno errno_t femode_t fenv_t fexcept_t feclearexcept fegetenv "
    "fegetexceptflag fegetmode fegetround feholdexcept feraiseexcept fesetenv fesetexcept "
    "fesetexceptflag fesetmode fesetround fetestexcept fetestexceptflag feupdateenv fegetexcept "
    "feenableexcept fedisableexcept DECIMAL_DIG",
    /* inttypes.h, stdint.h; their types and limits are patterns */
    "imaxabs imaxdiv imaxdiv_t strtoimax strtoumax wcstoimax wcstoumax PTRDIFF_MAX PTRDIFF_MIN "
    "PTRDIFF_WIDTH SIG_ATOMIC_MAX SIZE_MAX SIZE_WIDTH WCHAR_MAX WCHAR_MIN WCHAR_WIDTH WINT_MAX "
    "WINT_MIN WINT_WIDTH",
    /* iso646.h, limits.h */
    "and and_eq bitand bitor compl not not_eq or or_eq xor xor_eq BITINT_MAXWIDTH BOOL_MAX "
    "BOOL_WIDTH CHAR_BIT CHAR_MAX CHAR_MIN CHAR_WIDTH LLONG_MAX LLONG_MIN LLONG_WIDTH LONG_MAX "
    "LONG_MIN LONG_WIDTH MB_LEN_MAX SCHAR_MAX SCHAR_MIN SCHAR_WIDTH SHRT_MAX SHRT_MIN SHRT_WIDTH "
    "UCHAR_MAX UCHAR_WIDTH ULLONG_MAX ULLONG_WIDTH ULONG_MAX ULONG_WIDTH USHRT_MAX USHRT_WIDTH",
    /* locale.h; math.h: what has no f and l variants; narrowing operations */
    "lconv localeconv setlocale double_t float_t HUGE HUGE_VAL HUGE_VALF HUGE_VALL INFINITY "
    "MATH_ERREXCEPT MATH_ERRNO NAN SNAN SNANF SNANL fpclassify iscanonical iseqsig isfinite "
    "isgreater isgreaterequal isless islessequal islessgreater isnormal issignaling issubnormal "
    "isunordered iszero math_errhandling signbit signgam daddl ddivl dfmal dmull dsqrtl dsubl fadd "
    "faddl fdiv fdivl ffma ffmal fmul fmull fsqrt fsqrtl fsub fsubl",
    /* setjmp.h, signal.h, stdarg.h, stdalign.h, stdnoreturn.h */
    "jmp_buf longjmp setjmp raise signal sig_atomic_t va_arg va_copy va_end va_list va_start "
    "noreturn",
    /* stdatomic.h is covered by patterns except for these; stdbit.h, stdckdint.h */
    "kill_dependency memory_order ckd_add ckd_mul ckd_sub",
    /* stddef.h, stdio.h */
    "max_align_t NULL nullptr_t offsetof ptrdiff_t rsize_t size_t unreachable wchar_t BUFSIZ EOF "
    "FILE FILENAME_MAX FOPEN_MAX L_tmpnam SEEK_CUR SEEK_END SEEK_SET TMP_MAX clearerr fclose feof "
    "ferror fflush fgetc fgetpos fgets fopen fpos_t fprintf fputc fputs fread freopen fscanf fseek "
    "fsetpos ftell fwrite getc getchar gets perror printf putc putchar puts remove rename rewind "
    "scanf setbuf setvbuf snprintf sprintf sscanf stderr stdin stdout tmpfile tmpnam ungetc "
    "vfprintf vfscanf vprintf vscanf vsnprintf vsprintf vsscanf fopen_s fprintf_s freopen_s "
    "fscanf_s gets_s printf_s scanf_s snprintf_s sprintf_s sscanf_s tmpfile_s tmpnam_s vfprintf_s "
    "vfscanf_s vprintf_s vscanf_s vsnprintf_s vsprintf_s vsscanf_s",
    /* stdlib.h */
    "EXIT_FAILURE EXIT_SUCCESS MB_CUR_MAX RAND_MAX abort abs aligned_alloc at_quick_exit atexit "
    "atof atoi atol atoll bsearch calloc call_once constraint_handler_t abort_handler_s "
    "ignore_handler_s bsearch_s qsort_s getenv_s div div_t exit free free_aligned_sized free_sized "
    "getenv labs ldiv ldiv_t llabs lldiv lldiv_t malloc mblen mbstowcs mbstowcs_s mbtowc "
    "memalignment once_flag ONCE_FLAG_INIT qsort quick_exit rand realloc set_constraint_handler_s "
    "srand system wcstombs wcstombs_s wctomb wctomb_s",
    /* string.h: the rest is covered by patterns; threads.h, time.h */
    "thread_local TSS_DTOR_ITERATIONS CLOCKS_PER_SEC asctime asctime_r asctime_s clock clock_t "
    "ctime ctime_r ctime_s difftime gmtime gmtime_r gmtime_s localtime localtime_r localtime_s "
    "mktime time time_t timegm timespec_get timespec_getres tm timespec",
    /* uchar.h, wchar.h, wctype.h */
    "c16rtomb c32rtomb c8rtomb char16_t char32_t char8_t mbrtoc16 mbrtoc32 mbrtoc8 WEOF btowc "
    "fgetwc fgetws fputwc fputws fwide fwprintf fwprintf_s fwscanf fwscanf_s getwc getwchar mbrlen "
    "mbrtowc mbsinit mbsrtowcs mbsrtowcs_s mbstate_t putwc putwchar snwprintf_s swprintf "
    "swprintf_s swscanf swscanf_s ungetwc vfwprintf vfwprintf_s vfwscanf vfwscanf_s vsnwprintf_s "
    "vswprintf vswprintf_s vswscanf vswscanf_s vwprintf vwprintf_s vwscanf vwscanf_s wcrtomb "
    "wcrtomb_s wctob wctrans wctrans_t wctype wctype_t wint_t wmemchr wmemcmp wmemcpy wmemcpy_s "
    "wmemmove wmemmove_s wmemset wprintf wprintf_s wscanf wscanf_s",
    /* predefined by gcc and clang, on some machine, unless they follow a standard strictly */
    "unix linux i386 sun sparc mips MIPSEB MIPSEL vax m68k mc68000 hppa hpux PPC arm avr pyr sel "
    "tahoe bfin i960 ns32000 vms VMS MSDOS WIN32 WIN64 WINNT",
    "main",
};

/* Names that begin with `prefix` and continue with a character from `from` to `to`. */
/* clang-format off */
static const struct { const char *prefix; char from, to; } patterns[] = {
    {"atomic_", 'a', 'z'}, {"cnd_", 'a', 'z'},  {"memory_order_", 'a', 'z'}, {"mtx_", 'a', 'z'},
    {"stdc_", 'a', 'z'},   {"thrd_", 'a', 'z'}, {"tss_", 'a', 'z'},          {"ATOMIC_", 'A', 'Z'},
    {"DBL_", 'A', 'Z'},    {"DEC", '0', '9'},   {"DEC_", 'A', 'Z'},          {"E", '0', '9'},
    {"E", 'A', 'Z'},       {"FE_", 'A', 'Z'},   {"FLT", '0', '9'},           {"FLT_", 'A', 'Z'},
    {"FP_", '0', 'z'},     {"LC_", 'A', 'Z'},   {"LDBL_", 'A', 'Z'},         {"M_", '0', 'z'},
    {"PRI", 'a', 'z'},     {"PRIX", '0', 'Z'},  {"SCN", 'a', 'z'},           {"SCNX", '0', 'Z'},
    {"SIG", 'A', 'Z'},     {"SIG_", 'A', 'Z'},  {"TIME_", 'A', 'Z'},
};
/* clang-format on */
/* Is the name, of length n, one of the words? */
static bool among(const char *words, const char *name, size_t n) {
    for (const char *at = words; (at = strstr(at, name)) != NULL; at++) {
        const bool begins = at == words || at[-1] == ' ', ends = at[n] == ' ' || at[n] == '\0';
        if (begins && ends) return true;
    }
    return false;
}

/* The same, with or without a final f or l. */
static bool among_numbers(const char *name, size_t n) {
    char shorter[64];
    if (among(functions_of_numbers, name, n)) return true;
    if (n < 2 || n >= sizeof shorter || (name[n - 1] != 'f' && name[n - 1] != 'l')) return false;
    memcpy(shorter, name, n - 1);
    shorter[n - 1] = '\0';
    return among(functions_of_numbers, shorter, n - 1);
}

#define BEGINS(name, with) (strncmp(name, with, strlen(with)) == 0)

static bool ends(const char *name, const char *with) {
    const size_t n = strlen(name), m = strlen(with);
    return n > m && strcmp(name + n - m, with) == 0;
}

/* Types and limits of stdint.h: int_fast8_t, UINT64_MAX, INT32_C. */
static bool integer(const char *name) {
    if (BEGINS(name, "int") || BEGINS(name, "uint")) return ends(name, "_t");
    if (!BEGINS(name, "INT") && !BEGINS(name, "UINT")) return false;
    return ends(name, "_MAX") || ends(name, "_MIN") || ends(name, "_WIDTH") || ends(name, "_C");
}

static bool patterned(const char *name) {
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        const char next =
            BEGINS(name, patterns[i].prefix) ? name[strlen(patterns[i].prefix)] : '\0';
        if (next >= patterns[i].from && next <= patterns[i].to) return true;
    }
    return integer(name);
}

/* Functions that string.h, wchar.h, ctype.h and wctype.h declare or may declare. None has an
 * underscore except in the suffixes _s, _l and _r (strcpy_s), so names like total_loss stay
 * free. */
static bool reserved(const char *name) {
    static const char *const beginnings[] = {"is", "mem", "str", "to", "wcs"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        const char next = BEGINS(name, beginnings[i]) ? name[strlen(beginnings[i])] : '\0';
        if (next >= 'a' && next <= 'z')
            return strchr(name, '_') == NULL || ends(name, "_s") || ends(name, "_l") ||
                   ends(name, "_r");
    }
    return false;
}

const char *ad__c_name_taken(const char *name) {
    const size_t n = strlen(name);
    if (among(keywords, name, n)) return "it is a keyword of C";
    if (among_numbers(name, n) || patterned(name)) return "it has a meaning in C already";
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (among(headers[i], name, n)) return "it has a meaning in C already";
    if (reserved(name))
        return "names that begin with is, to, mem, str or wcs and contain no _ are reserved for "
               "C's library";
    return NULL;
}
