#!/usr/bin/env python3
"""What the pages and the notebook show in Python is what the package does.

    notebook.py ROOT            run them and compare; one line of TAP for each block and each cell
    notebook.py --full ROOT     with the blocks that need PyTorch
    notebook.py --write ROOT    run docs/python.ipynb and store what its cells give

**Pages** (README.md, docs/python.md): the ```python blocks of a page run in order, in one namespace. A statement
may say in a comment, at its end or in the line that follows it, what comes of it:

    e.value, a.grad     # -> (6.0, 2.0)         the repr of the expression's value
    p.values(w)         # raises TypeError: values takes two arrays...      the exception and its text

Further lines of comment that begin with "#    " continue it. A ```text block that follows a block of Python holds
what it printed. Functions whose names begin with test_ are called, as pytest would. Before a block may stand

    <!-- needs torch -->        it is run only with --full
    <!-- later REASON -->       it is not run; the reason is shown as that of a skipped test

**The notebook**: its code cells run in order, in one namespace, without Jupyter: what a cell prints, and the last
expression's repr and, where it has them, _repr_svg_ and _repr_html_, are its outputs. Of a cell with the tag
"rounding" the words are compared and not the numbers.

Texts agree if their words do and their numbers to a relative 1e-6 (or 1e-12), whatever the spaces; "..." in what is
shown stands for anything. Of a check's report what rounding decides is not compared: the error of the differences
and all that stands behind it but the verdict, the slope and the number of evaluations.
Pages and cells run in an empty folder, which is deleted afterwards."""

import ast
import contextlib
import io
import json
import os
import re
import sys
import tempfile
import tokenize
import traceback
from pathlib import Path

PAGES = ["README.md", "docs/python.md"]
NOTEBOOK = "docs/python.ipynb"
LARGEST = 150_000       # bytes of a notebook

# ---- do two texts agree? -------------------------------------------------------------------------

NUMBER = re.compile(r"(?<![\w.#^])-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?(?![\w])")
ROUNDED = [(re.compile(r"\+- .* (?=\w+$)", re.M), "+- ~ "), (re.compile(r"slope \d\.\d+"), "slope ~"),
           (re.compile(r"\d+ evaluations"), "~ evaluations"),
           (re.compile(r"(?<=forward against reverse )\S+"), "~")]


def without_rounding(text):
    for pattern, instead in ROUNDED:
        text = pattern.sub(instead, text)
    return text.strip()


def pattern_of(shown):
    """A pattern with a group for each number."""
    parts, last = [], 0
    for number in NUMBER.finditer(shown):
        parts += [literal(shown[last:number.start()]), f"({NUMBER.pattern})"]
        last = number.end()
    return "".join(parts + [literal(shown[last:])])


def literal(text):
    words = (re.escape(word).replace(r"\.\.\.", ".*?") for word in re.split(r"\s+", text))
    return r"\s+".join(words)


def close(a, b):
    return abs(a - b) <= max(1e-6*max(abs(a), abs(b)), 1e-12)


def agree(shown, said, numbers=True):
    shown, said = without_rounding(shown), without_rounding(said)
    found = re.fullmatch(pattern_of(shown), said, re.DOTALL)
    return found is not None and not (numbers and any(not close(float(a), float(b)) for a, b in
                                                      zip(NUMBER.findall(shown), found.groups())))


def same(shown, said, what, numbers=True):
    assert agree(shown, said, numbers), f"{what} is\n{said}\ninstead of\n{shown}"


# ---- statements and what their comments say ------------------------------------------------------

def comments(source):
    """line number -> (comment, does it have the line to itself?)"""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: (t.string[1:], t.line.lstrip().startswith("#"))
            for t in tokens if t.type == tokenize.COMMENT}


def claim_of(statement, notes):
    """("->" or "raises", what is said), or None."""
    line = statement.end_lineno
    if not is_claim(notes.get(line)) and is_claim(notes.get(line + 1), alone=True):
        line += 1
    if not is_claim(notes.get(line)):
        return None
    text = notes[line][0]
    while notes.get(line + 1, ("", False))[1] and notes[line + 1][0].startswith("   "):
        line += 1
        text += "\n" + notes[line][0]
    kind, _, said = text.strip().partition(" ")
    return kind, said.strip()


def is_claim(note, alone=False):
    return note is not None and note[1] >= alone and note[0].strip().startswith(("-> ", "raises "))


def is_expression(statement):
    return isinstance(statement, ast.Expr)


def run(statement, name, namespace):
    """Runs it; returns its value if it is an expression."""
    if is_expression(statement):
        return eval(compile(ast.Expression(statement.value), name, "eval"), namespace)
    exec(compile(ast.Module([statement], []), name, "exec"), namespace)
    return None


def run_raising(statement, name, namespace, said):
    try:
        run(statement, name, namespace)
    except BaseException as raised:
        kind = type(raised)
        module = "" if kind.__module__ == "builtins" else kind.__module__ + "."
        same(said, f"{module}{kind.__name__}: {raised}", f"line {statement.lineno}: what is raised")
        return
    raise AssertionError(f"line {statement.lineno}: nothing is raised; {said} was promised")


def run_claiming(statement, name, namespace, claim):
    if claim is None:
        run(statement, name, namespace)
    elif claim[0] == "raises":
        run_raising(statement, name, namespace, claim[1])
    else:
        assert is_expression(statement), f"line {statement.lineno}: '# ->' behind what has no value"
        same(claim[1], repr(run(statement, name, namespace)), f"line {statement.lineno}: the value")


