"""Arrays of variables, with NumPy's shapes, broadcasting and names.

An Array holds variables and plain numbers in C order. Products of matrices are recorded as one
node for each element (tapir.dot), which programs run as matrix products. NumPy's functions work on
it (np.exp(x), a @ x, np.where(c, x, y)), and so do Python's operators, with or without NumPy.
"""

from itertools import product
from math import prod

from . import _hooks, _tapir
from ._tapir import Var


def _strides(shape):
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return strides[::-1]


def _broadcast_shape(shapes):
    rank = max(map(len, shapes))
    sizes = []
    for axis in zip(*((1,)*(rank - len(s)) + tuple(s) for s in shapes)):
        wanted = {size for size in axis if size != 1}
        if len(wanted) > 1:
            raise ValueError("shapes that do not fit together: "
                             + ", ".join(str(tuple(s)) for s in shapes))
        sizes.append(wanted.pop() if wanted else 1)
    return tuple(sizes)


def _spread(flat, shape, to):
    """The elements as an array of the shape `to` would have them."""
    if shape == to:
        return flat
    own = (1,)*(len(to) - len(shape)) + tuple(shape)
    strides = [0 if size == 1 else step for size, step in zip(own, _strides(own))]
    offsets = [[i*step for i in range(size)] for size, step in zip(to, strides)]
    return [flat[sum(place)] for place in product(*offsets)]


def asarray(x):
    """An Array of variables and numbers: of an Array, a variable, a number, a nested sequence or
    a NumPy array, whose objects may be variables."""
    if isinstance(x, Array):
        return x
    _refuse_text(x)
    if isinstance(x, (Var, int, float)):
        return Array([x], ())
    if hasattr(x, "shape") and hasattr(x, "flat"):
        return Array([item if isinstance(item, Var) else _number(item) for item in x.flat], x.shape)
    if hasattr(x, "tolist"):
        return asarray(x.tolist())
    if isinstance(x, str) or not hasattr(x, "__iter__"):
        return Array([_number(x)], ())
    parts = [asarray(item) for item in x]
    shapes = {part.shape for part in parts}
    if len(shapes) > 1:
        raise ValueError("rows of different shapes: " + ", ".join(map(str, sorted(shapes))))
    inner = shapes.pop() if shapes else ()
    return Array([item for part in parts for item in part.flat], (len(parts), *inner))


def _refuse_text(x):
    if isinstance(x, (str, bytes, bytearray, dict)):
        raise TypeError(f"{x!r} is neither a variable nor a number")


def _number(x):
    _refuse_text(x)
    if isinstance(x, complex) or getattr(getattr(x, "dtype", None), "kind", "") == "c":
        raise TypeError("complex numbers; Tapir differentiates functions of real ones")
    try:
        return float(x)
    except (TypeError, ValueError):
        raise TypeError(f"{x!r} is neither a variable nor a number") from None


def _map(name, *operands):
    """The operation of this name, element by element."""
    operation = getattr(_tapir, name)
    arrays = [asarray(x) for x in operands]
    shape = _broadcast_shape([a.shape for a in arrays])
    columns = [_spread(a.flat, a.shape, shape) for a in arrays]
    return _result([operation(*items) for items in zip(*columns)], shape)


def _result(flat, shape):
    """An Array; of plain numbers alone an array of numbers; without axes its element."""
    if shape == ():
        return flat[0]
    if any(isinstance(x, Var) for x in flat) or not flat:
        return Array(flat, shape)
    return Array(flat, shape).value


def _unwrap(a):
    return a.flat[0] if a.shape == () else a


def _axis_offsets(index, size, step):
    """The offsets along one axis that an index chooses, and whether the axis stays."""
    if isinstance(index, slice):
        return [i*step for i in range(*index.indices(size))], True
    if not hasattr(index, "__index__"):
        raise TypeError(f"an index is a number or a slice, not {index!r}; without NumPy lists of "
                        "them are not understood")
    i = index.__index__()
    if not -size <= i < size:
        raise IndexError(f"index {i} is out of range for an axis of {size}")
    return [i % size*step], False


