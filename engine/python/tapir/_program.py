"""tapir.compile: a Python function, recorded once and compiled to run over the rows of arrays."""

from math import prod

from . import _hooks, _tapir
from ._array import Array, asarray
from ._tape import Tape


def _shape(given, what):
    if hasattr(given, "__index__"):
        given = (given.__index__(),)
    try:
        shape = tuple(size.__index__() for size in given)
    except (AttributeError, TypeError):
        raise TypeError(f"{what}: {given!r} is no shape; a number, a tuple of numbers"
                        + (", or a dict of shapes" if what == "params" else "")) from None
    if any(size < 0 for size in shape):
        raise ValueError(f"{what}: a negative size in {shape}")
    return shape


def _generic(count, first):
    """Numbers in (0.1, 0.9), all different, none special: a place to record at."""
    return [0.1 + 0.8*((k + first)*0.6180339887498949 % 1) for k in range(count)]


def _leaves(tape, shape, at, what, first):
    if at is None:
        values = _generic(prod(shape), first)
    else:
        values = _hooks.numbers(at, what)
        if tuple(values.shape) != shape:
            raise ValueError(f"{what}: an array of shape {shape} is needed, "
                             f"this one has shape {tuple(values.shape)}")
    array = Array(tape._inputs(values), shape)
    return array.flat[0] if shape == () else array


def _split(flat, shapes):
    parts, first = {}, 0
    for name, shape in shapes.items():
        count = prod(shape)
        part = Array(flat[first:first + count], shape).named(name)
        parts[name] = part.flat[0] if shape == () else part
        first += count
    return parts


def compile(function, params=None, inputs=None, *, params_at=None, inputs_at=None, model=None):
    """Records function(params, inputs) once and compiles it: a Program.

    params, inputs: shapes (a number or a tuple; () for one scalar). The function gets an Array of
    variables for each that is given, and returns a variable or an Array of them. params may be a
    dict of shapes: then it gets a dict of Arrays, and so do the program's methods.

    model: an nn.Model, whose parameters are those of the program; the function gets inputs alone,
    and model.values() are the params of a call.

    params_at, inputs_at: where to record, if it matters; an `if` on a variable is noted, and rows
    for which it would go the other way are an error (tapir.where records both ways).

        p = tapir.compile(lambda w, x: tapir.tanh(w @ x).sum(), params=(3, 4), inputs=4)
        p.values(w, rows); p.gradient(w, rows); p.jacobian(w, rows)
    """
    if not callable(function):
        raise TypeError(f"compile: {function!r} is no function")
    if model is not None and not isinstance(model, _tapir.Model):
        raise TypeError(f"compile: {model!r} is no nn.Model")
    named = {name: _shape(shape, "params") for name, shape in params.items()} \
        if isinstance(params, dict) else None
    param_shape = () if params is None else _shape(params, "params") if named is None \
        else (sum(map(prod, named.values())),)
    input_shape = () if inputs is None else _shape(inputs, "inputs")
    if model is not None:
        if params is not None:
            raise TypeError("compile: either params or a model")
        with model.tape.rewinding():
            return _compiled(function, model.tape, None, (len(model),), input_shape,
                             inputs is not None, None, inputs_at, model)
    if named is not None and isinstance(params_at, dict):
        params_at = _joined(params_at, named)
    return _compiled(function, Tape(), named, param_shape if params is not None else None,
                     input_shape, inputs is not None, params_at, inputs_at, None)


def _compiled(function, tape, named, param_shape, input_shape, has_inputs, params_at, inputs_at,
              model):
    given, w, x = [], [], []
    if model is not None:
        w = [variable for _, _, variables in model._arrays() for variable in variables]
    elif param_shape is not None:
        leaves = _leaves(tape, param_shape, params_at, "params_at", 1)
        w = [leaves] if param_shape == () else leaves.flat
        given.append(leaves if named is None else _split(leaves.flat, named))
    if has_inputs:
        leaves = _leaves(tape, input_shape, inputs_at, "inputs_at", len(w) + 1)
        x = [leaves] if input_shape == () else leaves.flat
        given.append(leaves)
    if not given:
        raise TypeError("compile: params or inputs must be given; they are shapes")
    branches = tape._branches
    result = function(*given)
    if result is None:
        raise TypeError("compile: the function returned None")
    result = asarray(result)
    outputs = list(result.flat)
    if tape._branches > branches:   # those noted behind the last output are guards too
        outputs = [y*1 if isinstance(y, _tapir.Var) else y for y in outputs]
    program = _tapir._program(w, x, outputs, param_shape if param_shape is not None else (0,),
                              input_shape if has_inputs else (0,), result.shape, tape)
    return program if named is None else NamedProgram(program, named)


def _joined(values, shapes):
    """The arrays of a dict as one flat array."""
    if set(values) != set(shapes):
        raise ValueError(f"params: {sorted(shapes)} are needed, these are {sorted(values)}")
    flat = []
    for name, shape in shapes.items():
        part = _hooks.numbers(values[name], f"params[{name!r}]")
        if tuple(part.shape) != shape:
            raise ValueError(f"params[{name!r}]: an array of shape {shape} is needed, "
                             f"this one has shape {tuple(part.shape)}")
        flat.extend(memoryview(part).cast("B").cast("d") if prod(shape) else ())
    return _hooks.numbers(flat, "params")


class NamedProgram:
    """A program whose parameters are a dict of arrays."""

    def __init__(self, program, shapes):
        self.program, self.shapes = program, shapes

    def _call(self, method, params, rows):
        flat = _joined(params, self.shapes)
        return method(flat, *rows)

    def values(self, params, *rows):
        """As Program.values, params a dict of arrays."""
        return self._call(self.program.values, params, rows)

    def jacobian(self, params, *rows):
        """As Program.jacobian, params a dict of arrays."""
        return self._call(self.program.jacobian, params, rows)

    def gradient(self, params, *rows):
        """(mean of output 0, a dict of its gradients)."""
        mean, flat = self._call(self.program.gradient, params, rows)
        parts, first = {}, 0
        for name, shape in self.shapes.items():
            count = prod(shape)
            part = flat[first:first + count]
            parts[name] = part.reshape(shape) if hasattr(part, "reshape") else \
                part.cast("B").cast("d", shape) if shape != (count,) and count else part
            first += count
        return mean, parts

    def emit_c(self, name):
        """As Program.emit_c; the parameters are one array, in the order of the dict."""
        return self.program.emit_c(name)

    def __repr__(self):
        return f"<tapir.NamedProgram: {self.shapes}, {self.program!r}>"

    def __str__(self):
        return str(self.program)
