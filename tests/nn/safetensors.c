/* safetensors.c - tests of nn/safetensors.c against bytes assembled by hand from the format's
 * description. tests/nn/save.c tests models in such files, and files from other writers. */
#include "nn/safetensors.h"
#include "files.h"
#include "nn/bytes.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char message[NN__MESSAGE];

static void need_jansson(void) {
#if !HAVE_JANSSON
    cr_skip_test("this build is without jansson");
#endif
}

TestSuite(safetensors, .init = need_jansson, .fini = files_remove);

enum { ROOM = 1 << 12 };

/* A file with this header and so many bytes of numbers. */
static const char *file_of(const char *header, size_t bytes, const void *numbers) {
    unsigned char file[ROOM];
    const size_t  length = strlen(header);
    const char   *path = file_path("a.safetensors");
    for (size_t i = 0; i < 8; i++) file[i] = (unsigned char)(length >> 8 * i);
    memcpy(file + 8, header, length);
    if (bytes > 0) memcpy(file + 8 + length, numbers, bytes);
    file_write(path, 8 + length + bytes, file);
    return path;
}

static void expect_refused(const char *path, const char *words) {
    ad_status        status = AD_OK;
    nn__safetensors *file = nn__safetensors_open(path, &status, message);
    cr_expect_null(file);
    cr_expect_eq(status, AD_BAD_FILE);
    cr_expect(strstr(message, words) != NULL, "\"%s\" is not in: %s", words, message);
}

static nn__safetensors *opened(const char *path) {
    ad_status        status;
    nn__safetensors *file = nn__safetensors_open(path, &status, message);
    cr_assert_not_null(file, "%s", message);
    cr_expect_eq(status, AD_OK);
    return file;
}

/* 1, -2 as F64; 0.5 as F32: little-endian. */
static const unsigned char doubles[16] = {0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0};
static const unsigned char single[4] = {0, 0, 0, 0x3f};

Test(safetensors, what_is_written_is_these_bytes) {
    static const char header[] =
        "{\"a\":{\"dtype\":\"F64\",\"shape\":[2,1],\"data_offsets\":[0,16]}}";
    static const size_t shape[] = {2, 1};
    const double        value[] = {1, -2};
    const nn__item      item = {.name = "a", .rank = 2, .shape = shape, .count = 2, .value = value};
    unsigned char       file[ROOM];
    const size_t        length = (sizeof header - 1 + 7) / 8 * 8;
    cr_assert_eq(nn__safetensors_save(file_path("a"), false, 1, &item, 0, NULL, message), AD_OK,
                 "%s", message);
    cr_assert_eq(file_read(file_path("a"), ROOM, file), 8 + length + 16);
    cr_expect_eq(nn__little(file, 8), length);
    cr_expect_arr_eq(file + 8, header, sizeof header - 1);
    for (size_t i = sizeof header - 1; i < length; i++) cr_expect_eq(file[8 + i], ' ');
    cr_expect_arr_eq(file + 8 + length, doubles, sizeof doubles);
}

Test(safetensors, both_types_are_read) {
    unsigned char numbers[20];
    double        value[2];
    memcpy(numbers, single, 4), memcpy(numbers + 4, doubles, 16);
    nn__safetensors *f =
        opened(file_of("{\"b\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[4,20]},"
                       "\"a\":{\"data_offsets\":[0,4],\"dtype\":\"F32\",\"shape\":[]}}  ",
                       20, numbers));
    cr_expect_eq(nn__safetensors_count(f), 2);
    cr_expect_str_eq(nn__safetensors_tensor(f, 0)->name, "a"); /* in the order of the numbers */
    cr_expect_eq(nn__safetensors_read(f, nn__safetensors_find(f, "b"), value, message), AD_OK);
    cr_expect(value[0] == 1 && value[1] == -2);
    cr_expect_eq(nn__safetensors_find(f, "a")->rank, 0);
    cr_expect_eq(nn__safetensors_read(f, nn__safetensors_find(f, "a"), value, message), AD_OK);
    cr_expect_eq(value[0], 0.5);
    cr_expect_null(nn__safetensors_find(f, "c"));
    cr_expect_null(nn__safetensors_note(f, "c"));
    nn__safetensors_close(f);
}

