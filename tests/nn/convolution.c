/* convolution.c - tests of nn/convolution.c. Expected numbers are PyTorch's. */
#include "nn/both_ways.h"
#include "nn/convolution_by_torch.h"

#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { CHANNELS = 2, HEIGHT = 5, WIDTH = 4, PIXELS = CHANNELS * HEIGHT * WIDTH, OUTPUTS = 3 };

static ad_tape *tape;
static ad_var   weight[COUNT(kernel)], shift[OUTPUTS], x[PIXELS], y[2 * MOST_OUTPUTS];

static void make(void) {
    tape = ad_tape_new();
    make_leaves(tape, COUNT(kernel), kernel, weight);
    make_leaves(tape, OUTPUTS, bias, shift);
    make_leaves(tape, PIXELS, picture, x);
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(convolution, .init = make, .fini = drop);

static const nn_window wide = {CHANNELS,         HEIGHT,           WIDTH,
                               .kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 2}},
                       narrow = {CHANNELS, HEIGHT, WIDTH, .kernel = {3, 2}},
                       pooled = {CHANNELS,         HEIGHT,           WIDTH,
                                 .kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1}},
                       fours = {CHANNELS, HEIGHT, WIDTH, .kernel = {2, 2}};

Test(convolution, conv2d_with_stride_and_padding_is_pytorchs) {
    const leaves all[] = {{"weight", false, COUNT(kernel), weight, conv_d_kernel},
                          {"bias", false, OUTPUTS, shift, conv_d_bias},
                          {"x", true, PIXELS, x, conv_d_picture}};
    cr_assert_eq(nn_conv2d(&wide, OUTPUTS, weight, shift, x, y), COUNT(conv));
    expect_both_ways(COUNT(conv), y, conv, 3, all);
}

Test(convolution, conv2d_without_bias_and_padding_is_pytorchs) {
    const leaves all[] = {{"weight", false, COUNT(kernel), weight, plain_conv_d_kernel},
                          {"x", true, PIXELS, x, plain_conv_d_picture}};
    cr_assert_eq(nn_conv2d(&narrow, OUTPUTS, weight, NULL, x, y), COUNT(plain_conv));
    expect_both_ways(COUNT(plain_conv), y, plain_conv, 2, all);
}

typedef size_t pooling(const nn_window *window, const ad_var x[], ad_var y[]);

static void expect_pooling(pooling *pool, const nn_window *window, size_t n,
                           const double expected[], const double grad[]) {
    cr_assert_eq(pool(window, x, y), n);
    expect_both_ways(n, y, expected, 1, &(leaves){"x", true, PIXELS, x, grad});
}

Test(convolution, max_pool2d_is_pytorchs) {
    expect_pooling(nn_max_pool2d, &pooled, COUNT(max), max, max_d_picture);
    expect_pooling(nn_max_pool2d, &fours, COUNT(max_of_four), max_of_four, max_of_four_d_picture);
}

Test(convolution, avg_pool2d_is_pytorchs_and_counts_padding) {
    expect_pooling(nn_avg_pool2d, &pooled, COUNT(avg), avg, avg_d_picture);
    expect_pooling(nn_avg_pool2d, &fours, COUNT(avg_of_four), avg_of_four, avg_of_four_d_picture);
}

Test(convolution, equal_numbers_share_the_adjoint_of_their_largest) {
    double grad[4];
    for (int i = 0; i < 4; i++) ad_set(x[i], i == 2 ? 0 : 1);
    cr_assert_eq(nn_max_pool2d(&(nn_window){1, 2, 2, .kernel = {2, 2}}, x, y), 1);
    ad_gradient(y[0], 4, x, grad);
    for (int i = 0; i < 4; i++) cr_expect(close_to(grad[i], i == 2 ? 0 : 1 / 3.0, U, 0));
}

Test(convolution, without_y_only_counts) {
    const size_t nodes = ad_tape_length(tape);
    cr_expect_eq(nn_conv2d(&wide, OUTPUTS, NULL, NULL, NULL, NULL), COUNT(conv));
    cr_expect_eq(nn_max_pool2d(&pooled, NULL, NULL), COUNT(max));
    cr_expect_eq(nn_avg_pool2d(&fours, x, NULL), COUNT(avg_of_four));
    cr_expect_eq(ad_tape_length(tape), nodes);
}

