"""Gradient checks of Python functions: tapir.check, assert_gradient, check_autograd.

The function is called with arrays of its own, at x and around it; the claim is an array, or a
function that gives one. What the function raises comes out of the check. Nothing here decides a
verdict: the library does.
"""

import enum
import math
from collections import namedtuple
from math import prod

from . import _hooks, _tapir
from ._tapir import Report

Verdict = enum.Enum("Verdict", [(name, i) for i, name in enumerate(_tapir._VERDICTS)],
                    module="tapir")
Verdict.__str__ = lambda self: self.name
Verdict.__doc__ = "Better ones first; `meaning` says what each means."
Verdict.__lt__ = lambda self, other: self.value < other.value
Verdict.__gt__ = lambda self, other: self.value > other.value
Verdict.__le__ = lambda self, other: self.value <= other.value
Verdict.__ge__ = lambda self, other: self.value >= other.value
Verdict.meaning = property(lambda self: _tapir._verdict_meaning(self.value)[1])

Line = namedtuple("Line", "name coordinate output claimed estimate error left right gap tolerance "
                          "step verdict drowned turned")
Line.__doc__ = "A coordinate or a direction: what is claimed, and what differences say (ad.h)."
Operand = namedtuple("Operand", "node operand operation name shown at rule estimate error gap "
                                "tolerance left right verdict file line")
Operand.__doc__ = "An operand of one operation whose rule was compared with differences (ad.h)."


def _line(*fields):
    line = Line(*fields)
    return line._replace(verdict=Verdict(line.verdict))


def _operand(*fields):
    operand = Operand(*fields)
    return operand._replace(verdict=Verdict(operand.verdict))


# ---- arguments and values ------------------------------------------------------------------------

class Point:
    """Where a function is checked: one array, several (a tuple or list) or named ones (a dict).

    `flat` are all numbers; `given(flat)` gives them to the function as it takes them."""

    def __init__(self, x):
        self.kind = "dict" if isinstance(x, dict) else "list" if _several(x) else "one"
        arrays = x if self.kind == "dict" else dict(enumerate(x)) if self.kind == "list" else {0: x}
        self.names = {key: f"x{key}" if self.kind == "list" else str(key) if self.kind == "dict"
                      else "x" for key in arrays}
        self.unit = max([_unit(a) for a in arrays.values()], default=0.0)
        self.dtypes = {key: getattr(a, "dtype", None) for key, a in arrays.items()}
        numbers = {key: _hooks.numbers(a, self.names[key]) for key, a in arrays.items()}
        self.shapes = {key: tuple(a.shape) for key, a in numbers.items()}
        self.flat = _joined(numbers.values())

    @property
    def n(self):
        return sum(map(prod, self.shapes.values()))

    def blocks(self):
        return [(self.names[key], shape) for key, shape in self.shapes.items()]

    def parts(self, flat):
        """The arrays of a flat one, in their shapes, and in the precision of x."""
        first, parts = 0, {}
        for key, shape in self.shapes.items():
            count = prod(shape)
            part = _shaped(flat[first:first + count], shape)
            if self.unit and self.dtypes[key] is not None:
                part = part.astype(_numpy_dtype(self.dtypes[key]))
            parts[key] = part
            first += count
        return parts

    def call(self, function, flat):
        """What the function gives for arrays that are its own: it may keep or change them."""
        parts = self.parts(flat)
        if self.kind == "dict":
            return function(parts)
        return function(*parts.values())

    def flattened(self, claimed, what):
        """The numbers of a claim about x, which has the shape of x."""
        if self.kind == "one":
            claimed = {0: claimed}
        elif self.kind == "list":
            claimed = dict(enumerate(claimed)) if _several(claimed) else {0: claimed}
        if not isinstance(claimed, dict) or set(claimed) != set(self.shapes):
            raise ValueError(f"{what}: a gradient for each of {', '.join(self.names.values())} is "
                             "needed")
        arrays = []
        for key, shape in self.shapes.items():
            name = what if self.kind == "one" else f"{what} of {self.names[key]}"
            part = _hooks.numbers(claimed[key], name)
            if prod(part.shape) != prod(shape) or _squeezed(part.shape) != _squeezed(shape):
                raise ValueError(f"{name}: x has shape {shape}, it has shape {tuple(part.shape)}")
            arrays.append(part)
        return _joined(arrays)