def run_block(code, line, name, namespace):
    """A block that begins at this line of its page; returns what it prints."""
    source = "\n"*(line - 1) + code
    statements, notes = ast.parse(source, name).body, comments(source)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for statement in statements:
            run_claiming(statement, name, namespace, claim_of(statement, notes))
            if isinstance(statement, ast.FunctionDef) and statement.name.startswith("test_"):
                namespace[statement.name]()
    return printed.getvalue()


# ---- pages ---------------------------------------------------------------------------------------

BLOCK = re.compile(r"(?:<!-- (needs torch|later .*?) -->\n+)?^```python\n(.*?)^```\n(?:\n*```text\n(.*?)^```\n)?",
                   re.DOTALL | re.MULTILINE)


def page_tests(path, name):
    text, namespace = path.read_text(), {"__name__": "page"}
    for block in BLOCK.finditer(text):
        mark, code, shown = block.groups()
        line = text.count("\n", 0, block.start(2)) + 1

        def test(code=code, shown=shown, line=line):
            said = run_block(code, line, name, namespace)
            if shown is not None:
                same(shown, said, "what is printed")
        yield f"{name} line {line}", mark, test


# ---- the notebook --------------------------------------------------------------------------------

def lines_of(text):
    return text.splitlines(keepends=True)


def shown_as(value):
    """The data of an output: its representations by type."""
    data = {"text/plain": lines_of(repr(value))}
    for kind, method in (("image/svg+xml", "_repr_svg_"), ("text/html", "_repr_html_")):
        if hasattr(type(value), method):
            data[kind] = lines_of(getattr(value, method)())
    return data


def outputs_of(cell, number, namespace):
    """Runs a cell; what Jupyter would store as its outputs."""
    name, outputs, value = f"cell {number}", [], None
    source = "".join(cell["source"])
    printed = io.StringIO()
    statements = ast.parse(source, name).body
    with contextlib.redirect_stdout(printed):
        for statement in statements:
            value = run(statement, name, namespace)
    if printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": lines_of(printed.getvalue())})
    if value is not None and not source.rstrip().endswith(";"):
        outputs.append({"data": shown_as(value), "execution_count": number, "metadata": {},
                        "output_type": "execute_result"})
    return outputs


def texts(output):
    """type -> text of an output"""
    data = output.get("data", {"stream": output.get("text", [])})
    return {kind: "".join(text) for kind, text in data.items()}


def compare_outputs(cell, made):
    stored, numbers = cell["outputs"], "rounding" not in cell["metadata"].get("tags", ())
    assert len(stored) == len(made), f"{len(made)} outputs instead of the {len(stored)} that are stored"
    for old, new in zip(map(texts, stored), map(texts, made)):
        assert old.keys() == new.keys(), f"outputs as {', '.join(new)} instead of {', '.join(old)}"
        for kind, text in old.items():
            same(text, new[kind], f"the output as {kind}", numbers)


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def notebook_tests(path, name):
    notebook, namespace = json.loads(path.read_text()), {"__name__": "__main__"}
    yield f"{name} is one", None, lambda: check_format(notebook, path)
    for number, cell in enumerate(code_cells(notebook), 1):
        yield (f"{name} cell {number}", None,
               lambda c=cell, n=number: compare_outputs(c, outputs_of(c, n, namespace)))


CELL = {"markdown": {"cell_type", "id", "metadata", "source"},
        "code": {"cell_type", "execution_count", "id", "metadata", "outputs", "source"}}


def check_format(notebook, path):
    """nbformat 4.5, as far as this notebook uses it; by nbformat itself where it is installed."""
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5), "nbformat 4.5 is needed"
    for cell in notebook["cells"]:
        assert set(cell) == CELL[cell["cell_type"]], f"the cell {cell.get('id')} has fields {sorted(cell)}"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids), "two cells have the same id"
    numbers = [cell["execution_count"] for cell in code_cells(notebook)]
    assert numbers == list(range(1, len(numbers) + 1)), f"the cells are numbered {numbers}"
    size = path.stat().st_size
    assert size <= LARGEST, f"{size} bytes; {LARGEST} is the most"
    with contextlib.suppress(ImportError):
        import nbformat
        nbformat.validate(notebook)


def write_notebook(path):
    notebook, namespace = json.loads(path.read_text()), {"__name__": "__main__"}
    for number, cell in enumerate(code_cells(notebook), 1):
        cell["execution_count"], cell["outputs"] = number, outputs_of(cell, number, namespace)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


# ---- TAP -----------------------------------------------------------------------------------------

def skipped(mark, full):
    if mark is None or (mark == "needs torch" and full):
        return None
    return "PyTorch is loaded only with --full" if mark == "needs torch" else mark.partition(" ")[2]


def report(number, name, mark, test, full):
    """Runs a test and says how it went; is it wrong?"""
    reason = skipped(mark, full)
    if reason is not None:
        print(f"ok {number} - {name} # SKIP {reason}")
        return False
    try:
        test()
    except Exception as why:
        text = str(why) if isinstance(why, AssertionError) and str(why) else traceback.format_exc()
        print(f"not ok {number} - {name}")
        print("\n".join(f"# {line}" for line in text.splitlines()))
        return True
    print(f"ok {number} - {name}")
    return False


def main(arguments):
    options, rest = {a for a in arguments if a.startswith("--")}, [a for a in arguments if not a.startswith("--")]
    if len(rest) != 1 or options - {"--full", "--write"}:
        sys.exit(__doc__)
    root = Path(rest[0]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if "--write" in options:
            return write_notebook(root/NOTEBOOK)
        tests = [test for page in PAGES for test in page_tests(root/page, page)]
        tests += notebook_tests(root/NOTEBOOK, NOTEBOOK)
        print(f"1..{len(tests)}")
        wrong = [report(number, *test, "--full" in options) for number, test in enumerate(tests, 1)]
        os.chdir(root)
    return sum(wrong) > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
