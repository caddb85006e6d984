/* emit_c.c - tests of exported C: it compiles without a warning, computes what the tape computes,
 * and nothing but an identifier reaches the file. Files are compiled by the system's cc and
 * loaded. */
#include "engine/program/program.h"
#include "support.h"

#include "expect.h"
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef double exported(const double *param, const double *input, double *grad);

/* A folder for one test, with what was written into it. */
typedef struct workshop {
    char      folder[64];
    void     *library;
    exported *f;
} workshop;

/* `f` as text; the caller frees it. */
static char *written(const ad_program *p, const char *name) {
    char           *text = NULL;
    size_t          size = 0;
    FILE           *to = open_memstream(&text, &size);
    const ad_status status = ad_program_emit_c(p, name, to);
    fclose(to);
    char message[300];
    ad_program_message(p, sizeof message, message);
    cr_assert_eq(status, AD_OK, "%s", message);
    return text;
}

static size_t count_of(const char *text, const char *part) {
    size_t n = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part)) n++;
    return n;
}

static void run(const char *format, const char *folder) {
    char command[400];
    snprintf(command, sizeof command, format, folder, folder);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void build(workshop *w, const ad_program *p) {
    char path[100], *text = written(p, "f");
    strcpy(w->folder, "/tmp/tapir-emit-XXXXXX");
    cr_assert_not_null(mkdtemp(w->folder));
    snprintf(path, sizeof path, "%s/f.c", w->folder);
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    free(text);
    run("cc -std=c99 -Wall -Wextra -pedantic -Werror -shared -fPIC -o %s/f.so %s/f.c -lm",
        w->folder);
    snprintf(path, sizeof path, "%s/f.so", w->folder);
    w->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(w->library, "%s", dlerror());
    void *symbol = dlsym(w->library, "f");
    memcpy(&w->f, &symbol, sizeof symbol); /* ISO C has no cast from void * to a function */
    cr_assert(w->f != NULL);
}

static void clear(workshop *w) {
    dlclose(w->library);
    run("rm -r %s", w->folder);
}

/* The exported function beside the program, at some points: value and gradient. */
enum { MOST = 64 };

static void same_as_program(const ad_interface *face, const double param[], size_t count,
                            const double input[]) {
    ad_program *p = ad_compile(face);
    cr_assert_not_null(p, "%s", ad_tape_message(face->output[0].tape));
    workshop w;
    build(&w, p);
    for (size_t r = 0; r < count; r++) {
        double        want[MOST], got[MOST], mean;
        const double *x = input + r * face->inputs;
        cr_assert_eq(ad_program_gradient(p, param, 1, x, &mean, want), AD_OK);
        const double value = w.f(param, x, got);
        cr_expect(close_to(value, mean, 1e-14, 1e-300), "row %zu: %.17g, not %.17g", r, value,
                  mean);
        cr_expect(close_to(w.f(param, x, NULL), value, 0, 0), "row %zu: without gradient", r);
        for (size_t i = 0; i < face->params; i++)
            cr_expect(close_to(got[i], want[i], 1e-13, 1e-300),
                      "row %zu, d/d param[%zu]: %.17g, not %.17g", r, i, got[i], want[i]);
    }
    clear(&w);
    ad_program_free(p);
}

/* ---- values and gradients -------------------------------------------------------------------- */

/* Every row at places where it is defined, its operands in every form, each weighted by a param. */
Test(emit_c, every_row_in_every_form) {
    ad_tape *tape = ad_tape_new();
    ad_var   a = ad_input(tape, 0.6), b = ad_input(tape, 2.5), x = ad_input(tape, 1.2),
           total = ad_num(0);
    for (int k = 0; k < ROWS; k++) {
        const bool   up = k == ROW_acosh, order = k == ROW_polygamma;
        const ad_var first = order ? ad_num(1) : up ? ad_add(a, x) : a;
        total = ad_add(total, ad_mul(row_record(&rows[k], first, b), ad_add(x, ad_num(0.1 * k))));
        if (rows[k].operands == 1) continue;
        total = ad_add(total, ad_mul(a, row_record(&rows[k], order ? ad_num(2) : ad_num(1.25), b)));
        if (!order) total = ad_add(total, ad_mul(x, row_record(&rows[k], b, ad_num(-0.75))));
    }
    const ad_var       params[] = {a, b};
    const ad_interface face = {2, params, 1, &x, 1, &total, 0};
    same_as_program(&face, (double[]){0.6, 2.5}, 2, (double[]){1.2, 0.9});
    ad_tape_free(tape);
}

/* Each row alone, of what is learned and of what is given: the functions that are called are those
 * that are defined. */
Test(emit_c, every_helper_that_is_called_is_there) {
    for (int k = 0; k < 2 * ROWS; k++) {
        ad_tape     *tape = ad_tape_new();
        const row   *r = &rows[k / 2];
        const ad_var a = ad_input(tape, 1.5), x = ad_input(tape, 1.25), of = k % 2 == 0 ? a : x;
        const ad_var y = ad_mul(a, row_record(r, k / 2 == ROW_polygamma ? ad_num(1) : of, of));
        ad_program  *p = ad_compile(&(ad_interface){1, &a, 1, &x, 1, &y, 0});
        cr_assert_not_null(p, "%s: %s", r->name, ad_tape_message(tape));
        char *text = written(p, "f");
        for (const char *at = text; (at = strstr(at, "f_")) != NULL; at++) {
            static const char *const types[] = {"double", "void", "long", "int"};
            const int length = (int)strspn(at, "abcdefghijklmnopqrstuvwxyz_0123456789");
            bool      defined = at[length] != '(';
            for (size_t t = 0; t < 4; t++) {
                char definition[80];
                snprintf(definition, sizeof definition, "static %s %.*s(", types[t], length, at);
                defined |= strstr(text, definition) != NULL;
            }
            cr_expect(defined, "%s: %.*s is not there", r->name, length, at);
        }
        free(text);
        ad_program_free(p);
        ad_tape_free(tape);
    }
}

/* Operands next to each other, evenly spaced, and in no order at all; long and short. */
Test(emit_c, every_reduction_with_even_and_uneven_operands) {
    ad_tape *tape = ad_tape_new();
    ad_var   p[12], x[12], mixed[12], uneven[12];
    for (int i = 0; i < 12; i++) p[i] = ad_input(tape, 0.1 * i - 0.3);
    for (int i = 0; i < 12; i++) x[i] = ad_input(tape, 1 - 0.2 * i);
    static const int order[] = {5, 2, 11, 0, 7, 1, 10, 3, 4, 9, 8, 6};
    for (int i = 0; i < 12; i++) {
        uneven[i] = i % 2 == 0 ? p[order[i]] : x[order[i]];
        mixed[i] = i % 3 == 0 ? ad_num(i) : i % 3 == 1 ? ad_sin(x[i]) : ad_mul(p[i], p[0]);
    }
    ad_var total = ad_num(0);
    for (size_t n = 2; n <= 12; n += 5) {
        const ad_var parts[] = {
            ad_logsumexp(n, x),
            ad_logsumexp(n, uneven),
            ad_logsumexp(n, mixed),
            ad_logsumexp(n, p),
            ad_exp(ad_sum(n, uneven)),
            ad_exp(ad_sum(n, p)),
            ad_tanh(ad_dot(n, p, x)),
            ad_tanh(ad_dot(n, uneven, mixed)),
            ad_exp(ad_dot(n, p, p)),
            ad_pick(ad_num(1), n, mixed),
            ad_pick(ad_floor(x[0]), n, p),
            ad_pick(ad_floor(x[0]), n, mixed),
            ad_where(ad_less(x[1], p[1]), uneven[1], mixed[1]),
            ad_where(x[2], ad_exp(p[2]), p[3]),
            ad_where(ad_less(x[0], x[4]), x[3], p[3]),
            ad_norm(n, x),
            ad_norm(n, uneven),
            ad_norm(n, mixed),
            ad_norm(n, p),
            ad_largest(n, x),
            ad_largest(n, uneven),
            ad_largest(n, mixed),
            ad_largest(n, p),
        };
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            total = ad_add(total, ad_mul(parts[i], ad_cos(parts[i])));
    }
    const ad_interface face = {12, p, 12, x, 1, &total, 0};
    double             param[12], input[24];
    for (int i = 0; i < 12; i++)
        param[i] = 0.2 * i - 0.5, input[i] = 1 - 0.3 * i, input[12 + i] = 0.05 * i * i;
    same_as_program(&face, param, 2, input);
    ad_tape_free(tape);
}

/* What reduce.c does with offsets and infinities; the gradient in params is that of the softmax. */
Test(emit_c, logsumexp_does_not_lose_the_offset) {
    ad_tape     *tape = ad_tape_new();
    const ad_var p[] = {ad_input(tape, 0), ad_input(tape, 0), ad_input(tape, 0)},
                 x = ad_input(tape, 1);
    const ad_var        y = ad_mul(x, ad_logsumexp(3, p));
    const ad_interface  face = {3, p, 1, &x, 1, &y, 0};
    ad_program         *program = ad_compile(&face);
    static const double at[][3] = {{1e20, 1e20, 1e20},
                                   {-1e6, -1e6 + 1, -1e6},
                                   {INFINITY, 0, INFINITY},
                                   {-INFINITY, -INFINITY, -INFINITY}};
    static const double third = 1.0 / 3, e = 2.718281828459045;
    const double        want[][3] = {
               {third, third, third},
               {1 / (2 + e), e / (2 + e), 1 / (2 + e)},
               {0.5, 0, 0.5},
               {0, 0, 0},
    };
    workshop w;
    build(&w, program);
    for (int k = 0; k < 4; k++) {
        double got[3];
        w.f(at[k], (double[]){1}, got);
        for (int i = 0; i < 3; i++)
            cr_expect(close_to(got[i], want[k][i], 8 * U, 0), "%d, %d: %.17g, not %.17g", k, i,
                      got[i], want[k][i]);
    }
    clear(&w);
    ad_program_free(program);
    ad_tape_free(tape);
}

/* Three params, what is computed of them, and the gradient: huge, subnormal, all zero, ties,
 * infinities, NaN. */
Test(emit_c, norm_and_largest_are_right_at_hard_places) {
    static const struct {
        bool   norm;
        double at[3], value, want[3];
    } of[] = {
        {true, {2e200, -1e200, 2e200}, 3e200, {2.0 / 3, -1.0 / 3, 2.0 / 3}},
        {true, {0x1p-1074, 0, 0}, 0x1p-1074, {1, 0, 0}},
        {true, {0, 0, 0}, 0, {0, 0, 0}},
        {true, {INFINITY, 1, 0}, INFINITY, {NAN, 0, 0}},
        {true, {INFINITY, NAN, 0}, NAN, {NAN, NAN, NAN}},
        {false, {1, 3, 3}, 3, {0, 0.5, 0.5}},
        {false, {-INFINITY, -INFINITY, -INFINITY}, -INFINITY, {1.0 / 3, 1.0 / 3, 1.0 / 3}},
        {false, {1, 3, INFINITY}, INFINITY, {0, 0, 1}},
        {false, {NAN, 3, INFINITY}, NAN, {NAN, NAN, NAN}},
    };
    for (int norm = 0; norm < 2; norm++) {
        ad_tape     *tape = ad_tape_new();
        const ad_var p[] = {ad_input(tape, 3), ad_input(tape, 2), ad_input(tape, 1)},
                     x = ad_input(tape, 1);
        const ad_var       y = ad_mul(x, norm ? ad_norm(3, p) : ad_largest(3, p));
        const ad_interface face = {3, p, 1, &x, 1, &y, 0};
        ad_program        *program = ad_compile(&face);
        workshop           w;
        build(&w, program);
        for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
            double got[3];
            if (of[k].norm != norm) continue;
            const double value = w.f(of[k].at, (double[]){1}, got);
            cr_expect(close_to(value, of[k].value, 4 * U, 0) ||
                          (isnan(value) && isnan(of[k].value)),
                      "%zu: %.17g", k, value);
            for (int i = 0; i < 3; i++)
                cr_expect(close_to(got[i], of[k].want[i], 4 * U, 0) ||
                              (isnan(got[i]) && isnan(of[k].want[i])),
                          "%zu, %d: %.17g", k, i, got[i]);
        }
        clear(&w);
        ad_program_free(program);
        ad_tape_free(tape);
    }
}

