/* names.c - tests that look across files: whatever people call things, nothing that a terminal
 * obeys comes out where text does. What is asked by a name, and what programs read (JSON), has it
 * as it was given. */
#include "files.h"
#include "nn/nn.h"

#include "expect.h"
#include <stdlib.h>
#include <string.h>

TestSuite(names, .fini = files_remove);

/* Clears the screen, rings, goes back, goes on in another line; the same by U+009B and by the byte
 * 0x9b alone; a mark that turns the direction. */
/* clang-format off */
#define NASTY "a\x1b[2J\a\b\r\nb\xc2\x9b" "2J\x9b" "2J\xe2\x80\xae" "c"
/* clang-format on */

typedef void writer(FILE *to, void *context);

/* Line ends are of the text itself; nothing else below a space is. */
static bool plain(const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if ((*at < ' ' && *at != '\n') || *at == 0x7f) return false;
        if (*at == 0xc2 && at[1] < 0xa0) return false;
        if (*at == 0xe2 && at[1] == 0x80 && at[2] == 0xae) return false;
        if (*at == 0x9b && (at == (const unsigned char *)text || at[-1] < 0x80)) return false;
    }
    return true;
}

/* The text is the caller's to free. */
static char *written(writer *write, void *context) {
    char  *text = NULL;
    size_t length = 0;
    FILE  *to = open_memstream(&text, &length);
    write(to, context);
    fclose(to);
    return text;
}

static void expect_plain(const char *what, writer *write, void *context) {
    char *text = written(write, context);
    cr_expect(*text != '\0' && plain(text), "%s writes:\n%s", what, text);
    free(text);
}

/* It is long, so it may be cut; what there is of it is shown in this way. */
static void expect_named(const char *what, writer *write, void *context) {
    char *text = written(write, context);
    cr_expect(plain(text), "%s writes:\n%s", what, text);
    cr_expect(strstr(text, "a\\x1b[2J\\x07") != NULL, "%s does not name it:\n%s", what, text);
    free(text);
}

/* ---- the engine ------------------------------------------------------------------------------ */

typedef struct graph {
    ad_tape *tape;
    ad_var   x, y;
} graph;

static double twice(size_t n, const double x[], void *context) {
    (void)context, (void)n;
    return 2 * x[0];
}

/* On purpose not its derivative. */
static void thrice(size_t n, const double x[], double v, double d[], void *context) {
    (void)context, (void)n, (void)x, (void)v;
    d[0] = 3;
}

static const ad_custom_op custom = {
    .name = NASTY, .operands = 1, .value = twice, .partials = thrice};

static graph graph_new(double at) {
    graph g = {.tape = ad_tape_new()};
    g.x = ad_input(g.tape, at);
    ad_name(g.x, NASTY);
    ad_scope(g.tape, NASTY);
    const ad_var inside = ad_log(ad_custom(g.tape, &custom, 1, &g.x, NULL));
    ad_scope_end(g.tape);
    g.y = ad_mul(inside, g.x);
    ad_name(g.y, NASTY "y");
    cr_assert_eq(ad_tape_status(g.tape), AD_OK, "%s", ad_tape_message(g.tape));
    return g;
}

static void explain(FILE *to, void *context) {
    ad_explain(((graph *)context)->y, to);
}

static void explain_folded(FILE *to, void *context) {
    ad_explain_all(1, &((graph *)context)->y, &(ad_view){.most = 1}, to);
}

static void paths(FILE *to, void *context) {
    ad_explain_paths(((graph *)context)->y, ((graph *)context)->x, 0, to);
}
/* clang-format off */
static void nonfinite(FILE *to, void *context) { ad_explain_nonfinite(((graph *)context)->y, to); }
static void dot(FILE *to, void *context) { ad_draw_dot(1, &((graph *)context)->y, NULL, to); }
static void svg(FILE *to, void *context) { ad_draw_svg(1, &((graph *)context)->y, NULL, to); }
/* clang-format on */
static void html(FILE *to, void *context) {
    ad_draw_html(1, &((graph *)context)->y, &(ad_view){.title = NASTY}, to);
}
static void as_json(FILE *to, void *context) {
    ad_explain_json(1, &((graph *)context)->y, NULL, to);
}

static void check_as(FILE *to, graph *g, ad_format format) {
    ad_check_report *report = ad_check(g->y, 1, &g->x, NULL, &(ad_check_options){.second = false});
    cr_assert_not_null(report);
    cr_expect_eq(report->verdict, AD_FAIL); /* so that the culprit is named too */
    ad_check_print(report, format, to);
    ad_check_free(report);
}

static void check_text(FILE *to, void *context) {
    check_as(to, context, AD_TEXT);
}
static void check_csv(FILE *to, void *context) {
    check_as(to, context, AD_CSV);
}

