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
    cr_expect_arr_eq(nn_data_row(data, 0), value, rows*columns*sizeof *value);
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
    expect_rows(read_text("\xef\xbb\xbf" "1,2\n", NULL), 1, 2, (const double[]){1, 2});
}

Test(csv, numbers_are_read_as_in_the_c_locale) {
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) cr_log_info("no German locale: read in the one that is there");
    expect_rows(read_text("1.5,2\n", NULL), 1, 2, (const double[]){1.5, 2});
}

Test(csv, bad_fields_are_named_with_line_and_column) {
    expect_error("1,2\n3,x\n", NULL, "line 2, column 2: \"x\" is not a number");
    expect_error("1,2\n\n3,\n", NULL, "line 3, column 2: the field is empty");
    expect_error("1,nan\n", NULL, "line 1, column 2: \"nan\" is not a finite number");
    expect_error("1,2\n1e999,2\n", NULL, "line 2, column 1: \"1e999\" is not a finite number");
    expect_error("0x10,2\n", NULL, "line 1, column 1: \"0x10\" is not a number");
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
    expect_error("1,2\n", &(nn_csv_config){3, false, 0}, "line 1, column 2: the row ends here, too short for 3 targets");
}

/* Longer than any block it is read in: fields, quotes and line ends stand across their borders. */
Test(csv, table_of_many_blocks_is_read_whole) {
    enum { ROWS = 20000, LINE = 16 };
    char  *text = malloc(ROWS*LINE + 1);
    size_t length = 0;
    for (int i = 0; i < ROWS; i++)
        length += (size_t)sprintf(text + length, i%3 == 0 ? "%d,\"%d\"\r\n" : "%d,%d\n", i, 2*i);
    nn_data *data = read_text(text, NULL);
    free(text);
    cr_assert_eq(nn_data_rows(data), (size_t)ROWS, "%s", nn_data_message(data));
    for (size_t i = 0; i < ROWS; i++)
        cr_assert(nn_data_row(data, i)[0] == (double)i && nn_data_row(data, i)[1] == 2*(double)i);
    nn_data_free(data);
}

Test(csv, file_that_is_not_there_is_named) {
    nn_data *data = nn_data_csv(file_path("nothing.csv"), NULL);
    if (nn_data_status(data) == AD_UNSUPPORTED) cr_skip_test("this build is without libcsv");
    cr_expect_eq(nn_data_status(data), AD_BAD_FILE);
    cr_expect(strstr(nn_data_message(data), "nothing.csv: the file cannot be opened: No such file"));
    nn_data_free(data);
}

/* Table II of Fisher's paper: the means of the three species, in centimetres. */
Test(csv, irises_are_those_of_fisher) {
    static const double means[3][4] = {
        {5.006, 3.428, 1.462, 0.246}, {5.936, 2.770, 4.260, 1.326}, {6.588, 2.974, 5.552, 2.026},
    };
    nn_data *data = nn_data_csv(SOURCE "/demos/data/iris.csv", NULL);
    if (nn_data_status(data) == AD_UNSUPPORTED) cr_skip_test("this build is without libcsv");
    cr_assert_eq(nn_data_rows(data), 150, "%s", nn_data_message(data));
    double sum[3][4] = {{0}};
    for (size_t row = 0; row < 150; row++)
        for (size_t i = 0; i < 4; i++) sum[(size_t)nn_data_row(data, row)[4]][i] += nn_data_row(data, row)[i];
    for (size_t k = 0; k < 12; k++) cr_expect_float_eq(sum[k/4][k%4]/50, means[k/4][k%4], 1e-12);
    nn_data_free(data);
}
