/* csv.c - tests of reading CSV files. */
#include "files.h"
#include "nn/nn.h"

#include "expect.h"
#include <locale.h>
#include <stdlib.h>
#include <string.h>

TestSuite(csv, .fini = files_remove);

static nn_data *read_text(const char *text, const nn_csv_config *config) {
    const char *path = file_path("a.csv");
    file_write_text(path, text);
    nn_data *data = nn_data_csv(path, config);
    if (nn_data_status(data) == AD_UNSUPPORTED) {
        nn_data_free(data);
        cr_skip_test("this build is without libcsv");
    }
    return data;
}

static void expect_rows(nn_data *data, size_t rows, size_t columns, const double value[]) {
    cr_assert_eq(nn_data_status(data), AD_OK, "%s", nn_data_message(data));
    cr_assert_eq(nn_data_rows(data), rows);
    cr_assert_eq(nn_data_inputs(data) + nn_data_targets(data), columns);
    cr_expect_arr_eq(nn_data_row(data, 0), value, rows * columns * sizeof *value);
    nn_data_free(data);
}

static void expect_error(const char *text, const nn_csv_config *config, const char *message) {
    char     whole[1024];
    nn_data *data = read_text(text, config);
    snprintf(whole, sizeof whole, "%s: %s", file_path("a.csv"), message);
    cr_expect_eq(nn_data_status(data), AD_BAD_FILE);
    cr_expect_str_eq(nn_data_message(data), whole);
    cr_expect_null(nn_data_row(data, 0));
    nn_data_free(data);
}

Test(csv, last_column_is_the_target) {
    nn_data *data = read_text("1,2,0\n3.5,-4e2,1\n", NULL);
    cr_expect_eq(nn_data_inputs(data), 2);
    cr_expect_eq(nn_data_targets(data), 1);
    expect_rows(data, 2, 3, (const double[]){1, 2, 0, 3.5, -400, 1});
}

Test(csv, header_separator_quotes_empty_lines_and_a_missing_last_newline) {
    expect_rows(read_text("a;b\r\n\r\n\"1\";2\r\n\n3;\" 4\"", &(nn_csv_config){2, true, ';'}), 2, 2,
                (const double[]){1, 2, 3, 4});
}

Test(csv, byte_order_mark_is_skipped) {
    expect_rows(read_text("\xef\xbb\xbf"
                          "1,2\n",
                          NULL),
                1, 2, (const double[]){1, 2});
}

Test(csv, numbers_are_read_as_in_the_c_locale) {
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL)
        cr_log_info("no German locale: read in the one that is there");
    expect_rows(read_text("1.5,2\n", NULL), 1, 2, (const double[]){1.5, 2});
}

Test(csv, bad_fields_are_named_with_line_and_column) {
    expect_error(
        "1,2\n3,x\n", NULL,
        "line 2, column 2: \"x\" is not a number: a word; classes are numbers, 0, 1, 2 and so on");
    expect_error("1,2\n\n3,\n", NULL, "line 3, column 2: the field is empty");
    expect_error("1,nan\n", NULL, "line 1, column 2: \"nan\" is not a finite number");
    expect_error("1,2\n1e999,2\n", NULL, "line 2, column 1: \"1e999\" is not a finite number");
    expect_error("0x10,2\n", NULL,
                 "line 1, column 1: \"0x10\" is not a number: numbers are decimal");
}

Test(csv, blanks_around_a_number_are_no_part_of_it) {
    expect_rows(read_text("\" 1\",\"2 \"\n\"\t3 \", 4 \n\"5\n\",6\n", NULL), 3, 2,
                (const double[]){1, 2, 3, 4, 5, 6});
    expect_error("\"1 2\",3\n", NULL,
                 "line 1, column 1: \"1 2\" is not a number: is the separator a blank?");
    expect_error("\" \",3\n", NULL, "line 1, column 1: \" \" is not a number");
}

