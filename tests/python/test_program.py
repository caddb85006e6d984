"""tapir.compile: values, gradients and Jacobians of rows, against NumPy; shapes, types, threads."""

import threading
import time

import numpy as np
import pytest

import tapir

RNG = np.random.default_rng(3)
W = RNG.normal(size=(3, 4))
ROWS = RNG.normal(size=(50, 4))


@pytest.fixture(scope="module")
def program():
    return tapir.compile(lambda w, x: tapir.tanh(w @ x).sum(), params=(3, 4), inputs=4)


def test_values(program):
    expected = np.tanh(ROWS @ W.T).sum(axis=1)
    np.testing.assert_allclose(program.values(W, ROWS), expected, rtol=1e-14)
    assert program.values(W, ROWS[7]) == pytest.approx(expected[7], rel=1e-14)
    assert isinstance(program.values(W, ROWS[7]), float)
    assert program.values(W.ravel(), ROWS).shape == (50,)
    assert program.values(W, ROWS[:0]).shape == (0,)


def test_gradient(program):
    mean, gradient = program.gradient(W, ROWS)
    slope = 1 - np.tanh(ROWS @ W.T)**2
    assert mean == pytest.approx(np.tanh(ROWS @ W.T).sum(axis=1).mean(), rel=1e-13)
    np.testing.assert_allclose(gradient, slope.T @ ROWS/50, rtol=1e-12)


def test_jacobian(program):
    expected = (1 - np.tanh(ROWS @ W.T)**2) @ W
    np.testing.assert_allclose(program.jacobian(W, ROWS), expected, rtol=1e-12, atol=1e-13)
    assert program.jacobian(W, ROWS[0]).shape == (4,)


def test_outputs_have_the_shape_that_the_function_gives():
    p = tapir.compile(lambda x: np.exp(x).reshape(2, 3)*2, inputs=(3, 2))
    x = RNG.normal(size=(5, 3, 2))
    assert p.values(x).shape == (5, 2, 3) and p.values(x[0]).shape == (2, 3)
    np.testing.assert_allclose(p.values(x), 2*np.exp(x).reshape(5, 2, 3), rtol=1e-15)
    jacobian = p.jacobian(x)
    assert jacobian.shape == (5, 2, 3, 3, 2)
    np.testing.assert_allclose(jacobian.reshape(5, 6, 6),
                               [np.diag(2*np.exp(row.ravel())) for row in x], rtol=1e-15)


def test_scalars_and_programs_of_params_alone():
    p = tapir.compile(lambda w: w**2 + 1, params=())
    assert p.values(3.0) == 10 and p.gradient(3.0)[1] == 6 and p.gradient(3.0)[1].shape == ()
    q = tapir.compile(lambda x: x*3, inputs=())
    np.testing.assert_array_equal(q.values([1.0, 2.0]), [3, 6])