static ad_var layered(ad_tape *tape, ad_var params[], const ad_var x[]) {
    ad_var hidden[5], out[3];
    for (int i = 0; i < 5 * 4 + 3 * 6; i++) params[i] = ad_input(tape, 0.03 * i - 0.4);
    for (int j = 0; j < 5; j++)
        hidden[j] = ad_tanh(ad_add(ad_dot(3, params + 4 * j, x), params[4 * j + 3]));
    for (int j = 0; j < 3; j++) { /* by hand, and the weights not in order */
        out[j] = params[20 + 6 * j + 5];
        for (int i = 0; i < 5; i++)
            out[j] = ad_add(out[j], ad_mul(params[20 + 6 * j + i], hidden[i]));
    }
    return ad_sub(ad_logsumexp(3, out), ad_pick(x[2], 3, out));
}

Test(emit_c, layers_become_loops) {
    ad_tape *tape = ad_tape_new();
    ad_var   params[38], x[3];
    for (int i = 0; i < 3; i++) x[i] = ad_input(tape, i);
    ad_var             loss = layered(tape, params, x);
    const ad_interface face = {38, params, 3, x, 1, &loss, 0};
    double             param[38];
    for (int i = 0; i < 38; i++) param[i] = sin(i);
    same_as_program(&face, param, 3, (double[]){1, 2, 0, -0.5, 0.25, 1, 3, 1, 2});
    ad_program *p = ad_compile(&face);
    char       *text = written(p, "loss");
    cr_expect_not_null(strstr(text, "s += v[4*j + i]*v[38 + i];"), "%s", text);
    cr_expect(strlen(text) < 6000, "%zu characters", strlen(text));
    free(text);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* The others lead to the second output of the program alone, which is not exported. */
Test(emit_c, layer_is_computed_for_any_of_its_outputs) {
    for (int needed = 0; needed < 3; needed++) {
        ad_tape *tape = ad_tape_new();
        ad_var   w[6], x[2], h[3];
        for (int i = 0; i < 6; i++) w[i] = ad_input(tape, i);
        for (int i = 0; i < 2; i++) x[i] = ad_input(tape, i);
        for (int j = 0; j < 3; j++) h[j] = ad_sin(ad_dot(2, w + 2 * j, x));
        const ad_var       outputs[] = {ad_exp(h[needed]), ad_logsumexp(3, h)};
        const ad_interface face = {6, w, 2, x, 2, outputs, 0};
        same_as_program(&face, (double[]){0.1, -0.2, 0.3, 0.4, -0.5, 0.6}, 1, (double[]){1.5, 0.5});
        ad_tape_free(tape);
    }
}

Test(emit_c, what_no_param_or_output_needs_is_not_written) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[10], x[5], h[5];
    for (int i = 0; i < 10; i++) w[i] = ad_input(tape, 0.1 * i);
    for (int i = 0; i < 5; i++) x[i] = ad_input(tape, 0.2 * i);
    for (int i = 0; i < 5; i++) h[i] = ad_mul(w[i], x[4 - i]);
    const ad_var layer = ad_exp(ad_dot(5, w + 5, x)), mixed = ad_dot(5, x, h),
                 sums = ad_dot(5, h, x);
    const ad_var       outputs[] = {ad_mul(ad_exp(mixed), ad_sin(ad_mul(sums, x[0]))), layer};
    const ad_interface face = {10, w, 5, x, 2, outputs, 0};
    ad_program        *p = ad_compile(&face);
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    char *text = written(p, "f");
    cr_expect_eq(count_of(text, "long j"), 0, "%s", text); /* the layer */
    /* the h in each dot, not the x */
    cr_expect_eq(count_of(text, "            a["), 2, "%s", text);
    free(text);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* A thousand steps that come again are one loop; the first turn starts from something else. */
Test(emit_c, repeated_steps_become_a_loop) {
    ad_tape *tape = ad_tape_new();
    ad_var   p[2], x = ad_input(tape, 0.5), state;
    for (int i = 0; i < 2; i++) p[i] = ad_input(tape, 0.1 * (i + 1));
    state = x;
    for (int i = 0; i < 1000; i++)
        state = ad_add(ad_add(ad_mul(ad_sin(state), p[0]), ad_mul(p[1], state)),
                       ad_exp(ad_neg(ad_mul(state, state))));
    const ad_interface face = {2, p, 1, &x, 1, &state, 0};
    same_as_program(&face, (double[]){0.4, 0.3}, 2, (double[]){0.5, -1});
    ad_program *program = ad_compile(&face);
    char       *text = written(program, "step");
    cr_expect(strlen(text) < 4000, "%zu characters", strlen(text));
    free(text);
    ad_program_free(program);
    ad_tape_free(tape);
}

/* Twelve turns, of which the seventh has another number, function, operand, length of a list or
 * layer, or a guard. */
static ad_var turns_with(int kind, const ad_var p[4], const ad_var x[4]) {
    ad_var z = x[0];
    for (int i = 0; i < 12; i++) {
        const bool   other = i == 6;
        const ad_var h[] = {ad_sin(z), ad_cos(z), ad_tanh(z), ad_exp(z), ad_atan(z), ad_erf(z)};
        switch (kind) {
        case 0: z = ad_sin(ad_mul(z, ad_num(other ? 1.5 : 2))); break;
        case 1: z = other ? ad_cos(ad_mul(z, p[0])) : ad_sin(ad_mul(z, p[0])); break;
        case 2: z = ad_sin(ad_mul(z, other ? x[1] : p[1])); break;
        case 3: z = ad_logsumexp(other ? 5 : 6, h); break;
        case 4: z = ad_mul(ad_logsumexp(3, h), ad_dot(other ? 3 : 2, h, x + 1)); break;
        case 5:
            z = ad_add(ad_tanh(ad_dot(3, p, h)), other ? ad_tanh(ad_dot(3, p + 1, h)) : x[1]);
            break;
        case 6:
            z = ad_tanh(ad_dot(other ? 5 : 6, h, (ad_var[]){x[1], x[2], x[3], x[0], p[0], p[1]}));
            break;
        case 7:
            z = ad_sin(ad_mul(z, p[1]));
            if (other) ad_branch(ad_less(z, x[3]));
            break;
        default:
            z = ad_sin(ad_mul(z, p[1]));
            if (other) ad_branch(z);
        }
    }
    return z;
}

Test(emit_c, turn_that_differs_is_no_part_of_a_loop) {
    for (int kind = 0; kind <= 8; kind++) {
        ad_tape     *tape = ad_tape_new();
        ad_var       p[4], x[4];
        const double param[] = {0.4, 0.9, -0.3, 0.7},
                     input[] = {0.5, 0.8, -0.6, 2, 0.7, 0.2, 0.3, 3};
        for (int i = 0; i < 4; i++) p[i] = ad_input(tape, param[i]);
        for (int i = 0; i < 4; i++) x[i] = ad_input(tape, input[i]);
        const ad_var       y = ad_mul(turns_with(kind, p, x), p[3]);
        const ad_interface face = {4, p, 4, x, 1, &y, 0};
        same_as_program(&face, param, 2, input);
        if (kind >= 7) {
            ad_program *program = ad_compile(&face);
            char       *text = written(program, "f"), *first = strstr(text, "] == 0) return 1;\n");
            cr_expect(first != NULL && strstr(first + 1, "] == 0) return 1;\n") == NULL,
                      "kind %d: %s", kind, text);
            free(text);
            ad_program_free(program);
        }
        ad_tape_free(tape);
    }
}

/* From eight steps and three turns on, up to the last step. */
Test(emit_c, few_steps_that_come_again_are_written_out) {
    static const struct {
        int  period, turns;
        bool loop;
    } cases[] = {
        {1, 7, false}, {1, 8, true},  {2, 3, false}, {2, 4, true},
        {3, 3, true},  {4, 2, false}, {4, 3, true},
    };
    ad_var (*const one[])(ad_var) = {ad_sin, ad_cos, ad_tanh, ad_erf};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        ad_tape *tape = ad_tape_new();
        ad_var   x = ad_input(tape, 1), z = x;
        char     loop[60];
        for (int i = 0; i < cases[k].period * cases[k].turns; i++) z = one[i % cases[k].period](z);
        ad_program *p = ad_compile(&(ad_interface){0, NULL, 1, &x, 1, &z, 0});
        char       *text = written(p, "f");
        snprintf(loop, sizeof loop, "    for (long r = 0; r < %d; r++) {\n", cases[k].turns);
        cr_expect_eq(strstr(text, loop) != NULL, cases[k].loop, "case %zu: %s", k, text);
        cr_expect_eq(strstr(text, "long r") != NULL, cases[k].loop, "case %zu: %s", k, text);
        free(text);
        ad_program_free(p);
        ad_tape_free(tape);
    }
}

