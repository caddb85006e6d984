/* lesson_page.c - the lesson as JSON, and as one self-contained HTML page.
 *
 * lesson.html is the page; the build puts lesson.css and the modules lesson*.js into it, and turns
 * it into the array that is included below. The placeholders @TITLE@ and @LESSON@ are replaced
 * here. Numbers are written with 17 digits, so that they read back exactly; all are finite, or
 * there would be no lesson. */
#include "lesson.h"

#include <math.h>
#include <string.h>

static const char page[] = {
#include "lesson.inc"
};

/* ---- data ------------------------------------------------------------------------------------ */

/* A JSON string that is safe inside a script element too, which "</" would end. Bytes that are not
 * UTF-8 become U+FFFD. */
static void write_text(const char *text, FILE *to) {
    fputc('"', to);
    for (size_t n; *text != '\0'; text += n > 0 ? n : 1) {
        const unsigned char c = (unsigned char)*text;
        n = nn__character(text);
        if (n == 0) fputs("\\ufffd", to);
        else if (c == '"' || c == '\\') fprintf(to, "\\%c", c);
        else if (c < 0x20 || c == 0x7f || c == '<') fprintf(to, "\\u%04x", c);
        else fwrite(text, 1, n, to);
    }
    fputc('"', to);
}

static void write_key(const char *key, FILE *to) {
    fprintf(to, ",\"%s\":", key);
}

static void write_numbers(const char *key, size_t n, const double x[], FILE *to) {
    write_key(key, to);
    for (size_t i = 0; i < n; i++) fprintf(to, "%s%.17g", i == 0 ? "[" : ",", x[i]);
    fputs(n == 0 ? "[]" : "]", to);
}

static void write_names(const char *key, size_t n, char *const name[], FILE *to) {
    write_key(key, to);
    for (size_t i = 0; i < n; i++) {
        fputs(i == 0 ? "[" : ",", to);
        write_text(name[i], to);
    }
    fputs("]", to);
}

/* The weights and the biases of a layer from x, which has a number for each parameter. */
static void write_params(const nn_lesson *lesson, size_t l, const char *weight, const char *bias,
                         const double x[], FILE *to) {
    const size_t weights = lesson->size[l] * lesson->size[l + 1];
    write_numbers(weight, weights, x + lesson->param[l], to);
    write_numbers(bias, lesson->size[l + 1], x + lesson->param[l] + weights, to);
}

static void write_example(const nn_lesson *lesson, const nn__example *p, FILE *to) {
    fprintf(to, "{\"row\":%zu,\"loss\":%.17g,\"loss_after\":%.17g", p->row, p->loss, p->loss_after);
    write_numbers("input", lesson->inputs, p->input, to);
    write_key("wanted", to);
    for (size_t k = 0; k < lesson->outputs; k++)
        fprintf(to, "%s%.17g", k == 0 ? "[" : ",", nn__wanted(lesson, p, k));
    fputs("]", to);
    write_numbers("guess", lesson->outputs, p->guess, to);
    write_key("layers", to);
    for (size_t l = 0; l < lesson->layers; l++) {
        const size_t first = lesson->unit[l], n = lesson->size[l + 1];
        fprintf(to, "%s{\"layer\":%zu", l == 0 ? "[" : ",\n  ", l);
        write_numbers("z", n, p->z + first, to);
        write_numbers("a", n, p->a + first, to);
        write_numbers("dz", n, p->dz + first, to);
        write_numbers("da", n, p->da + first, to);
        write_numbers("a_after", n, p->a_after + first, to);
        write_params(lesson, l, "dweight", "dbias", p->gradient, to);
        fputs("}", to);
    }
    fputs("]}", to);
}

