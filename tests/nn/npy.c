/* npy.c - tests of .npy files: from NumPy, made here, and broken ones. */
#include "files.h"
#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

TestSuite(npy, .fini = files_remove);

#define HEADER(shape) "{'descr': '<f8', 'fortran_order': False, 'shape': " shape ", }\n"

/* A file of version 1.0 with this header, followed by so many zero bytes. */
static const char *made(const char *header, size_t zeros) {
    unsigned char bytes[4096] = "\x93NUMPY\x01";
    const size_t  length = strlen(header);
    bytes[8] = (unsigned char)length, bytes[9] = (unsigned char)(length >> 8);
    memcpy(bytes + 10, header, length);
    const char *path = file_path("made.npy");
    file_write(path, 10 + length + zeros, bytes);
    return path;
}

static void expect_error(const char *path, const char *message) {
    char     whole[1024];
    nn_data *data = nn_data_npy(path, 0);
    snprintf(whole, sizeof whole, "%s: %s", path, message);
    cr_expect_eq(nn_data_status(data), AD_BAD_FILE);
    cr_expect(strncmp(nn_data_message(data), whole, strlen(whole)) == 0, "\"%s\" is not \"%s\"",
              nn_data_message(data), whole);
    nn_data_free(data);
}

static void expect_numbers(const char *path, size_t rows, size_t columns, const double value[]) {
    nn_data *data = nn_data_npy(path, 0);
    cr_assert_eq(nn_data_status(data), AD_OK, "%s", nn_data_message(data));
    cr_assert_eq(nn_data_rows(data), rows);
    cr_assert_eq(nn_data_inputs(data), columns);
    cr_expect_arr_eq(nn_data_row(data, 0), value, rows * columns * sizeof *value, "%s", path);
    nn_data_free(data);
}

/* The path of a file that NumPy wrote; the test is skipped without NumPy. */
static const char *by_numpy(const char *name) {
    char file[64];
    snprintf(file, sizeof file, "%s.npy", name);
    if (!file_exists(file_path(file))) {
        const int status =
            python("numpy", SOURCE "/tests/numpy_files.py", "make", file_path("."), NULL);
        if (status == -1) cr_skip_test("there is no NumPy");
        cr_assert_eq(status, 0);
    }
    return file_path(file);
}

/* ---- both ways ------------------------------------------------------------------------------- */

Test(npy, numpys_arrays_of_every_type_version_and_shape_are_read) {
    static const char *const versions[] = {"version1", "version2", "version3"};
    double                   count[24];
    for (size_t i = 0; i < 24; i++) count[i] = (double)i;
    static const char *const types[] = {"f8", "f4", "i8", "i4", "i2", "i1"};
    static const char *const positive[] = {"u8", "u4", "u2", "u1"};
    for (size_t i = 0; i < 6; i++)
        expect_numbers(by_numpy(types[i]), 2, 3, (const double[]){-3, 0, 1, 2, 7, 100});
    for (size_t i = 0; i < 4; i++)
        expect_numbers(by_numpy(positive[i]), 2, 3, (const double[]){3, 0, 1, 2, 7, 100});
    expect_numbers(by_numpy("b1"), 2, 3, (const double[]){0, 0, 1, 1, 1, 1});
    expect_numbers(by_numpy("thirds"), 2, 2, (const double[]){1, 0.5, 1.0f / 3, 0.25});
    for (size_t i = 0; i < 3; i++)
        expect_numbers(by_numpy(versions[i]), 2, 3, (const double[]){-3, 0, 1, 2, 7, 100});
    expect_numbers(by_numpy("axes3"), 2, 12, count);
    expect_numbers(by_numpy("axes1"), 5, 1, count);
}

