/* eigen.cpp - tests engine/eigen.hpp: Eigen's algorithms with ad::var as the scalar. A plain
 * program; every failure is a line.
 *
 * Each function of a matrix is a template. Its value is that for double, its gradient that of
 * differences; and where mathematics has a closed formula (Magnus and Neudecker, Matrix
 * Differential Calculus) that of the formula, from what Eigen computes for double. */
#include "engine/eigen.hpp"

#include <Eigen/Dense>
#include <cstdio>
#include <sstream>
#include <string>

extern "C" {
#include "support.h" /* last: its U is a name of Eigen's too */
}

using Eigen::Dynamic;
using Eigen::MatrixXd;
using Eigen::VectorXd;

template <class T> using matrix = Eigen::Matrix<T, Dynamic, Dynamic>;
template <class T> using column = Eigen::Matrix<T, Dynamic, 1>;

static int failures;

static void expect(bool good, const std::string &what, double got = 0, double want = 0) {
    if (good) return;
    std::printf("FAILED: %s: %.17g, not %.17g\n", what.c_str(), got, want);
    failures++;
}

static void expect_close(const MatrixXd &got, const MatrixXd &want, double tolerance,
                         const std::string &what) {
    expect(got.rows() == want.rows() && got.cols() == want.cols(), what + ": its size");
    for (Eigen::Index i = 0; i < got.size(); i++)
        expect(close_to(got(i), want(i), tolerance, tolerance), what + " at " + std::to_string(i),
               got(i), want(i));
}

/* ---- functions of a matrix ------------------------------------------------------------------- */

static MatrixXd random_matrix(Eigen::Index height, Eigen::Index width, uint64_t seed) {
    MatrixXd a(height, width);
    for (Eigen::Index i = 0; i < a.size(); i++) a(i) = random_uniform(&seed, -1, 1);
    return a;
}

static const MatrixXd &fixed() {
    static const MatrixXd b = random_matrix(4, 4, 11);
    return b;
}

template <class T> matrix<T> definite(const matrix<T> &a) {
    return a * a.transpose() + matrix<T>::Identity(a.rows(), a.rows());
}

struct products {
    template <class T> T operator()(const matrix<T> &a) const {
        const MatrixXd &b = fixed();
        const VectorXd  v = b.col(1);
        matrix<T>       c = a * b - 2 * b * a + a.transpose() * b * 0.5;
        c.noalias() += b * a;
        c.noalias() -= a(0, 1) * a * b;
        c += b(0) * a + b.col(0).asDiagonal() * a + b;
        const column<T> y = a * v - b * c.col(2) + (v.transpose() * a).transpose();
        return (c * c).trace() + y.dot(v) + v.dot(y) + y.squaredNorm() + (b.cwiseProduct(a)).sum() +
               (a.array() * b.array() + a.array().exp()).mean();
    }
};

struct views {
    template <class T> T operator()(const matrix<T> &a) const {
        const MatrixXd &b = fixed();
        const matrix<T> c = a.template triangularView<Eigen::Lower>() * b +
                            b * a.template triangularView<Eigen::Upper>();
        const matrix<T> d = a.template selfadjointView<Eigen::Lower>() * b +
                            b * a.template selfadjointView<Eigen::Upper>();
        return (c * d).trace() + c.norm();
    }
};

struct determinant {
    template <class T> T operator()(const matrix<T> &a) const { return a.determinant(); }
};
struct log_determinant {
    template <class T> T operator()(const matrix<T> &a) const {
        using std::log;
        T                           sum = 0;
        const Eigen::LLT<matrix<T>> l(definite(a));
        for (Eigen::Index i = 0; i < a.rows(); i++) sum += 2 * log(l.matrixLLT()(i, i));
        return sum;
    }
};

