#!/usr/bin/env python3
"""Checkers of gradients side by side: tapir.check, and those of PyTorch, SciPy and JAX.

Usage: checkers.py [--self-check] [--markdown] [--cases WORD] [--list] [--points N] [--jobs N]

The functions of cases.py at random points, each with its right gradient, and with gradients that
were sabotaged: all entries or one of them off by 1e-7 to 1e-3, a sign, a zero, and what people get
wrong (a term forgotten, a factor, a transpose). Everything comes from fixed seeds.

*How large an error is.* Of "all", every entry is multiplied by 1 + size. Of "own", one entry is
multiplied by 1 + size: it may be a millionth of the largest. Of "scale", size times the largest
entry of the gradient is added to one entry, which may be 0.

*What could be found.* An error is resolvable if some difference sees it: of one wrong entry, one of
the central differences of order 2, 4, 6 and 8 at one of 24 steps gives the right derivative to a
tenth of the error, and so do the same differences at two steps 11 and 27 per cent longer (so that
luck does not count). This knows the right gradient and no checker's verdict. What is not resolvable
is counted apart.

--self-check verifies every right gradient, and that every sabotaged one is wrong, without any
checker: by complex steps. Where a function has to be written another way for them, the values of
both are compared first. --list prints each right gradient that tapir.check did not PASS, each
resolvable error that tapir.check did not find, and each error that is not resolvable.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the same sums each time

import argparse
import collections
import multiprocessing
import platform
import statistics
import sys
import warnings
import zlib

import numpy as np
import scipy
import scipy.optimize
import torch

import cases
import tapir

VERDICTS = [verdict.name for verdict in tapir.Verdict]
SIZES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
GROSS = "gross"
POINTS = {"scalar": 4, "vector": 3}

Claim = collections.namedtuple("Claim", "case kind name point mistake size values")
Claim.__doc__ = "A gradient that is claimed; mistake '' and size None: it is right."


# ---- right and wrong gradients -------------------------------------------------------------------

def generator(*words):
    return np.random.default_rng([zlib.crc32(str(word).encode()) for word in words])


def entry_of(values, rng):
    """The place of an entry that is not 0, nor rounding in place of 0."""
    return rng.choice(np.flatnonzero(np.abs(values) > 1e-12*np.abs(values).max()))


def all_off(values, size, rng):
    return values*(1 + size)


def own_off(values, size, rng):
    wrong = values.copy()
    wrong.flat[entry_of(values, rng)] *= 1 + size
    return wrong


def scale_off(values, size, rng):
    wrong = values.copy()
    wrong.flat[rng.integers(values.size)] += size*np.abs(values).max()
    return wrong


def sign_of_one(values, size, rng):
    wrong = values.copy()
    wrong.flat[entry_of(values, rng)] *= -1
    return wrong


def zero_for_one(values, size, rng):
    wrong = values.copy()
    wrong.flat[entry_of(values, rng)] = 0
    return wrong


SMALL = {"all": all_off, "own": own_off, "scale": scale_off}
LARGE = {"sign of one": sign_of_one, "zero for one": zero_for_one}


def sizes_at(point, points):
    """The smallest at each point, the others once for each function."""
    return [SIZES[0], *SIZES[1:][point::points]]


def sabotaged(case, right, name, point, points):
    """(mistake, size, values) at one of several points; the last has what people get wrong."""
    turn = zlib.crc32(name.encode()) + point
    for k, size in enumerate(sizes_at(point, points)):
        mistake = list(SMALL)[(k + turn) % 3]
        yield mistake, size, SMALL[mistake](right, size, generator(name, point, mistake, size))
    if point < len(LARGE):
        large = list(LARGE)[point]
        yield large, GROSS, LARGE[large](right, 0, generator(name, point, large))
    if point == points - 1:
        for mistake, gradient in case.mistakes.items():
            yield mistake.replace("_", " "), GROSS, np.asarray(gradient(case.x), dtype=float)


def claims_about(kind, name, points):
    for point in range(points):
        case = getattr(cases, kind.upper())[name](generator(name, point))
        right = np.asarray(case.gradient(case.x.copy()), dtype=float)
        yield Claim(case, kind, name, point, "", None, right)
        for mistake, size, values in sabotaged(case, right, name, point, points):
            yield Claim(case, kind, name, point, mistake, size, values)


def functions_named(word):
    return [(kind, name) for kind in POINTS for name in getattr(cases, kind.upper())
            if word in name]


# ---- what could be found -------------------------------------------------------------------------

# Central differences of order 2, 4, 6, 8: weights of f(x + kh) - f(x - kh) over h (Fornberg 1988).
WEIGHTS = ((1/2,), (2/3, -1/12), (3/4, -3/20, 1/60), (4/5, -1/5, 4/105, -1/280))


def value_at(f, x):
    """Its values, NaN where it has none: SciPy raises for a singular matrix."""
    try:
        return np.ravel(f(x))
    except np.linalg.LinAlgError:
        return np.nan


def differences(f, x, j, step):
    """The derivatives of f in coordinate j by all WEIGHTS at one step."""
    pairs = []
    for k in (1, 2, 3, 4):
        ends = []
        for side in (k, -k):
            moved = x.copy()
            moved.flat[j] += side*step
            ends.append((value_at(f, moved), moved.flat[j]))
        pairs.append((ends[0][0] - ends[1][0])/((ends[0][1] - ends[1][1])/(2*k*step)))
    return [sum(w*d for w, d in zip(weights, pairs))/step for weights in WEIGHTS]


def resolution(case, right, j):
    """How near differences come to the right derivatives of all values in coordinate j."""
    truth = np.reshape(right, (-1, case.x.size))[:, j]
    best, unit = np.full(len(truth), np.inf), max(1, abs(case.x.flat[j]))
    for level in range(24):
        steps = [unit*longer/4**(level + 1) for longer in (1, 1.11, 1.27)]
        off = np.abs([[d - truth for d in differences(case.f, case.x, j, step)] for step in steps])
        off[~np.isfinite(off)] = np.inf
        best = np.minimum(best, off.max(0).min(0))
    return best


class Resolutions:
    """Those of the coordinates that were asked for, of one case at one point."""

    def __init__(self, case, right):
        self.case, self.right, self.known = case, right, {}

    def of(self, j):
        if j not in self.known:
            self.known[j] = resolution(self.case, self.right, j)
        return self.known[j]

    def margin(self, values):
        """The largest error over resolution of an entry; looks no further once it is 10."""
        wrong = np.abs(values - self.right).reshape(-1, self.case.x.size)
        best = 0.0
        for j in np.argsort(-wrong.max(0), kind="stable"):
            if wrong[:, j].any():
                with np.errstate(all="ignore"):
                    best = max(best, np.nanmax(wrong[:, j]/np.maximum(self.of(j), 1e-300)))
            if best >= 10:
                break
        return best


# ---- checkers ------------------------------------------------------------------------------------

class Counted:
    """A function that counts its calls."""

    def __init__(self, f):
        self.f, self.calls = f, 0

    def __call__(self, x):
        self.calls += 1
        return self.f(x)


def by_tapir(claim, f):
    report = tapir.check(f, claim.case.x, claim.values)
    return str(report.verdict)


def torch_function(claim, f):
    """The function and its claimed gradient as PyTorch's users wrap such things."""
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return torch.as_tensor(np.asarray(f(x.numpy().copy()), dtype=float))

        @staticmethod
        def backward(context, upstream):
            product = np.tensordot(upstream.numpy(), claim.values, upstream.dim())
            return torch.as_tensor(product)

    return Function.apply


