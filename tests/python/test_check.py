"""tapir.check of Python functions: right and wrong claims of every kind, and functions that raise,
change their mind or return something else. Gradients are closed forms."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import tapir
from tapir import Verdict

RNG = np.random.default_rng(11)
X = RNG.normal(size=(3, 2))
A = RNG.normal(size=(4, 3))


def norm_of_product(x):
    return float(np.sum((A @ x)**2))


def gradient_of_it(x):
    return 2*A.T @ A @ x


# ---- functions of one value ----------------------------------------------------------------------

def test_a_right_gradient():
    for claimed in (gradient_of_it(X), gradient_of_it):
        report = tapir.check(norm_of_product, X, claimed)
        assert report.verdict == Verdict.PASS and report and str(report.verdict) == "PASS"
        assert report.lines[0].name == "x[0][0]" and len(report.lines) == 6
        assert report.message and report.n == 6


@pytest.mark.parametrize("wrong", [
    lambda g: g*(1 + 1e-7), lambda g: -g, lambda g: g + np.eye(3, 2)*1e-6, lambda g: g*0,
    lambda g: g[::-1], lambda g: g*np.nan,
])
def test_a_wrong_gradient(wrong):
    report = tapir.check(norm_of_product, X, wrong(gradient_of_it(X)))
    assert report.verdict == Verdict.FAIL and not report
    with pytest.raises(AssertionError, match="FAIL") as caught:
        tapir.assert_gradient(norm_of_product, X, wrong(gradient_of_it(X)))
    assert "x[0][0]" in str(caught.value)


def test_the_wrong_coordinate_is_named():
    claimed = gradient_of_it(X)
    claimed[2, 1] *= 1.001
    report = tapir.check(norm_of_product, X, claimed)
    assert [line.name for line in report.lines if line.verdict == Verdict.FAIL] == ["x[2][1]"]
    assert report.coordinate(5) == Verdict.FAIL and report.coordinate(4) == Verdict.PASS


def test_several_arrays_and_dicts():
    w, b = RNG.normal(size=(2, 3)), RNG.normal(size=2)

    def f(w, b):
        return float(np.sum(np.tanh(w @ [1.0, 2.0, 3.0] + b)))

    s = 1 - np.tanh(w @ [1.0, 2.0, 3.0] + b)**2
    dw, db = np.outer(s, [1.0, 2.0, 3.0]), s
    assert tapir.check(f, (w, b), (dw, db))
    report = tapir.check(lambda p: f(p["w"], p["b"]), {"w": w, "b": b}, {"w": dw, "b": 2*db})
    assert [line.name for line in report.lines if line.verdict == Verdict.FAIL] == ["b[0]", "b[1]"]
    with pytest.raises(ValueError, match="w, b"):
        tapir.check(lambda p: f(**p), {"w": w, "b": b}, {"w": dw})
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        tapir.check(f, (w, b), (db, dw))


def test_a_scalar_and_lists():
    assert tapir.check(lambda x: x**3, 2.0, 12.0)
    assert not tapir.check(lambda x: x**3, 2.0, 12.001)
    assert tapir.check(lambda x: x[0]*x[1], [2.0, 3.0], [3.0, 2.0])


def test_verdicts_that_are_neither():
    kink = tapir.check(lambda x: float(np.abs(x).sum()), np.zeros(2), np.array([0.5, -1.0]))
    assert kink.verdict == Verdict.KINK and not kink
    with pytest.raises(AssertionError, match="KINK"):
        tapir.assert_gradient(lambda x: float(abs(x)), 0.0, 0.0)
    assert tapir.assert_gradient(lambda x: float(abs(x)), 0.0, 0.0, allow="KINK")is not None
    with pytest.raises(ValueError, match="KNIK"):
        tapir.assert_gradient(lambda x: float(abs(x)), 0.0, 0.0, allow="KNIK")
    domain = tapir.check(lambda x: float("nan"), 1.0, 1.0)
    assert domain.verdict == Verdict.DOMAIN and "nan" in domain.message
    weak = tapir.check(lambda x: 1e16 + float(x), 1.0, 0.0)
    assert weak.verdict in (Verdict.WEAK, Verdict.INCONCLUSIVE, Verdict.FAIL)
    assert "slopes" in Verdict.KINK.meaning


def test_a_random_function_is_unstable():
    report = tapir.check(lambda x: float(x) + RNG.normal(), 1.0, 1.0)
    assert report.verdict == Verdict.UNSTABLE and "not deterministic" in report.message


def test_a_function_with_state():
    calls = []

    def f(x):
        calls.append(1)
        return float(x) + 1e-3*len(calls)

    assert tapir.check(f, 1.0, 1.0).verdict == Verdict.UNSTABLE


def test_a_function_may_change_and_keep_its_array():
    kept = []

    def f(x):
        kept.append(x)
        y = float(np.sum(x**2))
        x[:] = 0
        return y

    assert tapir.check(f, np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    assert len({id(x) for x in kept}) == len(kept)


@pytest.mark.parametrize("f, error, words", [
    (lambda x: 1/0, ZeroDivisionError, "zero"),
    (lambda x: None, TypeError, "returned None"),
    (lambda x: 1j*x[0], TypeError, "complex"),
    (lambda x: "one", TypeError, "returned"),
    (lambda x: x[:, None], ValueError, "Jacobian|shape"),
    (lambda x: {}, TypeError, "returned"),
])
def test_what_the_function_does_wrong_comes_out(f, error, words):
    with pytest.raises(error, match=words):
        tapir.check(f, np.array([1.0, 2.0]), np.array([1.0, 2.0]))


def test_a_function_that_fails_later():
    calls = []

    def f(x):
        calls.append(1)
        if len(calls) == 5:
            raise KeyError("fifth")
        return float(x.sum())

    with pytest.raises(KeyError, match="fifth"):
        tapir.check(f, np.ones(3), np.ones(3))
    assert len(calls) == 5  # nothing is called after that


def test_a_function_that_returns_another_shape_later():
    def f(x):
        return x.sum() if x[0] == 1.0 else x
    with pytest.raises(ValueError, match=r"shape \(2,\); at x it was \(\)"):
        tapir.check(f, np.ones(2), np.ones(2))


@pytest.mark.parametrize("x, claimed, error", [
    (np.ones(2), None, TypeError), (np.ones(2), np.ones(3), ValueError),
    (np.ones(2)*1j, np.ones(2), TypeError), (None, np.ones(2), TypeError),
    (np.ones(2), np.ones(2)*1j, TypeError), (["a", "b"], np.ones(2), TypeError),
    (np.ones(2), lambda x: None, TypeError), (np.ones(2), "gradient", (TypeError, ValueError)),
])
def test_arguments_that_are_wrong(x, claimed, error):
    with pytest.raises(error):
        tapir.check(lambda x: float(np.sum(x)), x, claimed)


@pytest.mark.parametrize("x", [
    np.asfortranarray(X), X[::-1], X.astype(">f8"), (X*8).round().astype(int), X.tolist(),
])
def test_points_of_other_layouts(x):
    at = np.asarray(x, dtype=float)
    assert tapir.check(lambda x: float(np.sum(np.sin(x))), x, np.cos(at))


def test_directions_options_and_formats():
    n = 400
    x = RNG.normal(size=n)
    right = tapir.check(lambda x: float(np.sum(x**2)), x, 2*x)
    assert right and len(right.lines) < 20
    wrong = 2*x
    wrong[137] += 1e-3
    found = tapir.check(lambda x: float(np.sum(x**2)), x, wrong, seed=7)
    assert "x[137]" in [line.name for line in found.lines] and found.seed == 7
    along = np.zeros(n)
    along[0] = 1
    assert tapir.check(lambda x: float(np.sum(x**2)), x, wrong, direction=along)
    assert '"verdict"' in found.json() and found.csv().startswith("layer,name")
    assert "<testsuite" in found.junit() and "not ok" in found.tap()
    assert "<table>" in found._repr_html_() and repr(found) == f"<tapir.Report: FAIL, {len(found.lines)} lines>"
    assert found.evaluations > 0 and found.value == pytest.approx(float(np.sum(x**2)))


def test_names_never_become_markup():
    report = tapir.check(lambda p: float(p["<b>"].sum()), {"<b>": np.ones(2)}, {"<b>": np.ones(2)})
    assert "<b>[0]" not in report._repr_html_() and "&lt;b&gt;" in report._repr_html_()


# ---- functions of several values -----------------------------------------------------------------

def softmax(x):
    e = np.exp(x - x.max())
    return e/e.sum()


def jacobian_of_softmax(x):
    s = softmax(x)
    return np.diag(s) - np.outer(s, s)


V = RNG.normal(size=5)


def test_a_jacobian():
    assert tapir.check(softmax, V, jacobian_of_softmax)
    wrong = jacobian_of_softmax(V)
    wrong[1, 3] *= 1 + 1e-5
    report = tapir.check(softmax, V, wrong)
    assert report.verdict == Verdict.FAIL
    assert [(line.output, line.coordinate) for line in report.lines
            if line.verdict == Verdict.FAIL] == [(1, 3)]


def test_a_jacobian_of_arrays_with_several_axes():
    def f(x):
        return np.sin(A @ x)          # 4 x 2

    def jacobian(x):
        return np.einsum("ik,ij,kl->ikjl", np.cos(A @ x), A, np.eye(2))

    assert tapir.check(f, X, jacobian)
    assert tapir.check(f, X, jacobian(X).reshape(8, 6))
    assert not tapir.check(f, X, jacobian(X).transpose(1, 0, 2, 3).reshape(8, 6))
    with pytest.raises(ValueError, match=r"\(4, 2, 3, 2\)"):
        tapir.check(f, X, jacobian(X)[:3])


def test_products():
    def vjp(x, u):
        return jacobian_of_softmax(x).T @ u

    def jvp(x, v):
        return jacobian_of_softmax(x) @ v

    assert tapir.check(softmax, V, vjp=vjp)
    assert tapir.check(softmax, V, jvp=jvp)
    assert tapir.check(softmax, V, vjp=vjp, jvp=jvp)
    assert not tapir.check(softmax, V, vjp=lambda x, u: vjp(x, u)*(1 + 1e-6))
    assert not tapir.check(softmax, V, jvp=lambda x, v: np.diag(softmax(x)) @ v)
    assert not tapir.check(softmax, V, vjp=lambda x, u: abs(vjp(x, u)))
    with pytest.raises(ZeroDivisionError):
        tapir.check(softmax, V, vjp=lambda x, u: 1/0)
    with pytest.raises(TypeError, match="None"):
        tapir.check(softmax, V, vjp=lambda x, u: None)
    with pytest.raises(ValueError, match="shape"):
        tapir.check(softmax, V, jvp=lambda x, v: v[:2])


def test_products_of_a_hessian():
    def gradient(x):
        return np.cos(x)*x.sum() + np.sin(x).sum()

    def times(x, v):
        return -np.sin(x)*v*x.sum() + np.cos(x)*v.sum() + (np.cos(x)*v).sum()

    assert tapir.check_hessian_times(gradient, V, times)
    assert not tapir.check_hessian_times(gradient, V, lambda x, v: times(x, v)*1.00001)
    assert not tapir.check_hessian_times(
        gradient, V, lambda x, v: -np.sin(x)*v*x.sum() + 2*np.cos(x)*v.sum())


# ---- single precision ----------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_lower_precision(dtype):
    x = RNG.uniform(0.5, 2, 6).astype(dtype)
    seen = set()

    def f(x):
        seen.add(x.dtype)
        return np.tanh(x).sum(dtype=dtype) + (x*x).sum(dtype=dtype)

    claimed = ((1 - np.tanh(x)**2) + 2*x).astype(dtype)
    report = tapir.check(f, x, claimed)
    assert report, str(report)
    assert seen == {np.dtype(dtype)}
    wrong = claimed.astype(float)*(1 + (1e-3 if dtype == np.float32 else 0.2))
    assert tapir.check(f, x, wrong).verdict == Verdict.FAIL


# ---- interrupts and threads ----------------------------------------------------------------------

def run_interrupted(code):
    """Runs Python code that prints "ready", and interrupts it; returns what it printed."""
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, env=environment)
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    try:
        return child.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        child.kill()
        raise


def test_an_interrupt_ends_a_check():
    out, _ = run_interrupted("""