/* A place that sees nothing but padding has the bias alone. */
Test(convolution, more_padding_than_kernel) {
    const nn_window w = {1, 1, 1, .kernel = {1, 1}, .padding = {1, 2}};
    cr_assert_eq(nn_conv2d(&w, 1, weight, shift, x, y), 15);
    for (int i = 0; i < 15; i++)
        cr_expect_eq(ad_value(y[i]), i == 7 ? picture[0] * kernel[0] + bias[0] : bias[0], "%d", i);
    cr_assert_eq(nn_conv2d(&w, 1, weight, NULL, x, y), 15);
    cr_expect(ad_value(y[0]) == 0 && ad_value(y[7]) == picture[0] * kernel[0]);
}

/* A stride past the edge: one place along each axis. */
Test(convolution, a_stride_longer_than_the_picture) {
    const nn_window w = {1, 2, 2, .kernel = {1, 1}, .stride = {SIZE_MAX, 7}};
    cr_assert_eq(nn_conv2d(&w, 1, weight, NULL, x, y), 1);
    cr_expect_eq(ad_value(y[0]), picture[0] * kernel[0]);
}

Test(convolution, plain_numbers_need_no_tape) {
    const ad_var four[] = {ad_num(1), ad_num(2), ad_num(3), ad_num(6)};
    ad_var       result[2] = {{0}};
    cr_expect_eq(nn_avg_pool2d(&(nn_window){1, 2, 2, .kernel = {2, 2}}, four, result), 1);
    cr_expect_eq(ad_value(result[0]), 3);
    cr_expect_eq(nn_max_pool2d(&(nn_window){1, 2, 2, .kernel = {3, 2}}, four, result), 0);
    cr_expect_eq(nn_conv2d(&(nn_window){1, 2, 2, .kernel = {2, 1}}, 1, four, NULL, four, result),
                 2);
    cr_expect(ad_value(result[0]) == 1 * 1 + 2 * 3 && ad_value(result[1]) == 1 * 2 + 2 * 6);
}

/* ---- in programs ----------------------------------------------------------------------------- */

/* At every place one matmul for all output channels. 3 x 3 weights with padding: those of the
 * middle, and at the edges the 6 or 4 of them that lie inside, in nine kinds: 4*(9 + 4*6 + 4*4). */
Test(convolution, a_place_is_one_matmul_in_a_program) {
    enum { SIDE = 4, CHANNELS_OUT = 4, PLACES = SIDE * SIDE, ALL = CHANNELS_OUT * PLACES };
    const nn_window w = {1, SIDE, SIDE, .kernel = {3, 3}, .padding = {1, 1}};
    ad_var          out[ALL];
    cr_assert_eq(nn_conv2d(&w, CHANNELS_OUT, weight, NULL, x, out), ALL);
    ad_program *p = ad_compile(&(ad_interface){COUNT(kernel), weight, PLACES, x, ALL, out, 0});
    expect_printed(p, "steps: 64 dots in 16 layers, with 196 weights");
    expect_printed(p, "0 uniform, once a call; 32 varying"); /* the layers and the pixels */
    ad_program_free(p);
}

/* ---- nn_check -------------------------------------------------------------------------------- */

enum { SIDE = 6, IMAGE = SIDE * SIDE, CLASSES = 3 };

/* Both kinds of pooling, and the tanh between, as a network of digits has them. */
static ad_var loss(nn_model *model, size_t n, const ad_var example[], void *user) {
    const ad_var   *p = nn_model_params(model);
    const nn_window first = {1, SIDE, SIDE, .kernel = {3, 3}, .padding = {1, 1}},
                    half = {2, SIDE, SIDE, .kernel = {2, 2}},
                    second = {2, 3, 3, .kernel = {2, 2}, .padding = {1, 0}},
                    rest = {CLASSES, 4, 2, .kernel = {4, 2}};
    ad_var a[2 * IMAGE], b[2 * 9], c[CLASSES * 8], logits[CLASSES];
    (void)user;
    nn_conv2d(&first, 2, p, p + 18, example, a);
    nn_max_pool2d(&half, a, b);
    for (int i = 0; i < 18; i++) b[i] = ad_tanh(b[i]);
    nn_conv2d(&second, CLASSES, p + 20, NULL, b, c);
    cr_assert_eq(nn_avg_pool2d(&rest, c, logits), CLASSES);
    return nn_cross_entropy(CLASSES, logits, example[n - 1]);
}

