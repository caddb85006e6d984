"""Recording from Python: operators, methods, reductions, derivatives, errors, names, scopes."""

import gc
import math
import weakref

import pytest

import tapir


@pytest.fixture
def tape():
    return tapir.Tape()


def slope(f, x):
    """By differences of the function on floats, which Python's own math computes."""
    h = 1e-6
    return (f(x + h) - f(x - h))/(2*h)


def test_the_first_example(tape):
    a, b = tape.input(2.0, "a"), tape.input(1.0, "b")
    e = (a + b)*(b + 1)
    e.backward()
    assert (e.value, a.grad, b.grad) == (6.0, 2.0, 5.0)


# Python's math computes the values; NumPy's names are the same functions.
METHODS = {
    "exp": math.exp, "expm1": math.expm1, "log": math.log, "log1p": math.log1p, "log2": math.log2,
    "log10": math.log10, "sqrt": math.sqrt, "cbrt": math.cbrt, "sin": math.sin, "cos": math.cos,
    "tan": math.tan, "asin": math.asin, "acos": math.acos, "atan": math.atan, "sinh": math.sinh,
    "cosh": math.cosh, "tanh": math.tanh, "asinh": math.asinh, "atanh": math.atanh, "erf": math.erf,
    "erfc": math.erfc, "lgamma": math.lgamma, "tgamma": math.gamma, "arcsin": math.asin,
    "arccos": math.acos, "arctan": math.atan, "arcsinh": math.asinh, "arctanh": math.atanh,
    "floor": math.floor, "ceil": math.ceil, "trunc": math.trunc, "fabs": math.fabs,
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_the_functions_of_math(tape, name):
    x = tape.input(0.37)
    y = getattr(x, name)()
    y.backward()
    assert y.value == pytest.approx(METHODS[name](0.37), rel=4e-16)
    assert x.grad == pytest.approx(slope(METHODS[name], 0.37), rel=1e-8, abs=1e-8)
    own = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh",
           "arctanh": "atanh", "fabs": "abs"}.get(name, name)
    assert getattr(tapir, own)(x).value == y.value
    assert isinstance(getattr(tapir, own)(0.37), float)


OPERATORS = [
    lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x*y, lambda x, y: x/y,
    lambda x, y: x**y, lambda x, y: x % y, lambda x, y: x // y, lambda x, y: -x, lambda x, y: abs(x), lambda x, y: +x,
    lambda x, y: 3 + x, lambda x, y: 3 - x, lambda x, y: 3*x, lambda x, y: 3/x,
    lambda x, y: 2**x, lambda x, y: 7.5 % x, lambda x, y: x % -2,
]


@pytest.mark.parametrize("at", [(1.7, 0.6), (2.6, -1.15), (0.37, 4.1)])
@pytest.mark.parametrize("f", OPERATORS)
def test_operators_are_those_of_floats(tape, f, at):
    x, y = tape.input(at[0]), tape.input(at[1])
    z = f(x, y)
    assert z.value == pytest.approx(f(*at), rel=4e-16)
    z.backward()
    assert x.grad == pytest.approx(slope(lambda t: f(t, at[1]), at[0]), rel=1e-6, abs=1e-7)
    assert y.grad == pytest.approx(slope(lambda t: f(at[0], t), at[1]), rel=1e-6, abs=1e-7)


def test_comparisons_record_and_branch(tape):
    x, y = tape.input(1.0), tape.input(2.0)
    assert [(x < y).value, (x > y).value, (x <= 1).value, (x >= 2).value, (x == y).value,
            (x != y).value] == [1, 0, 1, 0, 0, 1]
    assert x < y and not x > y
    x.value = 3.0
    with pytest.raises(tapir.Error) as caught:
        tape.replay()
    assert caught.value.status == tapir.Status.BRANCH_CHANGED
    x.value = 1.5
    tape.replay()


def test_reductions(tape):
    x = [tape.input(v) for v in (1.0, 2.0, 4.0)]
    assert tapir.sum(x).value == 7
    assert tapir.dot(x, [1, 10, 100]).value == 421
    assert tapir.norm(x).value == pytest.approx(math.sqrt(21), rel=1e-15)
    assert tapir.largest(x).value == 4
    assert tapir.logsumexp(x).value == pytest.approx(math.log(sum(map(math.exp, (1, 2, 4)))),
                                                     rel=1e-15)
    assert tapir.pick(1, x).value == 2
    assert tapir.where(x[0] < x[1], x[1], x[2]).value == 2
    with pytest.raises(ValueError, match="3 elements and 2"):
        tapir.dot(x, x[:2])