def test_named_parameters():
    p = tapir.compile(lambda p, x: tapir.exp(p["w"] @ x + p["b"]).sum(),
                      params={"w": (2, 3), "b": 2}, inputs=3)
    arrays = {"w": RNG.normal(size=(2, 3)), "b": RNG.normal(size=2)}
    x = RNG.normal(size=(4, 3))
    mean, gradient = p.gradient(arrays, x)
    e = np.exp(x @ arrays["w"].T + arrays["b"])
    assert mean == pytest.approx(e.sum(axis=1).mean(), rel=1e-14)
    np.testing.assert_allclose(gradient["b"], e.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(gradient["w"], e.T @ x/4, rtol=1e-13)
    with pytest.raises(ValueError, match="'b', 'w'"):
        p.values({"w": arrays["w"]}, x)
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        p.values({"w": arrays["b"], "b": arrays["b"]}, x)


@pytest.mark.parametrize("rows", [
    ROWS.astype(np.float32), ROWS.astype(np.float32).astype(np.float16), np.asfortranarray(ROWS),
    ROWS[::-1][::-1], ROWS.astype(">f8"), (ROWS*4).astype(int), ROWS.tolist(), ROWS > 0,
])
def test_arrays_of_other_types_and_layouts_are_converted(program, rows):
    expected = np.tanh(np.asarray(rows, dtype=float) @ W.T).sum(axis=1)
    np.testing.assert_allclose(program.values(W, rows), expected, rtol=1e-13)


def test_read_only_arrays_and_buffers_do(program):
    rows = ROWS.copy()
    rows.flags.writeable = False
    np.testing.assert_array_equal(program.values(W, rows), program.values(W, ROWS))
    view = memoryview(ROWS)
    np.testing.assert_array_equal(program.values(W, view), program.values(W, ROWS))


@pytest.mark.parametrize("arguments, error, words", [
    ((W, ROWS[:, :3]), ValueError, r"\(4,\)"),
    ((W[:2], ROWS), ValueError, r"\(3, 4\)"),
    ((W,), TypeError, "two arrays"),
    ((W, ROWS*1j), TypeError, "complex"),
    ((W, None), TypeError, "None"),
    ((W, [["a"]*4]), TypeError, "rows"),
    ((W, [[1, 2, 3, 4], [1, 2]]), ValueError, "rows"),
    ((W, object()), TypeError, "rows"),
    ((W, np.ma.masked_array(ROWS, mask=ROWS > 0)), TypeError, "masked"),
    ((W, tapir.Tape().inputs(ROWS)), TypeError, "x.value"),
])
def test_what_does_not_fit_says_so(program, arguments, error, words):
    with pytest.raises(error, match=words):
        program.values(*arguments)


def test_a_branch_that_goes_the_other_way():
    p = tapir.compile(lambda x: x[0]*2 if x[0] < 1 else x[0]*3, inputs=1)
    with pytest.raises(tapir.Error, match="row 1") as caught:
        p.values([[0.5], [1.5]])
    assert caught.value.status == tapir.Status.BRANCH_CHANGED


@pytest.mark.parametrize("arguments, keywords, error", [
    ((lambda x: None,), {"inputs": 2}, TypeError),
    ((lambda x: "y",), {"inputs": 2}, TypeError),
    ((lambda: 1.0,), {}, TypeError),
    ((lambda x: x,), {"inputs": "two"}, TypeError),
    ((lambda x: x,), {"inputs": -2}, ValueError),
    ((lambda x: 1/0,), {"inputs": 2}, ZeroDivisionError),
])
def test_compile_refuses(arguments, keywords, error):
    with pytest.raises(error):
        tapir.compile(*arguments, **keywords)


def test_results_are_of_the_callers_own(program):
    first = program.values(W, ROWS)
    second = program.values(W, ROWS)
    first[:] = 0
    assert not np.any(second == 0)


def test_c_code(program):
    code = program.emit_c("f")
    assert "double f(const double *param, const double *input, double *grad)" in code
    with pytest.raises(tapir.Error):
        program.emit_c("double")
    assert "tanh" in str(program)


def test_threads_share_a_program(program):
    rows = RNG.normal(size=(20000, 4))
    expected = program.gradient(W, rows)
    wrong = []

    def work():
        for _ in range(20):
            mean, gradient = program.gradient(W, rows)
            if mean != expected[0] or not np.array_equal(gradient, expected[1]):
                wrong.append(mean)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_gil_is_released():
    # While a program runs in a thread, this one must go on: it sees that the other is inside a call.
    # With the GIL held it would run between calls alone.
    p = tapir.compile(lambda w, x: tapir.tanh(w @ x).sum(), params=(40, 40), inputs=40)
    w, rows = np.ones((40, 40)), np.ones((20000, 40))
    inside, stop = [False], threading.Event()

    def work():
        while not stop.is_set():
            inside[0] = True
            p.values(w, rows)
            inside[0] = False

    thread = threading.Thread(target=work)
    thread.start()
    seen, end = 0, time.monotonic() + 30
    while seen < 2000 and time.monotonic() < end:
        seen += inside[0]
    stop.set()
    thread.join()
    assert seen == 2000


def test_operations_of_python_run_in_the_threads_of_a_program():
    square = tapir.Operation("square", lambda x: x[0]*x[0], lambda x, v: [2*x[0]])
    p = tapir.compile(lambda w, x: square(x[0]*w), params=(), inputs=1)
    rows = np.linspace(-2, 2, 1001).reshape(-1, 1)
    np.testing.assert_array_equal(p.values(3.0, rows), (rows[:, 0]*3)**2)
    assert p.gradient(3.0, rows)[1] == pytest.approx((2*3*rows**2).mean(), rel=1e-13)
    bad = tapir.Operation("bad", lambda x: 1/(x[0] - 1), lambda x, v: [1.0])
    q = tapir.compile(lambda x: bad(x[0]), inputs=1)
    with pytest.raises(ZeroDivisionError):
        q.values(np.ones((1000, 1)))
    np.testing.assert_array_equal(q.values([[3.0]]), [0.5])


def test_a_tape_belongs_to_one_thread_at_a_time():
    tape = tapir.Tape()
    entered, leave = threading.Event(), threading.Event()

    def slow(x):
        entered.set()
        leave.wait(10)
        return x[0]

    x = tape.input(1.0)
    slow_once = tapir.Operation("wait", lambda x: x[0], lambda x, v: [slow(x)])
    y = slow_once(x)
    thread = threading.Thread(target=y.backward)
    thread.start()
    entered.wait(10)
    try:
        with pytest.raises(tapir.Error, match="another thread"):
            x*2
        with pytest.raises(tapir.Error, match="another thread"):
            tape.input(1.0)
    finally:
        leave.set()
        thread.join()
    assert (x*2).value == 2


def test_check_program(program):
    assert tapir.check_program(program, W, ROWS).verdict == tapir.Verdict.PASS


# ---- an `if` on what is returned, and models -----------------------------------------------------

@pytest.mark.parametrize("f", [
    lambda x: x if x > 0 else -x,
    lambda x: (lambda y: y if y > 0 else -y)(x*2),
    lambda x: [x, x if x*x > 0.1 and x > 0 else -x],
])
def test_a_branch_on_the_result_is_a_guard(f):
    p = tapir.compile(f, inputs=(), inputs_at=1.0)
    np.testing.assert_array_equal(np.ravel(p.values(3.0))[-1], np.ravel(f(3.0))[-1])
    with pytest.raises(tapir.Error) as caught:
        p.values(-3.0)
    assert caught.value.status == tapir.Status.BRANCH_CHANGED


def test_a_program_of_a_model():
    from tapir import nn
    model = nn.Model(seed=1)
    net = nn.MLP(model, [3, 4, 2])
    length = len(model.tape)
    p = tapir.compile(net, inputs=3, model=model)
    assert len(model.tape) == length
    x = RNG.normal(size=(7, 3))
    a = model.arrays()
    expected = np.tanh(x @ a["layers.0.weight"].T + a["layers.0.bias"]) @ a["layers.1.weight"].T \
        + a["layers.1.bias"]
    np.testing.assert_allclose(p.values(model.values(), x), expected, rtol=1e-13)
    np.testing.assert_allclose(nn.predict(model, net, x), expected, rtol=1e-13)
    with pytest.raises(ValueError, match=r"\(3,\)"):
        nn.predict(model, net, x).shape and p.values(model.values(), x[:, :2])
    with pytest.raises(TypeError, match="model"):
        tapir.compile(net, params=3, inputs=3, model=model)
