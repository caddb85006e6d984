"""Functions of NumPy with gradients and Jacobians written by hand, as people write them.

For tests/python/checkers.py, which asks several checkers whether they are right. Each entry of
SCALAR and VECTOR makes a Case from a random generator: a function, its right gradient (or
Jacobian), a point, and gradients as people get them wrong (a term forgotten, a factor missing, a
transpose). None of them uses Tapir. Functions take complex arrays too, so that
`checkers.py --self-check` can verify every gradient by the complex step; those that cannot have a
`reference`, the same function written another way.
"""

import numpy as np
from scipy import linalg, special

SCALAR, VECTOR = {}, {}


class Case:
    """f, its gradient, the point x; wrong gradients by name; `reference`: f written another way."""

    def __init__(self, f, gradient, x, reference=None, **mistakes):
        self.f, self.gradient, self.x = f, gradient, np.asarray(x, dtype=float)
        self.reference, self.mistakes = reference or f, mistakes


def scalar(make):
    SCALAR[make.__name__] = make
    return make


def vector(make):
    VECTOR[make.__name__] = make
    return make


# ---- what several of them use; all of it analytic, so that complex steps pass through ------------

def split(x, *shapes):
    parts, first = [], 0
    for shape in shapes:
        count = int(np.prod(shape))
        parts.append(x[first:first + count].reshape(shape))
        first += count
    return parts


def pack(*arrays):
    return np.concatenate([np.ravel(a) for a in arrays])


def logsumexp(z, axis=-1):
    top = z.real.max(axis=axis, keepdims=True)
    return np.log(np.exp(z - top).sum(axis=axis)) + np.squeeze(top, axis)


def softmax(z, axis=-1):
    e = np.exp(z - z.real.max(axis=axis, keepdims=True))
    return e/e.sum(axis=axis, keepdims=True)


def sigmoid(z):
    return 1/(1 + np.exp(-z))


def softplus(z):
    positive = z.real > 0
    return np.where(positive, z, 0) + np.log1p(np.exp(np.where(positive, -z, z)))


def magnitude(z):
    return np.where(z.real < 0, -z, z)


def lgamma(z):
    return special.loggamma(z) if np.iscomplexobj(z) else special.gammaln(z)


def normal_cdf(z):
    return special.erfc(-z/np.sqrt(2))/2


def normal_pdf(z):
    return np.exp(-z*z/2)/np.sqrt(2*np.pi)


def stack(*columns):
    return np.array(columns)


def one_hot(labels, k):
    return np.eye(k)[labels]


# ---- regression ----------------------------------------------------------------------------------

def data(rng, n=40, d=5):
    X = rng.normal(size=(n, d))
    return X, X @ rng.normal(size=d) + 0.3*rng.normal(size=n)


@scalar
def least_squares(rng):
    X, y = data(rng)

    def f(w):
        return np.mean((X @ w - y)**2)/2

    return Case(f, lambda w: X.T @ (X @ w - y)/len(y), rng.normal(size=5),
                not_the_mean=lambda w: X.T @ (X @ w - y),
                factor_two=lambda w: 2*X.T @ (X @ w - y)/len(y))


@scalar
def ridge(rng):
    X, y = data(rng)

    def f(w):
        return np.sum((X @ w - y)**2) + 0.7*np.sum(w**2)

    return Case(f, lambda w: 2*X.T @ (X @ w - y) + 1.4*w, rng.normal(size=5),
                no_regularizer=lambda w: 2*X.T @ (X @ w - y),
                half_regularizer=lambda w: 2*X.T @ (X @ w - y) + 0.7*w)


@scalar
def weighted_least_squares(rng):
    X, y = data(rng)
    s = rng.uniform(0.1, 5, len(y))

    def f(p):
        return np.sum(s*(X @ p[1:] + p[0] - y)**2)

    def gradient(p):
        r = 2*s*(X @ p[1:] + p[0] - y)
        return np.append(r.sum(), X.T @ r)

    def unweighted(p):
        r = 2*(X @ p[1:] + p[0] - y)
        return np.append(r.sum(), X.T @ r)

    return Case(f, gradient, rng.normal(size=6), unweighted=unweighted,
                intercept_averaged=lambda p: np.append(gradient(p)[0]/len(y), gradient(p)[1:]))


@scalar
def multi_output_regression(rng):
    X, Y = rng.normal(size=(30, 4)), rng.normal(size=(30, 4))

    def f(W):
        return np.sum((X @ W - Y)**2)/60

    return Case(f, lambda W: X.T @ (X @ W - Y)/30, rng.normal(size=(4, 4)),
                transposed=lambda W: (X @ W - Y).T @ X/30)


@scalar
def elastic_net(rng):
    X, y = data(rng)
    w = rng.choice([-1, 1], 5)*rng.uniform(0.2, 2, 5)

    def f(w):
        return np.mean((X @ w - y)**2) + 0.1*np.sum(magnitude(w)) + 0.05*np.sum(w**2)

    def gradient(w):
        return 2*X.T @ (X @ w - y)/len(y) + 0.1*np.sign(w) + 0.1*w

    return Case(f, gradient, w, no_lasso=lambda w: gradient(w) - 0.1*np.sign(w),
                lasso_without_sign=lambda w: gradient(w) - 0.1*np.sign(w) + 0.1)


@scalar
def huber(rng):
    X, y = data(rng)

    def f(w):
        r = X @ w - y
        return np.sum(np.where(magnitude(r).real < 1, r*r/2, magnitude(r) - 0.5))

    def gradient(w):
        return X.T @ np.clip(X @ w - y, -1, 1)

    return Case(f, gradient, rng.normal(size=5), not_clipped=lambda w: X.T @ (X @ w - y))


@scalar
def pseudo_huber(rng):
    X, y = data(rng)

    def f(w):
        return np.sum(4*(np.sqrt(1 + ((X @ w - y)/2)**2) - 1))

    def gradient(w):
        r = X @ w - y
        return X.T @ (r/np.sqrt(1 + (r/2)**2))

    return Case(f, gradient, rng.normal(size=5), factor_four=lambda w: 4*gradient(w))


@scalar
def logcosh(rng):
    X, y = data(rng)

    def f(w):
        return np.mean(np.log(np.cosh(X @ w - y)))

    return Case(f, lambda w: X.T @ np.tanh(X @ w - y)/len(y), rng.normal(size=5),
                not_the_mean=lambda w: X.T @ np.tanh(X @ w - y))


@scalar
def smooth_quantile(rng):
    X, y = data(rng)

    def f(w):
        r = y - X @ w
        return np.sum(0.9*r + 0.2*softplus(-r/0.2))

    def gradient(w):
        r = y - X @ w
        return -X.T @ (0.9 - sigmoid(-r/0.2))

    return Case(f, gradient, rng.normal(size=5), sign_of_all=lambda w: -gradient(w))


@scalar
def logistic(rng):
    X, _ = data(rng)
    y = rng.choice([-1.0, 1.0], 40)

    def f(w):
        return np.sum(np.log(1 + np.exp(-y*(X @ w))))

    return Case(f, lambda w: -X.T @ (y*sigmoid(-y*(X @ w))), rng.normal(size=5),
                label_forgotten=lambda w: -X.T @ sigmoid(-y*(X @ w)))


@scalar
def logistic_stable(rng):
    X, _ = data(rng)
    y = rng.integers(0, 2, 40)

    def f(w):
        z = 4*(X @ w)
        return np.mean(softplus(z) - y*z) + 0.01*np.sum(w**2)

    def gradient(w):
        return 4*X.T @ (sigmoid(4*(X @ w)) - y)/40 + 0.02*w

    return Case(f, gradient, rng.normal(size=5), no_regularizer=lambda w: gradient(w) - 0.02*w,
                scale_forgotten=lambda w: X.T @ (sigmoid(4*(X @ w)) - y)/40 + 0.02*w)


@scalar
def softmax_cross_entropy(rng):
    X, labels = rng.normal(size=(25, 4)), rng.integers(0, 3, 25)

    def f(W):
        z = X @ W
        return np.mean(logsumexp(z) - z[np.arange(25), labels])

    def gradient(W):
        return X.T @ (softmax(X @ W) - one_hot(labels, 3))/25

    return Case(f, gradient, rng.normal(size=(4, 3)), not_the_mean=lambda W: 25*gradient(W),
                target_forgotten=lambda W: X.T @ softmax(X @ W)/25)


@scalar
def label_smoothing(rng):
    X, labels = rng.normal(size=(20, 3)), rng.integers(0, 4, 20)
    T = 0.9*one_hot(labels, 4) + 0.1/4

    def f(p):
        W, b = split(p, (3, 4), 4)
        z = X @ W + b
        return np.mean(logsumexp(z) - np.sum(T*z, 1))

    def gradient(p, T=T):
        W, b = split(p, (3, 4), 4)
        r = (softmax(X @ W + b) - T)/20
        return pack(X.T @ r, r.sum(0))

    return Case(f, gradient, rng.normal(size=16),
                not_smoothed=lambda p: gradient(p, one_hot(labels, 4)))


@scalar
def poisson(rng):
    X, _ = data(rng)
    y = rng.poisson(3, 40)

    def f(w):
        eta = X @ w
        return np.sum(np.exp(eta) - y*eta)

    return Case(f, lambda w: X.T @ (np.exp(X @ w) - y), rng.normal(size=5),
                link_forgotten=lambda w: X.T @ (X @ w - y))


@scalar
def negative_binomial(rng):
    X, _ = data(rng, d=3)
    y = rng.poisson(4, 40)

    def f(p):
        r, eta = np.exp(p[0]), X @ p[1:]
        return -np.sum(lgamma(y + r) - lgamma(r) + r*p[0] + y*eta
                       - (y + r)*np.log(r + np.exp(eta)))

    def gradient(p):
        r, mu = np.exp(p[0]), np.exp(X @ p[1:])
        d_r = (special.digamma(y + r) - special.digamma(r) + p[0] + 1
               - np.log(r + mu) - (y + r)/(r + mu))
        return -np.append(r*d_r.sum(), X.T @ (y - (y + r)*mu/(r + mu)))

    def log_forgotten(p):
        g = gradient(p)
        return np.append(g[0]/np.exp(p[0]), g[1:])

    return Case(f, gradient, rng.normal(size=4)*0.7, log_forgotten=log_forgotten)


@scalar
def gamma_regression(rng):
    X, _ = data(rng)
    y = rng.gamma(2, 1, 40)

    def f(w):
        eta = X @ w
        return np.mean(eta + y*np.exp(-eta))

    return Case(f, lambda w: X.T @ (1 - y*np.exp(-(X @ w)))/40, 0.5*rng.normal(size=5),
                not_the_mean=lambda w: X.T @ (1 - y*np.exp(-(X @ w))))


@scalar
def student_t(rng):
    y = 2*rng.standard_t(4, 50)

    def f(p):
        mu, s, nu = p[0], np.exp(p[1]), np.exp(p[2])
        r = (y - mu)/s
        return -np.sum(lgamma((nu + 1)/2) - lgamma(nu/2) - np.log(nu*np.pi)/2 - p[1]
                       - (nu + 1)/2*np.log1p(r*r/nu))

    def gradient(p, inner=True):
        mu, s, nu = p[0], np.exp(p[1]), np.exp(p[2])
        r = (y - mu)/s
        q = (nu + 1)*r/(nu + r*r)
        d_nu = (special.digamma((nu + 1)/2)/2 - special.digamma(nu/2)/2 - 1/(2*nu)
                - np.log1p(r*r/nu)/2 + (nu + 1)/2*r*r/(nu*(nu + r*r)))
        return -stack(np.sum(q/s), np.sum(q*r - 1), np.sum(d_nu)*(nu if inner else 1))

    return Case(f, gradient, rng.normal(size=3) + [0, 0.5, 1],
                chain_rule_forgotten=lambda p: gradient(p, False))


