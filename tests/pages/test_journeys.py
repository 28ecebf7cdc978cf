"""Visitors of the pages in a browser: keyboard alone, no network, old figures, no script, other time zones."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from shared import clock
from shared.messages.wording import LANGUAGES
from tests.pages.conftest import Open

pytest_plugins = ["tests.contract.firestore_plugin"]

TEXTS = """[...document.querySelectorAll("main [data-v]")]
  .filter((each) => each.dataset.v !== "count_spoken" && each.dataset.v !== "status")
  .map((each) => `${each.dataset.v}: ${each.textContent}`)"""
FOCUSED = "document.activeElement.textContent.trim().replace(/\\s+/g, ' ')"
FCP = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
FCP_MS_MAX = 3_000  # on a machine that does much else; docs/pages.md has what it takes


def status(page: Page, state: str) -> None:
    expect(page.locator("[data-status]")).to_have_attribute("data-state", state, timeout=20_000)


def changed(change: Callable[[dict[str, object]], None]) -> Callable[[Route], None]:
    """Answers with the site's own live.json, changed."""

    def answer(route: Route) -> None:
        body = route.fetch().json()
        change(body)
        route.fulfill(body=json.dumps(body), content_type="application/json")

    return answer


@pytest.mark.parametrize("language", LANGUAGES)
def test_server_and_script_write_the_same_texts(language: str, visit: Open) -> None:
    served = visit(f"/{language}", java_script_enabled=False).page
    texts = served.locator("main [data-v]")
    before = [
        f"{name}: {text}"
        for each in texts.all()
        if (name := each.get_attribute("data-v")) not in ("count_spoken", "status")
        and (text := each.text_content()) is not None
    ]
    page = visit(f"/{language}").page
    status(page, "live")
    page.locator("time[title]").first.wait_for()
    assert page.evaluate(TEXTS) == before
    assert len(before) > 40


def test_everything_is_reached_by_keyboard_alone(visit: Open) -> None:
    page = visit("/en").page
    status(page, "live")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Skip to content"
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
        if reached[-1] == reached[0] and len(reached) > 1:
            break
        shown = page.evaluate("""() => {
            const box = document.activeElement.getBoundingClientRect();
            const style = getComputedStyle(document.activeElement);
            return document.activeElement === document.body
                || (box.top >= 0 && box.bottom <= innerHeight && style.outlineStyle !== "none");
        }""")
        assert shown, reached[-1]
    wanted = page.evaluate("""[...document.querySelectorAll("a, button, summary, input")].slice(1)
        .map((each) => each.textContent.trim().replace(/\\s+/g, ' '))""")
    assert [text for text in wanted if text not in reached] == []


def test_the_skip_link_and_a_detail_open_by_enter(visit: Open) -> None:
    page = visit("/en").page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("details").first).to_have_attribute("open", "")


def test_a_number_is_looked_up_by_keyboard(visit: Open) -> None:
    page = visit("/es/awards").page
    page.get_by_label("Buscar un número").focus()
    page.keyboard.type("7500")
    page.keyboard.press("Enter")
    page.wait_for_url("**/es/awards/7500")
    expect(page.locator(".award")).to_have_count(2)
    expect(page.locator(".award.won")).to_contain_text("El pago está en camino.")


def test_more_awards_follow_and_the_focus_goes_with_them(visit: Open) -> None:
    page = visit("/en/awards").page
    expect(page.locator(".award")).to_have_count(20)
    page.get_by_role("button", name="Show more").press("Enter")
    expect(page.locator(".award")).to_have_count(24)
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    expect(page.locator(".award").nth(20).locator("a").first).to_be_focused()
    won = page.locator(".award", has_text="Number 7,000").first
    expect(won).to_contain_text("Paid: $100")
    assert re.search("/tx/0x", won.get_by_role("link", name="Transaction").get_attribute("href") or "")