def _places_without_numpy(index, shape):
    index = index if isinstance(index, tuple) else (index,)
    at = next((k for k, i in enumerate(index) if i is Ellipsis), None)
    if at is not None:
        index = index[:at] + (slice(None),)*(len(shape) - len(index) + 1) + index[at + 1:]
    if len(index) > len(shape):
        raise IndexError(f"{len(index)} indices for {len(shape)} axes")
    index += (slice(None),)*(len(shape) - len(index))
    chosen = [_axis_offsets(i, size, step) for i, size, step in zip(index, shape, _strides(shape))]
    return ([sum(place) for place in product(*(offsets for offsets, _ in chosen))],
            tuple(len(offsets) for offsets, stays in chosen if stays))


class Array:
    """An array of variables: `flat` is the list of its elements, `shape` a tuple."""

    __slots__ = ("flat", "shape")
    __array_priority__ = 100

    def __init__(self, flat, shape):
        self.flat = flat if isinstance(flat, list) else list(flat)
        self.shape = tuple(size.__index__() for size in shape)
        if any(size < 0 for size in self.shape):
            raise ValueError(f"a negative size in the shape {self.shape}")
        if len(self.flat) != prod(self.shape):
            raise ValueError(f"{len(self.flat)} elements do not fill the shape {self.shape}")

    # ---- shape -----------------------------------------------------------------------------------

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def size(self):
        return len(self.flat)

    def __len__(self):
        if not self.shape:
            raise TypeError("an array without axes has no length")
        return self.shape[0]

    def reshape(self, *shape):
        """The same elements in another shape; one size may be -1."""
        shape = tuple(shape[0]) if len(shape) == 1 and hasattr(shape[0], "__iter__") else shape
        if shape.count(-1) == 1 and min(shape) == -1:
            rest = -prod(shape)
            if rest == 0 or self.size % rest != 0:
                raise ValueError(f"{self.size} elements do not fill the shape {shape}")
            shape = tuple(self.size//rest if size == -1 else size for size in shape)
        return Array(self.flat, shape)

    def ravel(self):
        """One axis; the same elements."""
        return Array(self.flat, (self.size,))

    def flatten(self):
        """One axis; a copy."""
        return Array(list(self.flat), (self.size,))

    def transpose(self, *axes):
        """The axes in another order; without arguments reversed."""
        axes = tuple(axes[0]) if len(axes) == 1 and hasattr(axes[0], "__iter__") else axes
        axes = axes or tuple(reversed(range(self.ndim)))
        if sorted(axes) != list(range(self.ndim)):
            raise ValueError(f"{axes} is no order of {self.ndim} axes")
        strides = _strides(self.shape)
        offsets = [[i*strides[axis] for i in range(self.shape[axis])] for axis in axes]
        return Array([self.flat[sum(place)] for place in product(*offsets)],
                     [self.shape[axis] for axis in axes])

    @property
    def T(self):
        return self.transpose()

    def tolist(self):
        if self.ndim <= 1:
            return self.flat[0] if self.ndim == 0 else list(self.flat)
        return [row.tolist() for row in self]

    # ---- elements --------------------------------------------------------------------------------

    def _places(self, index):
        """The places in `flat` that an index chooses, and their shape: NumPy's own answer."""
        np = _hooks.numpy()
        if np is None:
            return _places_without_numpy(index, self.shape)
        chosen = np.arange(self.size).reshape(self.shape)[index]
        return np.ravel(chosen).tolist(), np.shape(chosen)

    def __getitem__(self, index):
        places, shape = self._places(index)
        return _unwrap(Array([self.flat[place] for place in places], shape))

    def __setitem__(self, index, value):
        """Sets elements of this array. (A row x[0] is a copy: x[0, 1] = y, not x[0][1] = y.)"""
        places, shape = self._places(index)
        value = asarray(value)
        if _broadcast_shape([value.shape, shape]) != shape:
            raise ValueError(f"an array of shape {value.shape} does not fit into {shape}")
        for place, item in zip(places, _spread(value.flat, value.shape, shape)):
            self.flat[place] = item

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    @property
    def value(self):
        """The values, as an array of numbers."""
        return self._numbers(lambda x: x.value if isinstance(x, Var) else x)

    @value.setter
    def value(self, values):
        values = _hooks.numbers(values, "value")
        if tuple(values.shape) not in (self.shape, ()):
            raise ValueError(f"value: an array of shape {self.shape} is needed, "
                             f"this one has shape {tuple(values.shape)}")
        flat = memoryview(values).cast("B").cast("d")
        for i, x in enumerate(self.flat):
            if not isinstance(x, Var):
                raise TypeError("value: an element is a plain number, which cannot be set")
            x.value = flat[i if len(flat) > 1 else 0]

    @property
    def grad(self):
        """d(y)/d(each) of the last y.backward(), as an array of numbers."""
        return self._numbers(lambda x: x.grad if isinstance(x, Var) else 0.0)

    def _numbers(self, number):
        result = _hooks.empty(self.shape)
        if self.size:
            memoryview(result).cast("B").cast("d")[:] = memoryview(
                _doubles(map(number, self.flat)))
        return result

    def named(self, name):
        """Gives each element the name NAME[i][j]; returns the array."""
        for place, x in zip(product(*map(range, self.shape)), self.flat):
            if isinstance(x, Var):
                x.named(name + "".join(f"[{i}]" for i in place))
        return self

    def __repr__(self):
        values = self.value
        return f"Array({values.tolist()})"

    def __bool__(self):
        if self.size == 1:
            return bool(self.flat[0])
        raise ValueError("the truth of an array of several elements: say which, "
                         "or record a choice with tapir.where")

    # ---- reductions ------------------------------------------------------------------------------

    def _reduced(self, reduction, axis, keepdims=False):
        if axis is None:
            whole = reduction(self.flat)
            return Array([whole], (1,)*self.ndim) if keepdims else whole
        given = axis if isinstance(axis, tuple) else (axis,)
        axes = sorted({_axis(a, self.ndim) for a in given})
        if len(axes) < len(given):
            raise ValueError(f"an axis stands twice in {axis}")
        kept = [a for a in range(self.ndim) if a not in axes]
        inner = prod(self.shape[a] for a in axes)
        flat = self.transpose(*kept, *axes).flat
        shape = [self.shape[a] for a in kept]
        if keepdims:
            shape = [1 if a in axes else size for a, size in enumerate(self.shape)]
        rows = range(prod(self.shape[a] for a in kept))
        return _unwrap(Array([reduction(flat[i*inner:(i + 1)*inner]) for i in rows], shape))

    def sum(self, axis=None, keepdims=False):
        return self._reduced(_tapir.sum, axis, keepdims)

    def mean(self, axis=None, keepdims=False):
        if not self.size:
            raise ValueError("the mean of no elements")
        return self._reduced(lambda x: _tapir.sum(x)/len(x), axis, keepdims)

    def var(self, axis=None, keepdims=False):
        off = asarray(self - self.mean(axis, keepdims=axis is not None))
        return asarray(off*off).mean(axis, keepdims)

    def std(self, axis=None, keepdims=False):
        return _map("sqrt", self.var(axis, keepdims))

    def max(self, axis=None, keepdims=False):
        return self._reduced(_largest, axis, keepdims)

    def min(self, axis=None, keepdims=False):
        return -asarray(-self)._reduced(_largest, axis, keepdims)

    def logsumexp(self, axis=None, keepdims=False):
        return self._reduced(_tapir.logsumexp, axis, keepdims)

    def norm(self, axis=None, keepdims=False):
        return self._reduced(_tapir.norm, axis, keepdims)

    def prod(self, axis=None, keepdims=False):
        return self._reduced(_product, axis, keepdims)

    def dot(self, other):
        return self @ other

    # ---- operators -------------------------------------------------------------------------------

    def __matmul__(self, other):
        return _matmul(self, asarray(other))

    def __rmatmul__(self, other):
        return _matmul(asarray(other), self)

    def __neg__(self):
        return _map("neg", self)

    def __pos__(self):
        return self

    def __abs__(self):
        return _map("abs", self)

    def __array__(self, dtype=None, copy=None):
        np = _hooks.numpy()
        if dtype is not None and np.dtype(dtype).kind != "O":
            raise TypeError("an Array of variables is not turned into numbers silently, for their "
                            "derivatives would be lost: x.value are the numbers")
        result = np.empty(self.size, dtype=object)
        result[:] = self.flat
        return result.reshape(self.shape)

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        name = _UFUNCS.get(ufunc.__name__)
        if method != "__call__" or keywords or name is None:
            how = f".{method}" if method != "__call__" else ""
            raise TypeError(f"np.{ufunc.__name__}{how} of variables is not recorded; "
                            "dir(tapir) lists what is")
        return name(*inputs) if callable(name) else _map(name, *inputs)

    def __array_function__(self, function, types, args, keywords):
        own = _FUNCTIONS.get(function.__name__)
        if own is None:
            raise TypeError(f"np.{function.__name__} of variables is not recorded; "
                            "dir(tapir) lists what is")
        return own(*args, **keywords)


def _doubles(items):
    from array import array
    return array("d", items)


def _axis(axis, rank):
    if not hasattr(axis, "__index__"):
        raise TypeError(f"an axis is a number or a tuple of them, not {axis!r}")
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} of an array of {rank} axes")
    return axis % rank