@scalar
def beta_likelihood(rng):
    y = rng.beta(2, 3, 30)

    def f(p):
        return np.sum(lgamma(p[0]) + lgamma(p[1]) - lgamma(p[0] + p[1])
                      - (p[0] - 1)*np.log(y) - (p[1] - 1)*np.log(1 - y))

    def gradient(p):
        both = special.digamma(p.sum())
        return stack(np.sum(special.digamma(p[0]) - both - np.log(y)),
                     np.sum(special.digamma(p[1]) - both - np.log(1 - y)))

    return Case(f, gradient, rng.uniform(0.5, 6, 2),
                normalization_forgotten=lambda p: gradient(p) + 30*special.digamma(p.sum()))


@scalar
def dirichlet_likelihood(rng):
    logs = np.log(rng.dirichlet([1, 2, 3, 4], 20)).sum(0)

    def f(a):
        return 20*(np.sum(lgamma(a)) - lgamma(a.sum())) - (a - 1) @ logs

    def gradient(a):
        return 20*(special.digamma(a) - special.digamma(a.sum())) - logs

    return Case(f, gradient, rng.uniform(0.3, 8, 4),
                trigamma=lambda a: 20*(special.polygamma(1, a) - special.digamma(a.sum())) - logs)


@scalar
def exponential_fit(rng):
    t = np.linspace(0, 4, 30)
    y = 2*np.exp(-0.7*t) + 0.05*rng.normal(size=30)

    def f(p):
        return np.sum((p[0]*np.exp(-p[1]*t) + p[2] - y)**2)

    def gradient(p, sign=-1):
        e = np.exp(-p[1]*t)
        r = 2*(p[0]*e + p[2] - y)
        return stack(r @ e, sign*p[0]*(r @ (t*e)), r.sum())

    return Case(f, gradient, rng.uniform(0.2, 2, 3), sign_of_rate=lambda p: gradient(p, 1))


@scalar
def michaelis_menten(rng):
    s = rng.uniform(0.1, 20, 25)
    v = 3*s/(2 + s) + 0.1*rng.normal(size=25)

    def f(p):
        return np.mean((v - p[0]*s/(p[1] + s))**2)

    def gradient(p):
        r = -2*(v - p[0]*s/(p[1] + s))/25
        return stack(r @ (s/(p[1] + s)), -r @ (p[0]*s/(p[1] + s)**2))

    def square_forgotten(p):
        r = -2*(v - p[0]*s/(p[1] + s))/25
        return stack(r @ (s/(p[1] + s)), -r @ (p[0]*s/(p[1] + s)))

    return Case(f, gradient, rng.uniform(0.5, 5, 2), square_forgotten=square_forgotten)


@scalar
def sum_of_many_terms(rng):
    """100000 of them."""
    t = rng.normal(size=100000)
    y = 2*t + 1 + rng.normal(size=100000)

    def f(p):
        return np.sum(np.sqrt(1 + (p[0]*t + p[1] - y)**2))

    def gradient(p):
        r = p[0]*t + p[1] - y
        s = r/np.sqrt(1 + r*r)
        return stack(np.sum(s*t), np.sum(s))

    return Case(f, gradient, rng.uniform(0.5, 1.5, 2), mean_of_it=lambda p: gradient(p)/100000)


# ---- Gaussians, matrices -------------------------------------------------------------------------

@scalar
def gaussian_in_factor(rng):
    Y = rng.normal(size=(12, 4))
    low = np.tril_indices(4)

    def factor(p):
        L = np.zeros((4, 4), p.dtype)
        L[low] = p
        return L

    def f(p):
        L = factor(p)
        Z = linalg.solve_triangular(L, Y.T, lower=True)
        return 12*np.sum(np.log(magnitude(np.diag(L)))) + np.sum(Z*Z)/2

    def gradient(p, logs=1.0):
        L = factor(p)
        Z = linalg.solve_triangular(L, Y.T, lower=True)
        G = -linalg.solve_triangular(L, Z @ Z.T, lower=True, trans="T")
        return (G + logs*12*np.diag(1/np.diag(L)))[low]

    L = np.tril(rng.normal(size=(4, 4)))*0.5 + 1.5*np.eye(4)
    return Case(f, gradient, L[low], determinant_forgotten=lambda p: gradient(p, 0.0),
                half_determinant=lambda p: gradient(p, 0.5))


@scalar
def gaussian_log_variance(rng):
    y = rng.normal(size=(15, 3))*[0.1, 1, 10]

    def f(p):
        m, v = split(p, 3, 3)
        return np.sum(v + (y - m)**2*np.exp(-v))/2

    def gradient(p):
        m, v = split(p, 3, 3)
        return pack(-np.sum((y - m)*np.exp(-v), 0), np.sum(1 - (y - m)**2*np.exp(-v), 0)/2)

    def half_forgotten(p):
        g = gradient(p)
        return pack(g[:3], 2*g[3:])

    return Case(f, gradient, rng.normal(size=6), half_forgotten=half_forgotten)


@scalar
def kl_of_gaussians(rng):
    def f(p):
        m, s = split(p, 6, 6)
        return np.sum(np.exp(s) + m*m - 1 - s)/2

    return Case(f, lambda p: pack(p[:6], (np.exp(p[6:]) - 1)/2), rng.normal(size=12),
                minus_one_forgotten=lambda p: pack(p[:6], np.exp(p[6:])/2))


@scalar
def log_determinant(rng):
    def f(X):
        return np.log(np.linalg.det(X @ X.T + np.eye(4)))

    def gradient(X):
        return 2*np.linalg.solve(X @ X.T + np.eye(4), X)

    return Case(f, gradient, rng.normal(size=(4, 4)), two_forgotten=lambda X: gradient(X)/2,
                transposed=lambda X: gradient(X).T)


@scalar
def determinant(rng):
    def gradient(A):
        return np.linalg.det(A)*np.linalg.inv(A).T

    return Case(np.linalg.det, gradient, rng.normal(size=(4, 4)) + 2*np.eye(4),
                not_transposed=lambda A: gradient(A).T)


@scalar
def trace_of_inverse(rng):
    B = rng.normal(size=(5, 5))
    A = B @ B.T + np.eye(5)

    def f(d):
        return np.trace(np.linalg.inv(A + np.diag(d)))

    def gradient(d):
        M = np.linalg.inv(A + np.diag(d))
        return -np.diag(M @ M)

    return Case(f, gradient, rng.uniform(0.1, 3, 5),
                entries_squared=lambda d: -np.diag(np.linalg.inv(A + np.diag(d)))**2)


@scalar
def quadratic_form(rng):
    A, b = rng.normal(size=(6, 6)), rng.normal(size=6)

    def f(x):
        return x @ A @ x/2 + b @ x

    return Case(f, lambda x: (A + A.T) @ x/2 + b, rng.normal(size=6),
                as_if_symmetric=lambda x: A @ x + b,
                linear_forgotten=lambda x: (A + A.T) @ x/2)


@scalar
def rayleigh_quotient(rng):
    B = rng.normal(size=(5, 5))
    A = B + B.T

    def f(x):
        return (x @ A @ x)/(x @ x)

    def gradient(x):
        return 2*(A @ x - f(x)*x)/(x @ x)

    return Case(f, gradient, rng.normal(size=5),
                quotient_forgotten=lambda x: 2*A @ x/(x @ x),
                norm_forgotten=lambda x: 2*(A @ x - f(x)*x))


@scalar
def matrix_factorization(rng):
    R, M = rng.normal(size=(5, 4)), rng.random((5, 4)) < 0.7

    def f(p):
        U, V = split(p, (5, 2), (4, 2))
        return np.sum(M*(U @ V.T - R)**2) + 0.1*np.sum(p**2)

    def gradient(p, M=M):
        U, V = split(p, (5, 2), (4, 2))
        E = 2*M*(U @ V.T - R)
        return pack(E @ V, E.T @ U) + 0.2*p

    return Case(f, gradient, rng.normal(size=18), mask_forgotten=lambda p: gradient(p, 1),
                no_regularizer=lambda p: gradient(p) - 0.2*p)


@scalar
def pca_residual(rng):
    X = rng.normal(size=(20, 5))

    def f(W):
        return np.sum((X - X @ W @ W.T)**2)

    def gradient(W):
        E = X - X @ W @ W.T
        return -2*(X.T @ E @ W + E.T @ X @ W)

    def one_of_two(W):
        return -4*X.T @ (X - X @ W @ W.T) @ W

    return Case(f, gradient, rng.normal(size=(5, 2))*0.6, one_of_two=one_of_two)


@scalar
def inverse_problem(rng):
    A, b = rng.normal(size=(5, 5)) + 4*np.eye(5), rng.normal(size=5)

    def f(d):
        return np.sum(np.linalg.solve(A + np.diag(d), b)**2)

    def gradient(d):
        M = A + np.diag(d)
        x = np.linalg.solve(M, b)
        return -2*np.linalg.solve(M.T, x)*x

    def not_transposed(d):
        M = A + np.diag(d)
        x = np.linalg.solve(M, b)
        return -2*np.linalg.solve(M, x)*x

    return Case(f, gradient, rng.uniform(0, 2, 5), not_transposed=not_transposed)


@scalar
def kernel_ridge(rng):
    X, y = rng.normal(size=(15, 2)), rng.normal(size=15)
    K = np.exp(-((X[:, None] - X)**2).sum(-1)/2)

    def f(a):
        return np.sum((K @ a - y)**2) + 0.3*a @ K @ a

    return Case(f, lambda a: 2*K @ (K @ a - y) + 0.6*K @ a, rng.normal(size=15),
                no_regularizer=lambda a: 2*K @ (K @ a - y),
                norm_of_coefficients=lambda a: 2*K @ (K @ a - y) + 0.6*a)


@scalar
def gaussian_process(rng):
    x = np.sort(rng.uniform(0, 5, 12))
    y, D = np.sin(x) + 0.1*rng.normal(size=12), (x[:, None] - x)**2

    def covariance(p):
        return np.exp(2*p[1] - D/2*np.exp(-2*p[0])) + np.exp(2*p[2])*np.eye(12)

    def f(p):
        L = np.linalg.cholesky(covariance(p))
        z = linalg.solve_triangular(L, y, lower=True)
        return z @ z/2 + np.sum(np.log(np.diag(L)))

    def by_determinant(p):
        K = covariance(p)
        return y @ np.linalg.solve(K, y)/2 + np.log(np.linalg.det(K))/2

    def gradient(p, trace=1):
        K = covariance(p)
        S, inverse = np.exp(2*p[1] - D/2*np.exp(-2*p[0])), np.linalg.inv(K)
        a = inverse @ y
        parts = [S*D*np.exp(-2*p[0]), 2*S, 2*np.exp(2*p[2])*np.eye(12)]
        return stack(*(trace*np.sum(inverse*P)/2 - a @ P @ a/2 for P in parts))

    return Case(f, gradient, rng.uniform(-0.7, 0.3, 3), by_determinant,
                trace_forgotten=lambda p: gradient(p, 0))


# ---- clusters, similarity ------------------------------------------------------------------------