Test(safetensors, no_arrays_are_a_file_too) {
    nn__safetensors *f = opened(file_of("{}", 0, NULL));
    cr_expect_eq(nn__safetensors_count(f), 0);
    nn__safetensors_close(f);
    cr_expect_eq(nn__safetensors_save(file_path("b"), false, 0, NULL, 0, NULL, message), AD_OK);
    nn__safetensors_close(opened(file_path("b")));
}

Test(safetensors, an_array_of_no_numbers_is_kept) {
    static const size_t shape[] = {0, 3};
    const nn__item      item = {.name = "empty", .rank = 2, .shape = shape, .count = 0};
    cr_assert_eq(nn__safetensors_save(file_path("b"), false, 1, &item, 0, NULL, message), AD_OK,
                 "%s", message);
    nn__safetensors *f = opened(file_path("b"));
    cr_expect(nn__safetensors_tensor(f, 0)->count == 0 &&
              nn__safetensors_tensor(f, 0)->shape[1] == 3);
    nn__safetensors_close(f);
}

/* More numbers than a block, and not a multiple of it. */
Test(safetensors, numbers_come_back_to_the_bit_whatever_they_are) {
    enum { N = 20011 };
    static double       value[N], back[N];
    static const size_t shape[] = {N};
    const nn__item      item = {.name = "a", .rank = 1, .shape = shape, .count = N, .value = value};
    for (size_t i = 0; i < N; i++) value[i] = ldexp((double)i - 1e4, (int)(i % 2000) - 1000) / 3;
    value[1] = NAN, value[2] = INFINITY, value[3] = -0.0, value[N - 1] = 5e-324;
    cr_assert_eq(nn__safetensors_save(file_path("a"), false, 1, &item, 0, NULL, message), AD_OK,
                 "%s", message);
    nn__safetensors *f = opened(file_path("a"));
    cr_expect_eq(nn__safetensors_read(f, nn__safetensors_tensor(f, 0), back, message), AD_OK);
    cr_expect_arr_eq(back, value, sizeof value);
    nn__safetensors_close(f);
}

Test(safetensors, any_name_and_any_note_come_back) {
    static const char *const name[] = {"", "a\"b\\c\nd", "<script>", "\xe2\x88\x82", "__metadata"};
    static const size_t      shape[] = {1};
    enum { N = sizeof name / sizeof *name };
    const double one = 1;
    nn__item     item[N];
    nn__note     note[N];
    for (size_t i = 0; i < N; i++) {
        item[i] = (nn__item){.name = name[i], .rank = 1, .shape = shape, .count = 1, .value = &one};
        note[i] = (nn__note){name[i], name[N - 1 - i]};
    }
    cr_assert_eq(nn__safetensors_save(file_path("a"), true, N, item, N, note, message), AD_OK, "%s",
                 message);
    nn__safetensors *f = opened(file_path("a"));
    for (size_t i = 0; i < N; i++) {
        cr_expect_not_null(nn__safetensors_find(f, name[i]), "%s", name[i]);
        cr_expect_str_eq(nn__safetensors_note(f, name[i]), name[N - 1 - i]);
    }
    nn__safetensors_close(f);
}

static void expect_not_saved(const char *name, const char *other, const nn__note *note,
                             const char *words) {
    static const size_t shape[] = {1};
    const double        one = 1;
    const nn__item item[] = {{.name = name, .rank = 1, .shape = shape, .count = 1, .value = &one},
                             {.name = other, .rank = 1, .shape = shape, .count = 1, .value = &one}};
    cr_expect_eq(nn__safetensors_save(file_path("c"), false, 2, item, note != NULL, note, message),
                 AD_BAD_ARGUMENT);
    cr_expect(strstr(message, words) != NULL, "\"%s\" is not in: %s", words, message);
    cr_expect_not(file_exists(file_path("c")));
}

Test(safetensors, names_that_the_format_cannot_hold_are_refused_and_nothing_is_written) {
    expect_not_saved("a", "a", NULL, "the name \"a\" of an array is already taken");
    expect_not_saved("a", "__metadata__", NULL, "is already taken");
    expect_not_saved("a", "\xff", NULL, "array 1 (from 0) has a name that is not UTF-8");
}

Test(safetensors, notes_that_are_not_utf8_are_refused_and_nothing_is_written) {
    expect_not_saved("a", "b", &(nn__note){"key", "\xff"},
                     "metadata entry 0 (from 0) is not UTF-8");
    expect_not_saved("a", "b", &(nn__note){"\xff", "text"},
                     "metadata entry 0 (from 0) is not UTF-8");
}