/* |A^-1 b| by one solver after the other. */
template <class SOLVER> struct solved {
    template <class T> T operator()(const matrix<T> &a) const {
        const column<T> b = fixed().col(0).template cast<T>();
        return SOLVER::of(a).solve(b).norm();
    }
};
struct llt {
    template <class T> static Eigen::LLT<matrix<T>> of(const matrix<T> &a) {
        return definite(a).llt();
    }
};
struct ldlt {
    template <class T> static Eigen::LDLT<matrix<T>> of(const matrix<T> &a) {
        return definite(a).ldlt();
    }
};
struct partial_lu {
    template <class T> static Eigen::PartialPivLU<matrix<T>> of(const matrix<T> &a) {
        return a.partialPivLu();
    }
};
struct full_lu {
    template <class T> static Eigen::FullPivLU<matrix<T>> of(const matrix<T> &a) {
        return a.fullPivLu();
    }
};
struct qr {
    template <class T> static Eigen::HouseholderQR<matrix<T>> of(const matrix<T> &a) {
        return a.householderQr();
    }
};
struct pivoted_qr {
    template <class T> static Eigen::ColPivHouseholderQR<matrix<T>> of(const matrix<T> &a) {
        return a.colPivHouseholderQr();
    }
};
struct svd {
    template <class T> static Eigen::JacobiSVD<matrix<T>> of(const matrix<T> &a) {
        return Eigen::JacobiSVD<matrix<T>>(a, Eigen::ComputeThinU | Eigen::ComputeThinV);
    }
};

struct inverse {
    template <class T> T operator()(const matrix<T> &a) const {
        return (a.inverse() * fixed()).trace();
    }
};

/* Weights that differ, so that an eigenvalue in a wrong place is seen. */
template <class T> T weighted(const column<T> &x) {
    T sum = 0;
    for (Eigen::Index i = 0; i < x.size(); i++) sum += double(i + 1) * x(i);
    return sum;
}

struct eigenvalues {
    template <class T> T operator()(const matrix<T> &a) const {
        return weighted<T>(
            Eigen::SelfAdjointEigenSolver<matrix<T>>(a + a.transpose()).eigenvalues());
    }
};
struct eigenvectors {
    template <class T> T operator()(const matrix<T> &a) const {
        const matrix<T> v =
            Eigen::SelfAdjointEigenSolver<matrix<T>>(a + a.transpose()).eigenvectors();
        return (v.cwiseProduct(v) * fixed()).trace(); /* squares: the sign of a vector is free */
    }
};
struct singular_values {
    template <class T> T operator()(const matrix<T> &a) const {
        return weighted<T>(Eigen::JacobiSVD<matrix<T>>(a).singularValues());
    }
};
/* ---- against numbers, differences and formulas ----------------------------------------------- */

static matrix<ad::var> inputs(ad::tape &tape, const MatrixXd &a) {
    matrix<ad::var> x(a.rows(), a.cols());
    for (Eigen::Index i = 0; i < a.size(); i++) x(i) = tape.input(a(i));
    return x;
}

static MatrixXd gradient(ad::var y, const matrix<ad::var> &x) {
    MatrixXd grad(x.rows(), x.cols());
    ad_gradient(y, size_t(x.size()), x.data(), grad.data());
    return grad;
}

template <class F> struct moved {
    MatrixXd     at;
    Eigen::Index i;
};

template <class F> static double at_moved(double x, void *context) {
    moved<F> *m = static_cast<moved<F> *>(context);
    m->at(m->i) = x;
    return F()(m->at);
}

template <class F> static MatrixXd by_differences(const MatrixXd &a) {
    MatrixXd grad(a.rows(), a.cols());
    for (Eigen::Index i = 0; i < a.size(); i++) {
        moved<F> m = {a, i};
        grad(i) = differences(at_moved<F>, &m, a(i), 0.015625).value;
    }
    return grad;
}

template <class F> static MatrixXd agrees(const std::string &what, const MatrixXd &a) {
    ad::tape              tape;
    const matrix<ad::var> x = inputs(tape, a);
    const ad::var         y = F()(x);
    const MatrixXd        grad = gradient(y, x);
    const double          value = F()(a);
    expect(tape.status() == AD_OK, what + ": " + tape.message());
    expect(close_to(ad::value(y), value, 1e-12, 1e-12), what, ad::value(y), value);
    expect_close(grad, by_differences<F>(a), 1e-7, what + ", gradient");
    return grad;
}

