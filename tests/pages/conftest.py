"""The web site in a real browser: Chromium from the machine, pages and API behind one address, a world of its own."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.cloud.firestore import Client
from pg8000.dbapi import Connection
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from emulators import bootstrap, contract
from emulators.firestore import Firestore
from emulators.gateway import Gateway, KeySet
from functions.insights import memory
from functions.pages import live
from shared import auth
from tests import factories
from tests.client import app
from tests.fakes import public_rows
from tests.platform import Platform

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
WAIT_MS_MAX = 20_000
SPIES = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""

Open = Callable[..., "Visit"]


@dataclass
class Visit:
    """A page in a window of its own, and what it complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def found(self) -> list[str]:
        """Complaints on the console, and violations of the content security policy."""
        return [*self.complaints, *self.page.evaluate("window.violations ?? []")]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    binary = next((found for name in NAMES if (found := shutil.which(name))), None)
    if binary is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium): pages are not looked at in a browser")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=binary, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe, which looks for barriers."""
    return (bootstrap.contract_tools() / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def firestore_host(embedded_firestore_server: Firestore) -> str:
    """The embedded Firestore alone: what a browser sees does not depend on whose it is."""
    return embedded_firestore_server.host


@pytest.fixture
def site(platform: Platform, sql: Connection, listeners: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a site with figures of every kind."""
    del listeners
    monkeypatch.setenv("PAGES_GALLERY", "true")
    monkeypatch.setenv("COUNTER_RUN_SECONDS", "0.02")
    furnish(sql)
    live.forget()
    memory.forget()
    keys = KeySet(auth.published_keys)
    insights: dict[str, Any] = {"insights": app("insights")}
    edge = platform.edge_key
    gateway = Gateway(
        contract.operations(), contract.token_rules(), insights, keys, platform.gateway_token, edge, app("pages")
    )
    server = make_server("127.0.0.1", 0, gateway, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    live.forget()


def furnish(sql: Connection) -> None:
    """Bring the world to the site."""
    factories.set_scan_counter(public_rows.COUNT)
    for number in range(500, 7_500, 500):
        public_rows.milestone(sql, number, won=number % 1_000 == 0)
    public_rows.milestone(sql, 7_500, won=False, kind="crypto_1k")
    public_rows.milestone(sql, 7_500, won=True, status="pending")
    for _ in range(8):
        public_rows.milestone(sql, 8_000 + 500 * _, won=True, status="cancelled")
    public_rows.feed_line(sql, "someone_was_paid", amount="10000.00")
    public_rows.feed_line(sql, "someone_won_prize", "comp_awarded", prize="casino")
    public_rows.balances(sql)
    public_rows.work_out()


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Open]:
    """Opens a path in a new window; further arguments are those of the window (viewport, color_scheme, …)."""
    windows = []

    def made(path: str, **given: Any) -> Visit:
        window = browser.new_context(**given)
        windows.append(window)
        window.set_default_timeout(WAIT_MS_MAX)
        window.add_init_script(SPIES)
        found = Visit(window.new_page())
        found.page.on("console", lambda said: found.complaints.append(said.text) if said.type != "log" else None)
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        found.page.goto(site + path)
        return found

    yield made
    for window in windows:
        window.close()
