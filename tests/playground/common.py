"""common.py - the playground's page in a headless Chromium, and claims about it.

A test is a file of functions whose names are claims; each takes a Page that has just been opened:

    def a_dragged_value_changes_the_result(page): ...
    common.run(globals())

Arguments of a test: the page, and a folder for screenshots if they are wanted. Prints TAP; every claim also fails for an
error on the console, a request to any network, or text that is wider than the window."""

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import browser

root = Path(__file__).resolve().parent.parent.parent
# Where the libraries and the native engine are: Meson says so; by hand it is the usual build.
built = Path(os.environ.get("TAPIR_BUILD", root/"build/test"))
native_engine = built/"demos/playground/engine"

page_file = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/playground.html").resolve()
pictures = Path(sys.argv[2]) if len(sys.argv) > 2 else None


class Page(browser.Browser):
    """The page, with what a reader does to it. Elements are given by CSS selectors."""

    def start(self, address="", keep=False):
        """Opens the page anew, without what it remembers unless `keep`."""
        if not keep:        # what the page would write as it is left is refused
            if not self.run("return location.href").startswith(page_file.as_uri()):
                self.ask("POST", "/url", {"url": page_file.as_uri()})
            self.run("for (const s of [localStorage, sessionStorage]) s.clear(); Storage.prototype.setItem = () => {};")
        self.ask("POST", "/url", {"url": "about:blank"})
        self.problems()
        self.page = page_file.as_uri()
        self.ask("POST", "/url", {"url": self.page + address})
        self.wait("return document.documentElement.dataset.ready === 'true'")

    def wait(self, script, *arguments, seconds=10):
        """Until the script returns something true, which is returned."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.run(script, *arguments)
            if found:
                return found
            time.sleep(0.03)
        raise AssertionError(f"not within {seconds} s: {script}")

    def element(self, selector):
        found = self.ask("POST", "/elements", {"using": "css selector", "value": selector})
        assert found, f"no {selector}"
        return next(iter(found[0].values()))

    def click(self, selector):
        self.ask("POST", f"/element/{self.element(selector)}/click", {})

    def click_text(self, selector, text):
        """The first element of that selector with that text."""
        assert self.run("const e = [...document.querySelectorAll(arguments[0])].find(e => e.textContent.trim() === "
                        "arguments[1]); if (e) e.click(); return !!e;", selector, text), f"no {selector} with {text}"

    def type(self, selector, text, clear=True):
        at = self.element(selector)
        if clear:
            self.run("const e = document.querySelector(arguments[0]); e.focus(); e.select?.();", selector)
        self.ask("POST", f"/element/{at}/value", {"text": text})

    def put(self, selector, value):
        """Sets a slider or a choice as a hand would leave it."""
        self.run("const e = document.querySelector(arguments[0]); e.value = arguments[1];"
                 "e.dispatchEvent(new Event('input', {bubbles: true})); e.dispatchEvent(new Event('change', {bubbles: true}));",
                 selector, str(value))

    def text(self, selector):
        return self.run("const e = document.querySelector(arguments[0]); return e && e.textContent;", selector)

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent);", selector)

    def drag(self, selector, dx, dy):
        """With the pointer, from the middle of an element."""
        origin = {"element-6066-11e4-a52e-4f735466cecf": self.element(selector)}       # the name is WebDriver's
        steps = [{"type": "pointerMove", "origin": origin, "x": 0, "y": 0, "duration": 0}, {"type": "pointerDown", "button": 0},
                 {"type": "pointerMove", "origin": "pointer", "x": dx, "y": dy, "duration": 60}, {"type": "pointerUp", "button": 0}]
        self.ask("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}]})

    def show(self, name):
        """A screenshot, if somebody wants to look."""
        if pictures:
            pictures.mkdir(parents=True, exist_ok=True)
            self.picture(pictures/f"{name}.png")


def ran(source, folder):
    """What a program that the page gave prints; it is compiled as its first lines say, against the libraries that were built."""
    folder = Path(folder)
    (folder/"given.c").write_text(source)
    libraries = [built/"nn/libtapir-nn.so", built/"engine/libtapir.so"]
    made = subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", root/"include", "-I", root/"engine", folder/"given.c", "-o", folder/"given",
                           *libraries, *(f"-Wl,-rpath,{library.parent}" for library in libraries), "-lm"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    said = subprocess.run([folder/"given"], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return said.stdout


def run(claims, width=1280, height=900, dark=False):
    """Every function of the file that takes a page, in order, as TAP."""
    if browser.missing():
        print("1..0 # SKIP not installed:", browser.missing())
        return
    tests = [(name, test) for name, test in claims.items()
             if getattr(test, "__code__", None) and test.__code__.co_varnames[:test.__code__.co_argcount] == ("page",)
             and name.count("_") > 1]       # a helper has a short name
    print(f"1..{len(tests)}")
    failed = 0
    with Page(width, height, dark) as page:
        for number, (name, test) in enumerate(tests, 1):
            try:
                page.start()
                test(page)
                problems = page.problems()
                assert not problems, problems
                wide = page.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert wide <= 0, f"the page is {wide} px wider than the window"
                print(f"ok {number} - {name}", flush=True)
            except (Exception, SystemExit) as error:        # SystemExit: what the driver refused
                failed += 1
                print(f"not ok {number} - {name}\n# " + str(error).replace("\n", "\n# "), flush=True)
                page.show("failed-" + name)
    sys.exit(failed > 0)