@scalar
def soft_k_means(rng):
    X = rng.normal(size=(20, 2))

    def f(C):
        return -0.5*np.sum(logsumexp(-np.sum((X[:, None] - C)**2, -1)/0.5))

    def gradient(C):
        A = softmax(-np.sum((X[:, None] - C)**2, -1)/0.5)
        return 2*(A.sum(0)[:, None]*C - A.T @ X)

    return Case(f, gradient, rng.normal(size=(3, 2)),
                two_forgotten=lambda C: gradient(C)/2)


@scalar
def gaussian_mixture(rng):
    y = np.append(rng.normal(-2, 1, 15), rng.normal(2, 0.5, 15))[:, None]

    def joint(p):
        w, m, s = split(p, 3, 3, 3)
        return w - logsumexp(w) - s - ((y - m)*np.exp(-s))**2/2

    def f(p):
        return -np.sum(logsumexp(joint(p)))

    def gradient(p):
        w, m, s = split(p, 3, 3, 3)
        R, z = softmax(joint(p)), (y - m)*np.exp(-s)
        return -pack(np.sum(R - softmax(w), 0), np.sum(R*z*np.exp(-s), 0),
                     np.sum(R*(z*z - 1), 0))

    def unnormalized(p):
        return gradient(p) - pack(30*softmax(p[:3]), np.zeros(6))

    return Case(f, gradient, rng.normal(size=9)*0.7, unnormalized_weights=unnormalized)


@scalar
def cosine_similarity(rng):
    b = rng.normal(size=8)

    def f(a):
        return a @ b/np.sqrt((a @ a)*(b @ b))

    def gradient(a):
        return b/np.sqrt((a @ a)*(b @ b)) - f(a)*a/(a @ a)

    return Case(f, gradient, rng.normal(size=8),
                norm_held_constant=lambda a: b/np.sqrt((a @ a)*(b @ b)))


@scalar
def contrastive(rng):
    """InfoNCE over a batch of pairs, in the one side."""
    P = rng.normal(size=(6, 3))

    def f(Z):
        S = Z @ P.T/0.5
        return np.mean(logsumexp(S) - np.diag(S))

    def gradient(Z):
        return (softmax(Z @ P.T/0.5) - np.eye(6)) @ P/0.5/6

    return Case(f, gradient, rng.normal(size=(6, 3)),
                temperature_forgotten=lambda Z: gradient(Z)*0.5)


@scalar
def triplet(rng):
    p, n = rng.normal(size=6), rng.normal(size=6)
    a = rng.normal(size=6)
    margin = 1.0 + max(0, np.sum((a - n)**2) - np.sum((a - p)**2))  # away from its kink

    def f(a):
        d = np.sum((a - p)**2) - np.sum((a - n)**2) + margin
        return np.where(d.real > 0, d, 0)[()]

    return Case(f, lambda a: 2*(n - p), a, two_forgotten=lambda a: n - p,
                negative_forgotten=lambda a: 2*(a - p))


@scalar
def euclidean_norm(rng):
    def f(x):
        return np.sqrt(np.sum(x*x))

    return Case(f, lambda x: x/f(x), rng.normal(size=10)*10.0**rng.integers(-2, 3),
                not_normalized=lambda x: x)


@scalar
def p_norm(rng):
    def f(x):
        return np.sum(magnitude(x)**3)**(1/3)

    return Case(f, lambda x: np.sign(x)*x*x/f(x)**2, rng.normal(size=7),
                sign_forgotten=lambda x: x*x/f(x)**2)


@scalar
def total_variation_smooth(rng):
    def f(x):
        return np.sum(np.sqrt(np.diff(x)**2 + 0.01))

    def gradient(x):
        d = np.diff(x)
        s = d/np.sqrt(d*d + 0.01)
        return np.append(0, s) - np.append(s, 0)

    return Case(f, gradient, rng.normal(size=12),
                one_neighbour=lambda x: np.append(0, np.diff(x)/np.sqrt(np.diff(x)**2 + 0.01)))


@scalar
def entropy_of_softmax(rng):
    def f(z):
        p = softmax(z)
        return -np.sum(p*np.log(p))

    def gradient(z):
        p = softmax(z)
        return -p*(np.log(p) + f(z))

    return Case(f, gradient, 2*rng.normal(size=6),
                entropy_forgotten=lambda z: -softmax(z)*np.log(softmax(z)))


@scalar
def kl_of_softmaxes(rng):
    q = softmax(rng.normal(size=6))

    def f(z):
        p = softmax(z)
        return np.sum(p*np.log(p/q))

    def gradient(z):
        p = softmax(z)
        return p*(np.log(p/q) - f(z))

    return Case(f, gradient, rng.normal(size=6), other_direction=lambda z: softmax(z) - q)


# ---- networks ------------------------------------------------------------------------------------

@scalar
def attention_queries(rng):
    K, V, T = rng.normal(size=(5, 4)), rng.normal(size=(5, 3)), rng.normal(size=(4, 3))

    def f(Q):
        return np.sum(T*(softmax(Q @ K.T/2) @ V))

    def gradient(Q):
        A = softmax(Q @ K.T/2)
        G = T @ V.T
        return A*(G - np.sum(A*G, 1, keepdims=True)) @ K/2

    return Case(f, gradient, rng.normal(size=(4, 4)), scale_forgotten=lambda Q: 2*gradient(Q),
                row_mean_forgotten=lambda Q: softmax(Q @ K.T/2)*(T @ V.T) @ K/2)


@scalar
def attention(rng):
    T = rng.normal(size=(4, 4))

    def f(p):
        Q, K, V = p
        return np.sum((softmax(Q @ K.T/2) @ V - T)**2)

    def gradient(p):
        Q, K, V = p
        A = softmax(Q @ K.T/2)
        E = 2*(A @ V - T)
        G = E @ V.T
        S = A*(G - np.sum(A*G, 1, keepdims=True))/2
        return stack(S @ K, S.T @ Q, A.T @ E)

    def not_transposed(p):
        Q, K, V = p
        A = softmax(Q @ K.T/2)
        E = 2*(A @ V - T)
        return stack(*gradient(p)[:2], A @ E)

    return Case(f, gradient, rng.normal(size=(3, 4, 4)), not_transposed=not_transposed)


@scalar
def layer_norm_loss(rng):
    T, s = rng.normal(size=(3, 5)), rng.normal(size=5)

    def parts(X):
        D = X - X.mean(1, keepdims=True)
        return D, np.sqrt(np.mean(D*D, 1, keepdims=True) + 1e-5)

    def f(X):
        D, r = parts(X)
        return np.sum(T*s*D/r)

    def gradient(X, through_variance=1):
        D, r = parts(X)
        G, N = T*s, D/r
        return (G - G.mean(1, keepdims=True)
                - through_variance*N*np.mean(G*N, 1, keepdims=True))/r

    return Case(f, gradient, rng.normal(size=(3, 5)),
                variance_held_constant=lambda X: gradient(X, 0),
                mean_held_constant=lambda X: T*s/parts(X)[1])


@scalar
def batch_norm_loss(rng):
    T = rng.normal(size=(6, 3))

    def normal(X):
        D = X - X.mean(0)
        r = np.sqrt(np.mean(D*D, 0) + 1e-5)
        return D/r, r

    def f(X):
        return np.sum((normal(X)[0] - T)**2)

    def gradient(X, through_variance=1):
        N, r = normal(X)
        G = 2*(N - T)
        return (G - G.mean(0) - through_variance*N*np.mean(G*N, 0))/r

    return Case(f, gradient, rng.normal(size=(6, 3)),
                variance_held_constant=lambda X: gradient(X, 0))


@scalar
def convolution_kernel(rng):
    x, t = rng.normal(size=20), rng.normal(size=16)

    def f(k):
        return np.sum((np.convolve(x, k, "valid") - t)**2)

    def gradient(k):
        return 2*np.correlate(x, np.convolve(x, k, "valid") - t, "valid")[::-1]

    return Case(f, gradient, rng.normal(size=5), not_flipped=lambda k: gradient(k)[::-1])


@scalar
def convolution_input(rng):
    k, t = rng.normal(size=4), rng.normal(size=9)

    def f(x):
        return np.sum(t*np.tanh(np.correlate(x, k, "valid")))

    def gradient(x):
        return np.convolve(t*(1 - np.tanh(np.correlate(x, k, "valid"))**2), k)

    def tanh_for_slope(x):
        return np.convolve(t*(1 - np.tanh(np.correlate(x, k, "valid"))), k)

    return Case(f, gradient, rng.normal(size=12), square_forgotten=tanh_for_slope)


@scalar
def two_layers(rng):
    X, Y = rng.normal(size=(16, 3)), rng.normal(size=(16, 1))
    shapes = (3, 4), 4, (4, 1), 1

    def f(p):
        W, b, V, c = split(p, *shapes)
        return np.mean((np.tanh(X @ W + b) @ V + c - Y)**2)

    def gradient(p, slope=lambda h: 1 - h*h):
        W, b, V, c = split(p, *shapes)
        H = np.tanh(X @ W + b)
        E = 2*(H @ V + c - Y)/16
        D = (E @ V.T)*slope(H)
        return pack(X.T @ D, D.sum(0), H.T @ E, E.sum(0))

    def bias_averaged(p):
        g = gradient(p)
        g[12:16] /= 16
        return g

    return Case(f, gradient, 0.7*rng.normal(size=21), bias_averaged=bias_averaged,
                sigmoid_slope=lambda p: gradient(p, lambda h: h*(1 - h)))


@scalar
def large_two_layers(rng):
    """More than a hundred coordinates: checkers go along directions."""
    X, Y = rng.normal(size=(20, 8)), rng.normal(size=(20, 4))
    shapes = (8, 12), 12, (12, 4), 4

    def f(p):
        W, b, V, c = split(p, *shapes)
        return np.mean((sigmoid(X @ W + b) @ V + c - Y)**2)

    def gradient(p):
        W, b, V, c = split(p, *shapes)
        H = sigmoid(X @ W + b)
        E = 2*(H @ V + c - Y)/80
        D = (E @ V.T)*H*(1 - H)
        return pack(X.T @ D, D.sum(0), H.T @ E, E.sum(0))

    def bias_forgotten(p):
        g = gradient(p)
        g[96:108] = 0
        return g

    return Case(f, gradient, rng.normal(size=160), bias_forgotten=bias_forgotten)


@scalar
def recurrent_network(rng):
    x, t = rng.normal(size=(20, 1)), rng.normal(size=20)
    shapes = (2, 2), (2, 1), 2, 2

    def states(p):
        W, U, b, _ = split(p, *shapes)
        h = [np.zeros(2, p.dtype)]
        for step in x:
            h.append(np.tanh(W @ h[-1] + U @ step + b))
        return h

    def f(p):
        v = p[-2:]
        return np.mean([(v @ h - y)**2 for h, y in zip(states(p)[1:], t)])

    def gradient(p, truncate=0):
        W, _, _, v = split(p, *shapes)
        h = states(p)
        dW, dU, db, dv = (np.zeros(s) for s in shapes)
        back = np.zeros(2)
        for k in range(20, 0, -1):
            e = 2*(v @ h[k] - t[k - 1])/20
            dv += e*h[k]
            d = (e*v + back)*(1 - h[k]**2)
            dW, dU, db = dW + np.outer(d, h[k - 1]), dU + np.outer(d, x[k - 1]), db + d
            back = (1 - truncate)*W.T @ d
        return pack(dW, dU, db, dv)

    return Case(f, gradient, 0.6*rng.normal(size=10),
                through_time_forgotten=lambda p: gradient(p, 1))