def _several(x):
    """Is it a tuple or list of arrays, rather than of numbers?"""
    return isinstance(x, tuple) or (isinstance(x, list) and bool(x) and hasattr(x[0], "shape")
                                    and getattr(x[0], "shape") != ())


def _squeezed(shape):
    return tuple(size for size in shape if size != 1)


def _joined(arrays):
    np = _hooks.numpy()
    if np is not None:
        return np.concatenate([np.ravel(a) for a in arrays] or [np.empty(0)])
    flat = []
    for a in arrays:
        flat.extend(memoryview(a).cast("B").cast("d") if prod(a.shape) else ())
    return _hooks.numbers(flat, "x")


def _shaped(flat, shape):
    if hasattr(flat, "reshape"):
        return flat.reshape(shape)
    return flat if len(shape) == 1 or not prod(shape) else flat.cast("B").cast("d", shape)


_UNITS = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}


def _dtype_name(dtype):
    return str(dtype).rpartition(".")[2]


def _unit(array):
    """The unit roundoff of an array's type, where that is coarser than double's; else 0."""
    return _UNITS.get(_dtype_name(getattr(array, "dtype", "")), 0.0)


def _numpy_dtype(dtype):
    return _dtype_name(dtype) if _dtype_name(dtype) in ("float32", "float16") else "float64"


def _output(value, what):
    """The numbers of what a function returned."""
    if value is None:
        raise TypeError(f"{what} returned None")
    return _hooks.numbers(value, f"what {what} returned")


class _Function:
    """f as the library calls it: flat numbers in; a number, or the flat values, out.

    Every call must return the shape that the first one did."""

    def __init__(self, f, point):
        self.f, self.point = f, point
        self.here = tuple(point.flat)
        first = self._value(_joined([point.flat]))  # its own: it may change it
        self.shape = tuple(first.shape)
        self.m = prod(self.shape)
        self.scalar = self.shape in ((), (1,))
        self.unit = max(point.unit, self._unit)

    def _value(self, flat):
        value = self.point.call(self.f, flat)
        self._unit = _unit(value)
        return _output(value, "the function")

    def _elsewhere(self, flat):
        """Where only differences look, a domain may end: that is no value, and no warning."""
        np = _hooks.numpy()
        try:
            if np is None:
                return self._value(flat)
            with np.errstate(all="ignore"):
                return self._value(flat)
        except (ArithmeticError, ValueError):
            return None

    def __call__(self, flat):
        value = self._value(flat) if tuple(flat) == self.here else self._elsewhere(flat)
        if value is None:
            return math.nan if self.scalar else [math.nan]*self.m
        if tuple(value.shape) != self.shape:
            raise ValueError(f"the function returned an array of shape {tuple(value.shape)}; "
                             f"at x it was {self.shape}")
        if not self.scalar:
            return value
        return float(value[0] if self.shape else value[()])


# ---- checks --------------------------------------------------------------------------------------

def _options(point, function, rtol, seed, coordinates, direction, unit):
    options = {"blocks": point.blocks(), "rtol": rtol, "seed": seed, "coordinates": coordinates,
               "unit": function.unit if unit is None else unit}
    if direction is not None:
        options["direction"] = point.flattened(direction, "direction")
    return options


