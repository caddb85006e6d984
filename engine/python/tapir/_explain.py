"""Explanations and pictures, as text that a notebook shows for what it is."""

from . import _tapir

ORDERS = ("tape", "depth-first")
BUGS = (None, "no-accumulate", "depth-first", "stale")


class Text(str):
    """Text; a notebook shows it with its line breaks."""

    def __repr__(self):
        return str(self)

    def _repr_html_(self):
        import html  # takes as long to load as the package
        return f"<pre>{html.escape(self)}</pre>"


def _view(order, bug, most, title, bare):
    if order not in ORDERS:
        raise ValueError(f"order: {order!r} is none of {', '.join(ORDERS)}")
    if bug not in BUGS:
        raise ValueError(f"bug: {bug!r} is none of {', '.join(BUGS[1:])}")
    return {"order": ORDERS.index(order), "bug": BUGS.index(bug), "most": most, "title": title,
            "bare": bare}


def _writer(function, doc, kind=Text):
    def write(y, *, order="tape", bug=None, most=0, title=None, bare=False):
        return kind(function(y, **_view(order, bug, most, title, bare)))
    write.__doc__ = doc + """

    y: a variable, or several. order: "tape" or "depth-first"; bug: wrong on purpose, one of
    "no-accumulate", "depth-first", "stale"; most: how many boxes are shown before some are folded;
    bare: without the comparison with differences."""
    return write


explain = _writer(_tapir._explain_text, "The forward and the backward steps that lead to y, in "
                  "words and numbers.")
explain_json = _writer(_tapir._explain_json, "The same steps as data: JSON, tapir-trace/1.", str)
draw_dot = _writer(_tapir._draw_dot, "The graph that leads to y, for Graphviz.", str)
draw_svg = _writer(_tapir._draw_svg, "The graph that leads to y, as SVG.", str)
draw_html = _writer(_tapir._draw_html, "A page to step through both passes.", str)
for _name, _function in (("explain", explain), ("explain_json", explain_json),
                         ("draw_dot", draw_dot), ("draw_svg", draw_svg), ("draw_html", draw_html)):
    _function.__name__ = _function.__qualname__ = _name



def explain_paths(y, x, most=0):
    """dy/dx as the sum over the paths from x to y of the products of the local derivatives along
    them; `most` of them are listed (0: 8)."""
    return Text(_tapir._explain_paths(y, x, most))


def explain_nonfinite(y):
    """Where NaN and infinity come from; empty if everything is finite."""
    return Text(_tapir._explain_nonfinite(y))


def _html(y):
    """As an image, which survives where markup is stripped, and keeps its styles to itself."""
    import base64
    data = base64.b64encode(draw_svg(y).encode()).decode()
    return f'<img alt="the graph that leads here" src="data:image/svg+xml;base64,{data}">'


_tapir._hooks.update(svg=draw_svg, html=_html)