Test(emit_c, outputs_that_need_no_step) {
    ad_tape     *tape = ad_tape_new();
    const ad_var params[] = {ad_input(tape, 1), ad_input(tape, 2)}, x = ad_input(tape, 3);
    const ad_var outputs[] = {ad_num(-0.1),     params[1],        x, ad_mul(x, ad_num(-1e-310)),
                              ad_num(INFINITY), ad_sin(params[1])};
    for (size_t k = 0; k < sizeof outputs / sizeof *outputs; k++) {
        const ad_interface face = {2, params, 1, &x, 1, &outputs[k], 0};
        same_as_program(&face, (double[]){5, 6}, 1, (double[]){7});
    }
    const ad_interface bare = {0, NULL, 1, &x, 1, &x, 0};
    same_as_program(&bare, NULL, 1, (double[]){7});
    ad_tape_free(tape);
}

/* Numbers that differ in the last bit, the smallest and the largest. */
Test(emit_c, numbers_read_back_to_the_bit) {
    static const double numbers[] = {
        0.1,     1.0 / 3,   5e-324,   2.2250738585072014e-308, 1.7976931348623157e308,
        1e22,    123456789, -0.0,     0.30000000000000004,     9007199254740993.0,
        -1e-300, 2,         -INFINITY};
    enum { N = sizeof numbers / sizeof *numbers };
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 1), number[N];
    for (int k = 0; k < N; k++) number[k] = ad_num(numbers[k]);
    ad_var             y = ad_pick(x, N, number);
    const ad_interface face = {0, NULL, 1, &x, 1, &y, 0};
    ad_program        *p = ad_compile(&face);
    workshop           w;
    build(&w, p);
    for (int k = 0; k < N; k++) {
        const double index = k, got = w.f(NULL, &index, NULL);
        cr_expect(same_bits(got, numbers[k]), "%.17g, not %.17g", got, numbers[k]);
    }
    clear(&w);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* ---- what has no answer ---------------------------------------------------------------------- */

