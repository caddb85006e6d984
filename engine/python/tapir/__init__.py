"""Tapir: scalar reverse-mode automatic differentiation, gradient checks, and small networks.

    import tapir
    t = tapir.Tape()
    a, b = t.input(2.0, "a"), t.input(1.0, "b")
    e = (a + b)*(b + 1)
    e.backward()
    e.value, a.grad, b.grad         # 6.0, 2.0, 5.0

    report = tapir.check(f, x, gradient)        # of any function of an array
    tapir.assert_gradient(f, x, gradient)       # in a test

Names are those of the C library's ad.h without the prefix; tapir.nn holds those of nn.h. Errors
are exceptions, tapir.Error, with a status and a sentence.
"""

from . import _hooks  # first: the extension borrows from it
from ._tapir import *  # every operation, reduction and derivative  # noqa: F403
from ._tapir import Data, Model, Module, Optimizer  # the bases of nn's: only there
from ._array import Array, asarray
from ._check import (Line, Operand, Report, Verdict, assert_gradient, check, check_autograd,
                     check_hessian_times, check_program)
from ._explain import (Text, draw_dot, draw_html, draw_svg, explain, explain_json,
                       explain_nonfinite, explain_paths)
from ._hooks import Error, Status
from ._program import NamedProgram, compile
from ._tape import Operation, Tape, input_array
from ._tapir import Program, Var
from ._version import version as __version__

del Data, Model, Module, Optimizer
maximum, minimum = max, min  # noqa: F405  NumPy's names

__all__ = [
    "Array", "Error", "Line", "NamedProgram", "Operand", "Operation", "Program", "Report", "Status",
    "Tape", "Text", "Var", "Verdict", "asarray", "assert_gradient", "check", "check_autograd",
    "check_hessian_times", "check_program", "compile", "draw_dot", "draw_html",
    "draw_svg", "explain", "explain_json", "explain_nonfinite", "explain_paths", "input_array",
]


def __getattr__(name):
    if name == "nn":  # loaded when it is asked for
        import importlib
        return importlib.import_module(".nn", __name__)
    raise AttributeError(f"module 'tapir' has no attribute {name!r}")