#ifdef TAPIR_FULL /* these take a compiler longer than all of Tapir; tests/run --full has them */
static void functions_agree_with_numbers_and_differences() {
    const MatrixXd a = random_matrix(4, 4, 3) + 2 * MatrixXd::Identity(4, 4);
    agrees<products>("products", a);
    agrees<solved<llt>>("LLT", a);
    agrees<solved<partial_lu>>("LU, partial pivots", a);
    agrees<solved<qr>>("QR", a);
    agrees<solved<svd>>("SVD", a);
    agrees<views>("views", a);
    agrees<solved<ldlt>>("LDLT", a);
    agrees<solved<full_lu>>("LU, full pivots", a);
    agrees<solved<pivoted_qr>>("QR, pivots", a);
    agrees<eigenvectors>("eigenvectors", a);
    agrees<singular_values>("singular values, 4 x 3", random_matrix(4, 3, 5));
}

#endif

static void gradients_are_those_of_closed_formulas() {
    const MatrixXd a = random_matrix(4, 4, 3) + 2 * MatrixXd::Identity(4, 4);
    const MatrixXd p = a * a.transpose() + MatrixXd::Identity(4, 4);
    expect_close(agrees<log_determinant>("log det", a), 2 * p.inverse() * a, 1e-12,
                 "d log det(A A^T + 1) = 2 (A A^T + 1)^-1 A");
#ifdef TAPIR_FULL
    const MatrixXd i = a.inverse(), s = a + a.transpose();
    MatrixXd       weights = MatrixXd::Zero(4, 4);
    for (int k = 0; k < 4; k++) weights(k, k) = k + 1;
    const Eigen::SelfAdjointEigenSolver<MatrixXd> e(s);
    expect_close(agrees<eigenvalues>("eigenvalues", a),
                 2 * e.eigenvectors() * weights * e.eigenvectors().transpose(), 1e-11,
                 "d lambda = v v^T");
    expect_close(agrees<determinant>("determinant", a), a.determinant() * i.transpose(), 1e-12,
                 "d det = det A^-T");
    expect_close(agrees<inverse>("inverse", a), -(i * fixed() * i).transpose(), 1e-12,
                 "d tr(A^-1 B) = -(A^-1 B A^-1)^T");
    const Eigen::JacobiSVD<MatrixXd> d(a, Eigen::ComputeFullU | Eigen::ComputeFullV);
    expect_close(agrees<singular_values>("singular values", a),
                 d.matrixU() * weights * d.matrixV().transpose(), 1e-11, "d sigma = u v^T");
#endif
}

/* y = log det A by LU, straight: its gradient is A^-T, its second derivative -(A^-T)_il
 * (A^-T)_kj. */
static void second_derivatives_are_those_of_the_formula() {
    const MatrixXd  a = random_matrix(3, 3, 7) + 3 * MatrixXd::Identity(3, 3), i = a.inverse();
    ad::tape        tape;
    matrix<ad::var> x = inputs(tape, a);
    const ad::var   y = ad::log(x.partialPivLu().determinant());
    MatrixXd        h(9, 9), want(9, 9);
    ad_hessian(y, 9, x.data(), h.data());
    for (int p = 0; p < 9; p++)
        for (int q = 0; q < 9; q++) want(p, q) = -i(p / 3, q % 3) * i(q / 3, p % 3);
    expect_close(h, want, 1e-12, "Hessian of log det");
}

#ifdef TAPIR_FULL
/* Large enough for Eigen's blocked kernels, of all shapes; C = A B has the gradients G B^T and A^T
 * G. */