static void nowhere(const workshop *w, double a, double x) {
    double grad = 1;
    cr_expect(isnan(w->f(&a, &x, &grad)) && isnan(grad), "a = %g, x = %g", a, x);
    cr_expect(isnan(w->f(&a, &x, NULL)));
}

static void somewhere(const workshop *w, double a, double x, double value, double partial) {
    double grad = NAN;
    cr_expect_eq(w->f(&a, &x, &grad), value);
    cr_expect_eq(grad, partial);
}

Test(emit_c, branch_that_would_turn_gives_nan) {
    ad_tape *tape = ad_tape_new();
    ad_var   a = ad_input(tape, 2), x = ad_input(tape, 3);
    cr_assert(ad_branch(a));
    cr_assert(ad_branch(ad_less(ad_num(0), x)));
    cr_assert_not(ad_branch(ad_less(ad_mul(a, x), ad_num(5))));
    ad_var             y = ad_mul(a, x);
    const ad_interface face = {1, &a, 1, &x, 1, &y, 0};
    ad_program        *p = ad_compile(&face);
    workshop           w;
    build(&w, p);
    somewhere(&w, 4, 2, 8, 2);
    nowhere(&w, 0, 7), nowhere(&w, -7, -3), nowhere(&w, 1, 2);
    clear(&w);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* Unit 2 was not 0, or unit 4 was. */
static void expect_nan_when_a_unit_turns(bool taken) {
    enum { UNITS = 6, WIDE = 4 };
    ad_tape *tape = ad_tape_new();
    ad_var   w[UNITS * WIDE], x[WIDE], z[UNITS];
    double   param[UNITS * WIDE], grad[UNITS * WIDE],
        good[WIDE] = {1, 0, 2, 3}, zero[WIDE] = {0, 0, 2, 3}, one[WIDE] = {1, 1, 2, 3};
    for (int i = 0; i < UNITS * WIDE; i++)
        param[i] = i / WIDE == 2 ? i % WIDE == 0 : i / WIDE == 4 ? i % WIDE == 1 : 0.1 * (i + 1);
    for (int i = 0; i < UNITS * WIDE; i++) w[i] = ad_input(tape, param[i]);
    for (int i = 0; i < WIDE; i++) x[i] = ad_input(tape, good[i]);
    for (int j = 0; j < UNITS; j++) z[j] = ad_dot(WIDE, w + j * WIDE, x);
    cr_assert_eq(ad_branch(z[taken ? 2 : 4]), taken);
    ad_var y = ad_exp(z[0]); /* no list of them all */
    for (int j = 1; j < UNITS; j++) y = ad_mul(y, ad_exp(ad_mul(z[j], ad_num(0.1))));
    ad_program *p = ad_compile(&(ad_interface){UNITS * WIDE, w, WIDE, x, 1, &y, 0});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    cr_assert_eq(p->layers, 1);
    workshop shop;
    build(&shop, p);
    cr_expect(close_to(shop.f(param, good, grad), ad_value(y), 1e-14, 0));
    cr_expect(isnan(shop.f(param, taken ? zero : one, grad)) && isnan(grad[0]));
    clear(&shop);
    ad_program_free(p);
    ad_tape_free(tape);
}

Test(emit_c, branch_on_a_unit_of_a_layer_that_would_turn_gives_nan) {
    expect_nan_when_a_unit_turns(true);
    expect_nan_when_a_unit_turns(false);
}

/* Three units of three weights each, which stand evenly, evenly with other strides, or not: within
 * the first unit, within the last, or from one unit to the next. */
Test(emit_c, weights_of_a_layer_may_stand_in_any_order) {
    /* clang-format off */
    static const int orders[][9] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8}, {0, 3, 6, 1, 4, 7, 2, 5, 8},  {9, 8, 7, 6, 5, 4, 3, 2, 1},
        {0, 1, 2, 0, 1, 2, 0, 1, 2}, {0, 1, 3, 4, 5, 7, 8, 9, 11}, {0, 1, 2, 3, 4, 5, 6, 7, 9},
        {0, 1, 2, 3, 4, 5, 7, 8, 9}, {0, 1, 2, 3, 5, 7, 6, 7, 8},
    };
    /* clang-format on */
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        ad_tape *tape = ad_tape_new();
        ad_var   w[12], x[3], total = ad_num(0);
        for (int i = 0; i < 12; i++) w[i] = ad_input(tape, 0.1 * i);
        for (int i = 0; i < 3; i++) x[i] = ad_input(tape, i);
        for (int j = 0; j < 3; j++) {
            ad_var unit[3];
            for (int i = 0; i < 3; i++) unit[i] = w[orders[o][3 * j + i]];
            total = ad_add(total, ad_mul(ad_tanh(ad_dot(3, unit, x)), ad_num(j + 1)));
        }
        double param[12];
        for (int i = 0; i < 12; i++) param[i] = 0.3 + 0.17 * i - 0.02 * i * i;
        const ad_interface face = {12, w, 3, x, 1, &total, 0};
        ad_program        *p = ad_compile(&face);
        cr_assert_not_null(p, "%s", ad_tape_message(tape));
        cr_assert_eq(p->layers, 2, "order %zu", o); /* the units, and what adds them up */
        ad_program_free(p);
        same_as_program(&face, param, 2, (double[]){0.3, -0.5, 0.7, -0.2, 0.6, 0.1});
        ad_tape_free(tape);
    }
}

Test(emit_c, weights_at_the_first_place_of_all_are_read_as_such) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[5], x[5];
    for (int i = 0; i < 5; i++) w[i] = ad_input(tape, i);
    for (int i = 0; i < 5; i++) x[i] = ad_input(tape, i);
    const ad_var y = ad_dot(5, w, x);
    ad_program  *p = ad_compile(&(ad_interface){5, w, 5, x, 1, &y, 0});
    char        *text = written(p, "f");
    cr_expect(strstr(text, " s += v[i]*v[5 + i];\n") && strstr(text, " a[i] += s*v[5 + i];\n"),
              "%s", text);
    free(text);
    ad_program_free(p);
    ad_tape_free(tape);
}

