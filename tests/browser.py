"""browser.py - a headless Chromium for tests of pages, through ChromeDriver and nothing but Python's library.

    with Browser() as b:
        b.open("/path/page.html")
        b.run("return document.title")
        b.press("ArrowRight")
        b.problems()        console errors, and requests for anything but the page itself"""

import base64
import json
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

KEYS = {"ArrowLeft": "\ue012", "ArrowRight": "\ue014", "Home": "\ue011", "End": "\ue010", "Tab": "\ue004",
        "Escape": "\ue00c", "PageDown": "\ue00f", "PageUp": "\ue00e", "ArrowUp": "\ue013", "ArrowDown": "\ue015",
        "Enter": "\ue007", "Space": " "}


def missing():
    """What is not installed, or an empty string."""
    return " ".join(name for name in ("chromium", "chromedriver") if shutil.which(name) is None)


class Browser:
    def __init__(self, width=1280, height=900, dark=False):
        self.size = width, height
        self.dark = dark
        self.page = "about:"

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
        for line in self.driver.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                break
        else:
            sys.exit("chromedriver did not start")
        self.url = f"http://127.0.0.1:{found[1]}/session"
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--disable-quic", "--hide-scrollbars",
                     f"--window-size={self.size[0]},{self.size[1]}", f"--user-data-dir={self.folder.name}"]
        if self.dark:
            arguments.append("--force-dark-mode")
        wanted = {"browserName": "chrome", "goog:chromeOptions": {"args": arguments},
                  "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self.url += "/" + self.ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        self.ask("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": self.size[0], "height": self.size[1], "deviceScaleFactor": 1, "mobile": self.size[0] < 600}})
        if self.dark:
            self.ask("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {
                "features": [{"name": "prefers-color-scheme", "value": "dark"}]}})
        return self

    def __exit__(self, *_):
        try:
            self.ask("DELETE", "", None)
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.folder.cleanup()

    def ask(self, method, path, body):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            sys.exit(f"chromedriver: {error.read().decode()}")

    def open(self, path):
        self.page = Path(path).resolve().as_uri()
        self.ask("POST", "/url", {"url": "about:blank"})
        self.problems()         # the browser's own first page asks for much
        self.ask("POST", "/url", {"url": self.page})

    def run(self, script, *arguments):
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, *keys):
        actions = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def picture(self, path):
        Path(path).write_bytes(base64.b64decode(self.ask("GET", "/screenshot", None)))

    def problems(self):
        found = [entry["message"] for entry in self.ask("POST", "/se/log", {"type": "browser"})]
        for entry in self.ask("POST", "/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                if not url.startswith(("data:", "about:", "blob:", self.page)):     # a blob is the page's own
                    found.append("asked for " + url)
        return found