def test_derivatives(tape):
    x, y = tape.input(3.0), tape.input(5.0)
    f = x*x*y
    assert list(tapir.gradient(f, [x, y])) == [30, 9]
    assert [list(row) for row in tapir.jacobian([f, x + y], [x, y])] == [[30, 9], [1, 1]]
    assert [list(row) for row in tapir.hessian(f, [x, y])] == [[10, 6], [6, 0]]
    assert list(tapir.hessian_times(f, [x, y], [1.0, 2.0])) == [22, 6]
    assert tapir.tangent(f, [x, y], [1.0, -1.0]) == 21
    dx, dy = tapir.record_gradient(f, [x, y])
    dx.backward()
    assert (dx.value, x.grad, y.grad) == (30, 10, 6)


def test_a_formula(tape):
    a, b = tape.input(2.0), tape.input(1.0)
    e = tape.parse("c = (a + b)*(b + 1); c^2", a=a, b=b)
    assert e.value == 36
    with pytest.raises(tapir.Error, match="did you mean log") as caught:
        tape.parse("ln(a)", a=a)
    assert caught.value.status == tapir.Status.BAD_FORMULA
    assert (a + 1).value == 3  # the tape can still be used


def test_names_and_scopes(tape):
    x = tape.input(1.0, "x")
    with tape.scope("layer 0"):
        y = (x*2).named("twice")
    assert tape.find("twice").value == y.value
    with pytest.raises(tapir.Error, match="nope"):
        tape.find("nope")
    assert "twice" in tapir.explain(y)
    assert "layer 0" in tapir.draw_svg(y, most=2) + tapir.draw_dot(y)


def test_rewinding(tape):
    x = tape.input(1.0)
    mark, length = tape.mark(), len(tape)
    y = x*2
    tape.rewind(mark)
    assert len(tape) == length
    with pytest.raises(tapir.Error) as caught:
        y.value
    assert caught.value.status == tapir.Status.STALE
    with tape.rewinding():
        x*3
    assert len(tape) == length


def test_explanations_and_pictures(tape):
    a, b = tape.input(2.0, "a"), tape.input(1.0, "b")
    e = (a + b)*(b + 1)
    assert "2 of 2 agree" in tapir.explain(e)
    assert "no-accumulate" in tapir.explain(e, bug="no-accumulate")
    assert '"format":"tapir-trace/1"' in tapir.explain_json(e).replace('": "', '":"')
    assert "from b to #4: 2" in tapir.explain_paths(e, b)
    assert tapir.explain_nonfinite(e) == ""
    assert "log" in tapir.explain_nonfinite((a - 3).log())
    assert e._repr_svg_().lstrip().startswith("<") and "</svg>" in e._repr_svg_()
    assert "<html" in tapir.draw_html(e)
    with pytest.raises(ValueError, match="no-accumulate"):
        tapir.explain(e, bug="nonsense")


@pytest.mark.parametrize("other", ["x", None, 1j, [1.0], object()])
def test_what_is_no_number_is_refused(tape, other):
    x = tape.input(1.0)
    with pytest.raises(TypeError):
        x + other
    with pytest.raises(TypeError):
        x.value = other


def test_a_variable_is_not_turned_into_a_float(tape):
    x = tape.input(1.0)
    for function in (float, math.exp):
        with pytest.raises(TypeError, match="x.value"):
            function(x)


def test_two_tapes_do_not_meet(tape):
    other = tapir.Tape()
    x, y = tape.input(1.0), other.input(1.0)
    with pytest.raises(tapir.Error) as caught:
        x + y
    assert caught.value.status == tapir.Status.TWO_TAPES
    assert (x + 1).value == 2 and (y + 1).value == 2


def test_grad_before_any_backward_is_an_error(tape):
    x = tape.input(1.0)
    with pytest.raises(tapir.Error) as caught:
        x.grad
    assert caught.value.status == tapir.Status.NOT_RECORDED


def test_a_variable_keeps_its_tape():
    x = tapir.Tape().input(2.0)
    gc.collect()
    y = x*x
    y.backward()
    assert x.grad == 4


def test_tapes_are_freed():
    class Watched(tapir.Tape):
        pass
    tape = Watched()
    gone = weakref.ref(tape)
    x = tape.input(1.0)*2
    del tape
    assert gone() is not None
    del x
    gc.collect()
    assert gone() is None


def test_hash_is_identity(tape):
    x, y = tape.input(1.0), tape.input(1.0)
    assert len({x: 1, y: 2}) == 2


def test_errors_can_be_pickled(tape):
    import pickle
    with pytest.raises(tapir.Error) as caught:
        tape.find("nope")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.status, str(again)) == (caught.value.status, str(caught.value))


# ---- operations of one's own ---------------------------------------------------------------------

SQUARE = tapir.Operation("square", lambda x: x[0]**2, lambda x, v: [2*x[0]])


def test_an_own_operation(tape):
    x = tape.input(3.0)
    y = SQUARE(x)*2
    y.backward()
    assert (y.value, x.grad, SQUARE(4.0)) == (18, 12, 16)
    assert tapir.check(y, [x]).verdict == tapir.Verdict.PASS


