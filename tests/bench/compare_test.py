#!/usr/bin/env python3
"""Tests of compare, on a repository of their own: its benchmarks are scripts that print what they
are told, and write into a log that they ran. One line of TAP a claim.

    compare_test.py COMPARE"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMPARE = Path(sys.argv[1]).resolve()

MESON = """project('small')
fs = import('fs')
foreach name : [{names}]
  made = custom_target('bench-' + name, input: name + '.sh', output: name, command: [{command}],
    build_by_default: false)
  benchmark(name, find_program('sh'), args: made, env: ['LOG={log}'])
endforeach
"""

# The third number of a line is not the least; minima differ from run to run.
SCRIPT = """#!/bin/sh
echo {side} >> $LOG
runs=$(grep -c {side} $LOG)
{more}
echo "work (1{side} nodes), of f(x)"
echo "                                 min    median       max  (3 runs, alternating)"
echo "  by hand                      7.000     7.100     7.200  us"
echo "  tapir                        $(({first} + (runs + 1)%3)).500     9.000    10.000  us"
echo "  ratio                        1.000     1.000     1.000  "
"""


class Small:
    """A repository of two revisions."""

    def __init__(self, folder):
        self.root, self.log, self.temporary = folder/"root", folder/"log", folder/"temporary"
        self.root.mkdir(), self.temporary.mkdir()
        self.environment = {**os.environ, "TMPDIR": str(self.temporary),
                            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        for word in ("AUTHOR", "COMMITTER"):
            self.environment |= {f"GIT_{word}_NAME": "small",
                                 f"GIT_{word}_EMAIL": "small@localhost"}
        for word in ("DIR", "WORK_TREE", "INDEX_FILE"):
            self.environment.pop(f"GIT_{word}", None)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words):
        return subprocess.run(["git", "-C", self.root, *words], env=self.environment, check=True,
                              text=True, capture_output=True).stdout

    def build_of(self, names, command="'cp', '@INPUT@', '@OUTPUT@'"):
        listed = ", ".join(f"'{name}'" for name in names)
        text = MESON.format(names=listed, command=command, log=self.log)
        (self.root/"meson.build").write_text(text)
        (self.root/".gitignore").write_text("build/\n")

    def write(self, side, first, names, more=""):
        for name in names:
            script = self.root/f"{name}.sh"
            script.write_text(SCRIPT.format(side=side, first=first, more=more))
            script.chmod(0o755)

    def commit(self, tag):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", tag)
        self.git("tag", tag)

    def start(self, *words):
        return subprocess.Popen([COMPARE, "-C", self.root, *words], env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def compare(self, *words):
        process = self.start(*words)
        out, error = process.communicate(timeout=100)
        return process.returncode, out, error

    def ran(self):
        text = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return text

    def left(self):
        """What must not be there after a run: worktrees beside the first, and files."""
        return len(self.git("worktree", "list").splitlines()) - 1, list(self.temporary.iterdir())


def times_are_the_least_of_all_and_the_ratio_is_new_over_old(small):
    status, out, error = small.compare("v1", "a", "--runs", "3")
    assert status == 0 and " tapir " in out, out + error
    row = next(line.split() for line in out.splitlines() if " tapir " in line)
    assert status == 0, error
    # the old side printed 6.5, 4.5 and 5.5 as its minima, the new one 4.5, 2.5 and 3.5
    assert row[-3:] == ["4.500", "2.500", "0.556"], row


def titles_meet_whose_brackets_differ(small):
    out = small.compare("v1", "a", "--runs", "1")[1]
    assert out.count("work, of f(x)") == 2, out             # by hand, and tapir


def processes_take_turns(small):
    small.compare("v1", "--runs", "4", "a")
    assert small.ran() == "old new new old old new new old".split()


def two_revisions_leave_the_working_tree_alone(small):
    status, _, error = small.compare("v1", "v2", "a", "--runs", "1")
    assert status == 0 and not (small.root/"build").exists(), error
    assert small.ran() == ["old", "new"]


def a_benchmark_that_the_old_revision_lacks_is_measured_alone(small):
    status, out, error = small.compare("v1", "--runs", "1")
    assert status == 0, error
    assert "not in v1 (" in out, out
    assert sum(line.split()[-3:-1] == ["-", "2.500"] for line in out.splitlines()) == 1, out


def nothing_is_left(small):
    small.compare("v1", "v2", "a", "--runs", "1")
    assert small.left() == (0, []), small.left()


def nothing_is_left_when_it_is_interrupted(small):
    process = small.start("v1", "a", "--runs", "100000")
    for _ in range(600):
        if small.log.exists():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1 and "interrupted" in error, error
    assert small.left() == (0, []), small.left()


def what_is_to_be_kept_is_used_again(small):
    kept = small.temporary/"kept"
    for _ in range(2):
        status, _, error = small.compare("v1", "v2", "a", "--runs", "1", "--keep", str(kept))
        assert status == 0 and len(list(kept.iterdir())) == 2 and small.left()[0] == 2, error


def a_build_that_fails_is_said_with_its_revision(small):
    small.build_of(["a"], command="'false'")
    small.commit("broken")
    status, _, error = small.compare("broken", "a")
    assert status == 1 and "broken (" in error and "could not be built" in error, error
    assert small.left() == (0, []) and small.ran() == [], small.left()


def a_benchmark_that_fails_is_said_and_the_others_go_on(small):
    small.write("new", 2, ["a", "b"], more="echo the sides disagree; exit 3")
    small.write("new", 2, ["b"])
    status, out, error = small.compare("v2", "--runs", "1")
    assert status == 1 and "the sides disagree" in error, error
    assert "a of the working tree ended with status 3" in error, error
    assert any(line.startswith("b ") and " tapir " in line for line in out.splitlines()), out


def words_that_name_nothing_are_said(small):
    status, _, error = small.compare("v3")
    assert status == 1 and "no revision v3" in error, error
    status, _, error = small.compare("v1", "network")
    assert status == 1 and "neither a revision nor a benchmark; there are a" in error, error


TESTS = [value for value in list(globals().values())
         if callable(value) and value.__module__ == "__main__" and value.__name__[0].islower()]
# Each builds something twice, which takes seconds; those that say most, unless all are asked for.
if os.environ.get("TAPIR_FULL") != "1":
    TESTS = [times_are_the_least_of_all_and_the_ratio_is_new_over_old, nothing_is_left,
             a_build_that_fails_is_said_with_its_revision]


def main():
    if not all(shutil.which(tool) for tool in ("git", "meson", "ninja")):
        print("1..0 # SKIP needs git, meson and ninja")
        return 0
    failed = 0
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        with tempfile.TemporaryDirectory() as folder:
            small = Small(Path(folder))
            small.build_of(["a"])
            small.write("old", 4, ["a"])
            small.commit("v1")
            small.build_of(["a", "b"])
            small.write("new", 2, ["a", "b"])
            small.commit("v2")
            try:
                test(small)
            except (AssertionError, subprocess.TimeoutExpired) as reason:
                failed += 1
                print("\n".join("# " + line for line in str(reason).splitlines()))
                print("not ", end="")
            print(f"ok {number} - {test.__name__}", flush=True)
    return failed > 0


sys.exit(main())
