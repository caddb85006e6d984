/* lesson_page.c - tests of nn/lesson_page.c: the JSON as read by an independent library, and the
 * escaping in the page. */
#include "lesson_fixture.h"
#include "nn/text.h"

#if HAVE_JANSSON
#include <jansson.h>
#endif

static char  *text;
static size_t length;

static void drop_both(void) {
    free(text);
    drop();
}

TestSuite(lesson_page, .init = make, .fini = drop_both);

static void write_lesson(ad_status (*write)(const nn_lesson *, FILE *), const char *title,
                         const char *const outputs[]) {
    make_lesson(title, outputs);
    FILE *to = open_memstream(&text, &length);
    cr_expect_eq(write(lesson, to), AD_OK);
    fclose(to);
}

#if HAVE_JANSSON
static json_t *read_lesson(const char *title, const char *const outputs[]) {
    json_error_t error;
    write_lesson(nn_lesson_json, title, outputs);
    json_t *root =
        json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    cr_assert_not_null(root, "line %d: %s", error.line, error.text);
    return root;
}

static void expect_numbers(const json_t *object, const char *key, size_t n, const double want[]) {
    const json_t *list = json_object_get(object, key);
    cr_expect_eq(json_array_size(list), n, "%s", key);
    for (size_t i = 0; i < n; i++)
        cr_expect(same_bits(json_real_value(json_array_get(list, i)), want[i]), "%s %zu", key, i);
}

Test(lesson_page, numbers_read_back_to_the_bit) {
    json_t *root = read_lesson(NULL, NULL);
    for (size_t k = 0; k < 2; k++) {
        const nn__example *p = &lesson->example[k];
        const json_t      *example = json_array_get(json_object_get(root, "examples"), k);
        expect_numbers(example, "input", 2, p->input);
        expect_numbers(example, "guess", 3, p->guess);
        for (size_t l = 0; l < lesson->layers; l++) {
            const json_t *layer = json_array_get(json_object_get(example, "layers"), l);
            const size_t  first = lesson->unit[l], n = lesson->size[l + 1],
                         weights = n * lesson->size[l];
            expect_numbers(layer, "z", n, p->z + first);
            expect_numbers(layer, "da", n, p->da + first);
            expect_numbers(layer, "dweight", weights, p->gradient + lesson->param[l]);
            expect_numbers(layer, "dbias", n, p->gradient + lesson->param[l] + weights);
        }
    }
    cr_expect(
        same_bits(json_real_value(json_object_get(root, "mean_loss")), nn_lesson_loss(lesson)));
    json_decref(root);
}

Test(lesson_page, any_name_comes_back) {
    const char *const name[] = {"</script>\x7f", "\"\\", "a\nb\t\xe2\x88\x82"};
    json_t           *root = read_lesson("<!--", name);
    cr_expect_str_eq(json_string_value(json_object_get(root, "title")), "<!--");
    for (size_t i = 0; i < 3; i++)
        cr_expect_str_eq(json_string_value(json_array_get(json_object_get(root, "outputs"), i)),
                         name[i]);
    json_decref(root);
}

Test(lesson_page, bytes_that_are_not_utf8_become_the_sign_for_that) {
    json_t *root =
        read_lesson("a\xff\xc3", (const char *const[]){"\xed\xa0\x80", "\xc0\x80", "\xe2\x88"});
    cr_expect_str_eq(json_string_value(json_object_get(root, "title")),
                     "a\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(root);
}
#endif

/* The names are in the data, which is UTF-8 as well; the title is also in <title> and <h1>. */
Test(lesson_page, page_is_utf8_whatever_bytes_title_and_names_have) {
    write_lesson(nn_lesson_html, "a\xff\xe2\x88<\xe2\x88\x82\x1b\xc2\x9b\xef\xbf\xbfz&#",
                 (const char *const[]){"\xed\xa0\x80", "\xc0\x80", "\xe2\x88"});
    cr_expect(nn__is_utf8(text));
    static const char title[] =
        "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd&#60;\xe2\x88\x82  \xef\xbf\xbdz&#38;#";
    const char *at = strstr(text, "<title>"), *heading = strstr(text, "<h1>");
    cr_expect_eq(strncmp(at + 7, title, strlen(title)), 0, "%.60s", at);
    cr_expect_eq(strncmp(heading + 4, title, strlen(title)), 0, "%.60s", heading);
    cr_expect_null(strchr(text, 0x1b));
}

Test(lesson_page, names_cannot_leave_the_page) {
    write_lesson(nn_lesson_html, "<script>alert(1)</script>@LESSON@",
                 (const char *const[]){"</script>", "\"", "a\nb"});
    size_t scripts = 0;
    for (const char *at = text; (at = strstr(at, "<script")) != NULL; at++) scripts++;
    cr_expect_eq(scripts, 2, "%zu scripts", scripts);
}

Test(lesson_page, what_cannot_be_written_is_a_status) {
    write_lesson(nn_lesson_json, NULL, NULL);
    cr_expect_eq(nn_lesson_json(NULL, stdout), AD_BAD_ARGUMENT);
    cr_expect_eq(nn_lesson_html(NULL, stdout), AD_BAD_ARGUMENT);
    cr_expect_eq(nn_lesson_json(lesson, NULL), AD_BAD_ARGUMENT);
    cr_expect_eq(nn_lesson_html(lesson, NULL), AD_BAD_ARGUMENT);
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL) cr_skip_test("no /dev/full on this machine");
    cr_expect_eq(nn_lesson_json(lesson, full), AD_BAD_FILE);
    fclose(full);
    full = fopen("/dev/full", "w");
    cr_expect_eq(nn_lesson_html(lesson, full), AD_BAD_FILE);
    fclose(full);
}