Test(emit_c, pick_of_one_is_that_one) {
    ad_tape     *tape = ad_tape_new();
    const ad_var a = ad_input(tape, 2), x = ad_input(tape, 0), y = ad_mul(a, ad_pick(x, 1, &a));
    ad_program  *p = ad_compile(&(ad_interface){1, &a, 1, &x, 1, &y, 0});
    char        *text = written(p, "f");
    cr_expect(strstr(text, "f_index(v[1], 1);\n") && strstr(text, "        v[2] = v[0];\n"), "%s",
              text);
    free(text);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* The introduction says so where a guard or an index is, and only there. */
Test(emit_c, what_may_become_nan_is_said) {
    for (int k = 0; k < 4; k++) {
        ad_tape     *tape = ad_tape_new();
        const ad_var a = ad_input(tape, 2), x = ad_input(tape, 0), two[] = {a, x};
        if (k & 1) ad_branch(ad_less(x, ad_num(1)));
        const ad_var y = ad_mul(a, k & 2 ? ad_pick(x, 2, two) : x);
        ad_program  *p = ad_compile(&(ad_interface){1, &a, 1, &x, 1, &y, 0});
        char        *text = written(p, "f");
        cr_expect_eq(strstr(text, " * Where a branch would go another way") != NULL, k > 0,
                     "%d: %s", k, text);
        free(text);
        ad_program_free(p);
        ad_tape_free(tape);
    }
}

Test(emit_c, index_that_picks_nothing_gives_nan) {
    ad_tape           *tape = ad_tape_new();
    ad_var             a = ad_input(tape, 2), x = ad_input(tape, 1);
    ad_var             y = ad_pick(x, 3, ((ad_var[]){a, ad_mul(a, a), ad_num(7)}));
    const ad_interface face = {1, &a, 1, &x, 1, &y, 0};
    ad_program        *p = ad_compile(&face);
    workshop           w;
    build(&w, p);
    somewhere(&w, 3, 0, 3, 1), somewhere(&w, 3, 1, 9, 6), somewhere(&w, 3, 2, 7, 0);
    nowhere(&w, 3, 3), nowhere(&w, 3, -1), nowhere(&w, 3, 0.5), nowhere(&w, 3, NAN),
        nowhere(&w, 3, INFINITY);
    clear(&w);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* sqrt(relu(a)) at a = -1: 0 times infinity is not pushed; and sqrt(0) times a where nothing
 * depends on it. */
Test(emit_c, zero_adjoint_pushes_nothing) {
    ad_tape           *tape = ad_tape_new();
    ad_var             a = ad_input(tape, 2), x = ad_input(tape, 1);
    ad_var             y = ad_add(ad_sqrt(ad_relu(a)), ad_mul(x, ad_sqrt(a)));
    const ad_interface face = {1, &a, 1, &x, 1, &y, 0};
    ad_program        *p = ad_compile(&face);
    workshop           w;
    build(&w, p);
    double       grad;
    const double zero = 0, minus = -1;
    w.f(&minus, &zero, &grad);
    cr_expect(grad == 0, "%g", grad);
    w.f(&zero, &zero, &grad);
    cr_expect(grad == 0, "%g", grad);
    clear(&w);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* ---- large programs -------------------------------------------------------------------------- */

/* Steps in no order, so that nothing rolls: rows with numbers on either side, short sums and dots,
 * wheres, guards. Up to a thousand are written out and cut into functions; more are a table, which
 * no compiler spends minutes on. */
enum { PARAMS = 40 };

static ad_var no_order(ad_tape *tape, ad_var params[PARAMS], ad_var x, size_t steps) {
    uint64_t state = 88172645463325252u;
    ad_var  *pool = malloc((steps + PARAMS) * sizeof *pool);
    for (int i = 0; i < PARAMS; i++) params[i] = pool[i] = ad_input(tape, 0.01 * i);
    for (size_t i = PARAMS; i < steps + PARAMS; i++) {
        const ad_var a = pool[random_bits(&state) % i], b = pool[random_bits(&state) % i],
                     c = pool[random_bits(&state) % i];
        switch (random_bits(&state) % 8) {
        case 0: pool[i] = ad_sin(a); break;
        case 1: pool[i] = ad_tanh(ad_mul(a, b)); break;
        case 2: pool[i] = ad_max(a, ad_mul(x, b)); break;
        case 3: pool[i] = ad_cos(ad_sub(ad_num(0.01 * (double)(i % 7)), a)); break;
        case 4: pool[i] = ad_sigmoid(ad_dot(2, (ad_var[]){a, x}, (ad_var[]){b, c})); break;
        case 5: pool[i] = ad_erf(ad_sum(3, (ad_var[]){a, b, c})); break;
        case 6: pool[i] = ad_where(ad_less(a, b), ad_mul(b, ad_num(0.5)), ad_atan(c)); break;
        default: pool[i] = ad_cos(ad_sub(a, b));
        }
        if (i % 100 == 0)
            ad_branch(ad_less(ad_num(1.5),
                              ad_exp(ad_add(ad_mul(x, x), ad_mul(params[1], ad_num(0.001))))));
    }
    const ad_var y = ad_sum(steps, pool + PARAMS);
    free(pool);
    return y;
}

static void large_is_right(size_t steps) {
    ad_tape           *tape = ad_tape_new();
    ad_var             params[PARAMS], x = ad_input(tape, 1), y = no_order(tape, params, x, steps);
    const ad_interface face = {PARAMS, params, 1, &x, 1, &y, 0};
    double             param[PARAMS], want[PARAMS], got[PARAMS], mean, largest = 0;
    for (int i = 0; i < PARAMS; i++) param[i] = 0.02 * i;
    ad_program *p = ad_compile(&face);
    workshop    w;
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    build(&w, p);
    const double one = 1, zero = 0;
    cr_assert_eq(ad_program_gradient(p, param, 1, &one, &mean, want), AD_OK);
    cr_expect(close_to(w.f(param, &one, got), mean, 1e-12, 0), "%.17g, not %.17g",
              w.f(param, &one, NULL), mean);
    for (int i = 0; i < PARAMS; i++) largest = fmax(largest, fabs(want[i]));
    for (int i = 0; i < PARAMS; i++)
        cr_expect(close_to(got[i], want[i], 0, 1e-12 * largest), "%d: %.17g, not %.17g", i, got[i],
                  want[i]);
    cr_expect(isnan(w.f(param, &zero, got)) && isnan(got[0]), "a branch that would turn");
    clear(&w);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* Steps that do not come again: places go back and forth. */
static char *uneven(size_t steps) {
    ad_tape *tape = ad_tape_new();
    uint64_t state = 5;
    ad_var a = ad_input(tape, 1), x = ad_input(tape, 2), *pool = malloc((steps + 2) * sizeof *pool);
    pool[0] = a, pool[1] = x;
    for (size_t i = 2; i < steps + 2; i++) {
        ad_var (*const one[])(ad_var) = {ad_sin, ad_cos, ad_tanh, ad_erf};
        pool[i] = one[random_bits(&state) % 4](ad_sub(pool[i - 1], pool[random_bits(&state) % i]));
    }
    ad_program *p = ad_compile(&(ad_interface){1, &a, 1, &x, 1, &pool[steps + 1], 0});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    char *text = written(p, "f");
    ad_program_free(p);
    ad_tape_free(tape);
    free(pool);
    return text;
}

/* Each of the recorded steps is two. */
Test(emit_c, functions_have_256_steps_and_the_last_has_the_rest) {
    static const struct {
        size_t steps, functions;
    } cases[] = {{100, 1}, {128, 1}, {129, 2}, {256, 2}, {257, 3}, {512, 4}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char        *text = uneven(cases[k].steps);
        const size_t all = cases[k].functions, several = all > 1;
        cr_expect_eq(count_of(text, "static int f_forward"), all, "%zu", cases[k].steps);
        cr_expect_eq(count_of(text, "static void f_reverse"), all, "%zu", cases[k].steps);
        cr_expect_eq(count_of(text, "static int (*const f_forward[])"), several);
        cr_expect_eq(count_of(text, "static void (*const f_reverse[])"), several);
        cr_expect_eq(count_of(text, "f_rows"), 0);
        free(text);
    }
}

Test(emit_c, functions_are_called_in_order_and_back) {
    char *text = uneven(700 / 2);
    cr_expect_not_null(strstr(text, "= {\n    f_forward0, f_forward1, f_forward2,\n};\n"));
    cr_expect_not_null(strstr(text, "= {\n    f_reverse2, f_reverse1, f_reverse0,\n};\n"));
    cr_expect_not_null(
        strstr(text, "    for (long i = 0; !bad && i < 3; i++) bad = f_forward[i](v);\n"));
    cr_expect_not_null(strstr(text, "    for (long i = 0; i < 3; i++) f_reverse[i](v, a);\n"));
    free(text);
}

/* A row for each step: its kind, its result, two operands. Seven kinds: four functions, and
 * differences of which the first, the second or both depend on the param. */
Test(emit_c, table_has_a_row_for_each_step_and_the_loop_a_case_for_each_kind) {
    enum { STEPS = 1026 };
    char         *text = uneven(STEPS / 2 + 1);
    const size_t  count = STEPS + 2;
    unsigned long at_row[4], result = 2, n = 0;
    const char   *at = strstr(text, "static const unsigned long f_rows[] = {\n");
    cr_assert_not_null(at);
    for (at = strchr(at, '\n') + 1;
         sscanf(at, " %lu, %lu, %lu, %lu,\n", at_row, at_row + 1, at_row + 2, at_row + 3) == 4;
         at = strchr(at, '\n') + 1, n++) {
        cr_expect(at_row[0] < 7 && at_row[1] == result++, "row %lu: %lu, %lu", n, at_row[0],
                  at_row[1]);
        cr_expect(at_row[2] == at_row[1] - 1 &&
                      (n % 2 == 0 ? at_row[3] < at_row[1] : at_row[3] == 0),
                  "row %lu", n);
    }
    cr_expect_eq(strncmp(at, "};\n", 3), 0);
    cr_expect_eq(n, count, "%lu rows", n);
    for (unsigned kind = 0; kind < 8; kind++) {
        char label[20];
        snprintf(label, sizeof label, "        case %u:\n", kind);
        cr_expect_eq(count_of(text, label), kind < 7 ? 2 : 0, "%s", label);
    }
    cr_expect_not_null(strstr(text, "    for (; n > 0; n--, t += 4) {\n        switch (t[0]) {\n"));
    cr_expect_not_null(strstr(
        text, "    for (t += 4*n; n > 0; n--) {\n        t -= 4;\n        switch (t[0]) {\n"));
    cr_expect_not_null(
        strstr(text, "            v[t[1]] = v[t[2]] - v[t[3]];\n            break;\n"));
    cr_expect_not_null(strstr(text, "    if (f_forward_rows(f_rows + 0, 1028, v)) return 1;\n"));
    cr_expect_not_null(strstr(text, "    f_reverse_rows(f_rows + 0, 1028, v, a);\n"));
    free(text);
}

/* v and a have a place for w, y and the sum besides the inputs; of more than 2^20 bytes both are
 * static. */
Test(emit_c, more_than_a_mebibyte_is_static) {
    for (size_t places = 65536; places <= 65537; places++) {
        const size_t n = places - 3;
        ad_tape     *tape = ad_tape_new();
        ad_var       w = ad_input(tape, 2), *x = malloc(n * sizeof *x);
        char         introduction[100], v[40], a[40];
        for (size_t i = 0; i < n; i++) x[i] = ad_input(tape, 1);
        const ad_var y = ad_mul(ad_sum(n, x), w);
        ad_program  *p = ad_compile(&(ad_interface){1, &w, n, x, 1, &y, 0});
        char        *text = written(p, "f");
        const bool   large = places > 65536;
        snprintf(introduction, sizeof introduction,
                 large ? " * It keeps %zu bytes in static arrays: one call at a time.\n"
                       : " * It needs %zu bytes of stack.\n",
                 16 * places);
        snprintf(v, sizeof v, "\n    %sdouble v[%zu];\n", large ? "static " : "", places);
        snprintf(a, sizeof a, "\n    %sdouble a[%zu];\n", large ? "static " : "", places);
        cr_expect(strstr(text, introduction) && strstr(text, v) && strstr(text, a), "%s", text);
        free(text), free(x);
        ad_program_free(p);
        ad_tape_free(tape);
    }
}

/* As people write it: four spaces for each brace that is open, one function after another. */
Test(emit_c, source_of_polygamma_is_indented) {
    ad_tape     *tape = ad_tape_new();
    const ad_var w = ad_input(tape, 2), x = ad_input(tape, 3),
                 y = ad_mul(ad_polygamma(ad_num(1), w), x);
    ad_program *p = ad_compile(&(ad_interface){1, &w, 1, &x, 1, &y, 0});
    char       *text = written(p, "f"), *line = strstr(text, "static const double f_pi"),
         *end = strstr(text, "static int f_forward0");
    int depth = 0, functions = 0;
    cr_assert(line != NULL && end != NULL && line < end);
    for (char *next; line < end; line = next + 1) {
        next = strchr(line, '\n');
        const size_t spaces = strspn(line, " ");
        functions += depth == 0 && (strncmp(line, "static double f_", 16) == 0 ||
                                    strncmp(line, "static void f_", 14) == 0);
        if (next > line)
            cr_expect_eq(spaces, 4 * (size_t)(depth - (line[spaces] == '}')), "%.*s",
                         (int)(next - line), line);
        else cr_expect_eq(depth, 0);
        for (const char *at = line; at < next; at++) depth += (*at == '{') - (*at == '}');
    }
    cr_expect_eq(depth, 0);
    cr_expect_eq(count_of(text, "\n}\n\nstatic "), (size_t)functions + 1); /* forward0 */
    cr_expect_eq(count_of(text, "ad__"), 0);
    free(text);
    ad_program_free(p);
    ad_tape_free(tape);
}

Test(emit_c, some_hundred_steps_in_no_order_are_written_out) {
    large_is_right(400);
}

Test(emit_c, twenty_thousand_steps_in_no_order_are_a_table_that_compiles) {
    large_is_right(20000);
}

/* ---- the text, line by line ------------------------------------------------------------------ */

/* Every kind of step but rows of a table: a layer in order and one in none, which is a table of
 * places, sums and dots that are short and long, functions that C lacks, one that selects, guards
 * of a leaf, a dot and a row, and a loop. */
static ad_program *one_of_each(void) {
    ad_tape *tape = ad_tape_new();
    /* one by one: C does not say which argument comes first */
    ad_var   w[6], x[3], h[2], unit[2], z, u;
    for (int i = 0; i < 6; i++) w[i] = ad_input(tape, 0.1 * (i + 1));
    for (int i = 0; i < 3; i++) x[i] = ad_input(tape, i);
    for (int j = 0; j < 2; j++) unit[j] = ad_dot(2, w + 2 * j, x);
    for (int j = 0; j < 2; j++) h[j] = ad_sigmoid(ad_add(unit[j], w[4 + j]));
    ad_branch(x[1]);
    ad_branch(ad_less(unit[1], ad_num(0)));
    const ad_var picked = ad_pick(x[2], 3, (ad_var[]){h[1], w[5], ad_num(2.5)}),
                 below = ad_less(h[0], x[1]);
    z = ad_where(below, ad_logsumexp(3, (ad_var[]){x[0], h[0], w[2]}), picked);
    u = ad_dot(5, (ad_var[]){w[5], w[0], w[3], w[1], w[2]},
               (ad_var[]){x[0], x[1], x[2], h[0], h[1]});
    ad_branch(u);
    for (int i = 0; i < 5; i++) z = ad_mul(ad_sin(z), x[2]);
    u = ad_relu(ad_sub(u, ad_num(-3)));
    u = ad_tanh(ad_sum(5, (ad_var[]){u, h[1], x[1], h[0], x[0]}));
    u = ad_exp(
        ad_dot(5, (ad_var[]){u, h[1], x[1], h[0], x[0]}, (ad_var[]){x[0], h[0], x[2], x[2], u}));
    const ad_var root = ad_sqrt(z), product = ad_mul(u, x[1]),
                 y = ad_sum(3, (ad_var[]){root, product, ad_exp(w[3])});
    ad_program *p = ad_compile(&(ad_interface){6, w, 3, x, 1, &y, 0});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    ad_tape_free(tape);
    return p;
}

/* Read by eye. v: 1 constant, 6 params, 3 inputs, then a place for each value; a: their
 * adjoints. */
static const char *const each[] = {
    "/* double each(const double *param, const double *input, double *grad)",
    " *",
    " * A function of 6 params and 3 inputs. Returns its value at param[0..6), input[0..3), and "
    "writes the",
    " * partial derivatives in the params to grad[0..6), unless grad is NULL.",
    " * Where a branch would go another way than when it was recorded, or an index picks nothing, "
    "the value and",
    " * every derivative are NaN.",
    " * It needs 688 bytes of stack.",
    " * C99 and math.h; written by Tapir. Do not compile with -ffast-math: infinities and NaN have "
    "a meaning. */",
    "#include <math.h>",
    "",
    "#ifdef __clang__",
    "#pragma STDC FP_CONTRACT OFF",
    "#endif",
    "",
    "static double each_sigmoid_slope(double x) {",
    "    return exp(-fabs(x))/((1 + exp(-fabs(x)))*(1 + exp(-fabs(x))));",
    "}",
    "",
    "/* The operand that an index picks; -1 for none. */",
    "static long each_index(double c, double n) {",
    "    const double i = c >= 0 && c < n && c == floor(c) ? c : n;",
    "    return i < n ? (long)i : -1;",
    "}",
    "",
    "static const unsigned long each_y18[] = {",
    "    16, 6, 0",
    "};",
    "static const unsigned long each_x20[] = {",
    "    7, 14, 3",
    "};",
    "static const unsigned long each_x22[] = {",
    "    6, 1, 4, 2, 3",
    "};",
    "static const unsigned long each_y22[] = {",
    "    7, 8, 9, 14, 16",
    "};",
    "static const unsigned long each_x35[] = {",
    "    34, 16, 8, 14, 7",
    "};",
    "static const unsigned long each_x37[] = {",
    "    36, 16, 8, 14, 7",
    "};",
    "static const unsigned long each_y37[] = {",
    "    7, 14, 9, 9, 36",
    "};",
    "static const double each_constants[] = {",
    "    2.5",
    "};",
    "",
    "static int each_forward0(double *v) {",
    "    v[10] = exp(v[4]);",
    "    for (long j = 0; j < 2; j++) {",
    "        double s = 0;",
    "        for (long i = 0; i < 2; i++) s += v[3 - 2*j + i]*v[7 + i];",
    "        v[11 + j] = s;",
    "    }",
    "    v[13] = v[5] + v[12];",
    "    v[14] = (v[13] < 0 ? exp(-fabs(v[13])) : 1)/(1 + exp(-fabs(v[13])));",
    "    v[15] = v[6] + v[11];",
    "    v[16] = (v[15] < 0 ? exp(-fabs(v[15])) : 1)/(1 + exp(-fabs(v[15])));",
    "    v[17] = v[11] < 0.0;",
    "    if (v[17] != 0) return 1;",
    "    {",
    "        const long i = each_index(v[9], 3);",
    "        if (i < 0) return 1;",
    "        v[18] = v[each_y18[i]];",
    "    }",
    "    v[19] = v[14] < v[8];",
    "    {",
    "        double shift = -INFINITY, total = 0;",
    "        for (long i = 0; i < 3; i++) {",
    "            const double m = v[each_x20[i]];",
    "            if (m > shift || m != m) shift = m;",
    "        }",
    "        for (long i = 0; i < 3; i++) total += exp(v[each_x20[i]] == shift ? 0 : "
    "v[each_x20[i]] - shift);",
    "        v[20] = shift == -INFINITY ? shift : shift + log(total);",
    "    }",
    "    v[21] = v[19] != 0 ? v[20] : v[18];",
    "    for (long j = 0; j < 1; j++) {",
    "        double s = 0;",
    "        for (long i = 0; i < 5; i++) s += v[each_x22[5*j + i]]*v[each_y22[i]];",
    "        v[22 + j] = s;",
    "    }",
    "    if (v[22] == 0) return 1;",
    "    v[23] = sin(v[21]);",
    "    for (long r = 0; r < 4; r++) {",
    "        v[24 + 2*r] = v[9]*v[23 + 2*r];",
    "        v[25 + 2*r] = sin(v[24 + 2*r]);",
    "    }",
    "    v[32] = v[9]*v[31];",
    "    v[33] = v[22] - (-3.0);",
    "    v[34] = v[33] < 0 ? 0 : v[33];",
    "    v[35] = 0;",
    "    for (long i = 0; i < 5; i++) v[35] += v[each_x35[i]];",
    "    v[36] = tanh(v[35]);",
    "    v[37] = 0;",
    "    for (long i = 0; i < 5; i++) v[37] += v[each_x37[i]]*v[each_y37[i]];",
    "    v[38] = exp(v[37]);",
    "    v[39] = sqrt(v[32]);",
    "    v[40] = v[8]*v[38];",
    "    v[41] = v[39] + v[40];",
    "    v[42] = v[10] + v[41];",
    "    return 0;",
    "}",
    "",
    "static void each_reverse0(const double *v, double *a) {",
    "    (void)v, (void)a;",
    "    if (a[42] != 0) {",
    "        const double s = a[42];",
    "        a[10] += s;",
    "        a[41] += s;",
    "    }",
    "    if (a[41] != 0) {",
    "        const double s = a[41];",
    "        a[39] += s;",
    "        a[40] += s;",
    "    }",
    "    if (a[40] != 0) {",
    "        const double s = a[40];",
    "        a[38] += s*v[8];",
    "    }",
    "    if (a[39] != 0) {",
    "        const double s = a[39];",
    "        a[32] += s*(0.5/v[39]);",
    "    }",
    "    if (a[38] != 0) {",
    "        const double s = a[38];",
    "        a[37] += s*v[38];",
    "    }",
    "    if (a[37] != 0) {",
    "        const double s = a[37];",
    "        for (long i = 0; i < 5; i++) {",
    "            a[each_x37[i]] += s*v[each_y37[i]];",
    "            a[each_y37[i]] += s*v[each_x37[i]];",
    "        }",
    "    }",
    "    if (a[36] != 0) {",
    "        const double s = a[36];",
    "        a[35] += s*(fabs(v[36]) < 0.75 ? 1 - v[36]*v[36] : 4*each_sigmoid_slope(2*v[35]));",
    "    }",
    "    if (a[35] != 0) {",
    "        const double s = a[35];",
    "        for (long i = 0; i < 5; i++) a[each_x35[i]] += s;",
    "    }",
    "    if (a[34] != 0) {",
    "        const double s = a[34];",
    "        double d;",
    "        d = v[33] <= 0 ? 0 : 1;",
    "        if (d != 0) a[33] += s*d;",
    "    }",
    "    if (a[33] != 0) {",
    "        const double s = a[33];",
    "        a[22] += s;",
    "    }",
    "    if (a[32] != 0) {",
    "        const double s = a[32];",
    "        a[31] += s*v[9];",
    "    }",
    "    for (long r = 3; r >= 0; r--) {",
    "        if (a[25 + 2*r] != 0) {",
    "            const double s = a[25 + 2*r];",
    "            a[24 + 2*r] += s*cos(v[24 + 2*r]);",
    "        }",
    "        if (a[24 + 2*r] != 0) {",
    "            const double s = a[24 + 2*r];",
    "            a[23 + 2*r] += s*v[9];",
    "        }",
    "    }",
    "    if (a[23] != 0) {",
    "        const double s = a[23];",
    "        a[21] += s*cos(v[21]);",
    "    }",
    "    for (long j = 0; j < 1; j++) {",
    "        const double s = a[22 + j];",
    "        if (s != 0)",
    "            for (long i = 0; i < 5; i++) {",
    "                a[each_x22[5*j + i]] += s*v[each_y22[i]];",
    "                a[each_y22[i]] += s*v[each_x22[5*j + i]];",
    "            }",
    "    }",
    "    if (a[21] != 0) {",
    "        const double s = a[21];",
    "        a[v[19] != 0 ? 20 : 18] += s;",
    "    }",
    "    if (a[20] != 0) {",
    "        const double s = a[20];",
    "        double shift = -INFINITY, total = 0;",
    "        for (long i = 0; i < 3; i++) {",
    "            const double m = v[each_x20[i]];",
    "            if (m > shift || m != m) shift = m;",
    "        }",
    "        for (long i = 0; i < 3; i++) total += exp(v[each_x20[i]] == shift ? 0 : "
    "v[each_x20[i]] - shift);",
    "        const double over = shift == -INFINITY ? INFINITY : total;",
    "        for (long i = 0; i < 3; i++) {",
    "            const double d = (exp(v[each_x20[i]] == shift ? 0 : v[each_x20[i]] - "
    "shift))/over;",
    "            a[each_x20[i]] += s*d;",
    "        }",
    "    }",
    "    if (a[18] != 0) {",
    "        const double s = a[18];",
    "        const long i = (long)v[9];",
    "        a[each_y18[i]] += s;",
    "    }",
    "    if (a[16] != 0) {",
    "        const double s = a[16];",
    "        a[15] += s*each_sigmoid_slope(v[15]);",
    "    }",
    "    if (a[15] != 0) {",
    "        const double s = a[15];",
    "        a[6] += s;",
    "        a[11] += s;",
    "    }",
    "    if (a[14] != 0) {",
    "        const double s = a[14];",
    "        a[13] += s*each_sigmoid_slope(v[13]);",
    "    }",
    "    if (a[13] != 0) {",
    "        const double s = a[13];",
    "        a[5] += s;",
    "        a[12] += s;",
    "    }",
    "    for (long j = 0; j < 2; j++) {",
    "        const double s = a[11 + j];",
    "        if (s != 0)",
    "            for (long i = 0; i < 2; i++) {",
    "                a[3 - 2*j + i] += s*v[7 + i];",
    "            }",
    "    }",
    "    if (a[10] != 0) {",
    "        const double s = a[10];",
    "        a[4] += s*v[10];",
    "    }",
    "}",
    "",
    "double each(const double *param, const double *input, double *grad);",
    "",
    "double each(const double *param, const double *input, double *grad) {",
    "    double v[43];",
    "    double a[43];",
    "    (void)param, (void)input, (void)grad, (void)v;",
    "    for (long i = 0; i < 1; i++) v[i] = each_constants[i];",
    "    for (long i = 0; i < 6; i++) v[1 + i] = param[i];",
    "    for (long i = 0; i < 3; i++) v[7 + i] = input[i];",
    "    int bad = 0;",
    "    bad |= v[8] == 0;",
    "    bad = bad || each_forward0(v);",
    "    if (bad) {",
    "        for (long i = 0; grad && i < 6; i++) grad[i] = NAN;",
    "        return NAN;",
    "    }",
    "    if (!grad) return v[42];",
    "    for (long i = 0; i < 43; i++) a[i] = 0;",
    "    a[42] = 1;",
    "    each_reverse0(v, a);",
    "    for (long i = 0; i < 6; i++) grad[i] = a[1 + i];",
    "    return v[42];",
    "}",
};

Test(emit_c, each_kind_of_step_is_written_as_it_should_be) {
    ad_program *p = one_of_each();
    char       *text = written(p, "each"), *at = text;
    for (size_t k = 0; k < sizeof each / sizeof *each; k++) {
        char *end = strchr(at, '\n');
        cr_assert_not_null(end, "it ends before line %zu", k);
        *end = '\0';
        cr_expect_str_eq(at, each[k], "line %zu is\n%s, not\n%s", k, at, each[k]);
        at = end + 1;
    }
    cr_expect_str_eq(at, "");
    free(text);
    ad_program_free(p);
}

/* ---- names and files ------------------------------------------------------------------------- */

static ad_program *small(void) {
    ad_tape           *tape = ad_tape_new();
    ad_var             a = ad_input(tape, 2), x = ad_input(tape, 1), y = ad_mul(a, ad_silu(x));
    const ad_interface face = {1, &a, 1, &x, 1, &y, 0};
    ad_program        *p = ad_compile(&face);
    ad_tape_free(tape);
    return p;
}

static void refused(const char *name, const char *words) {
    ad_program *p = small();
    char       *text = NULL, message[300];
    size_t      size = 0;
    FILE       *to = open_memstream(&text, &size);
    cr_expect_eq(ad_program_emit_c(p, name, to), AD_BAD_ARGUMENT, "%s", name);
    fclose(to);
    cr_expect_eq(size, 0, "something was written for %s", name);
    ad_program_message(p, sizeof message, message);
    cr_expect(strstr(message, words) != NULL, "%s", message);
    free(text);
    ad_program_free(p);
}

Test(emit_c, nothing_but_an_identifier_is_a_name) {
    refused("", "empty");
    refused("f g", "letters, digits");
    refused("f;int main(void){}", "letters, digits");
    refused("f\n", "letters, digits");
    refused("*/f", "letters, digits");
    refused("f\xc3\xa4", "letters, digits");
    refused("1f", "begin with a digit");
    refused("_f", "belong to the compiler");
    refused("while", "keyword");
    refused("restrict", "keyword");
    refused("main", "meaning");
    refused("a23456789_123456789_123456789_123456789_12345678x", "longer than 48");
    refused("FP_x", "meaning"), refused("M_x", "meaning");
    refused("tanh", "meaning"), refused("sinf", "meaning"), refused("acosl", "meaning");
    refused("log1pl", "meaning");
    refused("INFINITY", "meaning");
    refused("printf", "meaning"), refused("malloc", "meaning"),
        refused("strlen", "for C's library");
    refused("size_t", "meaning"), refused("unix", "meaning"), refused("round", "meaning");
    refused("a_name_that_is_so_long_that_helpers_would_not_differ", "longer");
    refused(NULL, "name is NULL");
}

/* Whatever is a name compiles, also where the file itself uses it for something; and all in one
 * file. */
Test(emit_c, names_that_look_like_ours_compile) {
    /* clang-format off */
    static const char *const names[] = {
        "v", "a", "s", "i", "param", "input", "grad", "sigmoid", "silu", "bad", "f_sigmoid",
        "forward0", "polygamma", "tanhh", "iff", "Int", "x", "ad__digamma", "FPx", "Mx", "sinfl",
        "a9", "Z_az09_AZ", "z0", "a23456789_123456789_123456789_123456789_12345678",
    };
    /* clang-format on */
    ad_program *p = small();
    char        folder[] = "/tmp/tapir-emit-XXXXXX", path[100];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f.c", folder);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        cr_expect_eq(ad_program_emit_c(p, names[k], file), AD_OK, "%s", names[k]);
    fclose(file);
    run("cc -std=c99 -Wall -Wextra -pedantic -Werror -fsyntax-only %s/f.c", folder);
    run("rm -r %s", folder);
    ad_program_free(p);
}

Test(emit_c, file_that_cannot_be_written_is_reported) {
    ad_program *p = small();
    char        message[300];
    FILE       *full = fopen("/dev/full", "w");
    if (full == NULL) cr_skip_test("no /dev/full here");
    cr_expect_eq(ad_program_emit_c(p, "f", full), AD_BAD_FILE);
    ad_program_message(p, sizeof message, message);
    cr_expect(strstr(message, "cannot be written") != NULL, "%s", message);
    fclose(full);
    cr_expect_eq(ad_program_emit_c(p, "f", NULL), AD_BAD_ARGUMENT);
    cr_expect_eq(ad_program_emit_c(NULL, "f", stdout), AD_BAD_ARGUMENT);
    ad_program_free(p);
}