@scalar
def lstm_cell(rng):
    x, h, c, t = rng.normal(size=(4, 2))
    z = pack(x, h)

    def gates(p):
        a = p @ z
        return sigmoid(a[:2]), sigmoid(a[2:4]), sigmoid(a[4:6]), np.tanh(a[6:])

    def f(p):
        i, forget, o, g = gates(p)
        return np.sum((o*np.tanh(forget*c + i*g) - t)**2)

    def gradient(p, cell=1):
        i, forget, o, g = gates(p)
        s = np.tanh(forget*c + i*g)
        e = 2*(o*s - t)
        d = e*o*(1 - cell*s*s)
        return np.outer(pack(d*g*i*(1 - i), d*c*forget*(1 - forget), e*s*o*(1 - o),
                             d*i*(1 - g*g)), z)

    return Case(f, gradient, rng.normal(size=(8, 4)),
                cell_slope_forgotten=lambda p: gradient(p, 0))


@scalar
def gelu_layer(rng):
    X = rng.normal(size=(10, 4))

    def f(w):
        z = X @ w
        return np.sum(z*normal_cdf(z))

    def gradient(w):
        z = X @ w
        return X.T @ (normal_cdf(z) + z*normal_pdf(z))

    return Case(f, gradient, rng.normal(size=4),
                product_rule_forgotten=lambda w: X.T @ normal_cdf(X @ w))


@scalar
def hidden_markov(rng):
    """Log-likelihood of 9 symbols in the logits of the transitions."""
    B, seen = rng.dirichlet(np.ones(4), 3), rng.integers(0, 4, 9)

    def f(logits):
        A, a = softmax(logits), np.ones(3)/3*B[:, seen[0]]
        total = 0
        for s in seen[1:]:
            total = total + np.log(a.sum())
            a = (a/a.sum()) @ A*B[:, s]
        return -total - np.log(a.sum())

    def gradient(logits, normalized=1):
        A = softmax(logits)
        forward, backward = [np.ones(3)/3*B[:, seen[0]]], [np.ones(3)]
        for s in seen[1:]:
            forward.append(forward[-1] @ A*B[:, s])
        for s in seen[:0:-1]:
            backward.insert(0, A @ (B[:, s]*backward[0]))
        counts = sum(A*np.outer(forward[k], B[:, seen[k + 1]]*backward[k + 1])
                     for k in range(8))/forward[-1].sum()
        return -counts + normalized*A*counts.sum(1, keepdims=True)

    return Case(f, gradient, rng.normal(size=(3, 3)),
                softmax_forgotten=lambda z: gradient(z, 0))


# ---- dynamics, mechanics, physics ----------------------------------------------------------------

def rk4(rhs, y, h):
    k1 = rhs(y)
    k2 = rhs(y + h/2*k1)
    k3 = rhs(y + h/2*k2)
    return y + h/6*(k1 + 2*k2 + 2*k3 + rhs(y + h*k3))


@scalar
def lotka_volterra_fit(rng):
    seen = rng.uniform(0.5, 2, (6, 2))

    def slope(y, p):
        return stack(p[0]*y[0] - p[1]*y[0]*y[1], p[2]*y[0]*y[1] - p[3]*y[1])

    def f(p):
        y, loss = np.ones(2), 0
        for target in seen:
            y = rk4(lambda y: slope(y, p), y, 0.2)
            loss = loss + np.sum((y - target)**2)
        return loss

    def with_sensitivities(s, p):
        y, S = s[0:2], s[2:].reshape(2, 4)
        J = np.array([[p[0] - p[1]*y[1], -p[1]*y[0]], [p[2]*y[1], p[2]*y[0] - p[3]]])
        P = np.array([[y[0], -y[0]*y[1], 0, 0], [0, 0, y[0]*y[1], -y[1]]])
        return pack(slope(y, p), J @ S + P)

    def gradient(p, first=0):
        s, g = pack(np.ones(2), np.zeros(8)), np.zeros(4)
        for k, target in enumerate(seen):
            s = rk4(lambda s: with_sensitivities(s, p), s, 0.2)
            if k >= first:
                g += 2*(s[0:2] - target) @ s[2:].reshape(2, 4)
        return g

    return Case(f, gradient, rng.uniform(0.5, 1.5, 4),
                first_step_forgotten=lambda p: gradient(p, 1))


@scalar
def epidemic_fit(rng):
    """30 days of an SIR model by Euler's method; the gradient by the adjoint of its steps."""
    seen = rng.uniform(0, 0.3, 30)

    def states(p):
        s = [(1 - p[2], p[2])]
        for _ in range(30):
            a, i = s[-1]
            s.append((a - p[0]*a*i, i + p[0]*a*i - p[1]*i))
        return s

    def f(p):
        return np.sum((np.array([i for _, i in states(p)[1:]]) - seen)**2)

    def gradient(p, recovery=1):
        s, g = states(p), np.zeros(3)
        da = di = 0
        for k in range(30, 0, -1):
            di = di + 2*(s[k][1] - seen[k - 1])
            a, i = s[k - 1]
            g += [(di - da)*a*i, -di*i, 0]
            da, di = da + (di - da)*p[0]*i, di + (di - da)*p[0]*a - recovery*di*p[1]
        g[2] = di - da
        return g

    return Case(f, gradient, rng.uniform([0.2, 0.05, 0.01], [0.6, 0.2, 0.05]),
                recovery_forgotten=lambda p: gradient(p, 0))


@scalar
def robot_arm(rng):
    lengths, goal = np.array([1.0, 0.8, 0.5, 0.3]), rng.normal(size=2)

    def hand(q):
        a = np.cumsum(q)
        return stack(lengths @ np.cos(a), lengths @ np.sin(a))

    def f(q):
        return np.sum((hand(q) - goal)**2)

    def gradient(q):
        a, e = np.cumsum(q), 2*(hand(q) - goal)
        each = lengths*(-np.sin(a)*e[0] + np.cos(a)*e[1])
        return np.cumsum(each[::-1])[::-1]

    def angles_not_added(q):
        a, e = np.cumsum(q), 2*(hand(q) - goal)
        return lengths*(-np.sin(a)*e[0] + np.cos(a)*e[1])

    return Case(f, gradient, rng.uniform(-2, 2, 4), angles_not_added=angles_not_added)


@scalar
def rotation_by_quaternion(rng):
    p, t = rng.normal(size=3), rng.normal(size=3)

    def f(q):
        w, u = q[0], q[1:]
        r = (w*w - u @ u)*p + 2*(u @ p)*u + 2*w*np.cross(u, p)
        return np.sum((r/(q @ q) - t)**2)

    def gradient(q, scale=1):
        w, u = q[0], q[1:]
        n = q @ q
        r = ((w*w - u @ u)*p + 2*(u @ p)*u + 2*w*np.cross(u, p))/n
        e = 2*(r - t)/n
        dw = 2*w*(p @ e) + 2*np.cross(u, p) @ e
        du = -2*u*(p @ e) + 2*p*(u @ e) + 2*(u @ p)*e + 2*w*np.cross(p, e)
        return np.append(dw, du) - scale*2*q*(r @ e)

    return Case(f, gradient, rng.normal(size=4), norm_forgotten=lambda q: gradient(q, 0))


@scalar
def camera_reprojection(rng):
    P, seen = rng.normal(size=(10, 3)) + [0, 0, 6], 0.3*rng.normal(size=(10, 2))

    def f(c):
        Q = P - c[:3]
        return np.sum((c[3]*Q[:, :2]/Q[:, 2:] - seen)**2)

    def gradient(c, depth=1):
        Q = P - c[:3]
        E = 2*(c[3]*Q[:, :2]/Q[:, 2:] - seen)
        g = -c[3]*np.sum(E/Q[:, 2:], 0)
        return pack(g, depth*c[3]*np.sum(E*Q[:, :2]/Q[:, 2:]**2), np.sum(E*Q[:, :2]/Q[:, 2:]))

    return Case(f, gradient, np.append(rng.normal(size=3)*0.5, 1.2),
                depth_forgotten=lambda c: gradient(c, 0))


@scalar
def haversine(rng):
    there = rng.uniform(-1, 1, 2)

    def f(q):
        d = (q - there)/2
        a = np.sin(d[0])**2 + np.cos(q[0])*np.cos(there[0])*np.sin(d[1])**2
        return 6371*2*np.arcsin(np.sqrt(a))

    def gradient(q):
        d = (q - there)/2
        a = np.sin(d[0])**2 + np.cos(q[0])*np.cos(there[0])*np.sin(d[1])**2
        inner = stack(np.sin(2*d[0])/2 - np.sin(q[0])*np.cos(there[0])*np.sin(d[1])**2,
                      np.cos(q[0])*np.cos(there[0])*np.sin(2*d[1])/2)
        return 6371*inner/np.sqrt(a*(1 - a))

    return Case(f, gradient, rng.uniform(-1, 1, 2), in_degrees=lambda q: gradient(q)*np.pi/180)


@scalar
def spring_network(rng):
    i, j = np.triu_indices(6, 1)
    k, rest = rng.uniform(0.5, 3, len(i)), rng.uniform(0.5, 1.5, len(i))

    def f(X):
        d = X[i] - X[j]
        return np.sum(k*(np.sqrt(np.sum(d*d, 1)) - rest)**2)/2

    def gradient(X, other=-1):
        d = X[i] - X[j]
        r = np.sqrt(np.sum(d*d, 1))
        F, G = (k*(r - rest)/r)[:, None]*d, np.zeros(X.shape)
        np.add.at(G, i, F)
        np.add.at(G, j, other*F)
        return G

    return Case(f, gradient, rng.normal(size=(6, 2))*1.5,
                reaction_forgotten=lambda X: gradient(X, 0))


def grid_of_atoms(rng, n=8):
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T
    return 1.1*corners[:n] + 0.08*rng.normal(size=(n, 3))


@scalar
def lennard_jones(rng):
    i, j = np.triu_indices(8, 1)

    def f(X):
        s = 1/np.sum((X[i] - X[j])**2, 1)**3
        return np.sum(4*(s*s - s))

    def gradient(X, six=6):
        d = X[i] - X[j]
        q = np.sum(d*d, 1)
        s, G = 1/q**3, np.zeros(X.shape)
        F = (4*(-12*s*s + six*s)/q)[:, None]*d
        np.add.at(G, i, F)
        np.add.at(G, j, -F)
        return G

    return Case(f, gradient, grid_of_atoms(rng), factor_six=lambda X: gradient(X, 1))


@scalar
def coulomb(rng):
    i, j = np.triu_indices(6, 1)
    q = rng.choice([-1.0, 1.0], 6)
    scale = 1.602176634e-19**2*8.9875517923e9/1e-10  # joules, at distances in angstroms: ~1e-18

    def f(X):
        return scale*np.sum(q[i]*q[j]/np.sqrt(np.sum((X[i] - X[j])**2, 1)))

    def gradient(X, power=1.5):
        d = X[i] - X[j]
        F, G = scale*(-q[i]*q[j]/np.sum(d*d, 1)**power)[:, None]*d, np.zeros(X.shape)
        np.add.at(G, i, F)
        np.add.at(G, j, -F)
        return G

    return Case(f, gradient, rng.normal(size=(6, 3))*2,
                not_a_unit_vector=lambda X: gradient(X, 1))


