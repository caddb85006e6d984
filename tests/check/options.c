/* options.c - tests of engine/check/options.c: the blocks of coordinates, and their names. */
#include "check_fixture.h"

/* A number, a row, a large table and a small one: 1 + 3 + 12 + 2 coordinates. */
static const ad_check_block mixed[] = {
    {"table", 2, (const size_t[]){3, 4}},
    {"number", 0, NULL},
    {"row", 1, (const size_t[]){3}},
    {"pair", 2, (const size_t[]){1, 2}},
};
enum { MIXED = 18 };

Test(options, coordinates_of_blocks_are_named_in_order) {
    static const char *const names[MIXED] = {
        "table[0][0]", "table[0][1]", "table[0][2]", "table[0][3]", "table[1][0]", "table[1][1]",
        "table[1][2]", "table[1][3]", "table[2][0]", "table[2][1]", "table[2][2]", "table[2][3]",
        "number",      "row[0]",      "row[1]",      "row[2]",      "pair[0][0]",  "pair[0][1]"};
    double x[RAMP], grad[RAMP];
    up(x, grad);
    ad_check_report *r =
        ad_check_function(ramp, NULL, MIXED, x, grad,
                          &(ad_check_options){.blocks = 4, .block = mixed, .coordinates = MIXED});
    expect_lines(r, MIXED, names);
    for (size_t i = 0; i < r->lines; i++)
        cr_expect(r->line[i].coordinate == i && r->line[i].claimed == (double)i + 1);
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    cr_expect_str_eq(r->message, AGREES);
    ad_check_free(r);
}

/* Four directions for the table, the others one by one. A wrong coordinate is searched for in its
 * block only. */
Test(options, blocks_name_their_coordinates) {
    static double        x[LARGE], grad[LARGE];
    const size_t         weight[] = {30, 66}, bias[] = {20};
    const ad_check_block blocks[] = {{"weight", 2, weight}, {"bias", 1, bias}};
    large(x, grad);
    grad[2 * 66 + 5] *= 2;
    ad_check_report *r = ad_check_function(rosenbrock, NULL, LARGE, x, grad,
                                           &(ad_check_options){.blocks = 2, .block = blocks});
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    cr_expect(strstr(r->message, "weight[2][5]") != NULL, "%s", r->message);
    cr_expect_eq(ad_check_coordinate(r, 1985), AD_PASS);
    ad_check_free(r);
}

Test(options, blocks_must_hold_every_coordinate_once) {
    const struct {
        size_t         blocks;
        ad_check_block block[3];
    } bad[] = {
        {1, {{NULL, 0, NULL}}},
        {1, {{"w", 1, NULL}}},
        {1, {{"w", 1, (const size_t[]){5}}}},
        {1, {{"w", 1, (const size_t[]){7}}}},
        {2, {{"v", 1, (const size_t[]){4}}, {"w", 1, (const size_t[]){4}}}},
        {2, {{"v", 1, (const size_t[]){6}}, {"w", 0, NULL}}},
        {2, {{"v", 1, (const size_t[]){6}}, {"w", 2, (const size_t[]){SIZE_MAX, 2}}}},
        {3,
         {{"u", 1, (const size_t[]){3}},
          {"v", 1, (const size_t[]){4}},
          {"w", 1, (const size_t[]){SIZE_MAX}}}},
    };
    double x[RAMP], grad[RAMP];
    char   want[100];
    up(x, grad);
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        ad_check_report *r =
            ad_check_function(ramp, NULL, 6, x, grad,
                              &(ad_check_options){.blocks = bad[k].blocks, .block = bad[k].block});
        snprintf(want, sizeof want,
                 "the %zu blocks do not cover the 6 coordinates, each of them once", bad[k].blocks);
        cr_expect(r->status == AD_BAD_ARGUMENT && strcmp(r->message, want) == 0, "%zu: %s", k,
                  r->message);
        ad_check_free(r);
    }
    const ad_check_block good[] = {
        {"none", 1, (const size_t[]){0}}, {"v", 1, (const size_t[]){5}}, {"w", 0, NULL}};
    ad_check_report *r =
        ad_check_function(ramp, NULL, 6, x, grad, &(ad_check_options){.blocks = 3, .block = good});
    cr_expect_eq(ad_check_verdict(r), AD_PASS, "%s", r->message);
    ad_check_free(r);
}