import tapir, time, numpy as np
def f(x):
    time.sleep(0.01)
    return float(np.sum(x**2))
print("ready")
try:
    tapir.check(f, np.ones(1000), 2*np.ones(1000), coordinates=1000)
except KeyboardInterrupt:
    print("interrupted")
print(tapir.check(lambda x: float(x)**2, 1.0, 2.0).verdict)
""")
    assert out.split() == ["interrupted", "PASS"]


@pytest.mark.parametrize("check", [
    "x = t.inputs(np.ones(300)); y = slow(x); check = lambda: tapir.check(y, x, coordinates=300)",
    "p = tapir.compile(slow, params=300); check = lambda: tapir.check_program(p, np.ones(300))",
    "m = nn.Model(); w = m.param('w', 300); check = lambda: nn.check(m, lambda x, y: slow(w) + x[0], "
    "(np.ones((8, 1)), np.ones(8)), coordinates=300)",
], ids=["tape", "program", "model"])
def test_an_interrupt_ends_a_check_that_calls_no_python(check):
    out, _ = run_interrupted(f"""
import tapir, time, numpy as np
from tapir import nn
t = tapir.Tape()
def slow(x):
    y = (x*x).sum()
    for _ in range(60000):
        y = tapir.sin(y)*1.1 + x[0]
    return y
{check}
print("ready")
began = time.monotonic()
try:
    print(check().verdict)
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - began < 3)
print(tapir.check(lambda x: float(x)**2, 1.0, 2.0).verdict)
""")
    assert out.split() == ["interrupted", "True", "PASS"]


def test_checks_run_in_several_threads():
    found = []

    def work(seed):
        x = np.random.default_rng(seed).normal(size=20)
        found.append(str(tapir.check(lambda x: float(np.sum(np.sin(x))), x, np.cos(x)).verdict))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["PASS"]*6


# ---- the edge of a domain, options, verdicts -----------------------------------------------------

def test_a_function_that_raises_where_it_has_no_value():
    import math
    assert tapir.check(lambda x: float(x[0])*math.log(x[0]), [0.2], [math.log(0.2) + 1])
    assert tapir.check(lambda x: math.exp(x[0]), [700.0], [math.exp(700.0)])
    with pytest.raises(ValueError, match="math domain"):
        tapir.check(lambda x: math.log(x[0]), [-0.2], [1.0])  # at x itself it is the caller's error


def test_no_warnings_of_points_that_nobody_asked_about():
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tapir.check(lambda x: np.sum(x*np.log(x)), np.array([0.1, 0.2]),
                           lambda x: np.log(x) + 1)


@pytest.mark.parametrize("option, error", [
    ({"rtol": -1.0}, tapir.Error), ({"seed": -1}, ValueError), ({"coordinates": -1}, ValueError),
    ({"unit": 2.0}, tapir.Error), ({"rtol": "small"}, TypeError), ({"rtol": float("nan")}, tapir.Error),
])
def test_options_that_are_wrong(option, error):
    with pytest.raises(error, match="."):
        tapir.check(norm_of_product, X, gradient_of_it, **option)


def test_verdicts_are_ordered_better_ones_first():
    assert Verdict.PASS < Verdict.WEAK < Verdict.KINK < Verdict.FAIL
    assert max([Verdict.PASS, Verdict.FAIL, Verdict.WEAK]) == Verdict.FAIL


def test_coordinates_of_a_program_have_names():
    p = tapir.compile(lambda w, x: (w @ x).sum(), params=(2, 2), inputs=2)
    report = tapir.check_program(p, np.ones((2, 2)), np.ones((3, 2)))
    assert "params[1][0]" in [line.name for line in report.lines]