@scalar
def morse_and_angle(rng):
    def f(X):
        a, b = X[0] - X[1], X[2] - X[1]
        r, s = np.sqrt(a @ a), np.sqrt(b @ b)
        return (1 - np.exp(-2*(r - 1)))**2 + (1 - np.exp(-2*(s - 1)))**2 + (a @ b/(r*s) + 0.25)**2

    def gradient(X, angle=1):
        a, b = X[0] - X[1], X[2] - X[1]
        r, s = np.sqrt(a @ a), np.sqrt(b @ b)
        c = a @ b/(r*s)
        da = 4*np.exp(-2*(r - 1))*(1 - np.exp(-2*(r - 1)))*a/r
        db = 4*np.exp(-2*(s - 1))*(1 - np.exp(-2*(s - 1)))*b/s
        da = da + angle*2*(c + 0.25)*(b/s - c*a/r)/r
        db = db + angle*2*(c + 0.25)*(a/r - c*b/s)/s
        return stack(da, -da - db, db)

    return Case(f, gradient, np.array([[1.0, 0, 0], [0, 0, 0], [-0.3, 0.95, 0]])
                + 0.15*rng.normal(size=(3, 3)), angle_forgotten=lambda X: gradient(X, 0))


@scalar
def planck(rng):
    """Spectral radiance at wavelengths of 1e-7 m in kelvin and metres: scales 1e4 and 1e-7."""
    h, c, k = 6.62607015e-34, 299792458.0, 1.380649e-23

    def f(p):
        return 2*h*c**2/p[0]**5/np.expm1(h*c/(p[0]*k*p[1]))

    def gradient(p, power=5):
        u = h*c/(p[0]*k*p[1])
        q = u/-np.expm1(-u)
        return f(p)*stack((q - power)/p[0], q/p[1])

    return Case(f, gradient, stack(rng.uniform(2e-7, 2e-6), rng.uniform(2000, 8000)),
                power_four=lambda p: gradient(p, 4))


@scalar
def arrhenius_fit(rng):
    T = np.linspace(300, 600, 12)
    y = np.log(3e13) - 8e4/(8.314*T) + 0.1*rng.normal(size=12)

    def f(p):
        return np.mean((np.log(p[0]*np.exp(-p[1]/(8.314*T))) - y)**2)

    def gradient(p):
        r = 2*(np.log(p[0]) - p[1]/(8.314*T) - y)/12
        return stack(np.sum(r)/p[0], -np.sum(r/(8.314*T)))

    return Case(f, gradient, stack(rng.uniform(1e13, 5e13), rng.uniform(7e4, 9e4)),
                logarithm_forgotten=lambda p: gradient(p)*[p[0], 1])


@scalar
def van_der_waals(rng):
    def f(p):
        return 8.314*p[1]/(p[0] - 4.27e-5) - 0.364/p[0]**2

    def gradient(p, two=2):
        return stack(-8.314*p[1]/(p[0] - 4.27e-5)**2 + two*0.364/p[0]**3,
                     8.314/(p[0] - 4.27e-5))

    return Case(f, gradient, stack(rng.uniform(1e-4, 2e-2), rng.uniform(250, 600)),
                two_forgotten=lambda p: gradient(p, 1))


@scalar
def thick_lens(rng):
    def f(p):
        n, R1, R2, d = p
        return (n - 1)*(1/R1 - 1/R2 + (n - 1)*d/(n*R1*R2))

    def gradient(p):
        n, R1, R2, d = p
        q = (n - 1)**2/n
        return stack(1/R1 - 1/R2 + d*(1 - 1/n**2)/(R1*R2), -(n - 1)/R1**2 - q*d/(R1**2*R2),
                     (n - 1)/R2**2 - q*d/(R1*R2**2), q/(R1*R2))

    def thin(p):
        n, R1, R2, _ = p
        return stack(1/R1 - 1/R2, -(n - 1)/R1**2, (n - 1)/R2**2, 0*n)

    return Case(f, gradient, stack(rng.uniform(1.4, 1.8), rng.uniform(0.02, 0.2),
                                   -rng.uniform(0.02, 0.2), rng.uniform(1e-3, 1e-2)), thin=thin)


@scalar
def ray_through_slab(rng):
    def f(p):
        a, n, t = p
        s = np.sin(a)
        return t*s*(1 - np.cos(a)/np.sqrt(n*n - s*s))

    def gradient(p):
        a, n, t = p
        s, c = np.sin(a), np.cos(a)
        r = np.sqrt(n*n - s*s)
        return stack(t*(c*(1 - c/r) + s*(s/r - c*c*s/r**3)), t*s*c*n/r**3, s*(1 - c/r))

    def root_held_constant(p):
        a, n, t = p
        s, c = np.sin(a), np.cos(a)
        r = np.sqrt(n*n - s*s)
        return stack(t*(c*(1 - c/r) + s*s/r), t*s*c*n/r**3, s*(1 - c/r))

    return Case(f, gradient, stack(rng.uniform(0.1, 1.3), rng.uniform(1.3, 1.8),
                                   rng.uniform(0.5, 5)), root_held_constant=root_held_constant)


@scalar
def kepler_orbit(rng):
    def f(s):
        r, v = s[:3], s[3:]
        return v @ v/2 - 3.986004418e14/np.sqrt(r @ r)

    def gradient(s, power=1.5):
        r, v = s[:3], s[3:]
        return pack(3.986004418e14*r/(r @ r)**power, v)

    return Case(f, gradient, pack(7e6*rng.normal(size=3), 5e3*rng.normal(size=3)),
                power=lambda s: gradient(s, 1))


# ---- optimizers' test problems (More, Garbow and Hillstrom 1981) ---------------------------------

@scalar
def rosenbrock(rng):
    def f(x):
        return np.sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)

    def gradient(x, inner=1):
        g, d = np.zeros(len(x)), x[1:] - x[:-1]**2
        g[:-1] = -400*x[:-1]*d - 2*(1 - x[:-1])
        g[1:] += inner*200*d
        return g

    return Case(f, gradient, 1.5*rng.normal(size=6), next_forgotten=lambda x: gradient(x, 0))


@scalar
def powell_singular(rng):
    def f(x):
        return ((x[0] + 10*x[1])**2 + 5*(x[2] - x[3])**2 + (x[1] - 2*x[2])**4
                + 10*(x[0] - x[3])**4)

    def gradient(x, inner=2):
        a, b = 2*(x[0] + 10*x[1]), 10*(x[2] - x[3])
        c, d = 4*(x[1] - 2*x[2])**3, 40*(x[0] - x[3])**3
        return stack(a + d, 10*a + c, b - inner*c, -b - d)

    return Case(f, gradient, 3*rng.normal(size=4), inner_derivative=lambda x: gradient(x, 1))


@scalar
def wood(rng):
    def f(x):
        return (100*(x[1] - x[0]**2)**2 + (1 - x[0])**2 + 90*(x[3] - x[2]**2)**2 + (1 - x[2])**2
                + 10.1*((x[1] - 1)**2 + (x[3] - 1)**2) + 19.8*(x[1] - 1)*(x[3] - 1))

    def gradient(x, mixed=19.8):
        a, b = x[1] - x[0]**2, x[3] - x[2]**2
        return stack(-400*x[0]*a - 2*(1 - x[0]), 200*a + 20.2*(x[1] - 1) + mixed*(x[3] - 1),
                     -360*x[2]*b - 2*(1 - x[2]), 180*b + 20.2*(x[3] - 1) + mixed*(x[1] - 1))

    return Case(f, gradient, 3*rng.normal(size=4), mixed_forgotten=lambda x: gradient(x, 0))


@scalar
def brown_badly_scaled(rng):
    def f(x):
        return (x[0] - 1e6)**2 + (x[1] - 2e-6)**2 + (x[0]*x[1] - 2)**2

    def gradient(x, product=1):
        c = 2*product*(x[0]*x[1] - 2)
        return stack(2*(x[0] - 1e6) + c*x[1], 2*(x[1] - 2e-6) + c*x[0])

    return Case(f, gradient, stack(1e6*(1 + 0.2*rng.normal()), 2e-6*(1 + 0.2*rng.normal())),
                product_forgotten=lambda x: gradient(x, 0))


@scalar
def powell_badly_scaled(rng):
    def f(x):
        return (1e4*x[0]*x[1] - 1)**2 + (np.exp(-x[0]) + np.exp(-x[1]) - 1.0001)**2

    def gradient(x):
        a, b = 2e4*(1e4*x[0]*x[1] - 1), 2*(np.exp(-x[0]) + np.exp(-x[1]) - 1.0001)
        return stack(a*x[1] - b*np.exp(-x[0]), a*x[0] - b*np.exp(-x[1]))

    def signs(x):
        a, b = 2e4*(1e4*x[0]*x[1] - 1), 2*(np.exp(-x[0]) + np.exp(-x[1]) - 1.0001)
        return stack(a*x[1] + b*np.exp(-x[0]), a*x[0] + b*np.exp(-x[1]))

    return Case(f, gradient, stack(1e-5*rng.uniform(0.5, 2), rng.uniform(0.5, 10)), signs=signs)


@scalar
def beale(rng):
    y, k = np.array([1.5, 2.25, 2.625]), np.array([1, 2, 3])

    def f(x):
        return np.sum((y - x[0]*(1 - x[1]**k))**2)

    def gradient(x):
        r = 2*(y - x[0]*(1 - x[1]**k))
        return stack(-np.sum(r*(1 - x[1]**k)), np.sum(r*x[0]*k*x[1]**(k - 1)))

    def power_rule(x):
        r = 2*(y - x[0]*(1 - x[1]**k))
        return stack(-np.sum(r*(1 - x[1]**k)), np.sum(r*x[0]*k*x[1]**k))

    return Case(f, gradient, rng.normal(size=2) + [3, 0.5], power_rule=power_rule)


@scalar
def helical_valley(rng):
    def f(x):
        t = np.arctan(x[1]/x[0])/(2*np.pi)
        return 100*((x[2] - 10*t)**2 + (np.sqrt(x[0]**2 + x[1]**2) - 1)**2) + x[2]**2

    def gradient(x):
        q = x[0]**2 + x[1]**2
        r, a = np.sqrt(q), 200*(x[2] - 10*np.arctan(x[1]/x[0])/(2*np.pi))
        b = 200*(r - 1)/r
        return stack(a*10*x[1]/(2*np.pi*q) + b*x[0], -a*10*x[0]/(2*np.pi*q) + b*x[1], a + 2*x[2])

    return Case(f, gradient, stack(rng.uniform(0.3, 2), rng.normal(), 3*rng.normal()),
                radius_forgotten=lambda x: gradient(x) - 200*pack(
                    (1 - 1/np.hypot(x[0], x[1]))*x[:2], [0]))


@scalar
def meyer(rng):
    """Values of 1e9, and parameters from 1e-2 to 1e4."""
    t = 45 + 5*np.arange(1, 17)
    y = np.array([34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147,
                  4427, 3820, 3307, 2872])

    def f(x):
        return np.sum((x[0]*np.exp(x[1]/(t + x[2])) - y)**2)

    def gradient(x, square=2):
        e = np.exp(x[1]/(t + x[2]))
        r = 2*(x[0]*e - y)
        return stack(r @ e, r @ (x[0]*e/(t + x[2])), -r @ (x[0]*x[1]*e/(t + x[2])**square))

    return Case(f, gradient, [0.02, 4000, 250]*(1 + 0.05*rng.normal(size=3)),
                square_forgotten=lambda x: gradient(x, 1))