Test(npy, what_else_numpy_writes_is_refused_in_a_sentence) {
    expect_error(by_numpy("big_endian"),
                 "byte 20: numbers of type '>f8' are not supported; supported are '<f8', '<f4'");
    expect_error(by_numpy("half"), "byte 20: numbers of type '<f2'");
    expect_error(by_numpy("complex"), "byte 20: numbers of type '<c16'");
    expect_error(by_numpy("record"), "byte 20: 'descr' is not a simple number type");
    expect_error(by_numpy("axes0"), "byte 10: an array of 0 axes that has no rows or no columns");
    expect_error(by_numpy("empty"), "byte 10: an array of 2 axes that has no rows or no columns");
    expect_error(by_numpy("nan"), "byte 152: row 1, column 1 (from 0) is nan");
    expect_error(by_numpy("large"),
                 "byte 136: row 1, column 0 (from 0) is about 9007199254740994: too large");
    expect_error(by_numpy("large_odd"),
                 "byte 136: row 1, column 0 (from 0) is about 9007199254740992: too large");
    expect_error(by_numpy("large_below"),
                 "byte 136: row 1, column 0 (from 0) is about -9007199254740992: too large");
    expect_error(by_numpy("large_u8"),
                 "byte 136: row 1, column 0 (from 0) is about 9007199254740992: too large");
    expect_numbers(by_numpy("largest"), 2, 1,
                   (const double[]){9007199254740992, -9007199254740992});
}

/* The last axis changes fastest in the table, whichever did in the file. */
Test(npy, arrays_in_fortran_order_are_read_as_the_same_numbers_in_c_order) {
    double count[120];
    for (size_t i = 0; i < 120; i++) count[i] = (double)i;
    expect_numbers(by_numpy("fortran"), 2, 3, (const double[]){-3, 0, 1, 2, 7, 100});
    expect_numbers(by_numpy("fortran3"), 2, 12, count);
    expect_numbers(by_numpy("fortran4"), 2, 60, count);
    expect_numbers(by_numpy("fortran_column"), 2, 1, (const double[]){-3, 2});
    expect_numbers(by_numpy("fortran_row"), 1, 3, (const double[]){-3, 0, 1});
    expect_numbers(by_numpy("fortran_line"), 3, 1, (const double[]){-3, 0, 1});
    expect_error(by_numpy("fortran_nan"), "byte 152: row 1, column 1 (from 0) is nan");
}

/* Longer than a block: 3 x 40000 numbers; number k of row r is r + 3*k. */
Test(npy, fortran_order_goes_on_from_block_to_block) {
    enum { ROWS = 3, COLUMNS = 40000 };
    static double value[ROWS * COLUMNS];
    unsigned char start[10 + 80];
    for (size_t i = 0; i < ROWS * COLUMNS; i++) value[i] = (double)i;
    const char *path = file_path("long.npy");
    FILE       *file = fopen(path, "wb");
    const char *header = "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 40000), }\n";
    memcpy(start, "\x93NUMPY\x01", 8);
    start[8] = (unsigned char)strlen(header), start[9] = 0;
    memcpy(start + 10, header, strlen(header));
    fwrite(start, 1, 10 + strlen(header), file);
    fwrite(value, sizeof *value, ROWS * COLUMNS, file); /* tests run on little-endian machines */
    fclose(file);
    nn_data *data = nn_data_npy(path, 0);
    cr_assert_eq(nn_data_rows(data), ROWS, "%s", nn_data_message(data));
    for (size_t r = 0; r < ROWS; r++)
        for (size_t k = 0; k < COLUMNS; k++)
            cr_assert_eq(nn_data_row(data, r)[k], (double)(r + ROWS * k));
    nn_data_free(data);
}

/* cnpy writes '<' for all types, NumPy '|' for those of one byte; '=' is the order of the
 * machine. */
Test(npy, order_of_bytes_is_of_no_account_where_there_is_one) {
    static const char *const good[] = {"|i1", "<i1", ">i1", "=i1", "|u1", "<u1",
                                       ">u1", "=u1", "|b1", "<b1", ">b1", "=b1",
                                       "<i2", "=i2", "<f8", "=f8", "=u4"};
    static const char *const bad[] = {">i2", "|i2", ">f8",  "|f8",  "*i1", "i1", "",
                                      "|",   "|i",  "|i1 ", "|i11", "<f2", ">b", "<i3"};
    char                     header[100];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(header, sizeof header,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (2, 1), }\n", good[i]);
        expect_numbers(made(header, 2 * (size_t)(good[i][2] - '0')), 2, 1, (const double[]){0, 0});
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char message[100];
        snprintf(header, sizeof header,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (2, 1), }\n", bad[i]);
        snprintf(message, sizeof message,
                 "byte 20: numbers of type '%s' are not supported; supported are '<f8', ", bad[i]);
        expect_error(made(header, 2), message);
    }
}

