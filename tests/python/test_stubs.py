"""The type stubs say what the package has: the same names, the same parameters; mypy, if installed, reads them."""

import ast
import importlib
import inspect
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import tapir
from tapir import nn

MODULES = {"__init__.pyi": tapir, "nn.pyi": nn}
# The stubs' own types.
ALIASES = {"Numbers", "Scalar", "Variables", "Shape", "Point", "Claim", "Path", "Init", "Schedule", "Table"}


def stub_of(file):
    return ast.parse(Path(tapir.__file__).with_name(file).read_text())


def defined(body):
    """name -> the nodes that define it"""
    found = {}
    for node in body:
        names = [node.name] if hasattr(node, "name") else [node.target.id] if isinstance(node, ast.AnnAssign) else \
            [target.id for target in node.targets] if isinstance(node, ast.Assign) else []
        for name in names:
            found.setdefault(name, []).append(node)
    return found


def public(module):
    """What a user of the module is to see of it."""
    if module is nn:
        return set(nn.__all__)
    names = {name for name in dir(tapir) if not name.startswith("_")
             and not isinstance(getattr(tapir, name), types.ModuleType)}
    return names | set(tapir.__all__)


@pytest.mark.parametrize("file", MODULES)
def test_the_stub_has_the_names_of_the_module(file):
    names = {name for name in defined(stub_of(file).body) if not name.startswith("_")} - ALIASES
    assert names == public(MODULES[file])


def classes():
    for file, module in MODULES.items():
        for name, (node, *_) in defined(stub_of(file).body).items():
            if isinstance(node, ast.ClassDef) and not name.startswith("_"):
                yield pytest.param(node, getattr(module, name), id=name)


def members(kind):
    """The public ones that are not inherited from Python's own classes."""
    own, inherited = set(vars(kind).get("__annotations__", ())), set()
    for base in kind.__mro__:
        (inherited if base.__module__ in ("builtins", "enum") else own).update(vars(base))
    return {name for name in own - inherited if not name.startswith("_")}


@pytest.mark.parametrize("node, kind", classes())
def test_a_class_of_the_stub_has_the_members_of_the_class(node, kind):
    stubbed = {name for name in defined(node.body) if not name.startswith("_")}
    own = members(kind)
    if inspect.isfunction(kind.__init__):
        own |= {name for name in re.findall(r"self\.(\w+)", inspect.getsource(kind.__init__)) if name[0] != "_"}
    assert stubbed == own


def parameters_of_stub(function):
    a = function.args
    plain = [*a.posonlyargs, *a.args]
    with_default = {p.arg for p in plain[len(plain) - len(a.defaults):]}
    with_default |= {p.arg for p, default in zip(a.kwonlyargs, a.kw_defaults) if default is not None}
    names = [(p.arg, p.arg in with_default) for p in plain + a.kwonlyargs]
    return [(name, default) for name, default in names if name not in ("self", "cls")]


def parameters_of(callable_, name):
    """(name, has it a default?) of each; those of a C function stand in the first line of its docstring."""
    try:
        signature = inspect.signature(callable_)
    except ValueError:
        said = re.match(rf"(?:{name}|\w+)\((.*)\)", (callable_.__doc__ or "").split("\n")[0].split("): ")[0] + ")")
        if said is None:
            return None
        words = [word.strip() for word in said[1].rstrip(")").split(", ") if word and not word.startswith("*")]
        return [(word.partition("=")[0], "=" in word) for word in words]
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [(p.name, p.default is not p.empty) for p in signature.parameters.values()
            if p.kind not in kinds and p.name not in ("self", "cls") and not p.name.startswith("_")]


def functions():
    for file, module in MODULES.items():
        for name, nodes in defined(stub_of(file).body).items():
            if isinstance(nodes[0], ast.FunctionDef) and hasattr(module, name):
                yield pytest.param(nodes, getattr(module, name), name, id=name)
            if not isinstance(nodes[0], ast.ClassDef) or name.startswith("_"):
                continue
            for method, inner in defined(nodes[0].body).items():
                real = getattr(getattr(module, name), method, None)
                if callable(real) and not isinstance(real, type) and not method.startswith("_"):
                    yield pytest.param(inner, real, method, id=f"{name}.{method}")


