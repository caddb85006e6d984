/* bundle.c - bundle adjustment: the Jacobian of the reprojection error of 10,000 observations, one
 * a row, as ADBench has it (src/cpp/shared/ba.h). A row: a camera (rotation vector 3, centre 3,
 * focal length, principal point 2, radial distortion 2), a point 3, a weight, and where the point
 * was seen, 2. Two errors in the first fifteen of them. */
#include "bench.h"
#include "hand.h"

enum { ROWS = 10000, CAMERA = 11, ACTIVE = 15, COLUMNS = 17, ERRORS = 2 };

typedef struct work {
    ad_program *program;
    double     *row, *by_hand, *by_tapir;
} work;

/* ---- with Tapir ------------------------------------------------------------------------------ */

static void cross(const ad_var a[3], const ad_var b[3], ad_var out[3]) {
    for (int i = 0; i < 3; i++)
        out[i] =
            ad_sub(ad_mul(a[(i + 1) % 3], b[(i + 2) % 3]), ad_mul(a[(i + 2) % 3], b[(i + 1) % 3]));
}

/* Rodrigues: the point turned about the axis `rotation` by its length. */
static void rotate(const ad_var rotation[3], const ad_var point[3], ad_var out[3]) {
    const ad_var square = ad_dot(3, rotation, rotation);
    ad_var       turned[3], axis[3];
    if (!ad_branch(ad_not_equal(square, ad_num(0)))) {
        cross(rotation, point, turned);
        for (int i = 0; i < 3; i++) out[i] = ad_add(point[i], turned[i]);
        return;
    }
    const ad_var angle = ad_sqrt(square), cosine = ad_cos(angle), sine = ad_sin(angle);
    const ad_var inverse = ad_div(ad_num(1), angle);
    for (int i = 0; i < 3; i++) axis[i] = ad_mul(rotation[i], inverse);
    cross(axis, point, turned);
    const ad_var along = ad_mul(ad_dot(3, axis, point), ad_sub(ad_num(1), cosine));
    for (int i = 0; i < 3; i++)
        out[i] = ad_add(ad_add(ad_mul(point[i], cosine), ad_mul(turned[i], sine)),
                        ad_mul(axis[i], along));
}

static void record(const ad_var row[], ad_var error[ERRORS]) {
    const ad_var *centre = row + 3, *principal = row + 7, *radial = row + 9, *point = row + CAMERA;
    const ad_var  focal = row[6], weight = row[14], *seen = row + 15;
    ad_var        away[3], camera[3], flat[2];
    for (int i = 0; i < 3; i++) away[i] = ad_sub(point[i], centre[i]);
    rotate(row, away, camera);
    for (int i = 0; i < 2; i++) flat[i] = ad_div(camera[i], camera[2]);
    const ad_var square = ad_add(ad_mul(flat[0], flat[0]), ad_mul(flat[1], flat[1]));
    const ad_var stretch = ad_add(ad_add(ad_num(1), ad_mul(radial[0], square)),
                                  ad_mul(radial[1], ad_mul(square, square)));
    for (int i = 0; i < 2; i++) {
        const ad_var place = ad_add(ad_mul(ad_mul(flat[i], stretch), focal), principal[i]);
        error[i] = ad_mul(weight, ad_sub(place, seen[i]));
    }
}

static ad_program *compiled(const double value[]) {
    ad_tape *tape = ad_tape_new();
    ad_var  *row = bench_leaves(tape, COLUMNS, value), error[ERRORS];
    record(row, error);
    ad_program *program = bench_compile(
        tape,
        &(ad_interface){
            .inputs = COLUMNS, .input = row, .outputs = ERRORS, .output = error, .active = ACTIVE});
    ad_tape_free(tape);
    free(row);
    return program;
}

static double by_tapir(void *context) {
    work           *w = context;
    const ad_status status = ad_program_jacobian(w->program, NULL, ROWS, w->row, w->by_tapir);
    return bench_result(w->program, status, w->by_tapir[ROWS / 2 * ERRORS * ACTIVE]);
}

/* ---- by hand --------------------------------------------------------------------------------- */

/* Eight observations at a time, one a lane: columns are made of their rows, and rows of the
 * results. */

