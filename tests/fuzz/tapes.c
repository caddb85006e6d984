/* tapes.c - bytes as a program that records: every operation, marks and rewinds, names and scopes,
 * formulas, and every mistake that a handle can be. Then each path through the engine is compared
 * with the others.
 *
 * Roundings differ between the paths, so they are compared within what rounding every node once
 * would do to the result, its noise: the sum of |adjoint*value|, or for a directional derivative
 * what rounding every contribution once would, however they cancel: the sum of
 * |adjoint*partial*tangent|. A result that is mostly noise says nothing and is left out, and so is
 * one that goes through a jump, where half a unit in the last place may decide.
 *
 * Exported C takes a run of cc, a thousand times as long as all the rest: TAPIR_FUZZ_EXPORTS=N in
 * the environment exports the first N graphs that can be compared, and no others. */
#include "../support.h"
#include "engine/tape/trace.h"
#include "fuzz.h"

#include <dlfcn.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { POOL = 96, INPUTS = 8, MOST = 9, ROW_BYTES = 3 };

typedef struct state {
    const uint8_t *at, *end;
    ad_tape       *tape;
    ad_var         pool[POOL]; /* all that was recorded, stale handles among them */
    size_t         count;
    ad_mark        mark[4];
    bool           set, jump;
} state;

static unsigned next(state *s) {
    return s->at < s->end ? *s->at++ : 0;
}
static double number(state *s) {
    static const double odd[] = {0, -0.0,  1,      -1,       0.5,       2,
                                 3, 1e300, 1e-300, INFINITY, -INFINITY, NAN};
    const unsigned      b = next(s);
    return b < sizeof odd / sizeof odd[0] ? odd[b] : (double)((int)b - 128) / 32;
}

static ad_var operand(state *s) {
    const unsigned b = next(s);
    if (b >= 240 || s->count == 0) return ad_num(number(s));
    return s->pool[s->count - 1 - b % s->count];
}
static size_t operands(state *s, ad_var x[]) {
    const size_t n = next(s) % MOST;
    for (size_t i = 0; i < n; i++) x[i] = operand(s);
    return n;
}

static void keep(state *s, ad_var x) {
    if (s->count == POOL) return;
    s->pool[s->count++] = x;
}

static bool jumps(int i) {
    return i == ROW_floor || i == ROW_relu || i == ROW_leaky_relu || i == ROW_elu || i >= ROW_abs;
}

static ad_var fold(state *s, unsigned which, size_t n, const ad_var x[]) {
    s->jump |= which >= 2;
    return which == 0 ? ad_logsumexp(n, x) : which == 1 ? ad_norm(n, x) : ad_largest(n, x);
}

static void special(state *s, unsigned what) {
    ad_var x[MOST], y[MOST];
    size_t n;
    switch (what % 20) {
    case 0: keep(s, ad_input(s->tape, number(s))); break;
    case 1: n = operands(s, x), keep(s, ad_sum(n, x)); break;
    case 2:
        n = operands(s, x);
        for (size_t i = 0; i < n; i++) y[i] = operand(s);
        keep(s, ad_dot(n, x, y));
        break;
    case 3: n = operands(s, x), keep(s, fold(s, what / 20, n, x)); break;
    case 4:
        x[0] = operand(s), x[1] = operand(s), x[2] = operand(s), s->jump = true,
        keep(s, ad_where(x[0], x[1], x[2]));
        break;
    case 5:
        n = operands(s, x), y[0] = operand(s), s->jump = true, keep(s, ad_pick(y[0], n, x));
        break;
    case 6: s->jump |= ad_branch(operand(s)) || true; break;
    case 7: s->mark[next(s) % 4] = ad_tape_mark(s->tape); break;
    case 8: ad_tape_rewind(s->tape, s->mark[next(s) % 4]); break;
    case 9: x[0] = operand(s), ad_set(x[0], number(s)), s->set = true; break;
    case 10: ad_name(operand(s), next(s) % 2 == 0 ? "a" : "another name"); break;
    case 11: keep(s, ad_find(s->tape, "a")); break;
    case 12: ad_scope(s->tape, "scope"); break;
    case 13: ad_scope_end(s->tape); break;
    case 14: keep(s, ad_source(operand(s), "file.c", (int)next(s))); break;
    case 15:
        x[0] = operand(s), x[1] = operand(s);
        keep(s, ad_parse(s->tape, next(s) % 2 == 0 ? "u = a*b; tanh(u) + sum(a, b, u)" : "a*b +", 2,
                         "a, b", x));
        break;
    case 16: ad_backward(operand(s)); break;
    case 17: ad_tape_clear(s->tape); break;
    case 18: ad_replay(s->tape); break;
    default: ad_grad(operand(s)); break;
    }
}

