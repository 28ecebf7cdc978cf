"""Every mail that somebody queues has a template, gets what it needs, and is harmless whatever is put into it."""

import ast
from html.parser import HTMLParser

import pytest

from emulators import contract
from functions.email_send import templates
from functions.email_send.templates import SOURCES, TemplateUnknown, render
from shared.mails import OPTIONAL

EVIL = '<script>alert("1")</script>&$code ${code} $$ \u2028'


def queued() -> set[str]:
    """The templates that are named anywhere in the code: constants that stand in a call of Letter, or near one."""
    found = set()
    for path in [*contract.FUNCTIONS.rglob("*.py"), *(contract.ROOT / "shared").glob("*.py")]:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Letter":
                named = node.args[2] if len(node.args) > 2 else None
                if isinstance(named, ast.Constant):
                    found.add(str(named.value))
    return found


def test_every_template_that_is_queued_exists() -> None:
    assert queued() <= SOURCES.keys()
    assert len(queued()) >= 5
    assert OPTIONAL.keys() <= SOURCES.keys()


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_template_is_rendered_with_what_it_names_and_not_without(name: str) -> None:
    given = {parameter: f"<{parameter}>" for parameter in SOURCES[name].parameters}
    made = render(name, given)
    assert "$" not in made.subject
    for text in (made.text, made.html):
        assert SOURCES[name].why in text
    for parameter in given:
        assert f"<{parameter}>" in made.text + made.subject
        assert f"<{parameter}>" not in made.html
        assert f"&lt;{parameter}&gt;" in made.html
        with pytest.raises(TemplateUnknown):
            render(name, {other: value for other, value in given.items() if other != parameter})


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_nothing_that_is_put_into_it_becomes_html(name: str) -> None:
    made = render(name, dict.fromkeys(SOURCES[name].parameters, EVIL))
    tags = _Tags()
    tags.feed(made.html)
    assert tags.found <= {"html", "head", "meta", "title", "body", "table", "tr", "td", "span", "p"}
    assert tags.open == []
    if SOURCES[name].parameters:
        assert EVIL in made.text + made.subject


def test_a_template_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TemplateUnknown):
        templates.render("unknown", {})


class _Tags(HTMLParser):
    """Which tags there are, and whether each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        self.found.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