#define ONE(shape, offsets) \
    "{\"a\":{\"dtype\":\"F64\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

Test(safetensors, numbers_of_the_header_that_lie_are_refused) {
    expect_refused(file_of(ONE("[2]", "[0,8]"), 16, doubles),
                   "8 bytes between its offsets, but its shape asks for 16");
    expect_refused(file_of(ONE("[1]", "[0,8]"), 16, doubles), "8 bytes that belong to no array");
    expect_refused(file_of(ONE("[1]", "[8,16]"), 16, doubles), "begins after a gap");
    expect_refused(file_of(ONE("[2]", "[0,16]"), 15, doubles), "the file ends before");
    expect_refused(file_of(ONE("[-1]", "[0,8]"), 8, doubles), "axis 0 (from 0)");
    expect_refused(file_of(ONE("[1.0]", "[0,8]"), 8, doubles), "axis 0 (from 0)");
    expect_refused(file_of(ONE("[4294967296,4294967296]", "[0,8]"), 8, doubles),
                   "too many numbers to count");
    expect_refused(file_of(ONE("[1]", "[8,0]"), 8, doubles), "data_offsets");
    expect_refused(file_of(ONE("[1]", "[0]"), 8, doubles), "data_offsets");
    expect_refused(file_of(ONE("[1]", "[0,18446744073709551616]"), 8, doubles), "not JSON");
}

Test(safetensors, headers_that_are_none_are_refused) {
    expect_refused(file_of("", 0, NULL), "does not begin with {");
    expect_refused(file_of(" {}", 0, NULL), "does not begin with {");
    expect_refused(file_of("{\"a\":1}", 0, NULL), "\"a\" is not an object");
    expect_refused(file_of("{\"a\":{},\"a\":{}}", 0, NULL), "not JSON");
    expect_refused(file_of("{\"__metadata__\":{\"key\":1}}", 0, NULL), "\"key\" is not a string");
    file_write_text(file_path("short"), "1234567");
    expect_refused(file_path("short"), "byte 7: the file ends");
    file_write(file_path("long"), 8, "\xff\xff\xff\xff\xff\xff\xff\x7f");
    expect_refused(file_path("long"), "at most 100000000 are allowed");
}

/* A pipe that nobody writes to would never answer. */
Test(safetensors, what_is_no_regular_file_is_refused_at_once) {
    cr_assert_eq(mkfifo(file_path("pipe"), 0600), 0);
    alarm(5);
    expect_refused(file_path("pipe"), "not a regular file");
    expect_refused("/dev/zero", "not a regular file");
    expect_refused(file_path("."), "not a regular file");
    expect_refused(file_path("nothing"), "cannot be opened");
    alarm(0);
}

Test(safetensors, a_file_that_became_shorter_is_a_status) {
    const char      *path = file_of(ONE("[2]", "[0,16]"), 16, doubles);
    nn__safetensors *f = opened(path);
    double           value[2];
    cr_assert_eq(truncate(path, 20), 0);
    cr_expect_eq(nn__safetensors_read(f, nn__safetensors_tensor(f, 0), value, message),
                 AD_BAD_FILE);
    cr_expect(strstr(message, "became shorter") != NULL, "%s", message);
    nn__safetensors_close(f);
    nn__safetensors_close(NULL);
}

Test(safetensors, f32_is_rounded_to_the_nearest_and_refuses_what_is_too_large) {
    static const size_t shape[] = {3};
    double              value[] = {0.1, INFINITY, 3.4e38}, back[3];
    const nn__item      item = {.name = "a", .rank = 1, .shape = shape, .count = 3, .value = value};
    cr_assert_eq(nn__safetensors_save(file_path("a"), true, 1, &item, 0, NULL, message), AD_OK,
                 "%s", message);
    nn__safetensors *f = opened(file_path("a"));
    cr_expect_eq(nn__safetensors_read(f, nn__safetensors_tensor(f, 0), back, message), AD_OK);
    for (size_t i = 0; i < 3; i++) cr_expect_eq(back[i], (double)(float)value[i]);
    nn__safetensors_close(f);
    value[2] = 1e39;
    cr_expect_eq(nn__safetensors_save(file_path("b"), true, 1, &item, 0, NULL, message),
                 AD_BAD_ARGUMENT);
    cr_expect(strstr(message, "number 2 (from 0) of \"a\" is 1e+39, too large for F32") != NULL,
              "%s", message);
}