def check(f, x, claimed=None, *, vjp=None, jvp=None, rtol=0.0, seed=0, coordinates=0,
          direction=None, unit=None, second=False):
    """Is the claimed gradient of f at x right? A Report.

    f: a function of an array; of several arrays, if x is a tuple or list of them; of a dict of
    arrays, if x is one. It returns a number, or an array of m numbers. It is called many times, at
    x and around it, and must give the same value whenever it is given the same x.

    claimed: an array of the shape of x (a tuple or dict of them), or for an f of several values the
    Jacobian, whose shape is that of f's values followed by that of x; or a function of x that gives
    it. Instead of it, vjp(x, u) (the sum over i of u[i]*dy[i]/dx, in the shape of x) or jvp(x, v)
    (the sum over j of dy/dx[j]*v[j], in the shape of y), or both.

    f may also be a variable of a tape, and x inputs: then the rules of its operations and the sweep
    are checked too; claimed None is what the library itself says, second=True checks second
    derivatives.

    rtol: a relative error that is allowed (0: 1e-9). seed: of random directions. coordinates: so
    many are checked one by one, more of them along directions. direction: the derivative along it is
    checked, nothing else. unit: the unit roundoff of the arithmetic of f; None: that of the arrays'
    type (2**-24 for float32).

    What f raises, and KeyboardInterrupt, comes out of here.
    """
    if isinstance(f, _tapir.Var):
        options = {"rtol": rtol, "seed": seed, "coordinates": coordinates, "second": second}
        if direction is not None:
            options["direction"] = direction
        return _tapir._check_recorded(f, x, claimed, options)
    if not callable(f):
        raise TypeError(f"check: {f!r} is neither a function nor a variable")
    if second:
        raise TypeError("check: second derivatives of a function that can only be called are "
                        "checked by check_hessian_times")
    point = Point(x)
    function = _Function(f, point)
    options = _options(point, function, rtol, seed, coordinates, direction, unit)
    if vjp is not None or jvp is not None:
        for name, product in (("vjp", vjp), ("jvp", jvp)):
            if product is not None and not callable(product):
                raise TypeError(f"check: {name} is a function, not {product!r}")
        if claimed is not None:
            raise TypeError("check: either claimed, or vjp and jvp")
        return _products(function, point, vjp, jvp, options)
    if claimed is None:
        raise TypeError("check: what is claimed? an array, a function, vjp or jvp")
    if callable(claimed):
        claimed = point.call(claimed, _joined([point.flat]))
    if function.scalar:
        return _tapir._check_function(function, point.flat, _scalar_claim(point, function, claimed),
                                     options)
    return _tapir._check_vector(function, point.flat, function.m,
                               _jacobian(point, function, claimed), options)


def _scalar_claim(point, function, claimed):
    """The gradient; of an f whose value has the shape (1,) the Jacobian may have that axis too."""
    if claimed is None:
        raise TypeError("claimed: the gradient is None")
    if function.shape == (1,) and point.kind == "one":
        claimed = _hooks.numbers(claimed, "claimed")
        if tuple(claimed.shape) == (1, *point.shapes[0]):
            claimed = _shaped(_joined([claimed]), point.shapes[0])
    return point.flattened(claimed, "claimed")


def _jacobian(point, function, claimed):
    """m x n numbers, of arrays whose shape is that of y followed by that of x."""
    if point.kind == "one":
        claimed = {0: claimed}
    elif point.kind == "list" and _several(claimed):
        claimed = dict(enumerate(claimed))
    if not isinstance(claimed, dict) or set(claimed) != set(point.shapes):
        raise ValueError("claimed: a Jacobian for each of "
                         f"{', '.join(point.names.values())} is needed")
    parts = []
    for key, shape in point.shapes.items():
        part = _hooks.numbers(claimed[key], "claimed")
        wanted = function.shape + shape
        if tuple(part.shape) not in (wanted, (function.m, prod(shape))):
            raise ValueError(f"claimed: the Jacobian in {point.names[key]} has shape {wanted} (that "
                             f"of the values, then that of x); this one has {tuple(part.shape)}")
        parts.append(_rows(part, function.m, prod(shape)))
    rows = [row for i in range(function.m) for row in (part[i] for part in parts)]
    return _joined(rows)


def _rows(array, m, n):
    if hasattr(array, "reshape"):
        return array.reshape(m, n)
    flat = memoryview(array).cast("B").cast("d")
    return [flat[i*n:(i + 1)*n] for i in range(m)]