static void large_products_mix_with_matrices_of_double() {
    const MatrixXd a = random_matrix(31, 27, 1), b = random_matrix(27, 35, 2),
                   g = random_matrix(31, 35, 4);
    const VectorXd  v = b.col(0), w = a.col(0);
    ad::tape        tape;
    matrix<ad::var> x = inputs(tape, a), y = inputs(tape, b), c = x * b, d = a * y, e = x * y;
    Eigen::Matrix<ad::var, Dynamic, Dynamic, Eigen::RowMajor> r = x * b,
                                                              f = b.transpose() * x.transpose();
    const MatrixXd want = a * b;
    auto           numbers = [](const matrix<ad::var> &m) {
        return MatrixXd(m.unaryExpr([](const ad::var &z) { return ad::value(z); }));
    };
    for (const matrix<ad::var> &each :
         {c, d, e, matrix<ad::var>(r), matrix<ad::var>(f.transpose())})
        expect_close(numbers(each), want, 1e-13, "large product");
    expect_close(numbers(x * v), a * v, 1e-13, "A v");
    expect_close(numbers(w.transpose() * x), w.transpose() * a, 1e-13, "w^T A");
    expect_close(gradient((c.cwiseProduct(g)).sum(), x), g * b.transpose(), 1e-12, "G B^T");
    expect_close(gradient((g.cwiseProduct(d)).sum(), y), a.transpose() * g, 1e-12, "A^T G");
    /* a factor that Eigen takes out of the product keeps its slope */
    const ad::var s = tape.input(3);
    ad_backward(((s * x) * b).sum() + ((s * x) * v).sum() + (a * (s * y)).sum());
    expect(close_to(ad::grad(s), 2 * want.sum() + (a * v).sum(), 1e-11, 0), "slope of a factor",
           ad::grad(s), 2 * want.sum());
    expect(tape.status() == AD_OK, tape.message());
}

/* A recorded solution is a program; where another pivot would be taken it says so. */
static void solvers_are_programs_and_their_pivots_decisions() {
    const MatrixXd a = random_matrix(3, 3, 7) + 3 * MatrixXd::Identity(3, 3),
                   near = a + 0.1 * random_matrix(3, 3, 8);
    ad::tape        tape;
    matrix<ad::var> x = inputs(tape, a);
    ad_var          y = x.partialPivLu().solve(Eigen::Vector3d(1, 2, 3).cast<ad::var>()).sum();
    ad_interface    face = {};
    face.params = 9, face.param = x.data(), face.outputs = 1, face.output = &y;
    ad_program *program = ad_compile(&face);
    MatrixXd    grad(3, 3);
    double      value = 0;
    expect(ad_program_gradient(program, near.data(), 1, nullptr, &value, grad.data()) == AD_OK,
           "program");
    const Eigen::Vector3d solution = near.partialPivLu().solve(Eigen::Vector3d(1, 2, 3)),
                          ones(1, 1, 1);
    expect(close_to(value, solution.sum(), 1e-13, 0), "value of the program", value,
           solution.sum());
    expect_close(grad, -near.transpose().partialPivLu().solve(ones) * solution.transpose(), 1e-12,
                 "gradient of the program");
    MatrixXd turned = near;
    turned.row(0) = near.row(1), turned.row(1) = near.row(0);
    expect(ad_program_gradient(program, turned.data(), 1, nullptr, &value, grad.data()) ==
               AD_BRANCH_CHANGED,
           "another pivot");
    ad_program_free(program);
}

#endif

static void matrices_are_printed_and_made() {
    ad::tape                     tape;
    Eigen::Matrix<ad::var, 2, 2> a;
    a << tape.input(1.5), 2, 3.0f, 4;
    std::ostringstream to;
    to << a << '\n' << a.row(0).format(Eigen::IOFormat(Eigen::FullPrecision, 0, ", ", "; "));
    expect(to.str() == "1.5   2\n  3   4\n1.5,   2", "printed as " + to.str());
    const matrix<ad::var> zero(2, 2), random = matrix<ad::var>::Random(3, 3),
                                      m = MatrixXd::Identity(2, 2).cast<ad::var>();
    expect(ad::value(m.sum()) == 2 && random.cwiseAbs().maxCoeff() <= 1 && (a.array() > 1).all(),
           "made");
    expect(matrix<ad::var>::Zero(2, 2).isApprox(m - m) && a.allFinite() && !(a * NAN).allFinite(),
           "compared");
    expect(Eigen::NumTraits<ad::var>::epsilon() == Eigen::NumTraits<double>::epsilon(),
           "precision");
}

int main() {
#ifdef TAPIR_FULL
    functions_agree_with_numbers_and_differences();
    large_products_mix_with_matrices_of_double();
    solvers_are_programs_and_their_pivots_decisions();
#endif
    gradients_are_those_of_closed_formulas();
    second_derivatives_are_those_of_the_formula();
    matrices_are_printed_and_made();
    return failures != 0;
}