Test(convolution, add_makes_pytorchs_arrays) {
    nn_model      *model = nn_model_new(tape, 4);
    const nn_layer l = nn_conv2d_add(model, "conv1", &wide, OUTPUTS);
    const nn_array w = nn_model_array(model, 0), b = nn_model_array(model, 1);
    cr_assert_eq(nn_model_status(model), AD_OK, "%s", nn_model_message(model));
    cr_expect(l.inputs == 12 && l.outputs == OUTPUTS && l.weight == w.param && l.bias == b.param);
    cr_expect_str_eq(w.name, "conv1.weight");
    cr_expect_str_eq(b.name, "conv1.bias");
    cr_expect(w.rank == 4 && w.shape[0] == OUTPUTS && w.shape[1] == CHANNELS && w.shape[2] == 3 &&
              w.shape[3] == 2);
    cr_expect(b.rank == 1 && b.count == OUTPUTS);
    double least = 1, most = -1; /* of 39 numbers from U(+-1/sqrt(12)) */
    for (size_t i = 0; i < nn_model_count(model); i++) {
        least = fmin(least, ad_value(nn_model_params(model)[i]));
        most = fmax(most, ad_value(nn_model_params(model)[i]));
    }
    cr_expect(-sqrt(1 / 12.0) <= least && least < -0.2 && 0.2 < most && most <= sqrt(1 / 12.0));
    nn_model_free(model);
}

static void expect_not_added(nn_model *model, nn_layer l, const char *words) {
    cr_expect(l.weight == NULL && l.outputs == 0);
    cr_expect_eq(nn_model_status(model), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(model), words) != NULL, "%s", nn_model_message(model));
    cr_expect_eq(nn_model_count(model), 0);
    nn_model_clear(model);
}

Test(convolution, add_refuses_what_conv2d_would) {
    nn_model       *model = nn_model_new(tape, 4);
    const nn_window flat = {1, 5, 0, .kernel = {1, 1}};
    char            name[600];
    memset(name, 'n', sizeof name), name[599] = '\0';
    expect_not_added(model, nn_conv2d_add(model, "a", NULL, 1), "nn_conv2d_add: no window");
    expect_not_added(model, nn_conv2d_add(model, "a", &flat, 1), "nn_conv2d_add: a picture of 1 x");
    expect_not_added(model, nn_conv2d_add(model, "a", &wide, 0), "no output channels");
    expect_not_added(model, nn_conv2d_add(model, NULL, &wide, 1), "no name");
    expect_not_added(model, nn_conv2d_add(model, name, &wide, 1), "the name is too long");
    cr_expect(nn_conv2d_add(NULL, "a", &wide, 1).weight == NULL);
    nn_model_free(model);
}

Test(convolution, nn_check_finds_no_difference) {
    double       table[4 * (IMAGE + 1)];
    nn_model    *model = nn_model_new(tape, 4);
    const size_t shape[] = {2, 1, 3, 3}, shape_2[] = {CLASSES, 2, 2, 2}, two[] = {2};
    nn_param(model, "conv1.weight", 4, shape, nn_init_linear(9, 2));
    nn_param(model, "conv1.bias", 1, two, nn_init_linear(9, 2));
    nn_param(model, "conv2.weight", 4, shape_2, nn_init_linear(8, CLASSES));
    for (int i = 0; i < 4 * (IMAGE + 1); i++)
        table[i] = i % (IMAGE + 1) == IMAGE ? i / IMAGE % CLASSES : sin(i * i);
    nn_data         *data = nn_data_new(4, IMAGE, 1, table);
    ad_check_report *report = nn_check(model, loss, NULL, data, 4, NULL);
    cr_assert_not_null(report);
    cr_expect_eq(ad_check_verdict(report), AD_PASS, "%s", report->message);
    cr_expect_eq(report->n, nn_model_count(model));
    ad_check_free(report);
    nn_data_free(data);
    nn_model_free(model);
}