def by_torch(claim, f, **options):
    torch.manual_seed(0)
    x = torch.tensor(claim.case.x, requires_grad=True)
    good = torch.autograd.gradcheck(torch_function(claim, f), (x,), raise_exception=False,
                                    **options)
    return "PASS" if good else "FAIL"


def by_torch_fast(claim, f):
    return by_torch(claim, f, fast_mode=True)


def scipy_error(claim, f):
    """The norm that check_grad returns. It takes one flat array."""
    shape = claim.case.x.shape
    flat = claim.values.reshape(-1, claim.case.x.size)

    def value(x):
        return np.ravel(f(x.reshape(shape))) if claim.kind == "vector" else f(x.reshape(shape))

    return scipy.optimize.check_grad(value, lambda x: flat if claim.kind == "vector" else flat[0],
                                     claim.case.x.ravel())


def by_scipy(claim, f):
    """Under 1e-5, what users of check_grad most often assert."""
    return "PASS" if scipy_error(claim, f) < 1e-5 else "FAIL"


def close(claimed, numeric):
    """As jax.test_util compares doubles: 1e-5, relative and absolute, times the number of them."""
    claimed, numeric = np.ravel(claimed), np.ravel(numeric)
    tolerance = 1e-5*claimed.size
    return bool(np.all(np.abs(claimed - numeric) <= tolerance + tolerance*np.abs(numeric)))