static void record(state *s) {
    for (int i = 0; i < 4; i++) s->mark[i] = ad_tape_mark(s->tape);
    for (int i = 0; i < 3; i++) keep(s, ad_input(s->tape, number(s)));
    while (s->at < s->end && s->count < POOL) {
        const unsigned b = next(s);
        if (b < 3 * ROWS) {
            const int r = (int)(b % ROWS);
            ad_var    x = operand(s);
            s->jump |= jumps(r);
            keep(s, row_record(&rows[r], x, rows[r].operands == 2 ? operand(s) : x));
        } else {
            special(s, b - 3 * ROWS);
        }
    }
}

/* Handles that name a node, without the stale and the plain numbers; and those of them that are
 * inputs. */
static void sort_out(state *s, size_t *inputs, ad_var input[]) {
    size_t live = 0;
    *inputs = 0;
    for (size_t i = 0; i < s->count; i++) {
        ad_var x = s->pool[i];
        ad_tape_clear(s->tape);
        /* NaN is also what a stale handle has */
        if (x.tape == NULL || isnan(ad_value(x))) continue;
        s->pool[live++] = x;
        const double value = ad_value(x);
        ad_set(x, value);
        bool leaf = ad_tape_status(s->tape) == AD_OK;
        for (size_t k = 0; k < *inputs; k++) leaf = leaf && ad__node_of(input[k]) != ad__node_of(x);
        if (leaf && *inputs < INPUTS) input[(*inputs)++] = x;
    }
    ad_tape_clear(s->tape);
    s->count = live;
}

/* After ad_backward: what rounding each node once may do to its result. */
static double noise(const ad_tape *tape) {
    double sum = 0;
    for (uint32_t i = 0; i < ad_tape_length(tape); i++)
        sum += fabs(tape->adjoint[i] * tape->value[i]);
    return sum * 1e-10;
}

/* After ad_backward(y) and ad_tangent(y, ...): all that the operands of y contribute to its
 * tangent, without signs. */
static double moves(ad_var y) {
    const ad_tape *tape = y.tape;
    double         sum = 0;
    for (uint32_t i = 0; i <= ad__node_of(y); i++)
        for (size_t k = 0; k < ad__edges(tape, i) && tape->adjoint[i] != 0; k++) {
            const ad__edge edge = ad__edge_of(tape, i, k);
            if (edge.open && tape->tangent[edge.to] != 0)
                sum += fabs(tape->adjoint[i] * edge.local * tape->tangent[edge.to]);
        }
    return sum;
}

static bool apart(double got, double want, double off) {
    return fabs(got - want) > off + 1e-290 && off < 1e-3 * fabs(want) && isfinite(want);
}

/* ---- exported C ------------------------------------------------------------------------------ */

typedef double exported(const double *param, const double *input, double *grad);

static bool compiled(const char *folder, const ad_program *p) {
    char name[100], command[300];
    snprintf(name, sizeof name, "%s/f.c", folder);
    FILE *file = fopen(name, "w");
    if (file == NULL) return false;
    const ad_status status = ad_program_emit_c(p, "f", file);
    HOLDS(fclose(file) == 0 && (status == AD_OK || status == AD_UNSUPPORTED), "status %d",
          (int)status);
    if (status != AD_OK) return false;
    snprintf(command, sizeof command,
             "cc -std=c99 -ffp-contract=off -shared -fPIC -o %s/f.so %s/f.c -lm", folder, folder);
    HOLDS(system(command) == 0, "%s", command);
    return true;
}

/* A program with the inputs as its params, whose gradient the exported function returns. */
static void compare_export(ad_var y, size_t n, const ad_var input[], const double at[], double off,
                           double most, const double grad[]) {
    static long left = -1, done;
    if (left < 0)
        left = getenv("TAPIR_FUZZ_EXPORTS") == NULL
                 ? 0
                 : strtol(getenv("TAPIR_FUZZ_EXPORTS"), NULL, 10);
    ad_program *p =
        left == 0
            ? NULL
            : ad_compile(&(ad_interface){.params = n, .param = input, .outputs = 1, .output = &y});
    ad_tape_clear(y.tape);
    if (p == NULL) return;
    left--;
    char folder[] = "/dev/shm/tapir-fuzz-XXXXXX", command[100];
    HOLDS(mkdtemp(folder) != NULL, "%s", folder);
    if (compiled(folder, p)) {
        char name[100];
        snprintf(name, sizeof name, "%s/f.so", folder);
        void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL),
             *symbol = library == NULL ? NULL : dlsym(library, "f");
        exported *f;
        double    got[INPUTS];
        HOLDS(symbol != NULL, "%s", dlerror());
        memcpy(&f, &symbol, sizeof symbol);
        const double value = f(at, NULL, got);
        HOLDS(!apart(value, ad_value(y), off), "exported %.17g, tape %.17g", value, ad_value(y));
        for (size_t i = 0; i < n; i++)
            HOLDS(isnan(got[i]) || !apart(got[i], grad[i], 1e-6 * (fabs(grad[i]) + most)),
                  "input %zu: exported %.17g, tape %.17g", i, got[i], grad[i]);
        dlclose(library);
        if (++done % 100 == 0) fprintf(stderr, "%ld graphs exported\n", done);
    }
    snprintf(command, sizeof command, "rm -r %s", folder);
    HOLDS(system(command) == 0, "%s", command);
    ad_program_free(p);
}