def _largest(items):
    if not items:
        raise ValueError("the largest of no elements")
    return _tapir.largest(items)


def _product(items):
    result = 1.0
    for x in items:
        result = result*x
    return result


def _matmul(a, b):
    if a.ndim not in (1, 2) or b.ndim not in (1, 2) or a.shape[-1] != b.shape[0]:
        raise ValueError(f"a product of shapes {a.shape} and {b.shape}")
    inner = a.shape[-1]
    columns = b.T.flat
    rows, count = a.size//inner if inner else 0, b.size//inner if inner else 0
    if not inner:
        rows, count = prod(a.shape[:-1]), prod(b.shape[1:])
    flat = [_tapir.dot(a.flat[i*inner:(i + 1)*inner], columns[k*inner:(k + 1)*inner])
            for i in range(rows) for k in range(count)]
    return _unwrap(Array(flat, a.shape[:-1] + b.shape[1:]))


def _concatenate(arrays, axis=0):
    arrays = [asarray(a) for a in arrays]
    axis = _axis(axis, arrays[0].ndim)
    order = (axis, *(k for k in range(arrays[0].ndim) if k != axis))
    turned = [a.transpose(*order) for a in arrays]
    if len({a.shape[1:] for a in turned}) > 1:
        raise ValueError("shapes that do not fit together: "
                         + ", ".join(str(a.shape) for a in arrays))
    whole = Array([x for a in turned for x in a.flat],
                  (sum(len(a) for a in turned), *turned[0].shape[1:]))
    return whole.transpose(*(order.index(k) for k in range(len(order))))