def test_without_a_network_the_figures_stay_and_come_back(visit: Open) -> None:
    page = visit("/en").page
    status(page, "live")
    page.context.set_offline(True)
    status(page, "offline")
    expect(page.locator("[data-v=status]")).to_have_text("You are offline. The figures stay as they were.")
    expect(page.locator(".count")).to_have_text("7,492")
    page.context.set_offline(False)
    status(page, "live")


def test_old_figures_are_called_old_until_there_are_new_ones(visit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    page = visit("/en").page
    status(page, "live")
    ahead = datetime.now(UTC) + timedelta(minutes=10)
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: ahead)
        status(page, "old")
        expect(page.locator("[data-asof=count]")).to_have_class(re.compile("old"))
        expect(page.locator("[data-asof=count] [data-old]")).to_be_visible()
        expect(page.locator("[data-asof=treasuries] [data-old]")).to_be_hidden()
    status(page, "live")
    expect(page.locator("[data-asof=count] [data-old]")).to_be_hidden()


def test_a_refusal_is_said_and_asked_again(visit: Open) -> None:
    page = visit("/en").page
    status(page, "live")
    page.route("**/live.json", lambda route: route.fulfill(status=503, body="{}"))
    status(page, "refused")
    expect(page.locator(".count")).to_have_text("7,492")
    page.unroute("**/live.json")
    status(page, "live")


def test_a_list_that_is_refused_can_be_asked_for_again(visit: Open) -> None:
    page = visit("/en/nothing").page
    page.route("**/v1/insights/awards*", lambda route: route.fulfill(status=503, body="{}"))
    page.get_by_role("link", name="Awards").click()
    expect(page.locator("[data-note]")).to_contain_text("This cannot be read now.")
    page.unroute("**/v1/insights/awards*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".award")).to_have_count(20)


def test_the_count_goes_on_by_its_pace_and_never_back(visit: Open) -> None:
    page = visit("/en").page
    status(page, "live")

    def faster(body: dict[str, object]) -> None:
        body["count"] = {"total": 8_000, "per_second": 50.0, "as_of": body["at"]}

    def back(body: dict[str, object]) -> None:
        body["count"] = {"total": 7_000, "per_second": 0.0, "as_of": body["at"]}

    page.route("**/live.json", changed(faster))
    expect(page.locator(".count")).to_have_text(re.compile("8,[1-9]"), timeout=20_000)
    page.unroute("**/live.json")
    page.route("**/live.json", changed(back))
    with page.expect_response("**/live.json"):
        pass
    shown = page.locator(".count").text_content() or ""
    assert int(shown.replace(",", "")) > 8_000


def test_reduced_motion_keeps_the_count_still_between_versions(visit: Open) -> None:
    page = visit("/en", reduced_motion="reduce").page
    status(page, "live")

    def faster(body: dict[str, object]) -> None:
        body["count"] = {"total": 8_000, "per_second": 50.0, "as_of": body["at"]}

    page.route("**/live.json", changed(faster))
    expect(page.locator(".count")).to_have_text("8,000", timeout=20_000)
    page.wait_for_timeout(500)
    expect(page.locator(".count")).to_have_text("8,000")


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_a_moment_is_told_where_the_reader_is_and_in_utc(zone: str, visit: Open) -> None:
    page = visit("/en", timezone_id=zone).page
    time = page.locator(".line time[title]").first
    time.wait_for()
    at = datetime.fromisoformat(time.get_attribute("datetime") or "").astimezone(UTC)
    assert f"{at:%B} {at.day}, {at.year}" in (time.get_attribute("title") or "").partition("(")[2]
    expect(time).to_have_text("3 minutes ago")


def test_the_first_paint_has_the_figures(visit: Open) -> None:
    page = visit("/en").page
    status(page, "live")
    assert 0 < page.evaluate(FCP) < FCP_MS_MAX


def test_nothing_is_asked_for_while_nobody_looks(visit: Open) -> None:
    page = visit("/en").page
    status(page, "live")
    page.evaluate("""() => {
        Object.defineProperty(document, "hidden", {value: true, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(6_000)
    assert [url for url in asked if url.endswith("live.json")] == []
