"""What the extension borrows from Python: exceptions, enumerations, arrays and conversions.

NumPy is used if it can be imported, and imported when the first array is needed, not before: it
takes longer to load than everything else here. Without it arrays are memoryviews of doubles.
"""

import enum
import sys

from . import _tapir

Status = enum.IntEnum("Status", list(_tapir._STATUSES), start=0, module="tapir")
Status.__doc__ = "What can go wrong, as in ad.h: Status.BAD_ARGUMENT is AD_BAD_ARGUMENT."
Status.__str__ = lambda self: self.name


class Error(Exception):
    """An error of the library: `status` is a Status, str() the sentence."""

    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status = Status(status)
        self.sentence = sentence

    def __reduce__(self):
        return type(self), (self.status, self.sentence)


class OutOfMemory(Error, MemoryError):
    """The status NO_MEMORY."""


for _class in (Error, OutOfMemory):
    _class.__module__ = "tapir"


def error(status, sentence):
    return (OutOfMemory if status == Status.NO_MEMORY else Error)(status, sentence)


# ---- arrays --------------------------------------------------------------------------------------

_numpy = False  # not looked for yet


def numpy():
    """The module, or None."""
    global _numpy
    if _numpy is False:
        try:
            import numpy as found
        except ImportError:
            found = None
        _numpy = found
        if found is None:
            _tapir._use_arrays(empty_view, None)
        else:
            _tapir._use_arrays(found.empty, found.ndarray)
    return _numpy


def empty_view(shape):
    from math import prod
    count = prod(shape)
    data = memoryview(bytearray(8*count)).cast("d")
    return data if count == 0 or len(shape) == 1 else data.cast("B").cast("d", shape)


def empty(shape):
    np = numpy()
    return empty_view(shape) if np is None else np.empty(shape)


def scalar(array):
    """The number of an array without axes."""
    return float(array[()])


def _flat(x, what):
    """The numbers of nested sequences, and their shape."""
    if isinstance(x, (int, float)):
        return [float(x)], ()
    if isinstance(x, complex):
        raise TypeError(f"{what}: complex numbers; Tapir differentiates functions of real ones")
    if isinstance(x, str) or not hasattr(x, "__iter__"):
        try:
            return [float(x)], ()
        except (TypeError, ValueError):
            raise TypeError(f"{what}: {x!r} is no number") from None
    parts = [_flat(item, what) for item in x]
    shapes = {shape for _, shape in parts}
    if len(shapes) > 1:
        raise ValueError(f"{what}: rows of different lengths")
    inner = shapes.pop() if shapes else ()
    return [number for numbers, _ in parts for number in numbers], (len(parts), *inner)


def _numbers_without_numpy(x, what):
    from array import array
    if isinstance(x, memoryview):
        x = x.tolist()
    flat, shape = _flat(x, what)
    data = memoryview(array("d", flat))
    return data if len(shape) == 1 or not flat else data.cast("B").cast("d", shape)


def _holds_variables(a):
    return any(isinstance(item, _tapir.Var) for item in a.flat)


def numbers(x, what):
    """Doubles in C order: x itself if it is that already."""
    from ._array import Array
    if isinstance(x, (_tapir.Var, Array)):
        raise TypeError(f"{what}: variables where numbers are needed; x.value are the numbers")
    if x is None or isinstance(x, (str, bytes, bytearray, dict)):
        raise TypeError(f"{what}: {x!r} where numbers are needed")
    np = numpy()
    if np is None:
        return _numbers_without_numpy(x, what)
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise TypeError(f"{what}: a masked array with masked elements")
    try:
        a = np.asarray(x)
    except (TypeError, ValueError, RuntimeError) as why:
        raise type(why)(f"{what}: {why}") from None
    if a.dtype.kind == "c":
        raise TypeError(f"{what}: complex numbers; Tapir differentiates functions of real ones")
    if a.dtype.kind == "O" and not _holds_variables(a):
        try:
            if not any(isinstance(item, (str, bytes)) for item in a.flat):
                return np.asarray([float(item) for item in a.flat],
                                  dtype=np.float64).reshape(a.shape)
        except (TypeError, ValueError):
            pass
    if a.dtype.kind not in "biuf":
        hint = "; x.value is the number of a variable" if _holds_variables(a) else ""
        raise TypeError(f"{what}: an array of {a.dtype} where numbers are needed{hint}")
    return np.asarray(a, dtype=np.float64, order="C")


_tapir._hooks.update(error=error, scalar=scalar, numbers=numbers)
_tapir._use_arrays(empty, None)
if "numpy" in sys.modules:
    numpy()