static void check_text_bare(FILE *to, void *context) {
    ad_check_report *report =
        ad_check(((graph *)context)->y, 1, &((graph *)context)->x, (const double[]){1}, NULL);
    fputs(report->message, to);
    ad_check_free(report);
}

static void curve(FILE *to, void *context) {
    ad_curve *c = ad_check_curve(((graph *)context)->y, ((graph *)context)->x, NULL);
    ad_curve_print(c, AD_CHARACTERS, to);
    ad_curve_free(c);
}

static void curve_svg(FILE *to, void *context) {
    ad_curve *c = ad_check_curve(((graph *)context)->y, ((graph *)context)->x, NULL);
    ad_curve_print(c, AD_SVG, to);
    ad_curve_free(c);
}

/* The named input is a leaf in no list, the operation a step. */
static void program(FILE *to, void *context) {
    const graph *g = context;
    ad_program  *p = ad_compile(&(ad_interface){.outputs = 1, .output = &g->y});
    cr_assert_not_null(p, "%s", ad_tape_message(g->tape));
    ad_program_print(p, to);
    ad_program_free(p);
}

Test(names, the_engine_writes_no_name_that_a_terminal_obeys) {
    graph g = graph_new(2), bad = graph_new(-1);
    expect_named("ad_explain", explain, &g);
    expect_named("ad_explain_all", explain_folded, &g);
    expect_named("ad_explain_paths", paths, &g);
    expect_named("ad_explain_nonfinite", nonfinite, &bad);
    expect_named("ad_check_print", check_text, &g);
    expect_plain("ad_check_print", check_csv, &g);
    expect_plain("the message of a report", check_text_bare, &g);
    expect_named("ad_check_curve", curve, &g);
    expect_named("ad_program_print", program, &g);
    ad_tape_free(g.tape);
    ad_tape_free(bad.tape);
}

/* Text may run in any direction there. */
static void expect_no_control(const char *what, writer *write, void *context) {
    char *text = written(write, context);
    cr_expect(*text != '\0' && strpbrk(text, "\x1b\a\b\r") == NULL &&
                  strstr(text, "\xc2\x9b") == NULL,
              "%s", what);
    free(text);
}

Test(names, pictures_a_page_and_data_have_no_control_character_either) {
    graph g = graph_new(2);
    expect_no_control("ad_draw_dot", dot, &g);
    expect_no_control("ad_draw_svg", svg, &g);
    expect_no_control("ad_draw_html", html, &g);
    expect_no_control("ad_curve_print", curve_svg, &g);
    expect_no_control("ad_explain_json", as_json, &g);
    char *text = written(as_json, &g);
    cr_expect(strstr(text,
                     "\"name\":\"a\\u001b[2J\\u0007\\u0008\\u000d\\u000ab\\u009b2J\xef\xbf\xbd"
                     "2J") != NULL,
              "%s", text);
    free(text);
    ad_tape_free(g.tape);
}

Test(names, a_name_is_found_as_it_was_given) {
    graph g = graph_new(2);
    cr_expect_eq(ad_value(ad_find(g.tape, NASTY)), 2);
    cr_expect_eq(ad_tape_status(g.tape), AD_OK);
    ad_tape_free(g.tape);
}

static void expect_message(const char *what, const char *message) {
    cr_expect(plain(message), "%s: %s", what, message);
    cr_expect(strstr(message, "a\\x1b[2J\\x07") != NULL, "%s: %s", what, message);
}

Test(names, messages_of_a_tape_name_what_is_wrong_in_plain_characters) {
    ad_tape *tape = ad_tape_new();
    ad_find(tape, NASTY);
    expect_message("ad_find", ad_tape_message(tape));
    ad_tape_clear(tape);
    ad_tape_define(tape, &custom, NULL);
    expect_message("ad_tape_define", ad_tape_message(tape));
    ad_tape_clear(tape);
    ad_parse(tape, "1 + " NASTY, 0, NULL, NULL);
    cr_expect(strchr(ad_tape_message(tape), '\x1b') == NULL &&
              strchr(ad_tape_message(tape), '\a') == NULL);
    ad_tape_clear(tape);
    ad_custom(tape, &custom, 3, (const ad_var[]){ad_num(1), ad_num(2), ad_num(3)}, NULL);
    expect_message("ad_custom", ad_tape_message(tape));
    ad_tape_free(tape);
}

/* ---- nn -------------------------------------------------------------------------------------- */

static void summary(FILE *to, void *model) {
    nn_summary(model, to);
}

Test(names, the_arrays_of_a_model_are_named_in_plain_characters) {
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, 1);
    nn_param(model, NASTY ".weight" NASTY, 1, (const size_t[]){2}, nn_init_uniform(0, 1));
    nn_param(model, NASTY, 1, (const size_t[]){2}, nn_init_uniform(0, 1));
    expect_named("nn_summary", summary, model);
    nn_param(model, NASTY, 1, (const size_t[]){2}, nn_init_uniform(0, 1));
    expect_message("nn_param", nn_model_message(model));
    nn_model_free(model);
    ad_tape_free(tape);
}

