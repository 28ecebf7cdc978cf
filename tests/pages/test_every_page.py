"""Each page in three languages, on narrow and wide screens, in light and dark: no barrier, no fault, no report."""

from itertools import product

import pytest
from playwright.sync_api import Page

from shared.messages.wording import LANGUAGES
from tests.pages.conftest import Open

pytest_plugins = ["tests.contract.firestore_plugin"]

SCHEMES = ("light", "dark")
# In between, one language shows where the columns come and go; the other widths need the longest words of each.
SCREENS = [*product(LANGUAGES, (320, 1280), SCHEMES), *product(("es",), (768,), SCHEMES)]
READY = {"": "[data-status][data-state=live]", "/awards": ".award", "/awards/7500": ".award", "/gallery": "h1",
         "/nothing": "h1"}  # fmt: skip
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
SMALL = """[...document.querySelectorAll("a, button, summary, input")].filter((each) => {
  const box = each.getBoundingClientRect();
  return box.width > 0 && !each.matches(".skip") && (box.width < 24 || box.height < 24);
}).map((each) => each.outerHTML)"""


def barriers(page: Page, axe: str) -> list[str]:
    """The findings of axe: each rule with its elements."""
    page.evaluate(axe)
    rules = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations)")
    return [f"{rule['id']}: {[node['html'] for node in rule['nodes']]}" for rule in rules]


@pytest.mark.parametrize("path", READY)
def test_a_page_is_sound_in_every_language_width_and_light(path: str, visit: Open, axe: str) -> None:
    wrong: dict[str, object] = {}
    for language, width, scheme in SCREENS:
        opened = visit(f"/{language}{path}", viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = opened.page
        page.locator(READY[path]).first.wait_for()
        for closed in page.locator("summary").all():
            closed.click()
        found = {
            "barriers": barriers(page, axe),
            "complaints": [said for said in opened.found() if "404" not in said or path != "/nothing"],
            "sideways": [] if page.evaluate(FITS) else [page.evaluate("document.documentElement.scrollWidth")],
            "small": page.evaluate(SMALL),
        }
        if faults := {name: each for name, each in found.items() if each}:
            wrong[f"{language} {width} {scheme}"] = faults
        page.context.close()
    assert wrong == {}


def test_axe_and_the_policy_would_report(visit: Open, axe: str) -> None:
    """On a page with a barrier and a script in its text; or the test above could not fail."""
    opened = visit("/en")
    opened.page.evaluate("""() => {
        document.body.append(document.createElement("img"));
        const script = document.createElement("script");
        try { script.text = "1"; } catch { }
        const style = document.createElement("style");
        style.textContent = "body { color: red }";
        document.head.append(style);
    }""")
    assert any(each.startswith("image-alt") for each in barriers(opened.page, axe))
    assert any("style-src" in each for each in opened.found())