def _stack(arrays, axis=0):
    arrays = [asarray(a) for a in arrays]
    whole = asarray([a.tolist() if a.ndim == 0 else a for a in arrays])
    axis = _axis(axis, whole.ndim)
    order = list(range(1, whole.ndim))
    order.insert(axis, 0)
    return whole.transpose(*order)


def _method(name):
    return lambda x, *args, **keywords: getattr(asarray(x), name)(*args, **keywords)


def _dot(a, b):
    a, b = asarray(a), asarray(b)
    return a*b if a.ndim == 0 or b.ndim == 0 else a @ b


def _reduction(name):
    """As NumPy calls it; what is not recorded is refused."""
    def reduction(x, axis=None, *positions, keepdims=False, **others):
        others = [*positions, *(value for value in others.values() if value is not None)]
        if any(value is not None for value in others):
            raise TypeError(f"np.{name} of variables takes axis and keepdims alone")
        return getattr(asarray(x), name)(axis, bool(keepdims))
    return reduction


def _reshape(x, shape, order="C"):
    if order != "C":
        raise TypeError("np.reshape of variables keeps the order of C")
    return asarray(x).reshape(shape)


def _transpose(x, axes=None):
    return asarray(x).transpose(*(axes or ()))


_FUNCTIONS = {name: _reduction(name) for name in
              ("sum", "mean", "max", "min", "prod", "var", "std")}