def _products(function, point, vjp, jvp, options):
    def back(x, u):
        return point.flattened(vjp(_original(point, x), _shaped(u, function.shape)), "vjp")

    def forth(x, v):
        moved = point.parts(v)
        moved = moved[0] if point.kind == "one" else moved if point.kind == "dict" \
            else tuple(moved.values())
        value = _output(jvp(_original(point, x), moved), "jvp")
        if prod(value.shape) != function.m:
            raise ValueError(f"jvp returned an array of shape {tuple(value.shape)}; the values of "
                             f"the function have shape {function.shape}")
        return _joined([value])

    def values(flat):
        value = function(flat)
        return _hooks.numbers([value] if function.scalar else value, "value")

    return _tapir._check_products(values, back if vjp is not None else None,
                                 forth if jvp is not None else None, point.flat, function.m, options)


def _original(point, flat):
    parts = point.parts(flat)
    return parts[0] if point.kind == "one" else parts if point.kind == "dict" \
        else tuple(parts.values())


def check_hessian_times(gradient, x, hessian_times, *, rtol=0.0, seed=0, coordinates=0, unit=None):
    """Are the claimed products of a Hessian right? A Report.

    gradient(x): the gradient of a function, in the shape of x; hessian_times(x, v): the Hessian
    times v, in the shape of x. The products are compared with differences of gradients, and
    v.(H*w) with w.(H*v)."""
    point = Point(x)

    def flat_gradient(flat):
        return point.flattened(point.call(gradient, flat), "gradient")

    def product(flat, v):
        return point.flattened(hessian_times(_original(point, flat), _original(point, v)),
                               "hessian_times")

    options = {"blocks": point.blocks(), "rtol": rtol, "seed": seed, "coordinates": coordinates,
               "unit": point.unit if unit is None else unit}
    return _tapir._check_hessian_times(flat_gradient, point.flat, product, options)


def check_program(program, params=None, rows=None, *, rtol=0.0, seed=0, coordinates=0):
    """Is the gradient of a program right, at these parameters and rows? A Report."""
    own = getattr(program, "program", program)
    if not isinstance(own, _tapir.Program):
        raise TypeError(f"check_program: {program!r} is no program")
    if own is not program:
        from ._program import _joined as joined
        params = joined(params, program.shapes)
    shapes = program.shapes if own is not program else {"params": own.param_shape}
    options = {"rtol": rtol, "seed": seed, "coordinates": coordinates,
               "blocks": [(str(name), shape) for name, shape in shapes.items()]}
    return own._check(params, rows, options)


def assert_gradient(f, x, claimed=None, *, allow=(), **options):
    """Raises AssertionError, whose text is the report, unless the check is PASS or WEAK.

    allow: further verdicts that are accepted, by name: ("KINK",). Arguments otherwise as those of
    check. Returns the report."""
    __tracebackhide__ = True  # pytest shows the caller's line
    report = check(f, x, claimed, **options)
    allowed = {str(verdict) for verdict in ((allow,) if isinstance(allow, str) else allow)}
    unknown = allowed - set(_tapir._VERDICTS)
    if unknown:
        raise ValueError(f"allow: {sorted(unknown)} is no verdict; {', '.join(_tapir._VERDICTS)}")
    if report or str(report.verdict) in allowed:
        return report
    raise AssertionError("\n" + str(report))


# ---- automatic differentiation of others ---------------------------------------------------------

