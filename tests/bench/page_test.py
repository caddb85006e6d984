#!/usr/bin/env python3
"""Tests of page: outputs of benchmarks as bench.h prints them, and a page whose cells are known. One
line of TAP a claim.

    page_test.py PAGE"""

import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = Path(sys.argv[1]).resolve()

HEADER = "                                 min    median       max  (31 runs, alternating)\n"


def block(title, label, theirs, tapir, unit="us"):
    rows = [f"  {name:<24} {low:9.3f} {middle:9.3f} {9e3:9.3f}  {unit}\n"
            for name, (low, middle) in ((label, theirs), ("tapir", tapir))]
    return f"{title}\n{HEADER}{''.join(rows)}  {'ratio':<24} {1:9.3f} {1:9.3f} {1:9.3f}  \n\n"


NETS = [block("one", "by hand", (2, 3), (10, 11)) + block("batch", "by hand", (5, 6), (1, 1.5)),
        block("one", "by hand", (2.5, 5), (8, 12)) + block("batch", "by hand", (4, 6), (1, 1.5))]
COMPILE = "compiling, ns a node\n" + HEADER + "".join(
    f"  {kind + ' ' + str(size):<24} {low:9.3f} {low:9.3f} {low:9.3f}  ns\n"
    for kind, size, low in (("chain", 10003, 277), ("chain", 100003, 1385), ("net", 10000, 47)))
TORCH = NETS[0] + "PyTorch 1.13, the same work\n  batch of 64                  2.000     2.500     3.000  us\n"

MANY = [f"Gauss\n{HEADER}  function alone           {low:9.3f}     9.000     9.000  us\n"
        f"  tape, warm               {low + 1:9.3f}     9.000     9.000  us\n"
        "  tape, warm: ratio            1.000     1.000     1.000  \n"
        "  by hand, each row           40.000    50.000    60.000  ns\n" for low in (3, 2)]

PAGE = """Text with | a stroke.

| measured on | |
| --- | --- |
| date | |

| benchmark | work | unit | beside it: min, median | Tapir: min, median | ratio | wanted |
| --- | --- | --- | --- | --- | --- | --- |
| `nets` | one, x\\|y | | | | | 2.5 |
| `other` | not measured | ms | 1, 2 | 3, 4 | 3.00 | 1 |
| `nets` | batch | us | 1, 1 | 1, 1 | 1.00 | |

| benchmark | tape | unit | Tapir: sizes |
| --- | --- | --- | --- |
| `compile` | a chain | | |
| `compile` | a net | | |

| benchmark | work | unit | beside it | Tapir | ratio |
| --- | --- | --- | --- | --- | --- |
| `torch` | PyTorch | | | | |

| benchmark | of | tape, warm | by hand, each row | not printed |
| --- | --- | --- | --- | --- |
| `templates` | Gauss | | | - |
"""


def written(times=1):
    with tempfile.TemporaryDirectory() as folder:
        build, page = Path(folder)/"build", Path(folder)/"page.md"
        (build/"measured").mkdir(parents=True)
        page.write_text(PAGE)
        (build/"measured/machine").write_text("date: 1 May 2026\nload: 0: none\n")
        for name, text in (("nets", "==== process ====\n".join(NETS)), ("compile", COMPILE),
                           ("torch", TORCH), ("templates", "==== process ====\n".join(MANY))):
            (build/f"measured/{name}.txt").write_text(text)
        for _ in range(times):
            subprocess.run([SCRIPT, "write", build, "--page", page], check=True)
        return page.read_text()


def the_least_minimum_and_the_median_of_medians_stand_there():
    assert "| `nets` | one, x\\|y | us | 2, 4 | 8, 11.5 | 4.00 | 2.5 |\n" in written()


def the_second_row_is_about_the_second_comparison():
    assert "| `nets` | batch | us | 4, 6 | 1, 1.5 | 0.25 | |\n" in written()


def what_was_not_measured_stays():
    assert "| `other` | not measured | ms | 1, 2 | 3, 4 | 3.00 | 1 |\n" in written()
    assert written().startswith("Text with | a stroke.\n\n| measured on | |\n| --- | --- |\n")


def tapes_that_were_compiled_have_a_row_a_kind():
    assert "| `compile` | a chain | ns | 277 / 1385 |\n| `compile` | a net | ns | 47, 47 |\n" in written()


def what_others_took_stands_beside_the_batch_it_belongs_to():
    assert "| `torch` | PyTorch | us | 2, 2.5 | 10, 11 | 5.00 |\n" in written()


def sides_that_are_more_than_two_have_columns_of_their_names():
    assert "| `templates` | Gauss | 3 us | 40 ns | - |\n" in written()


def the_day_is_said():
    assert "| date | 1 May 2026 |\n" in written()


def writing_twice_changes_nothing():
    assert written(2) == written()


TESTS = [value for value in list(globals().values()) if getattr(value, "__module__", "") == "__main__"
         and value not in (block, written)]


def main():
    failed = 0
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        try:
            test()
        except AssertionError:
            failed += 1
            print("# " + "\n# ".join(written().splitlines()) + "\nnot ", end="")
        print(f"ok {number} - {test.__name__}")
    return failed > 0


sys.exit(main())