@scalar
def biggs_exp6(rng):
    t = 0.1*np.arange(1, 14)
    y = np.exp(-t) - 5*np.exp(-10*t) + 3*np.exp(-4*t)

    def f(x):
        r = x[2]*np.exp(-t*x[0]) - x[3]*np.exp(-t*x[1]) + x[5]*np.exp(-t*x[4]) - y
        return np.sum(r*r)

    def gradient(x, sign=1):
        a, b, c = np.exp(-t*x[0]), np.exp(-t*x[1]), np.exp(-t*x[4])
        r = 2*(x[2]*a - x[3]*b + x[5]*c - y)
        return stack(-x[2]*(r @ (t*a)), sign*x[3]*(r @ (t*b)), r @ a, -r @ b, -x[5]*(r @ (t*c)),
                     r @ c)

    return Case(f, gradient, rng.uniform(0.5, 5, 6), sign_of_one=lambda x: gradient(x, -1))


@scalar
def variably_dimensioned(rng):
    j = np.arange(1, 9)

    def f(x):
        s = j @ (x - 1)
        return np.sum((x - 1)**2) + s**2 + s**4

    return Case(f, lambda x: 2*(x - 1) + j*(2*(j @ (x - 1)) + 4*(j @ (x - 1))**3),
                1 + rng.normal(size=8)*0.3,
                fourth_forgotten=lambda x: 2*(x - 1) + j*2*(j @ (x - 1)))


# ---- finance -------------------------------------------------------------------------------------

@scalar
def black_scholes(rng):
    def f(p):
        S, K, r, s, T = p
        d = (np.log(S/K) + (r + s*s/2)*T)/(s*np.sqrt(T))
        return S*normal_cdf(d) - K*np.exp(-r*T)*normal_cdf(d - s*np.sqrt(T))

    def gradient(p):
        S, K, r, s, T = p
        q, e = np.sqrt(T), np.exp(-r*T)
        d = (np.log(S/K) + (r + s*s/2)*T)/(s*q)
        low = normal_cdf(d - s*q)
        return stack(normal_cdf(d), -e*low, K*T*e*low, S*normal_pdf(d)*q,
                     S*normal_pdf(d)*s/(2*q) + r*K*e*low)

    def theta_without_rate(p):
        g = gradient(p)
        g[4] -= p[2]*g[2]/p[4]
        return g

    return Case(f, gradient, rng.uniform([80, 80, 0.01, 0.1, 0.2], [120, 120, 0.08, 0.5, 2]),
                theta_without_rate=theta_without_rate)


@scalar
def volatility_smile(rng):
    """SVI: total variance over log-moneyness, fitted."""
    k = np.linspace(-1, 1, 15)
    w = 0.04 + 0.1*(k*k) + 0.005*rng.normal(size=15)

    def f(p):
        a, b, rho, m, s = p
        return np.mean((a + b*(rho*(k - m) + np.sqrt((k - m)**2 + s*s)) - w)**2)

    def gradient(p):
        a, b, rho, m, s = p
        q = np.sqrt((k - m)**2 + s*s)
        r = 2*(a + b*(rho*(k - m) + q) - w)/15
        return stack(r.sum(), r @ (rho*(k - m) + q), b*(r @ (k - m)), -b*(r @ (rho + (k - m)/q)),
                     b*s*np.sum(r/q))

    return Case(f, gradient, rng.uniform([0.01, 0.05, -0.5, -0.1, 0.1], [0.05, 0.3, 0.5, 0.1, 0.4]),
                inner_sign=lambda p: gradient(p)*[1, 1, 1, -1, 1])


@scalar
def heston_cumulant(rng):
    """Mean of the integrated variance of Heston's model, priced at the money, to first order."""
    def f(p):
        v, k, theta, T = p
        return np.sqrt(theta*T + (v - theta)*(-np.expm1(-k*T))/k)

    def gradient(p):
        v, k, theta, T = p
        e = np.exp(-k*T)
        q = (1 - e)/k
        return stack(q, (v - theta)*(T*e - q)/k, T - q, theta + (v - theta)*e)/(2*f(p))

    return Case(f, gradient, rng.uniform([0.01, 0.5, 0.01, 0.2], [0.1, 4, 0.1, 3]),
                root_forgotten=lambda p: gradient(p)*2*f(p))


@scalar
def yield_curve(rng):
    t = np.array([0.25, 0.5, 1, 2, 3, 5, 7, 10, 20, 30])
    y = 0.03 + 0.01*rng.normal(size=10)

    def loads(tau):
        a = -np.expm1(-t/tau)*tau/t
        return stack(np.ones(10), a, a - np.exp(-t/tau))

    def f(p):
        return np.sum((p[:3] @ loads(p[3]) - y)**2)

    def gradient(p):
        r, e = 2*(p[:3] @ loads(p[3]) - y), np.exp(-t/p[3])
        a = -np.expm1(-t/p[3])/t - e/p[3]
        return np.append(loads(p[3]) @ r, r @ (p[1]*a + p[2]*(a - e*t/p[3]**2)))

    return Case(f, gradient, rng.uniform([0.01, -0.05, -0.05, 0.5], [0.06, 0.05, 0.05, 4]),
                decay_held_constant=lambda p: np.append(gradient(p)[:3], 0))


@scalar
def portfolio(rng):
    B = rng.normal(size=(6, 6))
    C, m = B @ B.T/6e4, 1e-3*rng.normal(size=6)  # daily covariances of 1e-4

    def f(z):
        w = softmax(z)
        return w @ C @ w - 0.1*m @ w

    def gradient(z, normalized=1):
        w = softmax(z)
        g = 2*C @ w - 0.1*m
        return w*(g - normalized*(w @ g))

    return Case(f, gradient, rng.normal(size=6), softmax_forgotten=lambda z: gradient(z, 0))


# ---- signals, curves, special functions, scales --------------------------------------------------

@scalar
def power_spectrum(rng):
    w = rng.uniform(0, 1, 9)
    F = np.exp(-2j*np.pi*np.outer(np.arange(9), np.arange(16))/16)

    def f(x):
        return np.sum(w*np.abs(np.fft.rfft(x))**2)

    def by_cosines(x):
        return np.sum(w*((F.real @ x)**2 + (F.imag @ x)**2))

    def gradient(x):
        return 2*(F.conj().T @ (w*(F @ x))).real

    def by_irfft(x):
        return 2*np.fft.irfft(w*np.fft.rfft(x), 16)*16

    return Case(f, gradient, rng.normal(size=16), by_cosines, by_irfft=by_irfft)


@scalar
def autocorrelation(rng):
    def f(x):
        return x[:-2] @ x[2:]/(x @ x)

    def gradient(x):
        shifted = np.append(x[2:], [0, 0]) + np.append([0, 0], x[:-2])
        return (shifted - 2*f(x)*x)/(x @ x)

    return Case(f, gradient, rng.normal(size=10),
                one_side=lambda x: (np.append(x[2:], [0, 0]) - 2*f(x)*x)/(x @ x))


@scalar
def hermite_spline_fit(rng):
    u = rng.uniform(0, 4.999, 25)
    y, i = np.sin(u), u.astype(int)
    s = u - i
    basis = stack((1 + 2*s)*(1 - s)**2, s*(1 - s)**2, s*s*(3 - 2*s), s*s*(s - 1))

    def f(p):
        v, d = split(p, 6, 6)
        return np.sum((basis[0]*v[i] + basis[1]*d[i] + basis[2]*v[i + 1] + basis[3]*d[i + 1]
                       - y)**2)

    def gradient(p, last=3):
        v, d = split(p, 6, 6)
        r = 2*(basis[0]*v[i] + basis[1]*d[i] + basis[2]*v[i + 1] + basis[3]*d[i + 1] - y)
        g = np.zeros(12)
        for b, at in list(zip(basis, (i, i + 6, i + 1, i + 7)))[:last + 1]:
            np.add.at(g, at, r*b)
        return g

    def overwritten(p):
        v, d = split(p, 6, 6)
        r = 2*(basis[0]*v[i] + basis[1]*d[i] + basis[2]*v[i + 1] + basis[3]*d[i + 1] - y)
        g = np.zeros(12)
        for b, at in zip(basis, (i, i + 6, i + 1, i + 7)):
            g[at] += r*b  # repeated indices are added once
        return g

    return Case(f, gradient, rng.normal(size=12), overwritten=overwritten,
                last_forgotten=lambda p: gradient(p, 2))


@scalar
def bezier_length(rng):
    """Length of a chain of 40 chords of a cubic Bezier curve."""
    t = np.linspace(0, 1, 41)[:, None]
    B = np.hstack([(1 - t)**3, 3*t*(1 - t)**2, 3*t*t*(1 - t), t**3])
    D = np.diff(B, axis=0)

    def f(P):
        return np.sum(np.sqrt(np.sum((D @ P)**2, 1)))

    def gradient(P):
        c = D @ P
        return D.T @ (c/np.sqrt(np.sum(c*c, 1, keepdims=True)))

    return Case(f, gradient, rng.normal(size=(4, 2)),
                not_normalized=lambda P: D.T @ (D @ P))


@scalar
def interpolated_table(rng):
    knots, u = np.linspace(0, 1, 8), rng.uniform(0, 1, 30)
    i = np.minimum((u*7).astype(int), 6)
    s = (u - knots[i])*7

    def f(v):
        return np.sum(np.exp((1 - s)*v[i] + s*v[i + 1]))

    def gradient(v, right=1):
        e, g = np.exp((1 - s)*v[i] + s*v[i + 1]), np.zeros(8)
        np.add.at(g, i, (1 - s)*e)
        np.add.at(g, i + 1, right*s*e)
        return g

    return Case(f, gradient, rng.normal(size=8), right_knot_forgotten=lambda v: gradient(v, 0))


@scalar
def smoothing(rng):
    y = rng.normal(size=15)

    def f(x):
        return np.sum((x - y)**2) + 10*np.sum(np.diff(x, 2)**2)

    def gradient(x):
        d = np.diff(x, 2)
        return 2*(x - y) + 20*np.convolve(d, [1, -2, 1])

    return Case(f, gradient, rng.normal(size=15),
                adjoint_forgotten=lambda x: 2*(x - y) + 20*pack(0, np.diff(x, 2), 0))


@scalar
def bessel(rng):
    def f(x):
        return np.sum(special.jv(0, x)*special.jv(2, x))

    def gradient(x):
        return (-special.jv(1, x)*special.jv(2, x)
                + special.jv(0, x)*(special.jv(1, x) - special.jv(3, x))/2)

    def by_integral(x):
        t = 2*np.pi*np.arange(64)/64  # exact to rounding: the integrand is periodic
        return np.sum(np.prod([np.mean(np.cos(n*t - x[:, None]*np.sin(t)), 1) for n in (0, 2)], 0))

    return Case(f, gradient, rng.uniform(0.5, 12, 5), by_integral,
                product_rule_forgotten=lambda x: -special.jv(1, x)*special.jv(2, x))


@scalar
def error_function(rng):
    def f(x):
        return np.sum(special.erf(x)**2)

    def gradient(x):
        return 2*special.erf(x)*2/np.sqrt(np.pi)*np.exp(-x*x)

    return Case(f, gradient, rng.normal(size=5), constant=lambda x: gradient(x)*np.sqrt(np.pi)/2)


@scalar
def binomial_coefficients(rng):
    def f(x):
        return np.sum(lgamma(x[:3] + x[3:] + 1) - lgamma(x[:3] + 1) - lgamma(x[3:] + 1))

    def gradient(x):
        both = special.digamma(x[:3] + x[3:] + 1)
        return pack(both, both) - special.digamma(x + 1)

    return Case(f, gradient, rng.uniform(0.2, 30, 6),
                plus_one_forgotten=lambda x: gradient(x) + special.digamma(x + 1)
                - special.digamma(x))