@pytest.mark.parametrize("value, partials, error", [
    (lambda x: 1/0, lambda x, v: [1], ZeroDivisionError),
    (lambda x: "one", lambda x, v: [1], TypeError),
    (lambda x: 1.0, lambda x, v: [1, 2], ValueError),
    (lambda x: 1.0, lambda x, v: 1/0, ZeroDivisionError),
    (lambda x: 1.0, lambda x, v: None, TypeError),
])
def test_what_an_operation_raises_comes_out(tape, value, partials, error):
    operation = tapir.Operation("bad", value, partials)
    x = tape.input(1.0)
    with pytest.raises(error):
        operation(x).backward()
    (x*2).backward()
    assert x.grad == 2


def test_a_wrong_partial_is_found_and_named(tape):
    wrong = tapir.Operation("cube", lambda x: x[0]**3, lambda x, v: [2*x[0]**2])
    x = tape.input(2.0, "x")
    report = tapir.check(wrong(x) + x, [x])
    assert report.verdict == tapir.Verdict.FAIL
    assert report.culprits[0].operation == "cube"
    assert report.culprits[0].rule == 8 and report.culprits[0].estimate == pytest.approx(12)


def test_a_cycle_through_an_operation_is_collected():
    class Watched(tapir.Tape):
        pass
    tape = Watched()
    gone = weakref.ref(tape)
    operation = tapir.Operation("cycle", lambda x: x[0] + 0*len(tape), lambda x, v: [1.0])
    y = operation(tape.input(1.0))
    del tape, operation, y
    gc.collect()
    assert gone() is None


def test_formats_and_marks(tape):
    x = tape.input(1.23456)
    assert f"{x:.2f} {x}" == "1.23 Var(1.23456)"
    for mark in [(2**40, 0, 0), (2**32, 1, 1)]:
        with pytest.raises(tapir.Error, match="no mark"):
            tape.rewind(mark)
    with pytest.raises(ValueError, match="whole number"):
        tape.rewind((-1, 0, 0))
    assert x.value == 1.23456


def test_what_is_no_sequence_of_variables_says_so(tape):
    for function in (tapir.sum, tapir.explain, tapir.draw_svg):
        with pytest.raises(TypeError, match="neither a variable nor"):
            function(object())


# ---- functions of operations that touch the tape that calls them, and errors in their place ------

@pytest.mark.parametrize("touch", [
    lambda t, x: t.input(1.0), lambda t, x: x*2, lambda t, x: t.replay(), lambda t, x: (x*2).backward(),
    lambda t, x: t.rewind((0, 0, 0)), lambda t, x: tapir.sum([x, x]), lambda t, x: x.value,
])
@pytest.mark.parametrize("where", ["value", "partials"])
def test_an_operation_must_not_touch_its_tape(tape, touch, where):
    x = tape.input(1.0)
    active = []

    def maybe(kind):
        if active == [kind]:
            touch(tape, x)

    operation = tapir.Operation("meddles", lambda v: maybe("value") or v[0],
                                lambda v, y: maybe("partials") or [1.0])
    y = operation(x)*2
    active.append(where)
    calls = {"value": [tape.replay], "partials": [
        y.backward, lambda: tapir.gradient(y, [x]), lambda: tapir.tangent(y, [x], [1.0]),
        lambda: tapir.explain(y)]}
    for call in calls[where]:
        with pytest.raises(tapir.Error, match="must not touch"):
            call()
    active.clear()
    tape.replay()
    y.backward()
    assert (y.value, x.grad) == (2, 2)


def test_errors_do_not_come_out_at_another_place(tape):
    other = tapir.Tape()
    x, y = tape.input(1.0), other.input(1.0)
    from tapir import nn
    for call in [lambda: nn.mse([x], [y]), lambda: tapir.gradient(x*2, [y]), lambda: tapir.jacobian([x*2], [y]),
                 lambda: tape.parse("y + 1", y=y), lambda: tape.parse("y", y=y), lambda: tapir.dot([x], [y]),
                 lambda: tapir.compile(lambda v: x*v[0], inputs=1), lambda: tapir.tangent(x*2, [y], [1.0])]:
        with pytest.raises(tapir.Error) as caught:
            call()
        assert caught.value.status == tapir.Status.TWO_TAPES
        assert (x + 1).value == 2 and (y + 1).value == 2
    raises = tapir.Operation("raises", lambda v: v[0], lambda v, y: 1/0)
    z = raises(x)
    for call in [z.backward, lambda: tapir.hessian(z, [x]), lambda: tapir.tangent(z, [x], [1.0]),
                 lambda: tapir.explain(z), lambda: tapir.draw_svg(z), lambda: tapir.check(z, [x])]:
        with pytest.raises(ZeroDivisionError):
            call()
        assert (x + 1).value == 2


def test_names_with_a_zero_inside(tape):
    with pytest.raises(ValueError, match="zero"):
        tape.input(1.0).named("a\0b")
    with pytest.raises(TypeError, match="str"):
        tape.input(1.0).named(3)
