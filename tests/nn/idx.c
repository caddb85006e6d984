/* idx.c - tests of IDX files, plain and gzipped. */
#include "files.h"
#include "nn/nn.h"

#include "expect.h"
#include <stdio.h>
#include <string.h>

#if HAVE_ZLIB
#include <zlib.h>
#endif

TestSuite(idx, .fini = files_remove);

/* 2 x 2 x 2 bytes. */
static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2,
                                       0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 255};
static const double        pixels[] = {1, 2, 3, 4, 5, 6, 7, 255};

static const char *made(size_t size, const void *bytes) {
    const char *path = file_path("a.idx");
    file_write(path, size, bytes);
    return path;
}

static void expect_numbers(const char *path, size_t rows, size_t columns, const double value[]) {
    nn_data *data = nn_data_idx(path, 0);
    cr_assert_eq(nn_data_status(data), AD_OK, "%s", nn_data_message(data));
    cr_assert_eq(nn_data_rows(data), rows);
    cr_assert_eq(nn_data_inputs(data), columns);
    cr_expect_arr_eq(nn_data_row(data, 0), value, rows * columns * sizeof *value);
    nn_data_free(data);
}

static void expect_error(const char *path, const char *message) {
    char     whole[1024];
    nn_data *data = nn_data_idx(path, 0);
    snprintf(whole, sizeof whole, "%s: %s", path, message);
    cr_expect_eq(nn_data_status(data), AD_BAD_FILE);
    cr_expect(strncmp(nn_data_message(data), whole, strlen(whole)) == 0, "\"%s\" is not \"%s\"",
              nn_data_message(data), whole);
    cr_expect_eq(nn_data_rows(data), 0);
    nn_data_free(data);
}

Test(idx, images_are_rows) {
    expect_numbers(made(sizeof images, images), 2, 4, pixels);
}

Test(idx, every_type_is_read_with_the_highest_byte_first) {
    expect_numbers(made(10, "\0\0\x09\x01\0\0\0\x02\x80\x7f"), 2, 1, (const double[]){-128, 127});
    expect_numbers(made(12, "\0\0\x0b\x01\0\0\0\x02\xff\xfe\x01\x02"), 2, 1,
                   (const double[]){-2, 258});
    expect_numbers(made(12, "\0\0\x0c\x01\0\0\0\x01\xff\xff\xff\xfd"), 1, 1, (const double[]){-3});
    expect_numbers(made(12, "\0\0\x0d\x01\0\0\0\x01\x3f\xc0\0\0"), 1, 1, (const double[]){1.5});
    expect_numbers(made(16, "\0\0\x0e\x01\0\0\0\x01\xbf\xf8\0\0\0\0\0\0"), 1, 1,
                   (const double[]){-1.5});
}

Test(idx, images_and_labels_join) {
    nn_data *x = nn_data_idx(made(sizeof images, images), 0);
    nn_data *y = nn_data_idx(made(10, "\0\0\x08\x01\0\0\0\x02\x07\x09"), 0),
            *data = nn_data_join(x, y);
    cr_assert_eq(nn_data_status(data), AD_OK, "%s", nn_data_message(data));
    cr_expect_eq(nn_data_inputs(data), 4);
    cr_expect_eq(nn_data_row(data, 1)[4], 9);
    nn_data_free(data);
    nn_data_free(y);
    nn_data_free(x);
}

Test(idx, size_that_lies_is_refused_without_believing_it) {
    unsigned char bytes[sizeof images + 1] = {0};
    memcpy(bytes, images, sizeof images);
    expect_error(made(sizeof bytes, bytes),
                 "byte 24: more bytes than the 2 rows of 4 numbers in the header");
    bytes[7] = 3;
    expect_error(made(sizeof images, bytes),
                 "byte 24: the file ends in its numbers: 12 bytes are needed from byte 16 on");
    memset(bytes + 4, 0x7f, 4);
    expect_error(made(sizeof images, bytes),
                 "byte 24: the file ends in its numbers: 65536 bytes are needed");
    memset(bytes + 4, 0xff, 12);
    expect_error(made(sizeof images, bytes), "byte 8: the shape has too many numbers to count");
}