@scalar
def polynomial(rng):
    c = rng.normal(size=13)

    def f(x):
        return np.sum(np.polyval(c, x))

    return Case(f, lambda x: np.polyval(np.polyder(c), x), rng.uniform(-1.5, 1.5, 4),
                degree_forgotten=lambda x: np.polyval(c[:-1], x))


@scalar
def chebyshev(rng):
    """cos(20 acos x), by the recurrence."""
    def pair(x, n, first):
        a, b = np.ones_like(x), first*x
        for _ in range(n - 1):
            a, b = b, 2*x*b - a
        return b

    return Case(lambda x: np.sum(pair(x, 20, 1)), lambda x: 20*pair(x, 19, 2),
                rng.uniform(-0.95, 0.95, 4), other_kind=lambda x: 20*pair(x, 19, 1))


@scalar
def fast_waves(rng):
    k = np.array([1.0, 10, 100, 1000])

    def f(x):
        return np.sum(np.sin(k*x))

    return Case(f, lambda x: k*np.cos(k*x), rng.normal(size=4),
                frequency_forgotten=lambda x: np.cos(k*x))


@scalar
def tiny(rng):
    """Gradients of 1e-8."""
    a = rng.normal(size=(4, 4))

    def f(x):
        return 1e-8*np.sum(np.tanh(a @ x))

    return Case(f, lambda x: 1e-8*a.T @ (1 - np.tanh(a @ x)**2), rng.normal(size=4),
                square_forgotten=lambda x: 1e-8*a.T @ (1 - np.tanh(a @ x)))


@scalar
def tiny_on_a_constant(rng):
    """Gradients of 1e-6 beside a value of 1: the last digits of differences are lost."""
    def f(x):
        return 1 + 1e-6*np.sum(np.sin(x))

    return Case(f, lambda x: 1e-6*np.cos(x), rng.normal(size=4),
                sine_for_cosine=lambda x: 1e-6*np.sin(x))


@scalar
def huge(rng):
    """Gradients of 1e12."""
    a = rng.normal(size=(4, 4))

    def f(x):
        return 1e12*np.sum((a @ x)**3)

    return Case(f, lambda x: 3e12*a.T @ (a @ x)**2, rng.normal(size=4),
                three_forgotten=lambda x: 1e12*a.T @ (a @ x)**2)


@scalar
def mixed_scales(rng):
    """Coordinates from 1e-6 to 1e6, of one weight each."""
    s = 10.0**np.arange(-6, 7, 2)

    def f(x):
        return np.sum(np.log1p((x/s)**2)) + (x[0]/s[0])*(x[-1]/s[-1])

    def gradient(x, mixed=1):
        g = 2*(x/s)/(1 + (x/s)**2)/s
        g[0] += mixed*x[-1]/s[-1]/s[0]
        g[-1] += mixed*x[0]/s[0]/s[-1]
        return g

    return Case(f, gradient, s*rng.normal(size=7), mixed_forgotten=lambda x: gradient(x, 0))


@scalar
def many_coordinates(rng):
    """300 of them: along directions."""
    A = rng.normal(size=(40, 300))/10

    def f(x):
        return np.sum(np.log(np.cosh(A @ x))) + np.sum(x**4)/100

    def gradient(x):
        return A.T @ np.tanh(A @ x) + x**3/25

    return Case(f, gradient, rng.normal(size=300),
                quartic_forgotten=lambda x: A.T @ np.tanh(A @ x))


@scalar
def product_of_many(rng):
    def f(x):
        return np.prod(x)

    return Case(f, lambda x: np.prod(x)/x, rng.uniform(0.7, 1.4, 30),
                not_divided=lambda x: np.prod(x)*np.ones(30))


@scalar
def geometric_mean(rng):
    def f(x):
        return np.exp(np.mean(np.log(x)))

    return Case(f, lambda x: f(x)/(len(x)*x), rng.uniform(0.1, 10, 6),
                mean_forgotten=lambda x: f(x)/x)


# ---- Jacobians -----------------------------------------------------------------------------------

@vector
def softmax_values(rng):
    def jacobian(z):
        s = softmax(z)
        return np.diag(s) - np.outer(s, s)

    return Case(softmax, jacobian, rng.normal(size=5),
                diagonal=lambda z: np.diag(np.diag(jacobian(z))))


@vector
def log_softmax_values(rng):
    return Case(lambda z: z - logsumexp(z), lambda z: np.eye(6) - softmax(z), rng.normal(size=6),
                transposed=lambda z: np.eye(6) - softmax(z)[:, None])


@vector
def tanh_layer(rng):
    W, b = rng.normal(size=(4, 6)), rng.normal(size=4)
    return Case(lambda x: np.tanh(W @ x + b), lambda x: (1 - np.tanh(W @ x + b)**2)[:, None]*W,
                rng.normal(size=6), slope_forgotten=lambda x: W)


@vector
def two_sigmoid_layers(rng):
    W, V = rng.normal(size=(5, 4)), rng.normal(size=(3, 5))

    def jacobian(x):
        h = sigmoid(W @ x)
        return V*(h*(1 - h)) @ W

    return Case(lambda x: V @ sigmoid(W @ x), jacobian, rng.normal(size=4),
                product_rule=lambda x: V*sigmoid(W @ x) @ W)


@vector
def wide_layer(rng):
    """30 x 20 entries: along directions."""
    W = rng.normal(size=(30, 20))/4
    return Case(lambda x: np.sin(W @ x), lambda x: np.cos(W @ x)[:, None]*W, rng.normal(size=20),
                cosine_forgotten=lambda x: W)


@vector
def layer_norm_values(rng):
    s = rng.normal(size=6)

    def f(x):
        d = x - x.mean()
        return s*d/np.sqrt(np.mean(d*d) + 1e-5)

    def jacobian(x, variance=1):
        d = x - x.mean()
        r = np.sqrt(np.mean(d*d) + 1e-5)
        return s[:, None]*(np.eye(6) - 1/6 - variance*np.outer(d, d)/(6*r*r))/r

    return Case(f, jacobian, rng.normal(size=6), variance_held_constant=lambda x: jacobian(x, 0))


@vector
def unit_vector(rng):
    def jacobian(x):
        r = np.sqrt(x @ x)
        return (np.eye(4) - np.outer(x, x)/(x @ x))/r

    return Case(lambda x: x/np.sqrt(x @ x), jacobian, rng.normal(size=4),
                norm_held_constant=lambda x: np.eye(4)/np.sqrt(x @ x))


@vector
def cross_product(rng):
    a = rng.normal(size=3)
    A = np.array([[0, -a[2], a[1]], [a[2], 0, -a[0]], [-a[1], a[0], 0]])
    return Case(lambda x: np.cross(a, x)*(a @ x),
                lambda x: A*(a @ x) + np.outer(np.cross(a, x), a), rng.normal(size=3),
                other_order=lambda x: -A*(a @ x) + np.outer(np.cross(a, x), a))


@vector
def lotka_volterra_step(rng):
    p = rng.uniform(0.5, 1.5, 4)

    def rhs(y):
        return stack(p[0]*y[0] - p[1]*y[0]*y[1], p[2]*y[0]*y[1] - p[3]*y[1])

    def slope(y):
        return np.array([[p[0] - p[1]*y[1], -p[1]*y[0]], [p[2]*y[1], p[2]*y[0] - p[3]]])

    def augmented(s):
        return pack(rhs(s[:2]), slope(s[:2]) @ s[2:].reshape(2, 2))

    return Case(lambda y: rk4(rhs, y, 0.5),
                lambda y: rk4(augmented, pack(y, np.eye(2)), 0.5)[2:].reshape(2, 2),
                rng.uniform(0.5, 2, 2), euler=lambda y: np.eye(2) + 0.5*slope(y))


@vector
def spherical_coordinates(rng):
    def f(p):
        r, t, q = p
        return r*stack(np.sin(t)*np.cos(q), np.sin(t)*np.sin(q), np.cos(t))

    def jacobian(p):
        r, t, q = p
        a, b, c, d = np.sin(t), np.cos(t), np.sin(q), np.cos(q)
        return np.array([[a*d, r*b*d, -r*a*c], [a*c, r*b*c, r*a*d], [b, -r*a, 0]])

    def radius_forgotten(p):
        return jacobian(p)/[1, p[0], p[0]]

    return Case(f, jacobian, rng.uniform([0.5, 0.2, -3], [5, 3, 3]),
                radius_forgotten=radius_forgotten)


@vector
def hand_of_an_arm(rng):
    lengths = rng.uniform(0.3, 1, 5)

    def f(q):
        a = np.cumsum(q)
        return stack(lengths @ np.cos(a), lengths @ np.sin(a), a[-1])

    def jacobian(q):
        a = np.cumsum(q)
        x, y = (np.cumsum(v[::-1])[::-1] for v in (-lengths*np.sin(a), lengths*np.cos(a)))
        return stack(x, y, np.ones(5))

    return Case(f, jacobian, rng.uniform(-2, 2, 5),
                sine_and_cosine=lambda q: jacobian(q)[[1, 0, 2]])


@vector
def camera_with_distortion(rng):
    def f(P):
        u = P[:2]/P[2]
        return 800*u*(1 - 0.2*(u @ u) + 0.05*(u @ u)**2) + 320

    def jacobian(P):
        u = P[:2]/P[2]
        q = u @ u
        D = (1 - 0.2*q + 0.05*q*q)*np.eye(2) + np.outer(u, u)*2*(-0.2 + 0.1*q)
        return 800*D @ np.hstack([np.eye(2), -u[:, None]])/P[2]

    def pinhole(P):
        return 800*np.hstack([np.eye(2), -P[:2, None]/P[2]])/P[2]

    return Case(f, jacobian, rng.uniform([-1, -1, 2], [1, 1, 6]), distortion_forgotten=pinhole)


@vector
def rotation_vector(rng):
    """A point rotated by the angle |w| about w (Gallego and Yezzi's derivative)."""
    v = rng.normal(size=3)

    def hat(w):
        return np.array([[0*w[0], -w[2], w[1]], [w[2], 0*w[0], -w[0]], [-w[1], w[0], 0*w[0]]])

    def rotation(w):
        t = np.sqrt(w @ w)
        K = hat(w)
        return np.eye(3) + np.sin(t)/t*K + (1 - np.cos(t))/(t*t)*K @ K

    def jacobian(w):
        R = rotation(w)
        return -R @ hat(v) @ (np.outer(w, w) + (R.T - np.eye(3)) @ hat(w))/(w @ w)

    return Case(lambda w: rotation(w) @ v, jacobian, rng.normal(size=3),
                small_angle=lambda w: -rotation(w) @ hat(v))


@vector
def residuals_of_rosenbrock(rng):
    return Case(lambda x: stack(10*(x[1] - x[0]**2), 1 - x[0]),
                lambda x: np.array([[-20*x[0], 10], [-1, 0]]), rng.normal(size=2),
                two_forgotten=lambda x: np.array([[-10*x[0], 10], [-1, 0]]))