/* The width of a column is that of what is written. */
Test(names, columns_of_a_summary_stand_below_each_other) {
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, 1);
    nn_param(model, "\x1b.w", 1, (const size_t[]){2}, nn_init_uniform(0, 1));
    nn_param(model, "b.\x1b", 1, (const size_t[]){3}, nn_init_uniform(0, 1));
    char *text = written(summary, model);
    cr_expect_str_eq(text, "layer  shapes  parameters\n"
                           "\\x1b   w 2              2\n"
                           "b      \\x1b 3           3\n"
                           "all                     5\n");
    free(text);
    nn_model_free(model);
    ad_tape_free(tape);
}

/* A path is a name too. */
Test(names, files_are_named_in_plain_characters) {
    const char *path = file_path(NASTY);
    nn_data    *tables[] = {nn_data_csv(path, NULL), nn_data_npy(path, 0), nn_data_idx(path, 0)};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        expect_message("a table", nn_data_message(tables[i]));
        nn_data_free(tables[i]);
    }
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, 1);
    nn_param(model, "w", 0, NULL, nn_init_uniform(0, 1));
    nn_model_load(model, path);
    expect_message("nn_model_load", nn_model_message(model));
    nn_model_clear(model);
    nn_model_save(model, file_path("no/" NASTY));
    expect_message("nn_model_save", nn_model_message(model));
    nn_model_free(model);
    ad_tape_free(tape);
}

static void bytes_of(const char *name, size_t n, const char *bytes) {
    file_write(file_path(name), n, bytes);
}

/* What others wrote into a file: a field, the name of a type, an array, its type. */
Test(names, what_a_file_holds_is_told_in_plain_characters) {
    file_write_text(file_path("a.csv"), "1," NASTY "\n");
    nn_data *data = nn_data_csv(file_path("a.csv"), NULL);
    cr_expect(plain(nn_data_message(data)), "%s", nn_data_message(data));
    nn_data_free(data);
    static const char npy[] = "\x93NUMPY\x01\0\x30\0{'descr': '<\xc2\x9b"
                              "2', 'fortran_order': False, 's': 1}";
    bytes_of("a.npy", sizeof npy - 1, npy);
    data = nn_data_npy(file_path("a.npy"), 0);
    cr_expect(plain(nn_data_message(data)) && strstr(nn_data_message(data), "<\\u009b2"), "%s",
              nn_data_message(data));
    nn_data_free(data);
#if HAVE_JANSSON
    static const char *const headers[] = {
        "{\"a\\u001b[2J\\u0007\":1}",
        "{\"w\":{\"dtype\":\"a\\u001b[2J\\u0007\"}}",
        "{\"__metadata__\":{\"a\\u001b[2J\\u0007\":1}}",
        "{\"a\\u001b[2J\\u0007\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[0,0]}}",
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        char whole[200] = {(char)strlen(headers[i])};
        memcpy(whole + 8, headers[i], strlen(headers[i]));
        bytes_of("a.safetensors", 8 + strlen(headers[i]), whole);
        nn_model *model = nn_model_new(ad_tape_new(), 1);
        nn_param(model, "w", 0, NULL, nn_init_uniform(0, 1));
        cr_expect_eq(nn_model_load(model, file_path("a.safetensors")), AD_BAD_FILE);
        expect_message(headers[i], nn_model_message(model));
        ad_tape_free(nn_model_tape(model));
        nn_model_free(model);
    }
#endif
}

static ad_var distance(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)n, (void)user;
    const ad_var gap = ad_sub(row[0], nn_model_params(model)[0]);
    return ad_mul(gap, gap);
}

static double nothing(nn_model *model, void *user) {
    (void)model, (void)user;
    return 0.5;
}

static void progress(FILE *to, void *context) {
    nn_model     *model = context;
    nn_data      *data = nn_data_new(2, 1, 0, (const double[]){1, 2});
    nn_optimizer *optimizer = nn_sgd(0.1);
    nn_train(model, distance, NULL, data, optimizer,
             &(nn_train_config){.epochs = 1,
                                .batch = 1,
                                .progress = true,
                                .stream = to,
                                .metric = nothing,
                                /* control characters are refused */
                                .metric_name = "a\xe2\x80\xae"});
    nn_optimizer_free(optimizer);
    nn_data_free(data);
}

Test(names, the_metric_of_a_training_is_named_in_plain_characters) {
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, 1);
    nn_param(model, "w", 0, NULL, nn_init_uniform(0, 1));
    char *text = written(progress, model);
    cr_expect(plain(text) && strstr(text, "a\\u202e") != NULL, "%s", text);
    free(text);
    nn_model_free(model);
    ad_tape_free(tape);
}