def by_jax(claim, f):
    """The rule of jax.test_util.check_grads (order 1): central differences of step 1e-4 along one
    normal direction, forward; then the same projected on a normal cotangent, reverse."""
    x = claim.case.x
    random = np.random.RandomState(0)
    v = random.randn(*x.shape)
    numeric = (np.asarray(f(x + 1e-4*v)) - np.asarray(f(x - 1e-4*v)))*(0.5/1e-4)
    forward = np.tensordot(claim.values, v, x.ndim)
    u = random.randn(*numeric.shape)
    reverse = np.sum(v*np.tensordot(u, claim.values, numeric.ndim))
    good = close(forward, numeric) and close(reverse, np.sum(u*numeric))
    return "PASS" if good else "FAIL"


CHECKERS = {
    "`tapir.check`": by_tapir,
    "`torch.autograd.gradcheck`": by_torch,
    "the same, `fast_mode=True`": by_torch_fast,
    "`scipy.optimize.check_grad` < 1e-5": by_scipy,
    "rule of `jax.test_util.check_grads`": by_jax,
}

Answer = collections.namedtuple("Answer", "claim verdicts calls margin norm")
Answer.__doc__ = "What each checker said and how often it called f; margin: error over resolution."


def answered(claim, resolutions):
    verdicts, calls = {}, {}
    for name, checker in CHECKERS.items():
        f = Counted(claim.case.f)
        try:
            verdicts[name] = checker(claim, f)
        except Exception as error:  # of f, at a point where it has no value
            verdicts[name] = type(error).__name__
        calls[name] = f.calls
    margin = resolutions.margin(claim.values) if claim.size else None
    return Answer(claim, verdicts, calls, margin, scipy_error(claim, claim.case.f))


def odd_about(a):
    """What is to be looked at in an answer, or ''."""
    ours = a.verdicts["`tapir.check`"]
    where = f"{a.claim.name}, point {a.claim.point}"
    if a.claim.size is None and ours != "PASS":
        return f"right, and {ours}: {where}"
    if resolvable(a) and ours != "FAIL":
        return (f"missed, {ours}: {where}, {a.claim.mistake}, {a.claim.size}, "
                f"error over resolution {a.margin:.3g}")
    if a.claim.size and not resolvable(a):
        return (f"not resolvable, {ours}: {where}, {a.claim.mistake}, {a.claim.size}, "
                f"error over resolution {a.margin:.3g}")
    return ""


def answers_about(kind, name, points):
    answers = []
    for claim in claims_about(kind, name, points):
        if claim.size is None:
            resolutions = Resolutions(claim.case, claim.values)
        answer = answered(claim, resolutions)
        # What is left can be sent from one process to another.
        answers.append(answer._replace(claim=claim._replace(case=None)))
    return answers


