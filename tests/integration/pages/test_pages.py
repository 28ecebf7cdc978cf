"""The web site's pages: figures from the jobs' documents, languages, caching, headers, and what is not there."""

import gzip
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from google.cloud.firestore import Client
from pg8000.dbapi import Connection
from werkzeug.test import TestResponse

from functions.pages import assets, live, main, views
from functions.pages.site import PAGE_HEADERS
from shared import clock
from shared.messages.wording import LANGUAGES
from shared.ports import firestore
from tests import factories
from tests.client import app, edge_headers
from tests.fakes import public_rows

pytest_plugins = ["tests.contract.firestore_plugin"]

NOT_COMPARED = "UPDATE scan_counter SET lineage = 'another database'"


@pytest.fixture(autouse=True)
def _read_anew(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    del database  # it sets the environment that this adds to
    monkeypatch.setenv("COUNTER_RUN_SECONDS", "0.02")
    live.forget()
    yield
    live.forget()


@pytest.fixture
def shown(listeners: Client, sql: Connection) -> None:
    """A site with figures of every kind."""
    del listeners
    factories.set_scan_counter(public_rows.COUNT)
    public_rows.milestone(sql, 7_000, won=True)
    public_rows.feed_line(sql, "someone_was_paid", amount="100.00")
    public_rows.feed_line(sql, "someone_won_prize", "comp_awarded", prize="casino")
    public_rows.balances(sql)
    public_rows.work_out()


def ask(path: str, method: str = "GET", **headers: str) -> TestResponse:
    given = {**edge_headers("203.0.113.7"), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return app("pages").test_client().open(path, method=method, headers=given)


def text_of(path: str) -> str:
    """The page's text without its markup."""
    page = re.sub(r"<script.*?</script>|<template.*?</template>", "", ask(path).text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.usefixtures("shown")
def test_live_json_has_the_figures_of_both_documents() -> None:
    response = ask("/live.json")
    body = json.loads(response.data)

    assert response.headers["Cache-Control"] == "public, max-age=2"
    assert (body["count"]["total"], body["comps_paid"]) == (7_492, {"count": 1, "amount": "100.00"})
    assert body["velocity"].keys() == set(live.OF_VELOCITY)
    assert [(each["prize"], each["next_number"]) for each in body["milestones"]][:2] == [
        ("crypto_100", 7_500), ("crypto_1k", 7_500),
    ]  # fmt: skip
    member = body["treasuries"][0]
    assert (member["treasury"], member["balance"], member["block_number"]) == ("member", "1234567.50", 68_123_456)
    assert {each["code"] for each in body["feed"]} == {"someone_was_paid", "someone_won_prize"}
    assert body["moments"].keys() == {"count", "feed", "treasuries", "reconciliation", "totals"}
    assert all(each["as_of"] < each["old_from"] for each in body["moments"].values())


@pytest.mark.usefixtures("shown")
@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        (
            "en",
            (
                "7,492",
                "8 scans to go",
                "Number 7,500",
                "$1,234,567.50",
                "$100 USDT paid on Polygon",
                "Not compared yet",
            ),
        ),
        ("es", ("7,492", "faltan 8 escaneos", "¡Alguien ganó un paquete de casino!", "1 premio pagado")),
        ("pt", ("7.492", "faltam 8 leituras", "US$\u00a01.234.567,50".replace("\u00a0", " "), "1 prêmio pago")),
    ],
)
def test_the_first_page_has_the_figures_before_any_script_runs(language: str, wanted: tuple[str, ...]) -> None:
    shown = text_of(f"/{language}")
    for each in wanted:
        assert each in shown


def test_an_unknown_figure_is_a_dash_and_says_what_is_missing(listeners: Client) -> None:
    del listeners
    response = ask("/live.json")
    assert response.status_code == 200
    assert json.loads(response.data)["count"] is None
    shown = text_of("/en")
    assert views.UNKNOWN in shown
    for empty in ("Nobody has won yet.", "No balance has been read yet.", "Not compared yet"):
        assert empty in shown


def test_while_the_count_is_being_compared_no_milestone_is_told(listeners: Client, sql: Connection) -> None:
    del listeners
    sql.execute_simple(NOT_COMPARED)
    public_rows.work_out()
    assert json.loads(ask("/live.json").data)["milestones"] == []
    assert "The count is being compared" in text_of("/en")


@pytest.mark.usefixtures("shown")
def test_old_figures_are_called_old(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=10)
    monkeypatch.setattr(clock, "now", lambda: ahead)
    page = ask("/en").text
    assert 'data-state="old"' in page
    assert re.search(r'class="asof old" data-asof="count"', page)
    assert not re.search(r'class="asof old" data-asof="treasuries"', page)


def test_without_firestore_the_pages_are_there_and_the_figures_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "nowhere")
    firestore.close()
    refused, page = ask("/live.json"), ask("/en")
    firestore.close()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
    assert "cannot be read now" in page.text


