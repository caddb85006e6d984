"""Arrays of variables against NumPy: shapes, broadcasting, products, functions, gradients."""

import numpy as np
import pytest

import tapir

RNG = np.random.default_rng(7)
A = RNG.uniform(0.2, 0.8, (3, 4))
B = RNG.uniform(0.2, 0.8, (4,))
C = RNG.uniform(0.2, 0.8, (4, 2))
D = RNG.uniform(0.2, 0.8, (3, 1))


def values(x):
    return np.asarray(x.value if isinstance(x, (tapir.Var, tapir.Array)) else x, dtype=float)


# Each is called with NumPy arrays and with Arrays: the values must be the same, and the gradient of
# their sum that of differences.
FUNCTIONS = {
    "operators": lambda a, b, c, d: (a + b)*2 - 1/(a*d) + a**2 - (-a) + abs(a - 0.5) + 2**a,
    "matmul": lambda a, b, c, d: a @ c,
    "matrix times vector": lambda a, b, c, d: a @ b,
    "vector times matrix": lambda a, b, c, d: b @ c,
    "inner product": lambda a, b, c, d: b @ b,
    "np.dot": lambda a, b, c, d: np.dot(a, c),
    "ufuncs": lambda a, b, c, d: np.exp(a) + np.log(a) + np.sqrt(a)*np.tanh(b) + np.arcsin(d),
    "more ufuncs": lambda a, b, c, d: (np.arctan2(a, b) + np.hypot(a, d) + np.square(a)
                                       + np.reciprocal(a) + np.maximum(a, b) - np.minimum(a, d)),
    "logaddexp": lambda a, b, c, d: np.logaddexp(a, b),
    "sum": lambda a, b, c, d: a.sum() + np.sum(a, axis=0).sum() + a.sum(axis=1)[0],
    "mean": lambda a, b, c, d: a.mean(axis=0) + np.mean(b),
    "keepdims": lambda a, b, c, d: a/a.sum(axis=1, keepdims=True),
    "max and min": lambda a, b, c, d: a.max(axis=0) - a.min(axis=1)[0] + np.max(b),
    "var and std": lambda a, b, c, d: a.var(axis=0) + np.std(a, axis=1)[0] + np.var(b),
    "prod": lambda a, b, c, d: a.prod(axis=1),
    "transpose": lambda a, b, c, d: a.T @ d + c[:, :1],
    "reshape": lambda a, b, c, d: a.reshape(2, 6)[1] + a.reshape(-1)[:6],
    "slices": lambda a, b, c, d: a[1:, ::2] + a[0, -2:] + a[..., 1:3][:2],
    "lists of indices": lambda a, b, c, d: a[:, [3, 0]] + b[[1, 1]],
    "concatenate": lambda a, b, c, d: np.concatenate([a, d], axis=1) @ np.ones(5),
    "stack": lambda a, b, c, d: np.stack([b, 2*b])[1] + np.stack([b, b], axis=1).sum(axis=1),
    "where": lambda a, b, c, d: np.where(a < b, a*2, b*3),
    "outer": lambda a, b, c, d: np.outer(b, b)[1:],
    "softmax": lambda a, b, c, d: np.exp(a)/np.exp(a).sum(axis=1, keepdims=True),
    "numpy array first": lambda a, b, c, d: A @ c + np.ones((3, 2))*d,
    "comparison": lambda a, b, c, d: (a > b)*a + (a <= 0.5)*d,
    "iteration": lambda a, b, c, d: sum(row @ b for row in a),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_are_numpys(name):
    f = FUNCTIONS[name]
    tape = tapir.Tape()
    leaves = [tape.inputs(x) for x in (A, B, C, D)]
    y = f(*leaves)
    expected = f(A, B, C, D)
    assert values(y).shape == np.shape(expected)
    np.testing.assert_allclose(values(y), expected, rtol=1e-14)
    total = y.sum() if isinstance(y, tapir.Array) else y
    total.backward()
    flat = np.concatenate([x.grad.ravel() for x in leaves])

    def total_of(*x):
        with np.errstate(invalid="ignore"):  # steps that leave the domain are NaN
            return float(np.sum(f(*x)))

    report = tapir.check(total_of, (A, B, C, D),
                         tuple(x.grad for x in leaves))
    assert report, str(report)
    assert np.any(flat != 0)


def test_arrays_of_objects_work_too():
    tape = tapir.Tape()
    x = np.array([tape.input(v) for v in (0.5, 1.5)])
    y = (np.exp(x)*np.array([2.0, 3.0])).sum() + x @ x
    y.backward()
    assert [v.grad for v in x] == pytest.approx([2*np.exp(0.5) + 1, 3*np.exp(1.5) + 3], rel=1e-15)
    assert tapir.asarray(x).sum().value == 2


@pytest.mark.parametrize("number", [np.float32(2), np.float64(2), np.int64(2), np.bool_(True)])
def test_scalars_of_numpy(number):
    x = tapir.Tape().input(3.0)
    assert (number*x).value == (x*number).value == float(number)*3


def test_a_product_of_matrices_is_a_dot_for_each_element():
    tape = tapir.Tape()
    a, c = tape.inputs(A), tape.inputs(C)
    before = len(tape)
    a @ c
    assert len(tape) - before == 6


def test_values_can_be_set():
    tape = tapir.Tape()
    x = tape.inputs(np.zeros((2, 2)), "x")
    y = (x*x).sum()
    x.value = [[1, 2], [3, 4]]
    tape.replay()
    assert y.value == 30 and tape.find("x[1][0]").value == 3
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        x.value = np.zeros(3)


@pytest.mark.parametrize("f, error, words", [
    (lambda x: x + np.ones(3), ValueError, "do not fit"),
    (lambda x: x @ np.ones(3), ValueError, "product of shapes"),
    (lambda x: x.reshape(3), ValueError, "do not fill"),
    (lambda x: x[2], IndexError, "out of (range|bounds)"),
    (lambda x: np.sort(x), TypeError, "np.sort"),
    (lambda x: np.add.reduce(x), TypeError, "np.add.reduce"),
    (lambda x: np.heaviside(x, 0), TypeError, "np.heaviside"),
    (lambda x: x + 1j, TypeError, "complex"),
    (lambda x: x + np.array(["a", "b"]), TypeError, "neither"),
    (lambda x: bool(x), ValueError, "truth"),
    (lambda x: np.asarray(x, dtype=float), TypeError, "x.value"),
    (lambda x: tapir.asarray([x, x[:, 0]]), ValueError, "different shapes"),
])
def test_what_does_not_work_says_so(f, error, words):
    x = tapir.Tape().inputs(np.ones((2, 2)))
    with pytest.raises(error, match=words):
        f(x)


@pytest.mark.parametrize("index", [
    np.array([True, False, True]), [True, False, True], [2, 0], ([0, 1], [1, 0]), (slice(None), None),
    np.array([[0, 1], [2, 2]]), (Ellipsis, 1), -1, (np.array([0, 2]), slice(1, 3)), A > 0.5,
    (slice(None, None, -1), [3, 1]),
], ids=str)
def test_indices_are_numpys(index):
    x = tapir.Tape().inputs(A)
    np.testing.assert_array_equal(values(x[index]), A[index])
    assert values(x[index]).shape == A[index].shape
    x[index] = 7.0
    b = A.copy()
    b[index] = 7.0
    np.testing.assert_array_equal(values(x), b)


def test_operations_on_numbers_alone_give_numbers():
    assert isinstance(tapir.tanh(np.ones(2)), np.ndarray)
    assert isinstance(tapir.add(np.ones(2), 1.0), np.ndarray)
    assert tapir.check(lambda x: tapir.sum(tapir.tanh(x)), B, 1 - np.tanh(B)**2)


@pytest.mark.parametrize("f, error", [
    (lambda x: x.__setitem__(0, [5.0, 6.0, 7.0]), ValueError), (lambda x: x.reshape(-1, -1), ValueError),
    (lambda x: x.reshape(-2, -2), ValueError), (lambda x: x.sum(axis=(0, 0)), ValueError),
    (lambda x: x.sum(axis="a"), TypeError), (lambda x: x + "3", TypeError), (lambda x: x + b"12", TypeError),
    (lambda x: tapir.exp("1"), TypeError), (lambda x: np.linalg.norm(x, 2), TypeError),
    (lambda x: np.linalg.norm(x, 2, axis=(0, 1)), TypeError), (lambda x: np.fmax(x, 1), TypeError),
    (lambda x: np.sum(x, 0, np.float32), TypeError), (lambda x: np.reshape(x, 4, "F"), TypeError),
    (lambda x: x[:0].max(), ValueError), (lambda x: tapir.pick(1.5, [1.0, 2.0]), IndexError),
], ids=str)
def test_what_would_be_wrong_in_silence_is_refused(f, error):
    x = tapir.Tape().inputs(np.ones((2, 2)))
    with pytest.raises(error):
        f(x)
    assert values(x).sum() == 4


def test_empty_products_and_scalars_without_axes():
    x = tapir.Tape().inputs(np.ones((2, 0)))
    assert values(x @ np.ones((0, 3))).tolist() == [[0, 0, 0], [0, 0, 0]]
    one = tapir.Array([tapir.Tape().input(3.0)], ())
    assert one.min().value == one.max().value == 3 and one.var().value == 0
