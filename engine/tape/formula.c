/* formula.c - mathematics as text, recorded on a tape.
 *
 * A recursive descent over C's expression grammar, by precedence: each operator is a row of
 * `operators` with its binding strength, and `expression(p, strength)` reads everything that binds
 * at least that tightly. The recursion follows the nesting of the text, never the graph, and is
 * limited to DEEPEST. Operations are recorded as they are read; the first error sticks to the tape
 * and stops the parsing.
 *
 * Names are bound to handles: first those that the formula itself defined (`h = ...;`), then the
 * caller's. A name is a C postfix expression and is compared as text without spaces.
 *
 * If a text cannot be parsed, the message suggests what it would mean in other notations. */
#include "base/suggest.h"
#include "base/text.h"
#include "tape/custom.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

enum { DEEPEST = 1000, SHOWN = 60, HINT = 400, PIECE = 24, LISTED = 10 };

typedef struct binding {
    const char *name; /* in the text: not terminated; spaces inside are ignored */
    size_t      length;
    ad_var      value;
} binding;

typedef struct parser {
    ad_tape    *tape;
    const char *text, *at;
    const char *last;       /* where the operand before `at` begins */
    char        hint[HINT]; /* appended after the position: "; did you mean log?" */
    binding    *names;      /* the caller's, then the formula's own */
    size_t      count, room;
    int         depth, signs; /* open conditionals; open signs and powers */
    bool        failed;
} parser;

static ad_var expression(parser *p, int strength);
static ad_var conditional(parser *p);
static ad_var expected(parser *p, const char *what);

/* ---- errors ---------------------------------------------------------------------------------- */

/* How many columns the first n bytes of a line take in a message. */
static int columns(const char *from, int n) {
    char beginning[SHOWN + 1], shown[6 * SHOWN + 1];
    snprintf(beginning, sizeof beginning, "%.*s", n, from);
    return (int)strlen(ad__shown_text(sizeof shown, shown, beginning));
}