@vector
def residuals_of_powell(rng):
    def f(x):
        return stack(x[0] + 10*x[1], np.sqrt(5)*(x[2] - x[3]), (x[1] - 2*x[2])**2,
                     np.sqrt(10)*(x[0] - x[3])**2)

    def jacobian(x, inner=-4):
        a, b = x[1] - 2*x[2], 2*np.sqrt(10)*(x[0] - x[3])
        return np.array([[1, 10, 0, 0], [0, 0, np.sqrt(5), -np.sqrt(5)], [0, 2*a, inner*a, 0],
                         [b, 0, 0, -b]])

    return Case(f, jacobian, rng.normal(size=4), inner_derivative=lambda x: jacobian(x, 2))


@vector
def residuals_of_brown(rng):
    return Case(lambda x: stack(x[0] - 1e6, x[1] - 2e-6, x[0]*x[1] - 2),
                lambda x: np.array([[1, 0], [0, 1], [x[1], x[0]]]),
                stack(1e6*(1 + 0.2*rng.normal()), 2e-6*(1 + 0.2*rng.normal())),
                not_crossed=lambda x: np.array([[1, 0], [0, 1], [x[0], x[1]]]))


@vector
def residuals_of_meyer(rng):
    t = 45 + 5*np.arange(1, 17)

    def jacobian(x):
        e = np.exp(x[1]/(t + x[2]))
        return stack(e, x[0]*e/(t + x[2]), -x[0]*x[1]*e/(t + x[2])**2).T

    return Case(lambda x: x[0]*np.exp(x[1]/(t + x[2])), jacobian,
                [0.02, 4000, 250]*(1 + 0.05*rng.normal(size=3)),
                sign_of_column=lambda x: jacobian(x)*[1, 1, -1])


@vector
def residuals_of_osborne(rng):
    t = 10.0*np.arange(20)

    def f(x):
        return x[0] + x[1]*np.exp(-t*x[3]) + x[2]*np.exp(-t*x[4])

    def jacobian(x, sign=-1):
        a, b = np.exp(-t*x[3]), np.exp(-t*x[4])
        return stack(np.ones(20), a, b, sign*t*x[1]*a, sign*t*x[2]*b).T

    return Case(f, jacobian, [0.375, 1.9, -1.4, 0.013, 0.022]*(1 + 0.2*rng.normal(size=5)),
                inner_sign=lambda x: jacobian(x, 1))


@vector
def residuals_of_bard(rng):
    u = np.arange(1, 16)
    v = 16 - u
    w = np.minimum(u, v)

    def jacobian(x):
        q = v*x[1] + w*x[2]
        return stack(np.ones(15), -u*v/q**2, -u*w/q**2).T

    return Case(lambda x: x[0] + u/(v*x[1] + w*x[2]), jacobian, rng.uniform(0.5, 2, 3),
                square_forgotten=lambda x: stack(np.ones(15), *(-u*k/(v*x[1] + w*x[2])
                                                                for k in (v, w))).T)


@vector
def linear_solve(rng):
    b = rng.normal(size=3)

    def jacobian(A):
        M = np.linalg.inv(A)
        return -np.einsum("ij,k->ijk", M, M @ b)

    return Case(lambda A: np.linalg.solve(A, b), jacobian, rng.normal(size=(3, 3)) + 3*np.eye(3),
                transposed=lambda A: jacobian(A).transpose(0, 2, 1))


@vector
def matrix_square(rng):
    def jacobian(X):
        I = np.eye(3)
        return np.einsum("ik,lj->ijkl", I, X) + np.einsum("ik,lj->ijkl", X, I)

    return Case(lambda X: X @ X, jacobian, rng.normal(size=(3, 3)),
                as_if_commuting=lambda X: 2*np.einsum("ik,lj->ijkl", X, np.eye(3)))


@vector
def matrix_inverse(rng):
    def jacobian(X):
        M = np.linalg.inv(X)
        return -np.einsum("ik,lj->ijkl", M, M)

    return Case(np.linalg.inv, jacobian, rng.normal(size=(3, 3)) + 2*np.eye(3),
                transposed=lambda X: -np.einsum("ik,jl->ijkl", np.linalg.inv(X),
                                                np.linalg.inv(X)))


@vector
def cumulated_softplus(rng):
    low = np.tril(np.ones((7, 7)))
    return Case(lambda x: np.cumsum(softplus(x)), lambda x: low*sigmoid(x), 2*rng.normal(size=7),
                not_cumulated=lambda x: np.diag(sigmoid(x)))


@vector
def cumulated_product(rng):
    def jacobian(x):
        return np.tril(np.cumprod(x)[:, None]/x)

    return Case(np.cumprod, jacobian, rng.uniform(0.5, 2, 6),
                upper=lambda x: np.triu(np.cumprod(x)[:, None]/x))


@vector
def coefficients_of_roots(rng):
    """Polynomial coefficients from the roots."""
    def f(r):
        c = np.ones(1, r.dtype)
        for root in r:
            c = np.convolve(c, [1, -root])
        return c[1:]

    def jacobian(r):
        return stack(*(-np.poly(np.delete(r, k)) for k in range(len(r)))).T

    return Case(f, jacobian, rng.uniform(-2, 2, 5), sign=lambda r: -jacobian(r))


@vector
def spectrum(rng):
    F = np.exp(-2j*np.pi*np.outer(np.arange(5), np.arange(8))/8)

    def f(x):
        return pack(np.fft.rfft(x).real, np.fft.rfft(x).imag)

    return Case(lambda x: f(x)**2, lambda x: 2*f(x)[:, None]*np.vstack([F.real, F.imag]),
                rng.normal(size=8), lambda x: pack(F.real @ x, F.imag @ x)**2,
                conjugate=lambda x: 2*f(x)[:, None]*np.vstack([F.real, -F.imag]))


@vector
def filtered(rng):
    k = rng.normal(size=4)
    T = linalg.toeplitz(np.append(k, np.zeros(6)), np.append(k[0], np.zeros(6)))

    def f(x):
        return np.exp(-np.convolve(x, k)/2)

    return Case(f, lambda x: -f(x)[:, None]/2*T, rng.normal(size=7),
                half_forgotten=lambda x: -f(x)[:, None]*T)


@vector
def lorenz(rng):
    return Case(lambda y: stack(10*(y[1] - y[0]), y[0]*(28 - y[2]) - y[1], y[0]*y[1] - 8/3*y[2]),
                lambda y: np.array([[-10, 10, 0], [28 - y[2], -1, -y[0]], [y[1], y[0], -8/3]]),
                10*rng.normal(size=3),
                sign=lambda y: np.array([[-10, 10, 0], [28 - y[2], -1, y[0]], [y[1], y[0], -8/3]]))


@vector
def robertson(rng):
    """Chemical kinetics with rates from 0.04 to 3e7."""
    def f(y):
        a, b, c = 0.04*y[0], 1e4*y[1]*y[2], 3e7*y[1]**2
        return stack(b - a, a - b - c, c)

    def jacobian(y, two=2):
        return np.array([[-0.04, 1e4*y[2], 1e4*y[1]],
                         [0.04, -1e4*y[2] - two*3e7*y[1], -1e4*y[1]], [0, two*3e7*y[1], 0]])

    return Case(f, jacobian, stack(rng.uniform(0.3, 1), rng.uniform(1e-6, 4e-5),
                                   rng.uniform(0.01, 0.6)), two_forgotten=lambda y: jacobian(y, 1))


@vector
def henon_map(rng):
    def f(y):
        for _ in range(6):
            y = stack(1 - 1.4*y[0]**2 + y[1], 0.3*y[0])
        return y

    def jacobian(y, steps=6):
        J = np.eye(2)
        for _ in range(steps):
            J = np.array([[-2.8*y[0], 1], [0.3, 0]]) @ J
            y = stack(1 - 1.4*y[0]**2 + y[1], 0.3*y[0])
        return J

    return Case(f, jacobian, rng.uniform(-0.3, 0.3, 2), a_step_less=lambda y: jacobian(y, 5))


@vector
def kepler_equation(rng):
    """The eccentric anomaly by Newton's iteration; its derivative by the implicit function."""
    def solve(M, e):
        E = M + e*np.sin(M)
        for _ in range(8):
            E = E - (E - e*np.sin(E) - M)/(1 - e*np.cos(E))
        return E

    def f(p):
        E = solve(p[:3], p[3])
        return E

    def jacobian(p):
        E = solve(p[:3], p[3])
        d = 1/(1 - p[3]*np.cos(E))
        return np.hstack([np.diag(d), (d*np.sin(E))[:, None]])

    return Case(f, jacobian, np.append(rng.uniform(0.3, 3, 3), rng.uniform(0.1, 0.7)),
                eccentricity_forgotten=lambda p: jacobian(p)*[1, 1, 1, 0])


@vector
def ray_through_surfaces(rng):
    """Height and angle of a ray after two spherical surfaces, exactly, in height and angle."""
    def refract(y, a, n, R, gap):
        s = np.arcsin(np.sin(a + np.arcsin(y/R))*n) - np.arcsin(y/R)
        return y + gap*np.tan(s), s

    def f(p):
        y, a = refract(p[0], p[1], 1/1.5, 0.8, 0.1)
        return stack(*refract(y, a, 1.5, -0.9, 0.5))

    def one(y, a, n, R, gap, tilt):
        t = np.arcsin(y/R)
        dt = 1/np.sqrt(R*R - y*y)*np.sign(R)
        c = n*np.cos(a + t)/np.sqrt(1 - (n*np.sin(a + t))**2)
        s = np.arcsin(np.sin(a + t)*n) - t
        da = stack((c - tilt)*dt, c)
        return np.vstack([stack(1, 0) + gap*da/np.cos(s)**2, da])

    def jacobian(p, tilt=1):
        y, a = refract(p[0], p[1], 1/1.5, 0.8, 0.1)
        return one(y, a, 1.5, -0.9, 0.5, tilt) @ one(p[0], p[1], 1/1.5, 0.8, 0.1, tilt)

    return Case(f, jacobian, rng.uniform([-0.2, -0.1], [0.2, 0.1]),
                tilt_forgotten=lambda p: jacobian(p, 0))


@vector
def bilinear(rng):
    image = rng.normal(size=(6, 6))

    def corners(p):
        i, j = np.clip(np.floor(p.real), 0, 4).astype(int)  # outside, the last cell goes on
        return image[i:i + 2, j:j + 2], p[0] - i, p[1] - j

    def f(p):
        C, s, t = corners(p)
        v = (1 - s)*((1 - t)*C[0, 0] + t*C[0, 1]) + s*((1 - t)*C[1, 0] + t*C[1, 1])
        return stack(v, v*v)

    def jacobian(p):
        C, s, t = corners(p)
        d = stack((1 - t)*(C[1, 0] - C[0, 0]) + t*(C[1, 1] - C[0, 1]),
                  (1 - s)*(C[0, 1] - C[0, 0]) + s*(C[1, 1] - C[1, 0]))
        return stack(d, 2*f(p)[0]*d)

    return Case(f, jacobian, rng.integers(0, 5, 2) + rng.uniform(0.2, 0.8, 2),
                axes_swapped=lambda p: jacobian(p)[:, ::-1])


@vector
def outer_product(rng):
    def jacobian(p):
        u, v = split(p, 3, 4)
        J = np.zeros((3, 4, 7))
        J[:, :, :3] = np.einsum("ik,j->ijk", np.eye(3), v)
        J[:, :, 3:] = np.einsum("jk,i->ijk", np.eye(4), u)
        return J

    def one_side(p):
        J = jacobian(p)
        J[:, :, 3:] = 0
        return J

    return Case(lambda p: np.outer(p[:3], p[3:]), jacobian, rng.normal(size=7), one_side=one_side)