@pytest.mark.usefixtures("shown")
def test_the_last_figures_stay_while_firestore_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    before = json.loads(ask("/live.json").data)
    monkeypatch.setattr(live, "KEPT_SECONDS", 0.0)
    ask("/live.json")
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    firestore.close()
    after = json.loads(ask("/live.json").data)
    firestore.close()
    assert {**after, "at": ""} == {**before, "at": ""}


@pytest.mark.parametrize(
    ("asked", "language"),
    [("pt-BR,pt;q=0.9", "pt"), ("es-MX", "es"), ("fr,de", "en"), ("", "en"), ("en;q=0.1,es", "es")],
)
def test_an_address_without_a_language_leads_to_the_one_that_the_browser_prefers(asked: str, language: str) -> None:
    for path in ("", "/awards", "/awards/7500"):
        response = ask(path or "/", Accept_Language=asked)
        assert (response.status_code, response.headers["Location"]) == (302, f"/{language}{path}")
        assert response.headers["Vary"] == "Accept-Language"
        assert response.headers["Cache-Control"] == "no-store"


def test_a_slash_at_the_end_leads_to_the_address_without_it() -> None:
    response = ask("/es/awards/")
    assert (response.status_code, response.headers["Location"]) == (301, "/es/awards")


@pytest.mark.usefixtures("shown")
def test_pages_are_kept_for_seconds_and_their_files_for_ever() -> None:
    page = ask("/en")
    assert page.headers["Cache-Control"] == "public, max-age=5, stale-while-revalidate=60"
    file = ask(assets.address("style.css"))
    assert file.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    again = ask(assets.address("style.css"), If_None_Match=file.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")


def test_a_page_of_another_release_gets_the_present_files_and_nobody_keeps_them() -> None:
    response = ask("/a/0123456789abcdef/style.css")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "public, no-cache")
    assert response.data == assets.assets()["style.css"].content


@pytest.mark.usefixtures("shown")
@pytest.mark.parametrize(
    "path",
    ["/", "/en", "/es/awards", "/pt/awards/7500", "/live.json", "/en/nothing", "/robots.txt", "/favicon.ico",
     assets.address("home.js")],
)  # fmt: skip
def test_every_answer_has_the_headers_that_keep_a_page_safe(path: str) -> None:
    headers = ask(path).headers
    for name, value in PAGE_HEADERS.items():
        assert headers.getlist(name) == [value], name
    assert "Cache-Control" in headers
    policy = headers["Content-Security-Policy"]
    for part in (
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
    ):
        assert part in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "path", ["/en/nothing", "/fr", "/a/0123456789abcdef/main.py", "/en/awards/0", "/en/gallery", "/v1/x"]
)
def test_what_is_not_there_is_a_page_that_says_so(path: str) -> None:
    response = ask(path)
    assert (response.status_code, response.headers["Cache-Control"]) == (404, "no-store")
    assert "There is no such page." in response.text


def test_pages_are_only_read() -> None:
    response = ask("/en", "POST")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
    assert ask("/en/awards", "HEAD").data == b""


def test_a_bug_is_a_page_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(live, "figures", broken)
    response = ask("/en")
    assert response.status_code == 500
    assert "secret" not in response.text


@pytest.mark.usefixtures("shown")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_page_with_all_that_it_loads_has_at_most_60_kb(language: str) -> None:
    page = ask(f"/{language}")
    loaded = set(re.findall(r'(?:href|src)="(/a/[^"]+)"', page.text))
    assert {name.rsplit("/", 1)[1] for name in loaded} >= {
        "style.css",
        "home.js",
        "live.js",
        "counter.js",
        "dom.js",
        "words.js",
    }
    sizes = [len(gzip.compress(content, 6)) for content in (page.data, *(ask(path).data for path in loaded))]
    assert sum(sizes) <= 60_000, sizes


def test_every_view_has_a_page_and_no_path_of_the_api() -> None:
    from emulators import contract

    patterns = [view.pattern for view in main.site.views]
    served = [operation.template for operation in contract.operations()]
    assert len(patterns) >= 7
    assert [path for path in served for pattern in patterns if pattern.fullmatch(path)] == []