Test(npy, numpy_reads_what_is_written_here) {
    double value[24];
    for (size_t i = 0; i < 24; i++) value[i] = (double)i * 0.1 - 1;
    const char *path = file_path("ours.npy");
    cr_assert_eq(nn_npy_save(path, 3, (const size_t[]){2, 3, 4}, value, 0, NULL), AD_OK);
    const int status = python("numpy", SOURCE "/tests/numpy_files.py", "check", path, NULL);
    if (status == -1) cr_skip_test("there is no NumPy");
    cr_expect_eq(status, 0);
}

Test(npy, what_is_written_here_is_read_here_to_the_bit) {
    const double value[] = {-0.0, 5e-324, 1.7976931348623157e308, 1.0 / 3, 2, 3};
    const char  *path = file_path("ours.npy");
    for (size_t axes = 1; axes <= 2; axes++) {
        const size_t shape[] = {axes == 1 ? 6 : 3, 2};
        cr_assert_eq(nn_npy_save(path, axes, shape, value, 0, NULL), AD_OK);
        expect_numbers(path, shape[0], axes, value);
    }
}

Test(npy, last_columns_are_targets) {
    nn_data *data = nn_data_npy(made(HEADER("(2, 3)"), 48), 1);
    cr_expect_eq(nn_data_inputs(data), 2);
    cr_expect_eq(nn_data_targets(data), 1);
    nn_data_free(data);
    data = nn_data_npy(made(HEADER("(2, 3)"), 48), 4);
    cr_expect(strstr(nn_data_message(data), "a row has 3 numbers, too few for 4 targets"));
    nn_data_free(data);
}

/* ---- broken files ---------------------------------------------------------------------------- */

Test(npy, header_is_read_as_python_reads_it) {
    static const char *const same[] = {
        "{\"shape\":(2,1),\"fortran_order\":False,\"descr\":\"<f8\"}",
        "{ 'fortran_order' : False , 'descr':'<f8', 'shape' : ( 2 , 1 , ) , }   \n",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 1L), }",
    };
    for (size_t i = 0; i < 3; i++) expect_numbers(made(same[i], 16), 2, 1, (const double[]){0, 0});
}

