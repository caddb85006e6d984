/* eigen.hpp - ad::var as the scalar of Eigen's matrices, alone and together with double. Optional:
 * the library itself does not need Eigen, and this header needs 3.4 or later.
 *
 *     #include <tapir/eigen.hpp>
 *     #include <Eigen/Cholesky>
 *
 *     Eigen::Matrix<ad::var, 2, 2> A;
 *     A << tape.input(4), 1, 1, tape.input(3);
 *     ad::var y = A.llt().solve(Eigen::Vector2d(1, 2).cast<ad::var>()).squaredNorm();
 *     ad_backward(y);
 *
 * Sums, products and comparisons mix with matrices of double. A solver is of one kind: what it
 * solves for is cast first, as above; so is a matrix of double before a triangular or self-adjoint
 * view of it meets one of var.
 *
 * What Eigen's algorithms do is recorded operation by operation. Pivots and the ends of iterations
 * are decisions (ad_branch): a replay in which one would turn says AD_BRANCH_CHANGED. Where an
 * algorithm divides by what is exactly 0, as the eigenvectors of equal eigenvalues do, a gradient
 * is not finite. BDCSVD does not compile: it finds roots by steps that do not depend on the matrix
 * smoothly, and its gradients would be wrong; JacobiSVD is right. Eigenvalues of matrices that are
 * not symmetric would need std::complex<ad::var>, which the standard leaves undefined. */
#ifndef TAPIR_EIGEN_HPP
#define TAPIR_EIGEN_HPP

#include "ad.hpp"

#include <Eigen/Core>
#include <type_traits>
#include <utility>

namespace Eigen {

/* Precision, digits and limits are those of double, and so are literals. */
template <> struct NumTraits<ad::var> : NumTraits<double> {
    typedef ad::var Real;
    typedef ad::var NonInteger;
    typedef ad::var Nested;
    enum {
        IsComplex = 0,
        IsInteger = 0,
        IsSigned = 1,
        RequireInitialization = 1, /* memory is no var before it is made one */
        ReadCost = 2,
        AddCost = 8, /* a node is written: that counts for several multiplications */
        MulCost = 8
    };
};

template <class Operation> struct ScalarBinaryOpTraits<ad::var, double, Operation> {
    typedef ad::var ReturnType;
};
template <class Operation> struct ScalarBinaryOpTraits<double, ad::var, Operation> {
    typedef ad::var ReturnType;
};

#if EIGEN_MAJOR_VERSION == 3 && EIGEN_MINOR_VERSION <= 4
template <int ROWS, int COLUMNS, int OPTIONS, int MOST_ROWS, int MOST_COLUMNS>
class BDCSVD<Matrix<ad::var, ROWS, COLUMNS, OPTIONS, MOST_ROWS, MOST_COLUMNS>>; /* none */
#endif

}

namespace ad {
namespace own_ {

template <class X> struct is_view : std::false_type {};
template <class X, unsigned MODE>
struct is_view<Eigen::TriangularView<X, MODE>> : std::true_type {};
template <class X, unsigned MODE>
struct is_view<Eigen::SelfAdjointView<X, MODE>> : std::true_type {};

template <class X, class = void> struct scalar_of { typedef void type; };
template <class X>
struct scalar_of<X, typename std::enable_if<std::is_class<typename X::StorageKind>::value>::type> {
    typedef typename X::Scalar type;
};

template <class X> struct is_matrix : std::is_base_of<Eigen::MatrixBase<X>, X> {};

template <class X> struct is_of_var {
    static const bool value = std::is_same<typename scalar_of<X>::type, var>::value &&
                              (is_matrix<X>::value || is_view<X>::value);
};
template <class X> struct is_of_double {
    static const bool value =
        std::is_same<typename scalar_of<X>::type, double>::value && is_matrix<X>::value;
};

template <class X>
using as_var =
    typename std::remove_const<decltype(std::declval<const X &>().template cast<var>())>::type;

}

/* Eigen's kernels for large products are of one kind of scalar: the matrix of double goes in as one
 * of numbers. These are better matches than Eigen's own operator, which takes a base class of what
 * is given. */
template <class X, class Y>
typename std::enable_if<own_::is_of_var<X>::value && own_::is_of_double<Y>::value,
                        const Eigen::Product<X, own_::as_var<Y>>>::type
operator*(const X &x, const Y &y) {
    return x * y.template cast<var>();
}
template <class X, class Y>
typename std::enable_if<own_::is_of_double<X>::value && own_::is_of_var<Y>::value,
                        const Eigen::Product<own_::as_var<X>, Y>>::type
operator*(const X &x, const Y &y) {
    return x.template cast<var>() * y;
}

}

#endif
