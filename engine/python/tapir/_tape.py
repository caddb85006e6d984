"""Tape with scopes, arrays of inputs, and operations of the user's own."""

from . import _hooks, _tapir
from ._array import Array


class Tape(_tapir.Tape):
    __doc__ = _tapir.Tape.__doc__
    __slots__ = ()

    def inputs(self, values, name=None):
        """An Array of leaves with these values and this shape, named NAME[i][j]."""
        values = _hooks.numbers(values, "inputs")
        array = Array(self._inputs(values), values.shape)
        return array if name is None else array.named(name)

    def scope(self, name):
        """Operations recorded inside `with tape.scope(name):` belong to a scope, which pictures draw
        as a frame."""
        return _Inside(lambda: self._scope_begin(name), lambda _: self._scope_end(), self)

    def rewinding(self):
        """What is recorded inside `with tape.rewinding():` is forgotten at the end."""
        return _Inside(self.mark, self.rewind, self)


class _Inside:
    """A context: what `begin` returned is given to `end`."""

    def __init__(self, begin, end, value):
        self.begin, self.end, self.value = begin, end, value

    def __enter__(self):
        self.begun = self.begin()
        return self.value

    def __exit__(self, *raised):
        self.end(self.begun)


def input_array(tape, values, name=None):
    """tape.inputs(values, name) for any tape."""
    return Tape.inputs(tape, values, name)


class Operation(_tapir.Operation):
    """Operation(name, value, partials): an elementary operation of your own.

    value(x) gives the result for a list of operands, partials(x, v) the partial derivatives, as
    many as operands. Both must depend on their arguments alone; programs call them from any thread.

        softclip = tapir.Operation("softclip", lambda x: x[0]/(1 + abs(x[0])),
                                   lambda x, v: [1/(1 + abs(x[0]))**2])
        y = softclip(x)

    What they raise is raised where the value was wanted."""
    __slots__ = ()