Test(npy, header_that_is_no_such_dictionary_is_refused_with_the_byte) {
    static const struct {
        const char *header, *message;
    } cases[] = {
        {"", "byte 10: the header is not a dictionary"},
        {"[]",
         "byte 10: the header is not a dictionary as NumPy writes it: it does not begin with {"},
        {"{}", "byte 12: the header is not a dictionary as NumPy writes it: one of 'descr', "},
        {"{'descr': '<f8'", "byte 25: the header is not a dictionary as NumPy writes it: a comma"},
        {"{'descr' '<f8'}", "byte 19: the header is not a dictionary as NumPy writes it: a colon"},
        {"{'descr': '<f8', 'descr': '<f8'}",
         "byte 35: the header is not a dictionary as NumPy writes it: an unknown name, or one that "
         "is there twice"},
        {"{'descr': '<f8\n'}", "byte 20: 'descr' is not a simple number type"},
        {"{'fortran_order': 1}",
         "byte 28: the header is not a dictionary as NumPy writes it: 'fortran_order'"},
        {"{'shape': 3}",
         "byte 20: the header is not a dictionary as NumPy writes it: 'shape' is not a tuple"},
        {"{'shape': (-1,)}", "byte 21: the header is not a dictionary as NumPy writes it: an axis"},
        {"{'shape': (1", "byte 22: the header is not a dictionary as NumPy writes it: a comma"},
        {HEADER("(1,)") "1",
         "byte 68: the header is not a dictionary as NumPy writes it: text follows it"},
        {HEADER("(18446744073709551616,)"), "byte 80: the header is not a dictionary as NumPy "
                                            "writes it: an axis is not a whole number below 2^64"},
        {HEADER("(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)"),
         "byte 125: the header is not a dictionary as NumPy writes it: more than 32 axes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_error(made(cases[i].header, 0), cases[i].message);
}

Test(npy, shape_that_overflows_or_lies_is_refused_before_memory_is_asked_for) {
    expect_error(made(HEADER("(4294967296, 4294967296)"), 8),
                 "byte 10: the shape has too many numbers to count");
    expect_error(made(HEADER("(1, 4294967296, 4294967296)"), 8),
                 "byte 10: the shape has too many numbers to count");
    expect_error(made(HEADER("(2305843009213693952,)"), 8),
                 "byte 10: the shape has too many numbers to count");
    expect_error(made(HEADER("(1000000000000, 1000)"), 8),
                 "byte 85: the shape asks for 8000000000000000 bytes of numbers, but 8 follow");
    expect_error(made(HEADER("(2, 2)"), 31),
                 "byte 70: the shape asks for 32 bytes of numbers, but 31 follow");
    expect_error(made(HEADER("(2, 2)"), 33),
                 "byte 70: the shape asks for 32 bytes of numbers, but 33 follow");
}

Test(npy, beginning_that_is_not_numpys_is_refused) {
    const char *path = file_path("a.npy");
    file_write(path, 8, "PK\x03\x04....");
    expect_error(path, "byte 0: not a .npy file: it does not begin with \\x93NUMPY");
    file_write(path, 8, "\x93NUMPY\x04\x00");
    expect_error(path,
                 "byte 6: format version 4.0 is not supported; supported are 1.0, 2.0 and 3.0");
    file_write(path, 12, "\x93NUMPY\x02\x00\xff\xff\xff\xff");
    expect_error(path, "byte 8: a header of 4294967295 bytes; the longest supported has 65535");
}

Test(npy, file_cut_anywhere_is_refused) {
    unsigned char bytes[256];
    const char   *path = file_path("whole.npy"), *cut = file_path("cut.npy");
    cr_assert_eq(nn_npy_save(path, 1, (const size_t[]){3}, (const double[]){1, 2, 3}, 0, NULL),
                 AD_OK);
    const size_t size = file_read(path, sizeof bytes, bytes);
    cr_assert_eq(size, 128 + 24);
    for (size_t n = 0; n < size; n++) {
        file_write(cut, n, bytes);
        nn_data *data = nn_data_npy(cut, 0);
        cr_expect_eq(nn_data_status(data), AD_BAD_FILE, "cut after %zu bytes", n);
        cr_expect(strstr(nn_data_message(data), "cut.npy: byte "), "%s", nn_data_message(data));
        nn_data_free(data);
    }
}

Test(npy, file_that_is_not_there_is_named) {
    nn_data *data = nn_data_npy(file_path("nothing.npy"), 0);
    cr_expect(
        strstr(nn_data_message(data), "nothing.npy: the file cannot be opened: No such file"));
    nn_data_free(data);
    data = nn_data_npy(NULL, 0);
    cr_expect_eq(nn_data_status(data), AD_BAD_ARGUMENT);
    nn_data_free(data);
}

Test(npy, writing_refuses_in_a_sentence) {
    char message[256];
    cr_expect_eq(nn_npy_save(file_path("no/such/folder.npy"), 0, NULL, (const double[]){1},
                             sizeof message, message),
                 AD_BAD_FILE);
    cr_expect(strstr(message, "folder.npy: the file cannot be written: No such file or directory"));
    cr_expect_eq(nn_npy_save(NULL, 0, NULL, NULL, sizeof message, message), AD_BAD_ARGUMENT);
    cr_expect_eq(nn_npy_save("a", 2, (const size_t[]){SIZE_MAX, 2}, NULL, 5, message),
                 AD_BAD_ARGUMENT);
    cr_expect_str_eq(message, "nn_n");
}