/* True inside a UTF-8 sequence, where a text must not be cut. */
static bool continues(char c) {
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Keeps an error with the line of the text around the place and a caret under it. */
static ad_var error_at(parser *p, const char *place, const char *what, const char *name,
                       size_t length) {
    if (p->failed) return ad__failed(p->tape);
    p->failed = true;
    const char *from = place;
    while (from > p->text && from[-1] != '\n' && place - from < SHOWN) from--;
    while (from < place && continues(*from)) from++;
    int shown = 0;
    while (from[shown] != '\0' && from[shown] != '\n' && from + shown < place + SHOWN) shown++;
    while (shown > 0 && continues(from[shown])) shown--;
    ad__fail(p->tape, AD_BAD_FORMULA, "formula: %s%s%.*s%s at character %zu%s\n  %.*s\n  %*s^",
             what, length > 0 ? " \"" : "",
             (int)(length < SHOWN ? length : (size_t)ad__cut_bytes(name, SHOWN)), name,
             length > 0 ? "\"" : "", (size_t)(place - p->text) + 1, p->hint, shown, from,
             columns(from, (int)(place - from)), "");
    return ad__failed(p->tape);
}

static ad_var error(parser *p, const char *what) {
    return error_at(p, p->at, what, "", 0);
}

/* Appends to the hint. True, so that a chain of guesses can end with the first that fits. */
__attribute__((format(printf, 2, 3))) static bool add_hint(parser *p, const char *format, ...) {
    const size_t n = strlen(p->hint);
    va_list      list;
    va_start(list, format);
    vsnprintf(p->hint + n, HINT - n, format, list);
    va_end(list);
    return true;
}

/* ---- words ----------------------------------------------------------------------------------- */

static void spaces(parser *p) {
    while (isspace((unsigned char)*p->at)) p->at++;
}

static bool take(parser *p, const char *symbol) {
    spaces(p);
    const size_t length = strlen(symbol);
    if (strncmp(p->at, symbol, length) != 0) return false;
    p->at += length;
    return true;
}

static bool letter(char c) {
    return isalpha((unsigned char)c) || c == '_';
}

static size_t word_length(const char *at) {
    size_t n = 0;
    if (letter(*at))
        while (letter(at[n]) || isdigit((unsigned char)at[n])) n++;
    return n;
}

static const char *skip_spaces(const char *at) {
    while (isspace((unsigned char)*at)) at++;
    return at;
}

/* The end of a postfix expression: a word, then any of [...], .word, ->word. */
static const char *postfix_end(const char *at) {
    at += word_length(at);
    for (;;) {
        const char *next = skip_spaces(at);
        if (*next == '[') {
            int open = 0;
            do {
                open += (*next == '[') - (*next == ']');
                next++;
            } while (open > 0 && *next != '\0');
            if (open > 0) return at;
            at = next;
        } else if (*next == '.' || (next[0] == '-' && next[1] == '>')) {
            next = skip_spaces(next + (*next == '.' ? 1 : 2));
            const size_t n = word_length(next);
            if (n == 0) return at;
            at = next + n;
        } else {
            return at;
        }
    }
}

/* Equal when spaces are ignored? */
static bool same_name(const char *a, size_t na, const char *b, size_t nb) {
    const char *ea = a + na, *eb = b + nb;
    for (;;) {
        while (a < ea && isspace((unsigned char)*a)) a++;
        while (b < eb && isspace((unsigned char)*b)) b++;
        if (a == ea || b == eb) return a == ea && b == eb;
        if (*a++ != *b++) return false;
    }
}

static bool is(const char *name, size_t length, const char *word) {
    return strlen(word) == length && memcmp(name, word, length) == 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool bind(parser *p, const char *name, size_t length, ad_var value) {
    if (p->count == p->room) {
        const size_t room = p->room == 0 ? 8 : 2 * p->room;
        binding     *names =
            room > SIZE_MAX / sizeof *names ? NULL : realloc(p->names, room * sizeof *names);
        if (names == NULL) {
            p->failed = true;
            ad__fail(p->tape, AD_NO_MEMORY, "out of memory: no space for the names of a formula");
            return false;
        }
        p->names = names;
        p->room = room;
    }
    p->names[p->count++] = (binding){name, length, value};
    return true;
}

static const binding *find(const parser *p, const char *name, size_t length) {
    for (size_t i = p->count; i-- > 0;)
        if (same_name(p->names[i].name, p->names[i].length, name, length)) return &p->names[i];
    return NULL;
}

/* The name without spaces, cut so that others fit too. */
static void add_name(parser *p, const binding *b) {
    char   text[PIECE + 4];
    size_t n = 0, i = 0;
    for (; i < b->length && n < PIECE; i++)
        if (!isspace((unsigned char)b->name[i]))
            text[n++] = iscntrl((unsigned char)b->name[i]) ? '?' : b->name[i];
    strcpy(text + n, i < b->length && n == PIECE ? "..." : "");
    add_hint(p, "%s", text);
}

static void list_names(parser *p) {
    const char *the = p->hint[0] == '\0' ? "; the" : " The";
    if (p->count == 0) add_hint(p, "%s list of names is empty", the);
    else add_hint(p, "%s %s ", the, p->count == 1 ? "only name is" : "names are");
    for (size_t i = 0; i < p->count && i < LISTED; i++) {
        add_hint(p, "%s", i == 0 ? "" : i + 1 == p->count ? " and " : ", ");
        add_name(p, &p->names[i]);
    }
    if (p->count > LISTED) add_hint(p, " and %zu more", p->count - LISTED);
}

/* "w, x[0], p.b": split at the commas outside brackets. */
static bool bind_all(parser *p, size_t n, const char *names, const ad_var vars[]) {
    const char *at = names == NULL ? "" : names;
    size_t      found = 0;
    while (found < n && *at != '\0') {
        const char *end = at;
        for (int open = 0; *end != '\0' && (open > 0 || *end != ','); end++)
            open += (*end == '[' || *end == '(') - (*end == ']' || *end == ')');
        const char *begin = skip_spaces(at), *last = end;
        while (last > begin && isspace((unsigned char)last[-1])) last--;
        if (begin > last) begin = last;
        if (!bind(p, begin, (size_t)(last - begin), vars[found++])) return false;
        at = *end == ',' ? end + 1 : end;
    }
    if (found == n && *skip_spaces(at) == '\0') return true;
    p->failed = true;
    if (names == NULL) names = "";
    ad__fail(p->tape, AD_BAD_ARGUMENT, "formula: %zu variables, but the names are \"%.*s\"", n,
             ad__cut_bytes(names, SHOWN), names);
    return false;
}

/* ---- calls ----------------------------------------------------------------------------------- */

typedef struct arguments {
    ad_var *x;
    size_t  n, room;
} arguments;

static bool add_argument(parser *p, arguments *a, ad_var x) {
    if (a->n == a->room) {
        const size_t room = a->room == 0 ? 8 : 2 * a->room;
        ad_var      *grown =
            room > SIZE_MAX / sizeof *grown ? NULL : realloc(a->x, room * sizeof *grown);
        if (grown == NULL) {
            p->failed = true;
            ad__fail(p->tape, AD_NO_MEMORY, "out of memory: no space for %zu arguments", room);
            return false;
        }
        a->x = grown;
        a->room = room;
    }
    a->x[a->n++] = x;
    return true;
}

static bool read_arguments(parser *p, arguments *a) {
    if (take(p, ")")) return true;
    do {
        const ad_var x = conditional(p);
        if (p->failed || !add_argument(p, a, x)) return false;
    } while (take(p, ","));
    if (take(p, ")")) return true;
    expected(p, "expected , or )");
    return false;
}

/* C's names for rows that have another name here. */
/* clang-format off */
static const struct { const char *c; size_t row; } aliases[] = {
    {"fabs", AD__ROW_abs}, {"fmin", AD__ROW_min}, {"fmax", AD__ROW_max},
    {"nearbyint", AD__ROW_rint},
};
/* clang-format on */

static size_t row_named(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (is(name, length, aliases[i].c)) return aliases[i].row;
    for (size_t row = 0; row < AD__ROWS; row++)
        if (is(name, length, ad__rows[row].name)) return row;
    return AD__ROWS;
}

/* clang-format off */
#define CALL1(name) \
    static ad_var call_##name(size_t n, const ad_var x[]) { return ad_##name(n, x); }
#define CALL2(name) \
    static ad_var call_##name(size_t n, const ad_var x[]) { return ad_##name(n/2, x, x + n/2); }
#define R_SUM(name, words, groups, ...) CALL##groups(name)
#define R_FOLD(name, ...)               CALL1(name)
#define R_SELECT(...)
#include "reduce.def"
/* clang-format on */
static ad_var call_mean(size_t n, const ad_var x[]) {
    return ad_div(ad_sum(n, x), ad_num((double)n));
}
static ad_var call_fma(size_t n, const ad_var x[]) {
    (void)n;
    return ad_add(ad_mul(x[0], x[1]), x[2]);
}
static ad_var call_where(size_t n, const ad_var x[]) {
    (void)n;
    return ad_where(x[0], x[1], x[2]);
}
static ad_var call_prod(size_t n, const ad_var x[]) {
    ad_var product = x[0];
    for (size_t i = 1; i < n; i++) product = ad_mul(product, x[i]);
    return product;
}

static const struct {
    const char *name;
    size_t      least, most;
    bool        even;
    ad_var (*call)(size_t n, const ad_var x[]);
} functions[] = {
/* clang-format off */
#define R_SUM(name, words, groups, ...) {#name, groups, SIZE_MAX, groups == 2, call_##name},
#define R_FOLD(name, ...)               {#name, 1, SIZE_MAX, false, call_##name},
#define R_SELECT(...)
#include "reduce.def"
    {"mean",      1, SIZE_MAX, false, call_mean},
    {"prod",      1, SIZE_MAX, false, call_prod},
    {"fma",       3, 3,        false, call_fma},
    {"where",     3, 3,        false, call_where},
    /* clang-format on */
};

/* ---- what was meant -------------------------------------------------------------------------- */

static bool is_function(const parser *p, const char *name, size_t length) {
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (is(name, length, functions[i].name)) return true;
    return ad__defined(p->tape, name, length) != NULL || row_named(name, length) < AD__ROWS;
}

static void try_functions(const parser *p, ad__nearest *n) {
    for (size_t row = 0; row < AD__ROWS; row++)
        ad__nearest_try(n, ad__rows[row].name, strlen(ad__rows[row].name));
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        ad__nearest_try(n, aliases[i].c, strlen(aliases[i].c));
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        ad__nearest_try(n, functions[i].name, strlen(functions[i].name));
    for (uint32_t i = 0; i < p->tape->defined.n; i++)
        ad__nearest_try(n, p->tape->defined.op[i].op->name,
                        strlen(p->tape->defined.op[i].op->name));
}

/* Adds "did you mean" for a word in the place of a function. */
static bool meant_function(parser *p, const char *name, size_t length) {
    ad__nearest near = {.word = name, .length = length};
    const char *other = ad__foreign_function(name, length);
    if (is_function(p, name, length)) return add_hint(p, "; did you mean %.*s?", (int)length, name);
    if (other != NULL) return add_hint(p, "; did you mean %s?", other);
    try_functions(p, &near);
    return near.best != NULL &&
           add_hint(p, "; did you mean %.*s?",
                    (int)(near.best_length < SHOWN ? near.best_length : SHOWN), near.best);
}

/* A variable before a parenthesis may be meant as a product: 2*x(y + 1). */
static ad_var no_function(parser *p, const char *name, size_t length) {
    if (find(p, name, length) != NULL && length <= PIECE)
        add_hint(p, "; did you mean %.*s*(...)?", (int)length, name);
    else meant_function(p, name, length);
    return error_at(p, name, "no function is called", name, length);
}

static bool begins_operand(const char *at) {
    return letter(*at) || *at == '(' || isdigit((unsigned char)*at) ||
           (*at == '.' && isdigit((unsigned char)at[1]));
}

static const char *parenthesis_end(const char *at) {
    int open = 0;
    do open += (*at == '(') - (*at == ')');
    while (*at++ != '\0' && open > 0 && *at != '\0');
    return at;
}

/* The text of the operand at a place, if it is short; else an ellipsis. */
static const char *piece(const char *at, char text[PIECE + 1]) {
    const char *end = letter(*at) ? postfix_end(at) : at + strspn(at, "0123456789.");
    if (*end == '(') end = parenthesis_end(end);
    if (end - at > PIECE) return "...";
    memcpy(text, at, (size_t)(end - at));
    text[end - at] = '\0';
    return text;
}

/* For two operands without an operator between them. */
static bool meant_product(parser *p, const char *left, size_t length, const char *right) {
    char text[PIECE + 1];
    while (length > 0 && isspace((unsigned char)left[length - 1])) length--;
    if (length > PIECE) left = "...", length = 3;
    return add_hint(p, "; did you mean %.*s*%s?", (int)length, left, piece(right, text));
}

/* Reports that something else stands where an operator belongs. */
static ad_var expected(parser *p, const char *what) {
    const char  *at = p->at, *sign = ad__foreign_operator(at), *operand = ad__foreign_operand(at);
    const size_t n = word_length(at);
    if (is(at, n, "and") || is(at, n, "or"))
        add_hint(p, "; did you mean %s?", n == 3 ? "&&" : "||");
    else if (is(at, n, "mod")) add_hint(p, "; did you mean fmod(x, y)?");
    else if (sign != NULL) add_hint(p, "; did you mean %s?", sign);
    else if (operand != NULL) add_hint(p, "; did you mean *%s?", operand);
    else if (*at == ',' && at > p->text && isdigit((unsigned char)at[-1]) &&
             isdigit((unsigned char)at[1]))
        add_hint(p, "; did you mean a point, as in %c.%c?", at[-1], at[1]);
    else if (begins_operand(at) && p->last != NULL)
        meant_product(p, p->last, (size_t)(at - p->last), at);
    return error(p, what);
}

/* np.sin(x), std::exp(x), Math.sqrt(x): the last word before the parenthesis is the function. */
static bool meant_member(parser *p, const char *name, const char *end) {
    const char *word = end;
    if (end[0] == ':' && end[1] == ':') word = end + 2, end = word + word_length(word);
    else
        while (word > name && (letter(word[-1]) || isdigit((unsigned char)word[-1]))) word--;
    if (word == name || *skip_spaces(end) != '(') return false;
    return meant_function(p, word, (size_t)(end - word));
}

/* sin x, sin^2(x), sin[x] */
static bool meant_call(parser *p, const char *name, const char *end) {
    const size_t n = word_length(name);
    const char  *after = skip_spaces(end);
    char         text[PIECE + 1];
    if (!is_function(p, name, n) || n > PIECE || (name + n != end && name[n] != '[')) return false;
    const bool operand = name + n == end && begins_operand(after);
    return add_hint(p, "; did you mean %.*s(%s)?", (int)n, name,
                    operand ? piece(after, text) : "...");
}

/* e^x is exp(x). */
static bool meant_exponential(parser *p, const char *end) {
    const char *after = skip_spaces(end);
    char        text[PIECE + 1];
    if (*after != '^') return add_hint(p, "; did you mean exp(1)?");
    after = skip_spaces(after + 1);
    if (!begins_operand(after)) return add_hint(p, "; did you mean exp(...)?");
    const char *operand = piece(after, text);
    return *operand == '(' ? add_hint(p, "; did you mean exp%s?", operand)
                           : add_hint(p, "; did you mean exp(%s)?", operand);
}

/* xy is x*y where both are bound, x2 is x^2, sinx is sin(x). */
static bool meant_two(parser *p, const char *name, size_t length) {
    for (size_t n = 1; n < length && length <= PIECE; n++) {
        size_t     digits = n;
        const bool bound = find(p, name + n, length - n) != NULL;
        if (bound && is_function(p, name, n))
            return add_hint(p, "; did you mean %.*s(%.*s)?", (int)n, name, (int)(length - n),
                            name + n);
        if (find(p, name, n) == NULL) continue;
        while (digits < length && isdigit((unsigned char)name[digits])) digits++;
        if (digits == length)
            return add_hint(p, "; did you mean %.*s^%.*s?", (int)n, name, (int)(length - n),
                            name + n);
        if (bound || is(name + n, length - n, "pi"))
            return add_hint(p, "; did you mean %.*s*%.*s?", (int)n, name, (int)(length - n),
                            name + n);
    }
    return false;
}

static bool meant_name(parser *p, const char *name, size_t length) {
    ad__nearest near = {.word = name, .length = length};
    const char *constant = ad__foreign_constant(name, length);
    for (size_t i = 0; i < p->count; i++)
        ad__nearest_try(&near, p->names[i].name, p->names[i].length);
    ad__nearest_try(&near, "pi", 2);
    if (near.best == NULL && constant != NULL) return add_hint(p, "; did you mean %s?", constant);
    return near.best != NULL &&
           add_hint(p, "; did you mean %.*s?",
                    (int)(near.best_length < SHOWN ? near.best_length : SHOWN), near.best);
}

static ad_var unknown_name(parser *p, const char *name, size_t length) {
    const char *end = name + length;
    const bool  e = is(name, length, "e") || is(name, length, "E");
    if (!meant_member(p, name, end) && !meant_call(p, name, end) &&
        !(e && meant_exponential(p, end)) && !meant_two(p, name, length) &&
        !meant_name(p, name, length) && begins_operand(skip_spaces(end)))
        meant_function(p, name, length);
    list_names(p);
    return error_at(p, name, "unknown name", name, length);
}

/* Reports that something else stands where an operand belongs. */
static ad_var no_operand(parser *p) {
    const char before = p->at > p->text ? p->at[-1] : ' ', *sign = ad__foreign_operand(p->at);
    if (*p->at == '\0') return error(p, "the text ends where an operand belongs");
    if (before == *p->at && (before == '*' || before == '/'))
        sign = ad__foreign_operator(p->at - 1);
    if (before == '=' && *p->at == '=') sign = "==";
    if ((before == '<' || before == '=') && *p->at == '>') sign = before == '<' ? "!=" : ">=";
    if (sign != NULL) add_hint(p, "; did you mean %s?", sign);
    return error(p, "expected a number, a name or (");
}

/* 2x, 2exp(x), 2e^x; and C's 2.5f. */
static ad_var letter_after_number(parser *p, const char *begin) {
    const size_t n = word_length(p->at);
    const bool   suffix = n == 1 && strchr("fFlL", *p->at) != NULL && find(p, p->at, 1) == NULL;
    const size_t length = (size_t)(p->at - begin);
    if (suffix && length <= PIECE) add_hint(p, "; did you mean %.*s?", (int)length, begin);
    else if (is(p->at, n, "e") && find(p, p->at, n) == NULL)
        add_hint(p, "; did you mean %.*s*exp(...)?", (int)(length < PIECE ? length : PIECE), begin);
    else meant_product(p, begin, length, p->at);
    return error(p, "a number ends in a letter");
}

/* ---- calls, applied -------------------------------------------------------------------------- */

static ad_var wrong_count(parser *p, const char *name, size_t length, size_t least, size_t most,
                          size_t got) {
    char what[80];
    snprintf(what, sizeof what, "%zu argument%s, not %s%zu, for", got, got == 1 ? "" : "s",
             most == SIZE_MAX ? "at least " : "", least);
    if (is(name, length, "atan") && got == 2) add_hint(p, "; did you mean atan2?");
    if ((is(name, length, "max") || is(name, length, "min") || is(name, length, "hypot")) &&
        got > 2)
        add_hint(p, "; did you mean %.*s(x, %.*s(y, z))?", (int)length, name, (int)length, name);
    return error_at(p, name, what, name, length);
}

static ad_var uneven_count(parser *p, const char *name, size_t length, size_t got) {
    char what[80];
    snprintf(what, sizeof what, "%zu arguments, two halves of the same length are wanted, for",
             got);
    return error_at(p, name, what, name, length);
}

static ad_var apply(parser *p, const char *name, size_t length, const arguments *a) {
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (!is(name, length, functions[i].name)) continue;
        if (a->n < functions[i].least || a->n > functions[i].most)
            return wrong_count(p, name, length, functions[i].least, functions[i].most, a->n);
        if (functions[i].even && a->n % 2 != 0) return uneven_count(p, name, length, a->n);
        return functions[i].call(a->n, a->x);
    }
    const ad__own_op *own = ad__defined(p->tape, name, length);
    if (own != NULL && own->op->operands != SIZE_MAX && own->op->operands != a->n)
        return wrong_count(p, name, length, own->op->operands, own->op->operands, a->n);
    if (own != NULL) return ad_custom(p->tape, own->op, a->n, a->x, own->context);
    const size_t row = row_named(name, length);
    if (row == AD__ROWS) return no_function(p, name, length);
    if (a->n != ad__rows[row].operands)
        return wrong_count(p, name, length, ad__rows[row].operands, ad__rows[row].operands, a->n);
    return ad__record_row((ad__row_number)row, a->x[0], a->x[a->n - 1]);
}

/* Is it a word that does not mean anything else already? */
static bool free_name(const char *name) {
    const size_t length = strlen(name);
    if (length == 0 || word_length(name) != length || is(name, length, "pi")) return false;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (is(name, length, functions[i].name)) return false;
    return row_named(name, length) == AD__ROWS;
}

ad_status ad_tape_define(ad_tape *tape, const ad_custom_op *op, void *context) {
    if (tape == NULL) return AD_NO_MEMORY;
    if (tape->status != AD_OK || !ad__check_op(tape, "ad_tape_define", op)) return tape->status;
    if (free_name(op->name)) ad__define(tape, op, context);
    else
        ad__fail(tape, AD_BAD_ARGUMENT, "ad_tape_define: \"%.*s\" is %s", ad__shown_bytes(op->name),
                 op->name,
                 word_length(op->name) == strlen(op->name) && op->name[0] != '\0'
                     ? "the name of something else"
                     : "not a word");
    return tape->status;
}

static ad_var call(parser *p, const char *name, size_t length) {
    arguments    a = {NULL, 0, 0};
    const ad_var y = read_arguments(p, &a) ? apply(p, name, length, &a) : ad__failed(p->tape);
    free(a.x);
    return y;
}

/* ---- operands -------------------------------------------------------------------------------- */

/* A decimal number, in C's syntax. strtod would also read hex, inf and nan, which are names
 * here. */
static ad_var number(parser *p) {
    const char *end = p->at;
    while (isdigit((unsigned char)*end)) end++;
    if (*end == '.') end++;
    while (isdigit((unsigned char)*end)) end++;
    if (*end == 'e' || *end == 'E') {
        const char *digits = end + 1 + (end[1] == '+' || end[1] == '-');
        if (!isdigit((unsigned char)*digits)) {
            const char *begin = p->at;
            p->at = end;
            const bool word = word_length(end) > 1 || end[1] == '^' || find(p, end, 1) != NULL;
            return word ? letter_after_number(p, begin) : error(p, "an exponent needs digits");
        }
        end = digits;
        while (isdigit((unsigned char)*end)) end++;
    }
    if (letter(*end)) {
        const char *begin = p->at;
        p->at = end;
        return letter_after_number(p, begin);
    }
    const ad__locale locale = ad__locale_enter();
    const double     value = strtod(p->at, NULL);
    ad__locale_leave(locale);
    p->at = end;
    return ad_num(value);
}

static ad_var name_or_call(parser *p) {
    const char  *name = p->at;
    const size_t length = word_length(name);
    const char  *after = skip_spaces(name + length);
    if (*after == '(') {
        p->at = after + 1;
        return call(p, name, length);
    }
    p->at = postfix_end(name);
    const size_t   whole = (size_t)(p->at - name);
    const binding *b = find(p, name, whole);
    if (b != NULL) return b->value;
    if (is(name, whole, "pi")) return ad_num(3.141592653589793);
    return unknown_name(p, name, whole);
}

static ad_var read_primary(parser *p) {
    if (letter(*p->at)) return name_or_call(p);
    if (isdigit((unsigned char)*p->at) || (*p->at == '.' && isdigit((unsigned char)p->at[1])))
        return number(p);
    if (take(p, "(")) {
        const ad_var inside = conditional(p);
        return p->failed || take(p, ")") ? inside : expected(p, "expected )");
    }
    return no_operand(p);
}

static ad_var primary(parser *p) {
    spaces(p);
    const char  *begin = p->at;
    const ad_var x = read_primary(p);
    p->last = begin;
    return x;
}

/* ---- operators ------------------------------------------------------------------------------- */

/* clang-format off */
static ad_var more(ad_var x, ad_var y)          { return ad_less(y, x); }
static ad_var more_or_equal(ad_var x, ad_var y) { return ad_less_equal(y, x); }
/* clang-format on */

enum { UNARY = 7, POWER = 8 };

/* Longer symbols before their prefixes. */
static const struct {
    const char *symbol;
    int         strength;
    ad_var (*apply)(ad_var x, ad_var y);
} operators[] = {
    /* clang-format off */
    {"||", 1, ad_either},
    {"&&", 2, ad_both},
    {"==", 3, ad_equal},      {"!=", 3, ad_not_equal},
    {"<=", 4, ad_less_equal}, {">=", 4, more_or_equal},
    {"<",  4, ad_less},       {">",  4, more},
    {"+",  5, ad_add},        {"-",  5, ad_sub},
    {"*",  6, ad_mul},        {"/",  6, ad_div},
    {"^",  POWER, ad_pow},
    /* clang-format on */
};

static ad_var prefixed(parser *p) {
    if (take(p, "-")) {
        const ad_var x = expression(p, UNARY);
        return p->failed ? x : ad_neg(x);
    }
    if (take(p, "+")) return expression(p, UNARY);
    spaces(p);
    if (p->at[0] == '!' && p->at[1] != '=') {
        p->at++;
        const ad_var x = expression(p, UNARY);
        return p->failed ? x : ad_equal(x, ad_num(0));
    }
    return primary(p);
}

/* The index of the operator at this position, or -1. The = of an assignment is not a comparison. */
static int operator_here(parser *p) {
    spaces(p);
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (strncmp(p->at, operators[i].symbol, strlen(operators[i].symbol)) == 0) return (int)i;
    return -1;
}

/* The exponent of a power may have a sign, and powers are right-associative: 2^-x^2 is
 * 2^(-(x^2)). */
static ad_var right_operand(parser *p, int strength) {
    return strength == POWER ? expression(p, UNARY) : expression(p, strength + 1);
}

static ad_var expression(parser *p, int strength) {
    p->signs += strength == UNARY;
    if (p->signs > DEEPEST) error(p, "nested more than 1,000 deep");
    ad_var x = p->failed ? ad__failed(p->tape) : prefixed(p);
    while (!p->failed) {
        const int o = operator_here(p);
        if (o < 0 || operators[o].strength < strength) break;
        p->at += strlen(operators[o].symbol);
        const ad_var y = right_operand(p, operators[o].strength);
        if (!p->failed) x = operators[o].apply(x, y);
    }
    p->signs -= strength == UNARY;
    return x;
}

static ad_var choice(parser *p) {
    const ad_var condition = expression(p, 1);
    if (p->failed || !take(p, "?")) return condition;
    const ad_var yes = conditional(p);
    if (p->failed) return yes;
    if (!take(p, ":")) return expected(p, "expected :");
    const ad_var no = conditional(p);
    return p->failed ? no : ad_where(condition, yes, no);
}

/* Everything that nests (parentheses, arguments, the branches of ?:) comes through here. */
static ad_var conditional(parser *p) {
    if (p->depth == DEEPEST) return error(p, "nested more than 1,000 deep");
    p->depth++;
    const ad_var x = choice(p);
    p->depth--;
    return x;
}

/* ---- statements ------------------------------------------------------------------------------ */

/* Is there a `name =` here? Only for a plain word, and not at ==. */
static bool assignment(parser *p, const char **name, size_t *length) {
    spaces(p);
    *name = p->at;
    *length = word_length(p->at);
    const char *after = skip_spaces(p->at + *length);
    if (*length == 0 || after[0] != '=' || after[1] == '=') return false;
    p->at = after + 1;
    return true;
}

static void give_name(parser *p, const char *name, size_t length, ad_var x) {
    char *text = malloc(length + 1);
    if (text == NULL) {
        p->failed = true;
        ad__fail(p->tape, AD_NO_MEMORY, "out of memory: no space for a name");
        return;
    }
    memcpy(text, name, length);
    text[length] = '\0';
    ad_name(x, text);
    free(text);
    bind(p, name, length, x);
}

/* True if the statement made this node. Naming a node that has a name already, or a leaf, would
 * rename it: `y = x` only binds. */
static bool made_here(const parser *p, uint32_t before, ad_var x) {
    return x.tape == p->tape && ad__node_of(x) >= before && ad__node_of(x) != AD__NO_NODE;
}

static ad_var statements(parser *p) {
    for (;;) {
        const char    *name;
        size_t         length;
        const uint32_t before = p->tape->length;
        const bool     named = assignment(p, &name, &length);
        const ad_var   x = conditional(p);
        if (p->failed) return ad__failed(p->tape);
        if (named && made_here(p, before, x)) give_name(p, name, length, x);
        else if (named) bind(p, name, length, x);
        spaces(p);
        if (*p->at == '\0') return x;
        if (!take(p, ";")) return expected(p, "expected an operator, ; or the end");
        spaces(p);
        if (*p->at == '\0') return x;
        if (!named)
            return error_at(p, p->at, "only the last expression may go without a name", "", 0);
    }
}

ad_var ad_parse(ad_tape *tape, const char *text, size_t n, const char *names, const ad_var vars[]) {
    if (tape == NULL) return ad_num(NAN);
    if (tape->status != AD_OK) return ad__failed(tape);
    if (text == NULL || (n > 0 && vars == NULL)) {
        ad__fail(tape, AD_BAD_ARGUMENT, "formula: %s is NULL", text == NULL ? "the text" : "vars");
        return ad__failed(tape);
    }
    parser p = {.tape = tape, .text = text, .at = text};
    ad_var y = bind_all(&p, n, names, vars) ? statements(&p) : ad__failed(tape);
    free(p.names);
    return tape->status == AD_OK ? y : ad__failed(tape);
}

ad_var ad_parse_at(const char *file, int line, ad_tape *tape, const char *text, size_t n,
                   const char *names, const ad_var vars[]) {
    const uint32_t first = tape == NULL ? 0 : tape->length;
    const ad_var   y = ad_parse(tape, text, n, names, vars);
    if (tape != NULL && tape->length > first)
        ad__source_span(tape, first, tape->length - 1, file, line);
    return y;
}