static void write_lesson(const nn_lesson *lesson, FILE *to) {
    double gap = 0;
    for (size_t i = 0; i < lesson->params; i++)
        gap = fmax(gap, fabs(lesson->mean[i] - lesson->gradient_of_mean[i]));
    fputs("{\"format\":\"tapir-lesson/1\",\"title\":", to);
    write_text(lesson->title, to);
    write_key("sizes", to);
    for (size_t l = 0; l <= lesson->layers; l++)
        fprintf(to, "%s%zu", l == 0 ? "[" : ",", lesson->size[l]);
    fputs("],\"activations\":", to);
    for (size_t l = 0; l < lesson->layers; l++)
        fprintf(to, "%s\"%s\"", l == 0 ? "[" : ",", lesson->activation[l]);
    fprintf(to, "],\"loss\":\"%s\",\"rate\":%.17g,\"image\":%zu",
            lesson->squares ? "squares" : "cross-entropy", lesson->rate, lesson->image);
    write_names("inputs", lesson->inputs, lesson->input_name, to);
    write_names("outputs", lesson->outputs, lesson->output_name, to);
    fputs(",\n\"layers\":", to);
    for (size_t l = 0; l < lesson->layers; l++) {
        fprintf(to, "%s{\"layer\":%zu", l == 0 ? "[" : ",\n ", l);
        write_params(lesson, l, "weight", "bias", lesson->weight, to);
        write_params(lesson, l, "new_weight", "new_bias", lesson->new_weight, to);
        write_params(lesson, l, "mean_dweight", "mean_dbias", lesson->mean, to);
        fputs("}", to);
    }
    fputs("],\n\"examples\":[", to);
    for (size_t k = 0; k < lesson->examples; k++) {
        fputs(k == 0 ? "\n " : ",\n ", to);
        write_example(lesson, &lesson->example[k], to);
    }
    fprintf(to, "],\n\"mean_loss\":%.17g,\"mean_loss_after\":%.17g,\"gap\":%.17g}\n", lesson->loss,
            lesson->loss_after, gap);
}

ad_status nn_lesson_json(const nn_lesson *lesson, FILE *to) {
    if (lesson == NULL || to == NULL) return AD_BAD_ARGUMENT;
    const locale_t before = nn__locale_enter();
    write_lesson(lesson, to);
    nn__locale_leave(before);
    return nn__written(to);
}

/* ---- page ------------------------------------------------------------------------------------ */

/* The text of an HTML element: noncharacters and bytes that are not UTF-8 become U+FFFD, control
 * characters a space. */
static void write_escaped(const char *text, FILE *to) {
    for (size_t n; *text != '\0'; text += n > 0 ? n : 1) {
        n = nn__character(text);
        const bool none = n == 0 || strncmp(text, "\xef\xbf\xbe", 3) == 0 ||
                          strncmp(text, "\xef\xbf\xbf", 3) == 0;
        if (none) fputs("\xef\xbf\xbd", to);
        else if (nn__is_control(text)) fputc(' ', to);
        else if (strchr("&<>\"'", *text) != NULL) fprintf(to, "&#%d;", *text);
        else fwrite(text, 1, n, to);
    }
}

ad_status nn_lesson_html(const nn_lesson *lesson, FILE *to) {
    static const char title[] = "@TITLE@", data[] = "@LESSON@";
    if (lesson == NULL || to == NULL) return AD_BAD_ARGUMENT;
    const locale_t before = nn__locale_enter();
    const char    *at = page, *mark;
    while ((mark = strchr(at, '@')) != NULL) {
        fwrite(at, 1, (size_t)(mark - at), to);
        if (strncmp(mark, title, sizeof title - 1) == 0) {
            write_escaped(lesson->title, to);
            at = mark + sizeof title - 1;
        } else if (strncmp(mark, data, sizeof data - 1) == 0) {
            write_lesson(lesson, to);
            at = mark + sizeof data - 1;
        } else {
            fputc('@', to);
            at = mark + 1;
        }
    }
    fputs(at, to);
    nn__locale_leave(before);
    return nn__written(to);
}