Test(idx, header_that_makes_no_sense_is_refused_with_the_byte) {
    expect_error(made(4, "\x89PNG"),
                 "byte 0: not an IDX file: it does not begin with two zero bytes");
    expect_error(made(4, "\0\0\x0a\x01"), "byte 2: numbers of type 0x0a, which IDX does not have");
    expect_error(made(4, "\0\0\x08\0"), "byte 3: an array without axes, which has no rows");
    expect_error(made(8, "\0\0\x08\x01\0\0\0\0"), "byte 4: axis 0 (from 0) has length 0");
    expect_error(made(16, "\0\0\x0e\x01\0\0\0\x01\x7f\xf8\0\0\0\0\0\0"),
                 "byte 8: row 0, column 0 (from 0) is nan");
    expect_error(made(12, "\0\0\x0d\x01\0\0\0\x01\xff\x80\0\0"),
                 "byte 8: row 0, column 0 (from 0) is -inf");
}

Test(idx, file_cut_anywhere_is_refused) {
    for (size_t n = 0; n < sizeof images; n++) {
        nn_data *data = nn_data_idx(made(n, images), 0);
        cr_expect_eq(nn_data_status(data), AD_BAD_FILE, "cut after %zu bytes", n);
        cr_expect(strstr(nn_data_message(data), "the file ends in its"), "%s",
                  nn_data_message(data));
        nn_data_free(data);
    }
}

Test(idx, file_that_is_not_there_is_named) {
    expect_error(file_path("nothing.idx"), "the file cannot be opened: No such file or directory");
}

/* ---- gzip ------------------------------------------------------------------------------------ */

#if HAVE_ZLIB
static const char *packed(size_t size, const void *bytes) {
    const char *path = file_path("a.gz");
    gzFile      file = gzopen(path, "wb");
    cr_assert(file != NULL && gzwrite(file, bytes, (unsigned)size) == (int)size &&
              gzclose(file) == Z_OK);
    return path;
}

Test(idx, gzipped_file_is_read) {
    expect_numbers(packed(sizeof images, images), 2, 4, pixels);
}

/* 200,000 numbers are more than a block. */
Test(idx, long_gzipped_file_is_read) {
    static unsigned char bytes[8 + 200000] = {0, 0, 8, 1, 0, 3, 0x0d, 0x40};
    for (size_t i = 8; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * i >> 3);
    nn_data *data = nn_data_idx(packed(sizeof bytes, bytes), 0);
    cr_assert_eq(nn_data_rows(data), 200000, "%s", nn_data_message(data));
    for (size_t i = 0; i < 200000; i++) cr_assert_eq(nn_data_row(data, i)[0], bytes[8 + i]);
    nn_data_free(data);
}

/* The last eight bytes are the checksum and the length: cut there, every number could be
 * unpacked. */
Test(idx, gzip_that_ends_early_is_refused_wherever_it_ends) {
    unsigned char bytes[256];
    const size_t  size = file_read(packed(sizeof images, images), sizeof bytes, bytes);
    for (size_t n = 2; n < size; n++) {
        nn_data *data = nn_data_idx(made(n, bytes), 0);
        cr_expect_eq(nn_data_status(data), AD_BAD_FILE, "cut after %zu of %zu bytes", n, size);
        if (n > 10)
            cr_expect(strstr(nn_data_message(data), "the gzip file ends early"), "%s",
                      nn_data_message(data));
        nn_data_free(data);
    }
}

Test(idx, gzip_with_a_wrong_checksum_is_refused) {
    unsigned char bytes[256];
    const size_t  size = file_read(packed(sizeof images, images), sizeof bytes, bytes);
    bytes[size - 5] ^= 1;
    nn_data *data = nn_data_idx(made(size, bytes), 0);
    cr_expect_eq(nn_data_status(data), AD_BAD_FILE);
    cr_expect(strstr(nn_data_message(data), "the gzip file is damaged"), "%s",
              nn_data_message(data));
    nn_data_free(data);
}
#else
Test(idx, gzipped_file_is_unsupported_without_zlib) {
    nn_data *data = nn_data_idx(made(4, "\x1f\x8b\x08\x00"), 0);
    cr_expect_eq(nn_data_status(data), AD_UNSUPPORTED);
    cr_expect(strstr(nn_data_message(data), "the file is gzipped, and this build is without zlib"));
    nn_data_free(data);
}
#endif
