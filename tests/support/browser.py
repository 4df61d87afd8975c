"""Chromium, as Debian packages it, by its own driver: what a person would see of the page."""
import json
import shutil
import urllib.parse
import unittest

import story

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
except ImportError:
    webdriver = None

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"


class Browser:
    """One window. It is ended with the story."""

    def __init__(self, width=1280, height=900, dark=False):
        for needed in (CHROMIUM, DRIVER):
            if not shutil.which(needed):
                raise unittest.SkipTest(f"{needed} is not installed: run/setup --browser")
        if webdriver is None:
            raise unittest.SkipTest("python3-selenium is not installed: run/setup --browser")
        self.name = "chromium"
        self.profile = story.directory("hw9-chromium-")
        options = Options()
        options.binary_location = CHROMIUM
        for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                     "--no-first-run", "--disable-background-networking", "--no-proxy-server",
                     "--disable-component-update", "--force-prefers-reduced-motion",
                     f"--user-data-dir={self.profile}", f"--window-size={width},{height}"):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        story.keep(self)
        self.driver.set_page_load_timeout(30)
        self.driver.set_script_timeout(60)
        self.hosts = set()
        self.look(width, height, dark)

    def look(self, width, height, dark=False, scale=1):
        """As a screen of that size, which likes it light or dark."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def open(self, url):
        self.driver.get(url)

    def run(self, script, *words):
        return self.driver.execute_script(script, *words)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)",
                        selector)

    def rows(self, table):
        """The cells of each row of a table's body, as texts."""
        return self.run("return [...document.querySelector(arguments[0]).tBodies[0].rows]"
                        ".map(row => [...row.cells].map(cell => cell.textContent))", table)

    def await_text(self, selector, wanted, seconds=20):
        return story.await_fact(lambda: f"{selector} says {wanted!r}: {self.text(selector)!r}",
                                lambda: wanted in self.text(selector), seconds, every=0.1)

    def complaints(self):
        """What the console was told that is no mere message."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] not in ("INFO", "DEBUG")]

    def asked_hosts(self):
        """Every host that was asked for anything."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] != "Network.requestWillBeSent":
                continue
            url = urllib.parse.urlsplit(message["params"]["request"]["url"])
            if url.scheme in ("http", "https", "ws", "wss"):
                self.hosts.add(url.netloc)
        return self.hosts

    def picture(self, path):
        self.driver.save_screenshot(str(path))

    def tail(self, lines):
        return "\n".join(self.complaints()[-lines:])

    def end(self):
        if self.driver is not None:
            self.driver.quit()
            self.driver = None
        shutil.rmtree(self.profile, ignore_errors=True)