/* What people write where a number is expected, and the message for it. */
Test(csv, what_is_no_number_is_called_what_it_is) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"1,2\n3,abc\n", "line 2, column 2: \"abc\" is not a number: a word; classes are numbers, "
                         "0, 1, 2 and so on"},
        {"1,setosa\n", "line 1, column 2: \"setosa\" is not a number: a word; classes are numbers, "
                       "0, 1, 2 and so on, and a header line is skipped only if `header` is set"},
        {"x,y\n1,2\n", "line 1, column 1: \"x\" is not a number: this looks like a header line, "
                       "which is skipped only if `header` is set"},
        {"\"x\ny\",y\n", "line 1, column 1: \"x\\x0ay\" is not a number: this looks like a header "
                         "line, which is skipped only if `header` is set"},
        {"\xc3\xa9t\xc3\xa9,y\n1,2\n",
         "line 1, column 1: \"\xc3\xa9t\xc3\xa9\" is not a number: this looks like a header line, "
         "which is skipped only if `header` is set"},
        {"1,2\n3,NA\n", "line 2, column 2: \"NA\" is not a number: a missing value; leave the row "
                        "out or fill it in"},
        {"1,?\n", "line 1, column 2: \"?\" is not a number: a missing value; leave the row out or "
                  "fill it in"},
        {"null,1\n", "line 1, column 1: \"null\" is not a number: a missing value; leave the row "
                     "out or fill it in"},
        {"1;2;3\n", "line 1, column 1: \"1;2;3\" is not a number: is the separator a semicolon?"},
        {"1.5\t-2\n", "line 1, column 1: \"1.5\\x09-2\" is not a number: is the separator a tab?"},
        {"1|2\n", "line 1, column 1: \"1|2\" is not a number: is the separator |?"},
        {"1 2\n", "line 1, column 1: \"1 2\" is not a number: is the separator a blank?"},
        {"\"3,14\",2\n", "line 1, column 1: \"3,14\" is not a number: use a decimal point and no "
                         "thousands separator"},
        {"\"1,234.5\",2\n", "line 1, column 1: \"1,234.5\" is not a number: use a decimal point "
                            "and no thousands separator"},
        {"0x1p3,2\n", "line 1, column 1: \"0x1p3\" is not a number: numbers are decimal"},
        {"12%,2\n", "line 1, column 1: \"12%\" is not a number"},
        {"\xff\xfe"
         "1,2\n",
         "line 1, column 1: \"\\xff\\xfe1\" is not a number: this is text in UTF-16; UTF-8 is "
         "read"},
        {"1,2\n3,inf\n", "line 2, column 2: \"inf\" is not a finite number"},
        {"1,a\xe2\x80\xae"
         "b\x1b[2J\n",
         "line 1, column 2: \"a\\u202eb\\x1b[2J\" is not a number: a word; classes are numbers, 0, "
         "1, 2 and so on, and a header line is skipped only if `header` is set"},
        {"1,averyverylongwordindeed\n",
         "line 1, column 2: \"averyverylongwordind...\" is not a number: a word; classes are "
         "numbers, 0, 1, 2 and so on, and a header line is skipped only if `header` is set"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_error(cases[i].text, NULL, cases[i].message);
    expect_error("1,5;2\n", &(nn_csv_config){1, false, ';'},
                 "line 1, column 1: \"1,5\" is not a number: use a decimal point and no thousands "
                 "separator");
}

Test(csv, a_second_header_line_is_called_one) {
    const nn_csv_config header = {1, true, 0};
    expect_error("a,b\nmm,cm\n1,2\n", &header,
                 "line 2, column 1: \"mm\" is not a number: this looks like another header line; "
                 "one is skipped");
    expect_error("a,b\n1,2\na,b\n3,4\n", &header,
                 "line 3, column 1: \"a\" is not a number: the header line again");
    expect_error("1.5,b\n1,2\n1.5,b\n3,4\n", &header,
                 "line 3, column 2: \"b\" is not a number: the header line again");
    expect_error(
        "a,b\n1,2\nb,a\n", &header,
        "line 3, column 1: \"b\" is not a number: a word; classes are numbers, 0, 1, 2 and so on");
}

/* More header names than are kept. */
Test(csv, a_long_header_line_is_skipped_as_any_other) {
    static char text[20000], *at = text;
    for (int i = 0; i < 1000; i++) at += sprintf(at, "%scolumn%d", i > 0 ? "," : "", i);
    for (int row = 0; row < 2; row++)
        for (int i = 0; i < 1000; i++) at += sprintf(at, "%s%d", i > 0 ? "," : "\n", i);
    nn_data *data = read_text(text, &(nn_csv_config){1, true, 0});
    cr_expect_eq(nn_data_rows(data), 2, "%s", nn_data_message(data));
    cr_expect_eq(nn_data_inputs(data), 999);
    nn_data_free(data);
}

/* A quoted field may contain line ends: editors count them, and so does the reader. */
Test(csv, lines_within_quotes_are_counted) {
    const nn_csv_config header = {1, true, 0};
    expect_error(
        "\"a\nb\",c\n1,2\n3,x\n", &header,
        "line 4, column 2: \"x\" is not a number: a word; classes are numbers, 0, 1, 2 and so on");
    expect_error("\"a\r\n\r\nb\",\"c\rd\"\r\n1,2\r\n3\r\n", &header,
                 "line 6, column 1: the row ends here, but line 5 has 2 columns");
    expect_error("\"1\n\",2\n3\n", NULL,
                 "line 3, column 1: the row ends here, but line 1 has 2 columns");
    expect_error("1,\"2\n\"\n3,4,5\n", NULL, "line 3, column 3: more columns than the 2 of line 1");
}