/* ---- bad input ------------------------------------------------------------------------------- */

static void expect_refused(nn_window w, const char *words) {
    const size_t nodes = ad_tape_length(tape);
    cr_expect_eq(nn_conv2d(&w, OUTPUTS, weight, shift, x, y), 0);
    expect_said(tape, nodes, words);
    cr_expect_eq(nn_max_pool2d(&w, x, y), 0);
    expect_said(tape, nodes, words);
    cr_expect_eq(nn_avg_pool2d(&w, x, y), 0);
    expect_said(tape, nodes, words);
}

Test(convolution, sizes_that_do_not_fit_are_refused_in_a_sentence) {
    const size_t most = SIZE_MAX;
    expect_refused((nn_window){0, 5, 4, .kernel = {1, 1}},
                   "a picture of 0 x 5 x 4 numbers and a kernel of 1 x 1: each must be at least 1");
    expect_refused((nn_window){2, 5, 0, .kernel = {1, 1}}, "at least 1");
    expect_refused((nn_window){2, 0, 4, .kernel = {1, 1}}, "at least 1");
    expect_refused((nn_window){2, 5, 4, .kernel = {1, 0}}, "a kernel of 1 x 0");
    expect_refused((nn_window){2, 5, 4, .kernel = {6, 1}},
                   "a kernel of 6 x 1 does not fit into a picture of 5 x 4 with a padding of 0 and "
                   "0 on each side");
    expect_refused((nn_window){2, 5, 4, .kernel = {7, 7}, .padding = {1, 1}}, "does not fit");
    expect_refused((nn_window){2, 5, 4, .kernel = {1, 1}, .padding = {most, 0}}, "does not fit");
    expect_refused((nn_window){2, most, 4, .kernel = {1, 1}}, "more numbers than memory");
    expect_refused((nn_window){most / 2, 5, 4, .kernel = {1, 1}}, "more numbers than memory");
    expect_refused((nn_window){2, 5, 4, .kernel = {1, 1}, .reserved = {0, 1}},
                   "reserved of nn_window must be all 0");
}

Test(convolution, what_is_missing_is_named) {
    const size_t nodes = ad_tape_length(tape);
    cr_expect_eq(nn_conv2d(NULL, OUTPUTS, weight, shift, x, y), 0);
    expect_said(tape, nodes, "nn_conv2d: no window");
    cr_expect_eq(nn_max_pool2d(NULL, x, y), 0);
    expect_said(tape, nodes, "nn_max_pool2d: no window");
    cr_expect_eq(nn_conv2d(&wide, 0, weight, shift, x, y), 0);
    expect_said(tape, nodes, "no output channels");
    cr_expect_eq(nn_conv2d(&wide, SIZE_MAX / 2, weight, shift, x, y), 0);
    expect_said(tape, nodes, "more numbers than memory");
    cr_expect_eq(nn_conv2d(&wide, OUTPUTS, NULL, shift, x, y), 0);
    expect_said(tape, nodes, "no weights");
    cr_expect_eq(nn_conv2d(&wide, OUTPUTS, weight, shift, NULL, y), 0);
    expect_said(tape, nodes, "no picture");
    cr_expect_eq(nn_max_pool2d(&fours, NULL, y), 0);
}

Test(convolution, pooling_refuses_padding_of_more_than_half_of_the_kernel) {
    const nn_window w = {CHANNELS, HEIGHT, WIDTH, .kernel = {3, 2}, .padding = {2, 1}};
    const size_t    nodes = ad_tape_length(tape);
    cr_expect_eq(nn_max_pool2d(&w, x, y), 0);
    expect_said(tape, nodes, "nn_max_pool2d: a padding of 2 and 1 is more than half of the kernel");
    cr_expect_eq(nn_avg_pool2d(&w, x, y), 0);
    expect_said(tape, nodes, "nn_avg_pool2d: a padding of 2 and 1 is more than half of the kernel");
}