def check_autograd(function, *tensors, **options):
    """Is what torch (or jax) differentiates a function by right? A Report.

    function: a torch.autograd.Function, or any function of tensors; it returns one tensor. tensors:
    the point; integer ones are passed on as they are. All numbers of the Jacobian are claimed by
    reverse sweeps of autograd's own. Arguments of jax are recognized by their type; that path is
    written from its documentation and not tested. Options as those of check.
    """
    if any(type(t).__module__.partition(".")[0] in ("jax", "jaxlib") for t in tensors):
        return _check_jax(function, tensors, options)
    import torch
    call = function.apply if isinstance(function, type) else function
    moving = [i for i, t in enumerate(tensors)
              if isinstance(t, torch.Tensor) and t.dtype.is_floating_point]
    if not moving:
        raise TypeError("check_autograd: a tensor of floating-point numbers is needed")
    given = [t.detach().clone() if isinstance(t, torch.Tensor) else t for t in tensors]

    def arguments(arrays, gradients):
        placed = list(given)
        for i, array in zip(moving, arrays):
            t = torch.as_tensor(array).to(given[i].dtype).reshape(given[i].shape).clone()
            placed[i] = t.requires_grad_(gradients)
        return placed

    def result(value):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"check_autograd: the function returned {type(value).__name__}; one "
                            "tensor is needed")
        if value.is_complex():
            raise TypeError("check_autograd: complex numbers; Tapir differentiates functions of "
                            "real ones")
        return value

    def f(*arrays):
        with torch.no_grad():
            value = result(call(*arguments(arrays, False)))
        return value.detach().cpu().numpy() if value.dtype != torch.bfloat16 \
            else value.detach().float().numpy()

    def vjp(x, u):
        arrays = x if isinstance(x, tuple) else (x,)
        placed = arguments(arrays, True)
        value = result(call(*placed))
        inputs = [placed[i] for i in moving]
        if not value.requires_grad:
            return tuple(0*a for a in arrays)
        wanted = torch.as_tensor(u).to(value.dtype).reshape(value.shape)
        found = torch.autograd.grad(value, inputs, wanted, allow_unused=True)
        return tuple((0*a if g is None else g.detach().double().numpy())
                     for a, g in zip(arrays, found))

    x = tuple(given[i].detach().cpu().numpy() for i in moving)
    return _check_by_vjp(f, x, vjp, options)


def _check_jax(function, tensors, options):
    import jax
    x = tuple(_hooks.numpy().asarray(t) for t in tensors)

    def vjp(at, u):
        value, back = jax.vjp(function, *at)
        return back(jax.numpy.asarray(u, dtype=value.dtype).reshape(value.shape))

    return _check_by_vjp(lambda *arrays: _hooks.numpy().asarray(function(*arrays)), x, vjp, options)


def _check_by_vjp(f, x, vjp, options):
    """The whole Jacobian row by row where it is small, else products."""
    np = _hooks.numpy()
    y = np.asarray(f(*x))
    n = sum(a.size for a in x)
    if y.size*n > 10000:
        return check(f, x, vjp=vjp, **options)
    rows = [vjp(x, u.reshape(y.shape)) for u in np.eye(max(y.size, 1))[:y.size]]
    jacobian = tuple(np.asarray([np.ravel(row[k]) for row in rows]).reshape(y.shape + a.shape)
                     for k, a in enumerate(x))
    return check(f, x, jacobian, **options)


# ---- in a notebook -------------------------------------------------------------------------------

def _estimate(line):
    if line.left == line.left and line.estimate != line.estimate:
        return f"[{line.left:.6g}, {line.right:.6g}]"   # the slopes of the two sides
    return f"{line.estimate:.9g}"


def _report_html(report):
    import html
    head = "".join(f"<th>{name}</th>" for name in
                   ("coordinate", "claimed", "differences", "&plusmn; error", "gap/tolerance",
                    "verdict"))
    rows = "".join(
        f"<tr><td>{html.escape(line.name or '')}</td><td>{line.claimed:.9g}</td>"
        f"<td>{_estimate(line)}</td><td>{line.error:.1g}</td>"
        f"<td>{line.gap/line.tolerance if line.tolerance else 0:.2g}</td>"
        f"<td><b>{line.verdict}</b></td></tr>" for line in report.lines[:100])
    more = f"<p>{len(report.lines) - 100} more lines</p>" if len(report.lines) > 100 else ""
    return (f"<p><b>{report.verdict}</b>: {html.escape(report.message)}</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}")


_tapir._hooks.update(line=_line, operand=_operand, verdict=Verdict, report_html=_report_html)

__all__ = ["Line", "Operand", "Report", "Verdict", "assert_gradient", "check", "check_autograd",
           "check_hessian_times", "check_program"]