/* A zero byte does not end a field: what follows it would be lost. */
Test(csv, a_byte_0_is_told) {
    const char *path = file_path("zero.csv");
    file_write(path, 8, "1,2\0\0\n3");
    nn_data *data = nn_data_csv(path, NULL);
    if (nn_data_status(data) == AD_UNSUPPORTED) cr_skip_test("this build is without libcsv");
    cr_expect(
        strstr(
            nn_data_message(data),
            "line 1, column 2: \"2\" is not a number: it has a byte 0, as text in UTF-16 does") !=
            NULL,
        "%s", nn_data_message(data));
    nn_data_free(data);
}

Test(csv, a_field_without_an_end_is_given_up, .timeout = 20) {
    nn_data *data = nn_data_csv("/dev/zero", NULL);
    if (nn_data_status(data) == AD_UNSUPPORTED) cr_skip_test("this build is without libcsv");
    cr_expect_str_eq(nn_data_message(data),
                     "/dev/zero: line 1, column 1: no end of the field within 65536 bytes");
    nn_data_free(data);
}

Test(csv, line_ends_are_of_any_kind_and_all_are_counted) {
    expect_rows(read_text("1,2\r3,4\r", NULL), 2, 2, (const double[]){1, 2, 3, 4});
    expect_error("1,2\r\n\r\n3,4\r\n5\r\n", NULL,
                 "line 4, column 1: the row ends here, but line 1 has 2 columns");
    expect_error("1,2\r3\r", NULL, "line 2, column 1: the row ends here, but line 1 has 2 columns");
}

Test(csv, rows_of_another_length_are_named) {
    expect_error("1,2\n3,4,5\n", NULL, "line 2, column 3: more columns than the 2 of line 1");
    expect_error("1,2\n3\n", NULL, "line 2, column 1: the row ends here, but line 1 has 2 columns");
}

Test(csv, quotation_mark_out_of_place_is_named) {
    expect_error("1,2\n3,\"4\n", NULL, "line 2, column 2: a quotation mark out of place");
}

Test(csv, file_without_rows_and_row_without_targets) {
    expect_error("", NULL, "line 1, column 1: no rows");
    expect_error("a,b\n", &(nn_csv_config){1, true, 0}, "line 2, column 1: no rows");
    expect_error("1,2\n", &(nn_csv_config){3, false, 0},
                 "line 1, column 2: the row ends here, too short for 3 targets");
}

/* Longer than a block: fields, quotes and line ends cross the block boundaries. */
Test(csv, table_of_many_blocks_is_read_whole) {
    enum { ROWS = 20000, LINE = 16 };
    char  *text = malloc(ROWS * LINE + 1);
    size_t length = 0;
    for (int i = 0; i < ROWS; i++)
        length +=
            (size_t)sprintf(text + length, i % 3 == 0 ? "%d,\"%d\"\r\n" : "%d,%d\n", i, 2 * i);
    nn_data *data = read_text(text, NULL);
    free(text);
    cr_assert_eq(nn_data_rows(data), (size_t)ROWS, "%s", nn_data_message(data));
    for (size_t i = 0; i < ROWS; i++)
        cr_assert(nn_data_row(data, i)[0] == (double)i && nn_data_row(data, i)[1] == 2 * (double)i);
    nn_data_free(data);
}

Test(csv, file_that_is_not_there_is_named) {
    nn_data *data = nn_data_csv(file_path("nothing.csv"), NULL);
    if (nn_data_status(data) == AD_UNSUPPORTED) cr_skip_test("this build is without libcsv");
    cr_expect_eq(nn_data_status(data), AD_BAD_FILE);
    cr_expect(
        strstr(nn_data_message(data), "nothing.csv: the file cannot be opened: No such file"));
    nn_data_free(data);
}

/* Table II of Fisher's paper: the means of the three species, in centimetres. */
Test(csv, irises_are_those_of_fisher) {
    static const double means[3][4] = {
        {5.006, 3.428, 1.462, 0.246},
        {5.936, 2.770, 4.260, 1.326},
        {6.588, 2.974, 5.552, 2.026},
    };
    nn_data *data = nn_data_csv(SOURCE "/demos/data/iris.csv", NULL);
    if (nn_data_status(data) == AD_UNSUPPORTED) cr_skip_test("this build is without libcsv");
    cr_assert_eq(nn_data_rows(data), 150, "%s", nn_data_message(data));
    double sum[3][4] = {{0}};
    for (size_t row = 0; row < 150; row++)
        for (size_t i = 0; i < 4; i++)
            sum[(size_t)nn_data_row(data, row)[4]][i] += nn_data_row(data, row)[i];
    for (size_t k = 0; k < 12; k++)
        cr_expect_float_eq(sum[k / 4][k % 4] / 50, means[k / 4][k % 4], 1e-12);
    nn_data_free(data);
}