/* ---- all paths ------------------------------------------------------------------------------- */

static void compare(state *s, size_t n, const ad_var input[]) {
    double grad[INPUTS], jacobian[INPUTS], at[INPUTS], direction[INPUTS], value, want = 0;
    ad_var y = s->pool[s->count - 1], recorded[INPUTS];
    for (size_t i = 0; i < n; i++) at[i] = ad_value(input[i]), direction[i] = i % 2 == 0 ? 1 : -0.5;
    ad_gradient(y, n, input, grad);
    HOLDS(ad_tape_status(s->tape) == AD_OK, "%s", ad_tape_message(s->tape));
    const double off = noise(s->tape);
    bool         finite = isfinite(off);
    for (size_t i = 0; i < n; i++)
        want += grad[i] * direction[i], finite = finite && isfinite(grad[i]);

    const double tangent = ad_tangent(y, n, input, direction);
    HOLDS(ad_tape_status(s->tape) == AD_OK, "%s", ad_tape_message(s->tape));
    const double scale = finite ? moves(y) : 0;
    if (finite && isfinite(scale) && isfinite(tangent))
        HOLDS(!apart(tangent, want, scale * 1e-10), "tangent %.17g, gradient %.17g", tangent, want);

    ad_program *program =
        ad_compile(&(ad_interface){.inputs = n, .input = input, .outputs = 1, .output = &y});
    if (program == NULL) {
        HOLDS(strlen(ad_tape_message(s->tape)) > 10, "no program and no sentence");
        ad_tape_clear(s->tape);
    } else {
        if (ad_program_values(program, NULL, 1, at, &value) == AD_OK && finite && !s->jump)
            HOLDS(!apart(value, ad_value(y), off), "program %.17g, tape %.17g", value, ad_value(y));
        if (ad_program_jacobian(program, NULL, 1, at, jacobian) == AD_OK && finite && !s->jump &&
            scale < 1e6)
            for (size_t i = 0; i < n; i++)
                HOLDS(isnan(jacobian[i]) ||
                          !apart(jacobian[i], grad[i], 1e-6 * (fabs(grad[i]) + scale)),
                      "input %zu: program %.17g, tape %.17g", i, jacobian[i], grad[i]);
        ad_program_free(program);
    }

    if (finite && !s->jump && scale < 1e6) compare_export(y, n, input, at, off, scale, grad);
    ad_record_gradient(y, n, input, recorded);
    if (ad_tape_status(s->tape) == AD_OK && finite && !s->jump && scale < 1e6)
        for (size_t i = 0; i < n; i++)
            HOLDS(!apart(ad_value(recorded[i]), grad[i], 1e-6 * (fabs(grad[i]) + scale)),
                  "input %zu: recorded %.17g, swept %.17g", i, ad_value(recorded[i]), grad[i]);
    ad_tape_clear(s->tape);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    state  s = {.at = bytes, .end = bytes + size, .tape = ad_tape_new()};
    ad_var input[INPUTS];
    size_t n;
    record(&s);
    sort_out(&s, &n, input);
    ad_replay(s.tape);
    bool good = ad_tape_status(s.tape) == AD_OK;
    ad_tape_clear(s.tape);
    double before[POOL];
    for (size_t i = 0; i < s.count; i++) before[i] = ad_value(s.pool[i]);
    ad_replay(s.tape);
    for (size_t i = 0; good && i < s.count; i++) {
        const double after = ad_value(s.pool[i]);
        HOLDS(memcmp(&before[i], &after, sizeof after) == 0 || isnan(after),
              "replayed %.17g, then %.17g", before[i], after);
    }
    HOLDS(ad_tape_status(s.tape) == AD_OK || !good, "%s", ad_tape_message(s.tape));
    ad_tape_clear(s.tape);
    if (good && s.count > 0 && n > 0) compare(&s, n, input);
    ad_tape_free(s.tape);
    return 0;
}