def quiet():
    """Differences with large steps leave the domains of some functions."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    torch.set_num_threads(1)


def all_answers(functions, points, jobs, odd):
    tasks = [(kind, name, points or POINTS[kind]) for kind, name in functions]
    with multiprocessing.Pool(jobs, quiet) as pool:
        waiting = [pool.apply_async(answers_about, task) for task in tasks]
        found = []
        for one in waiting:
            found += one.get()
            for answer in one.get():
                if odd and odd_about(answer):
                    print(odd_about(answer), file=sys.stderr, flush=True)
    return found


# ---- the tables ----------------------------------------------------------------------------------

def share(found, of):
    return f"{found} of {of}"


def resolvable(answer):
    return answer.margin is not None and answer.margin >= 10


def calls_of(name, answered_ones):
    return f"{statistics.median(a.calls[name] for a in answered_ones):.0f}"


def rows_of(answers):
    """A row for each checker: accused, found by size, calls."""
    right = [a for a in answers if a.claim.size is None]
    for name in CHECKERS:
        row = [name, share(sum(a.verdicts[name] == "FAIL" for a in right), len(right))]
        for size in (*SIZES, GROSS):
            seen = [a for a in answers if a.claim.size == size and resolvable(a)]
            row.append(share(sum(a.verdicts[name] == "FAIL" for a in seen), len(seen)))
        yield row + [calls_of(name, right), calls_of(name, [a for a in answers if a.claim.size])]
    yield hindsight(answers)
    yield unresolved(answers)


def relative_norm(a):
    """check_grad's norm in units of the claimed gradient's."""
    return a.norm/max(np.sqrt(np.sum(a.claim.values**2)), 1e-300)


def best_limit(answers):
    """The threshold of relative_norm that is wrong about the smallest part of both."""
    right = np.array([relative_norm(a) for a in answers if a.claim.size is None])
    wrong = np.array([relative_norm(a) for a in answers if resolvable(a)])
    return min(10.0**np.arange(-12, 1, 0.25),
               key=lambda limit: np.mean(~(right <= limit)) + np.mean(wrong <= limit))


def hindsight(answers):
    """check_grad with the threshold that would have been the best one here."""
    limit = best_limit(answers)
    right = [a for a in answers if a.claim.size is None]
    row = [f"`check_grad` < {limit:.1g} of the gradient's norm (best)",
           share(sum(not relative_norm(a) <= limit for a in right), len(right))]
    for size in (*SIZES, GROSS):
        seen = [a for a in answers if a.claim.size == size and resolvable(a)]
        row.append(share(sum(not relative_norm(a) <= limit for a in seen), len(seen)))
    return row + ["", ""]


def unresolved(answers):
    """Errors that no difference sees; of these, those that tapir.check found all the same."""
    row = ["not resolvable (found by `tapir.check`)", ""]
    for size in (*SIZES, GROSS):
        unseen = [a for a in answers if a.claim.size == size and not resolvable(a)]
        found = sum(a.verdicts["`tapir.check`"] == "FAIL" for a in unseen)
        row.append(f"{len(unseen)} ({found})" if unseen else "0")
    return row + ["", ""]


def show_table(rows, heads, markdown):
    rows = [heads, *rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(heads))]
    for k, row in enumerate(rows):
        cells = [cell.ljust(w) for cell, w in zip(row, widths)]
        print("| " + " | ".join(cells) + " |" if markdown else "  ".join(cells).rstrip())
        if markdown and k == 0:
            print("|" + "|".join(" --- " for _ in heads) + "|")


def size_word(size):
    return f"{size:.0e}".replace("e-0", "e-")


def show_main(answers, markdown):
    heads = ["checker", "right ones accused", *map(size_word, SIZES), "gross", "calls, right",
             "calls, wrong"]
    show_table(rows_of(answers), heads, markdown)


def show_verdicts(answers, markdown):
    """The verdicts of tapir.check by what was claimed."""
    groups = {"right": lambda a: a.claim.size is None, "wrong, resolvable": resolvable,
              "wrong, not resolvable": lambda a: a.claim.size is not None and not resolvable(a)}
    heads = ["claimed", *VERDICTS, "raised"]
    counts = {name: collections.Counter(a.verdicts["`tapir.check`"] for a in answers if within(a))
              for name, within in groups.items()}
    show_table([[name, *(str(count[v]) for v in VERDICTS),
                 str(sum(count.values()) - sum(count[v] for v in VERDICTS))]
                for name, count in counts.items()], heads, markdown)


def show_kinds(answers, markdown):
    """The errors that tapir.check found, by how they were made."""
    kinds = {"1 + size times all entries (all)": "all", "size of the largest added to one (scale)":
             "scale", "1 + size times one (own)": "own"}
    rows = []
    for words, kind in kinds.items():
        row = [words]
        for size in SIZES:
            seen = [a for a in answers if resolvable(a) and
                    (a.claim.mistake, a.claim.size) == (kind, size)]
            found = sum(a.verdicts["`tapir.check`"] == "FAIL" for a in seen)
            row.append(share(found, len(seen)))
        rows.append(row)
    show_table(rows, ["found by `tapir.check`", *map(size_word, SIZES)], markdown)


def versions():
    return (f"Python {platform.python_version()}, NumPy {np.__version__}, "
            f"SciPy {scipy.__version__}, PyTorch {torch.__version__}, tapir {tapir.__version__}")


def compare(answers, markdown):
    right = sum(a.claim.size is None for a in answers)
    functions = len({a.claim.name for a in answers})
    print(f"{functions} functions: {right} right gradients, {len(answers) - right} wrong ones\n")
    show_main(answers, markdown)
    print()
    show_kinds(answers, markdown)
    print()
    show_verdicts(answers, markdown)
    print(f"\n{versions()}")


# ---- the cases themselves ------------------------------------------------------------------------

def complex_steps(case):
    """The derivatives of all values in all coordinates, by complex steps."""
    columns = []
    for j in range(case.x.size):
        moved = case.x.astype(complex)
        step = 1e-30*max(1e-8, abs(case.x.flat[j]))
        moved.flat[j] += 1j*step
        columns.append(np.ravel(case.reference(moved)).imag/step)
    return np.array(columns).T.ravel()


def wrong_with(claim, truth):
    """What is wrong with a case, or ''."""
    right = np.ravel(claim.values)
    if right.size != truth.size:
        return f"{right.size} entries, not {truth.size}"
    off = np.abs(right - truth)/np.abs(truth).max()
    own = np.abs(right - truth)/np.maximum(np.abs(truth), 1e-9*np.abs(truth).max())
    if not off.max() < 1e-12:
        return f"off by {off.max():.2g} of the largest, at entry {off.argmax()}"
    if not own.max() < 1e-9:
        return f"an entry is off by {own.max():.2g} of itself, at entry {own.argmax()}"
    return ""


def values_agree(case):
    a, b = np.ravel(case.f(case.x)), np.ravel(case.reference(case.x))
    return np.allclose(a, b, rtol=1e-12, atol=1e-14*np.abs(a).max())


def fault_of(claim, truth):
    if claim.size is None:
        return wrong_with(claim, truth) if values_agree(claim.case) else "values differ"
    off = np.abs(np.ravel(claim.values) - truth)
    seen = np.any(off > 1e-6*np.abs(truth)) if claim.size == GROSS else np.any(off)
    return "" if seen else f"{claim.mistake} is not wrong"


def self_check(functions, points):
    counts = collections.Counter()
    for kind, name in functions:
        for claim in claims_about(kind, name, points or POINTS[kind]):
            if claim.size is None:
                truth = complex_steps(claim.case)
            fault = fault_of(claim, truth)
            counts["bad" if fault else "right" if claim.size is None else "wrong"] += 1
            if fault:
                print(f"{claim.name}, point {claim.point}: {fault}")
    print(f"{counts['right']} right gradients agree with complex steps, {counts['wrong']} wrong "
          f"ones do not; {counts['bad']} are not what they say")
    return counts["bad"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--self-check", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--cases", default="", metavar="WORD")
    parser.add_argument("--points", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    quiet()
    functions = functions_named(given.cases)
    if given.self_check:
        return self_check(functions, given.points) > 0
    compare(all_answers(functions, given.points, given.jobs, given.list), given.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