@pytest.mark.parametrize("nodes, function, name", functions())
def test_a_function_of_the_stub_has_the_parameters_of_the_function(nodes, function, name):
    real = parameters_of(function, name)
    if real is None:
        pytest.skip("neither a signature nor a docstring that begins with one")
    if len(nodes) > 1:  # overloads: the names of one of them
        assert [p for p, _ in real] in [[p for p, _ in parameters_of_stub(node)] for node in nodes]
    else:
        assert parameters_of_stub(nodes[0]) == real


@pytest.mark.parametrize("name", [name for name, (node, *_) in defined(stub_of("__init__.pyi").body).items()
                                  if isinstance(node, ast.AnnAssign) and not name.startswith("_")
                                  and getattr(node.annotation, "id", "") in ("_Unary", "_Binary")])
def test_an_operation_takes_as_many_operands_as_the_stub_says(name):
    node = defined(stub_of("__init__.pyi").body)[name][0]
    count = {"_Unary": 1, "_Binary": 2}[node.annotation.id]
    x = tapir.Tape().input(0.5)
    result = getattr(tapir, name)(*[x, 2.0][:count])
    assert isinstance(result, tapir.Var)
    assert isinstance(getattr(tapir, name)(*[tapir.asarray([x, x]), 2.0][:count]), tapir.Array)
    assert isinstance(getattr(tapir, name)(*[0.5, 2.0][:count]), float)


USE = '''
import numpy as np
import tapir
from tapir import nn

t = tapir.Tape()
a = t.input(1.0, "a")
b: tapir.Var = (a + 2)*tapir.exp(a) - 3/a
c: float = tapir.exp(1.0)
w: tapir.Array = tapir.tanh(t.inputs(np.ones((2, 2))) @ np.ones(2))
p = tapir.compile(lambda w, x: tapir.tanh(w @ x).sum(), params=(3, 4), inputs=4)
mean, gradient = p.gradient(np.ones((3, 4)), np.ones((5, 4)))
first: float = mean
q: tapir.NamedProgram = tapir.compile(lambda p, x: p["w"]*x, params={"w": ()}, inputs=())
report = tapir.check(np.sum, np.ones(3), np.ones(3))
name: str = report.lines[0].name
verdict: tapir.Verdict = report.verdict
model = nn.Model(seed=1)
history = nn.train(model, lambda x, y: x, (np.ones((3, 2)), [1, 2, 3]), nn.adam(0.1, beta1=0.5), epochs=1, batch=1)
loss: float = history[-1].loss
'''
MISUSE = {"t.input('one')": "float", "tapir.exp(a, a)": "", "nn.adam()": "rate", "report.verdikt": "verdict",
          "nn.train(model)": "", "p.values()": ""}


def mypy(folder, source):
    (folder/"use.py").write_text(source)
    command = [shutil.which("mypy") or "/usr/bin/mypy", "--no-error-summary", "--no-incremental", "use.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300,
                          env={"MYPYPATH": str(Path(tapir.__file__).parents[1]), "PATH": "/usr/bin:/bin"})


@pytest.mark.skipif(shutil.which("mypy") is None, reason="no mypy here")
def test_mypy_takes_what_is_right_and_not_what_is_wrong(tmp_path):
    right = mypy(tmp_path, USE)
    assert right.returncode == 0, right.stdout + right.stderr
    lines = USE.count("\n")
    wrong = mypy(tmp_path, USE + "\n".join(MISUSE))
    accused = {int(line) - lines for line in re.findall(r"^use\.py:(\d+): error", wrong.stdout, re.M)}
    assert accused == set(range(1, len(MISUSE) + 1)), wrong.stdout