_FUNCTIONS.update(amax=_reduction("max"), amin=_reduction("min"), ravel=_method("ravel"),
                  reshape=_reshape, transpose=_transpose, dot=_dot, concatenate=_concatenate,
                  stack=_stack, where=lambda c, x, y: _map("where", c, x, y),
                  outer=lambda a, b: asarray(a).reshape(-1, 1)*asarray(b).reshape(1, -1),
                  norm=lambda x, *args, **keywords: _vector_norm(x, *args, **keywords),
                  shape=lambda x: x.shape, ndim=lambda x: x.ndim, size=lambda x: x.size)


def _vector_norm(x, ord=None, axis=None, keepdims=False):
    x = asarray(x)
    axes = x.ndim if axis is None else len(axis) if isinstance(axis, tuple) else 1
    if ord is not None and not (ord == 2 and axes == 1) and not (ord == "fro" and axes == 2):
        raise TypeError(f"np.linalg.norm of order {ord!r} over {axes} axes is not recorded")
    return x.norm(axis, keepdims)


# ---- the operations of the library, for whole arrays ---------------------------------------------

_UNARY = [name for name in dir(Var) if not name.startswith("_")
          and name not in ("value", "grad", "tape", "backward", "named", "conjugate",
                           "arctan2", "hypot", "fmod")]
_SAME = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh",
         "arccosh": "acosh", "arctanh": "atanh", "fabs": "abs"}



def _elementwise(name):
    own = _SAME.get(name, name)

    def method(self):
        return _map(own, self)
    method.__name__ = name
    method.__doc__ = f"{own} of each element."
    return method


for _name in _UNARY:
    setattr(Array, _name, _elementwise(_name))

_BINARY = {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow",
           "lt": "less", "le": "less_equal", "eq": "equal", "ne": "not_equal"}


def _operator(name, reflected):
    def operator(self, other):
        try:
            other = asarray(other)
        except TypeError:
            return NotImplemented
        return _map(name, other, self) if reflected else _map(name, self, other)
    return operator


for _python, _name in _BINARY.items():
    setattr(Array, f"__{_python}__", _operator(_name, False))
    if _python in ("add", "sub", "mul", "truediv", "pow"):
        setattr(Array, f"__r{_python}__", _operator(_name, True))
Array.__gt__, Array.__ge__ = _operator("less", True), _operator("less_equal", True)
Array.__hash__ = object.__hash__

_UFUNCS = {name: _SAME.get(name, name) for name in _UNARY}
_UFUNCS.update(
    add="add", subtract="sub", multiply="mul", divide="div", true_divide="div", power="pow",
    float_power="pow", negative="neg", absolute="abs", maximum="max", minimum="min",
    arctan2="atan2", hypot="hypot", fmod="fmod", less="less", less_equal="less_equal",
    equal="equal", not_equal="not_equal", matmul=lambda a, b: _matmul(asarray(a), asarray(b)),
    greater=lambda a, b: _map("less", b, a), greater_equal=lambda a, b: _map("less_equal", b, a),
    square=lambda x: _map("mul", x, x), reciprocal=lambda x: _map("div", 1.0, x),
    positive=asarray, conjugate=asarray,
    logaddexp=lambda a, b: _map("_logaddexp", a, b), rint="rint")
_tapir._logaddexp = lambda a, b: _tapir.logsumexp([a, b])

_tapir._hooks["map"] = _map