HAND_INLINE void cross_lanes(const lanes a[3], const lanes b[3], lanes out[3]) {
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

HAND_INLINE lanes dot_lanes(const lanes a[3], const lanes b[3]) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* What the rotation leaves for its reverse. Where there is none, axis and inverse are 0. */
typedef struct turn {
    lanes square, inverse, cosine, sine, dot, along, axis[3], turned[3];
} turn;

HAND_INLINE void sine_and_cosine(const lanes *angle, lanes *sine, lanes *cosine) {
    const lanes_number *in = (const lanes_number *)angle;
    lanes_number       *s = (lanes_number *)sine, *c = (lanes_number *)cosine;
#pragma omp simd
    for (int l = 0; l < LANES; l++) s[l] = sin(in[l]);
#pragma omp simd
    for (int l = 0; l < LANES; l++) c[l] = cos(in[l]);
}

HAND_INLINE void rotate_lanes(const lanes rotation[3], const lanes point[3], lanes out[3],
                              turn *t) {
    lanes angle;
    t->square = dot_lanes(rotation, rotation);
    for (int l = 0; l < LANES; l++) angle[l] = sqrt(t->square[l]);
    sine_and_cosine(&angle, &t->sine, &t->cosine);
    t->inverse = hand_where(t->square, 1 / angle, (lanes){0});
    for (int i = 0; i < 3; i++) t->axis[i] = rotation[i] * t->inverse;
    cross_lanes(t->axis, point, t->turned);
    t->dot = dot_lanes(t->axis, point), t->along = t->dot * (1 - t->cosine);
    for (int i = 0; i < 3; i++)
        out[i] = point[i] * t->cosine + t->turned[i] * t->sine + t->axis[i] * t->along;
}

/* up: adjoint of the turned point. Sets the adjoints of the rotation and of the point. */
HAND_INLINE void rotate_back(const lanes rotation[3], const lanes point[3], const turn *t,
                             const lanes up[3], lanes rotation_up[3], lanes point_up[3]) {
    lanes axis_up[3], turned_up[3], extra[3], unturned[3];
    for (int i = 0; i < 3; i++) turned_up[i] = up[i] * t->sine;
    const lanes along_up = dot_lanes(up, t->axis), dot_up = along_up * (1 - t->cosine);
    const lanes cosine_up = dot_lanes(up, point) - along_up * t->dot,
                sine_up = dot_lanes(up, t->turned);
    cross_lanes(turned_up, t->axis, point_up);
    cross_lanes(point, turned_up, extra);
    for (int i = 0; i < 3; i++) {
        point_up[i] += up[i] * t->cosine + dot_up * t->axis[i];
        axis_up[i] = up[i] * t->along + extra[i] + dot_up * point[i];
    }
    const lanes inverse_up = dot_lanes(axis_up, rotation);
    const lanes angle_up =
        sine_up * t->cosine - cosine_up * t->sine - inverse_up * t->inverse * t->inverse;
    cross_lanes(point, up, unturned); /* without a rotation: point + rotation x point */
    for (int i = 0; i < 3; i++)
        rotation_up[i] =
            hand_where(t->square, axis_up[i] * t->inverse + angle_up * t->axis[i], unturned[i]);
}

/* Columns from and to eight rows, eight columns at a time; the last eight overlap those before
 * where they must. */
HAND_INLINE void columns_of(const double *row, lanes column[COLUMNS]) {
    for (int first = 0; first + LANES <= COLUMNS; first += LANES) {
        lanes part[LANES];
        for (int l = 0; l < LANES; l++) part[l] = hand_load(row + l * COLUMNS + first);
        hand_transpose(part, column + first);
    }
    for (int l = 0; l < LANES; l++) column[COLUMNS - 1][l] = row[l * COLUMNS + COLUMNS - 1];
}

HAND_INLINE void rows_of(const lanes column[ERRORS * ACTIVE], double *row) {
    static const int begin[] = {0, 8, 16, ERRORS * ACTIVE - LANES};
    for (int k = 0; k < 4; k++) {
        lanes part[LANES];
        hand_transpose(column + begin[k], part);
        for (int l = 0; l < LANES; l++) hand_store(row + l * ERRORS * ACTIVE + begin[k], part[l]);
    }
}

static void eight_by_hand(const double row[restrict], double out[restrict]) {
    lanes x[COLUMNS], all[ERRORS * ACTIVE], away[3], camera[3], flat[2];
    turn  t;
    columns_of(row, x);
    const lanes *principal = x + 7, *radial = x + 9, *seen = x + 15, focal = x[6], weight = x[14];
    for (int i = 0; i < 3; i++) away[i] = x[CAMERA + i] - x[3 + i];
    rotate_lanes(x, away, camera, &t);
    const lanes depth = 1 / camera[2];
    for (int i = 0; i < 2; i++) flat[i] = camera[i] * depth;
    const lanes square = flat[0] * flat[0] + flat[1] * flat[1],
                stretch = 1 + square * (radial[0] + radial[1] * square);
    for (int k = 0; k < ERRORS; k++) {
        lanes      *jacobian = all + k * ACTIVE;
        const lanes place_up = weight * focal, stretch_up = place_up * flat[k];
        const lanes square_up = 2 * stretch_up * (radial[0] + 2 * radial[1] * square);
        lanes       camera_up[3];
        for (int i = 0; i < 2; i++)
            camera_up[i] =
                (square_up * flat[i] + (i == k ? place_up * stretch : (lanes){0})) * depth;
        camera_up[2] = -(camera_up[0] * flat[0] + camera_up[1] * flat[1]);
        rotate_back(x, away, &t, camera_up, jacobian, jacobian + CAMERA);
        for (int i = 0; i < 3; i++) jacobian[3 + i] = -jacobian[CAMERA + i];
        jacobian[6] = weight * flat[k] * stretch;
        jacobian[7] = k == 0 ? weight : (lanes){0};
        jacobian[8] = k == 1 ? weight : (lanes){0};
        jacobian[9] = stretch_up * square;
        jacobian[10] = stretch_up * square * square;
        jacobian[14] = flat[k] * stretch * focal + principal[k] - seen[k];
    }
    rows_of(all, out);
}

static double by_hand(void *context) {
    work *w = context;
    for (size_t r = 0; r < ROWS; r += LANES)
        eight_by_hand(w->row + r * COLUMNS, w->by_hand + r * ERRORS * ACTIVE);
    return w->by_hand[ROWS / 2 * ERRORS * ACTIVE];
}

/* ---- data ------------------------------------------------------------------------------------ */

static double *observations(void) {
    double  *row = bench_numbers((size_t)ROWS * COLUMNS);
    uint64_t seed = 5;
    for (size_t r = 0; r < ROWS; r++) {
        double *x = row + r * COLUMNS;
        for (int i = 0; i < 3; i++) x[i] = bench_uniform(&seed, -1, 1);
        for (int i = 3; i < 6; i++) x[i] = bench_uniform(&seed, -0.5, 0.5);
        x[6] = bench_uniform(&seed, 0.5, 1.5);
        for (int i = 7; i < 11; i++) x[i] = bench_uniform(&seed, -0.1, 0.1);
        for (int i = 11; i < 13; i++) x[i] = bench_uniform(&seed, -1, 1);
        x[13] = bench_uniform(&seed, 4, 6);
        x[14] = bench_uniform(&seed, 0.5, 1);
        for (int i = 15; i < 17; i++) x[i] = bench_uniform(&seed, -1, 1);
    }
    return row;
}

int main(void) {
    bench_threads(1);
    const size_t numbers = (size_t)ROWS * ERRORS * ACTIVE;
    work         w = {.row = observations(),
                      .by_hand = bench_numbers(numbers),
                      .by_tapir = bench_numbers(numbers)};
    w.program = compiled(w.row);
    const int failed = bench_arrays(
        "bundle adjustment, 2 x 15 Jacobian of 10,000 observations, per observation", 0.5, by_hand,
        by_tapir, &w, numbers, w.by_hand, w.by_tapir, 61, 1e9 / ROWS, "ns", 1e-11);
    ad_program_free(w.program);
    free(w.row), free(w.by_hand), free(w.by_tapir);
    return failed;
}
