"""Every mail that somebody queues has a template, gets what it needs, and is harmless whatever is put into it."""

import ast
import re
from html import unescape
from html.parser import HTMLParser
from string import Template

import pytest

from emulators import contract
from functions.email_send import templates
from functions.email_send.templates import TemplateUnknown, render
from shared.members.security_notices import SecurityChange
from shared.messages import built_in_mails
from shared.messages.built_in_mails import SAMPLES, SHOWN_OUTSIDE, SOURCES
from shared.messages.mails import OPTIONAL
from shared.messages.notices import NOTICES
from shared.messages.wording import LANGUAGES, Language

EVIL = '<script>alert("1")</script>&$code ${code} $$ \u2028'


def queued() -> set[str]:
    """The templates that are named anywhere in the code: constants that stand in a call of Letter, or near one."""
    found = set()
    for path in [*contract.FUNCTIONS.rglob("*.py"), *(contract.ROOT / "shared").rglob("*.py")]:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Letter":
                named = node.args[2] if len(node.args) > 2 else None
                if isinstance(named, ast.Constant):
                    found.add(str(named.value))
    return found


def test_every_template_that_is_queued_exists() -> None:
    assert queued() | {change.value for change in SecurityChange} <= SOURCES.keys()
    assert len(queued()) >= 5
    assert OPTIONAL.keys() <= SOURCES.keys()


def queued_with() -> dict[str, set[str]]:
    """The parameters that are given to a template where both stand in one call."""
    found = {}
    for path in [*contract.FUNCTIONS.rglob("*.py"), *(contract.ROOT / "shared").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Letter":
                template, given = node.args[2:4]
                if isinstance(template, ast.Constant) and isinstance(given, ast.Dict):
                    found[str(template.value)] = {str(key.value) for key in given.keys if isinstance(key, ast.Constant)}
    return found


def test_a_template_gets_the_parameters_that_it_names() -> None:
    given = queued_with()
    assert given
    for name, parameters in given.items():
        assert parameters == SOURCES[name].parameters(), name


def test_every_security_change_is_told_in_the_app_and_by_a_mail_that_cannot_be_switched_off() -> None:
    assert {change.value for change in SecurityChange} <= NOTICES.keys() & SOURCES.keys()
    assert OPTIONAL.keys().isdisjoint(change.value for change in SecurityChange)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_mail_is_there_in_every_language_with_the_same_parameters(name: str) -> None:
    source = SOURCES[name]
    written = (source.subject, *source.before, source.shown, *source.after, source.why)
    for place in range(len(LANGUAGES)):
        assert source.parameters(place) == source.parameters()
        for text in written:
            assert bool(text[place]) == bool(text[0])
            assert Template(text[place]).is_valid()
    words = [text for text in written if re.sub(r"\$\w+", "", text[0]).strip(" .:") not in ("", "USDT")]
    assert words
    for text in words:
        assert (len(set(text)) == 1) == source.is_english_only, text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_template_is_rendered_with_what_it_names_and_not_without(name: str, language: Language) -> None:
    source = SOURCES[name]
    given = {parameter: f"<{parameter}>" for parameter in source.parameters()}
    made = render(name, given, language)
    place = 0 if source.is_english_only else LANGUAGES.index(language)
    assert "$" not in made.subject
    assert f'<html lang="{LANGUAGES[place]}">' in made.html
    for text in (made.text, made.html):
        assert source.why[place] in text
    for parameter in given:
        assert f"<{parameter}>" in made.text + made.subject
        assert f"<{parameter}>" not in made.html
        assert f"&lt;{parameter}&gt;" in made.html
        with pytest.raises(TemplateUnknown):
            render(name, {other: value for other, value in given.items() if other != parameter}, language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(SOURCES))
def test_nothing_that_is_put_into_it_becomes_html(name: str, language: Language) -> None:
    made = render(name, dict.fromkeys(SOURCES[name].parameters(), EVIL), language)
    tags = _Tags()
    tags.feed(made.html)
    assert tags.found <= {"html", "head", "meta", "title", "body", "table", "tr", "td", "span", "p"}
    assert tags.open == []
    if SOURCES[name].parameters():
        assert EVIL in made.text + made.subject


def test_no_subject_has_a_code_or_what_a_member_has_typed() -> None:
    """Subjects are read on locked screens, and are headers."""
    for name, source in SOURCES.items():
        for subject in source.subject:
            shown = set(Template(subject).get_identifiers())
            assert shown <= SHOWN_OUTSIDE, name


@pytest.mark.parametrize("name", sorted(name for name, source in SOURCES.items() if "code" in source.parameters()))
def test_a_preview_of_a_mail_with_a_code_does_not_show_it(name: str) -> None:
    """A locked phone shows the beginning of the body's text, at most some two hundred characters."""
    assert SOURCES[name].is_secret
    for language in LANGUAGES:
        made = render(name, {"name": "Al", "code": "135246"}, language)
        body = made.html.partition("<body")[2].partition(">")[2]
        text = unescape(re.sub(r"<[^>]+>", "", body))
        assert text.index("135246") > 300
        assert "135246" in made.text


def test_values_are_written_as_the_language_writes_them() -> None:
    values = {"name": "Ada", "amount": "1234.50", "transaction_hash": "0xab"}
    subjects = [render("comp_paid", values, language).subject for language in LANGUAGES]
    assert subjects == [
        "$1,234.50 USDT is in your wallet",
        "$1,234.50 USDT ya están en tu billetera",
        "US$\u00a01.234,50 USDT já estão na sua carteira",
    ]
    at = {"name": "Ada", "wallet_address": "0xab", "at": "2026-11-29T13:05:00Z"}
    assert "el 29 de noviembre de 2026, 13:05 UTC" in render("wallet_linked", at, "es").text


def test_people_of_ours_are_written_to_in_english() -> None:
    notice = {"subject": "S", "what": "W", "remedy": "R"}
    assert render("treasury_notice", notice, "pt") == render("treasury_notice", notice, "en")


def test_a_template_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TemplateUnknown):
        templates.render("unknown", {}, "en")


class _Tags(HTMLParser):
    """Collects the tags of a mail, and checks that each is closed."""

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


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_replacement_shows_all_that_the_mail_tells_but_the_name(name: str) -> None:
    mail = built_in_mails.replaceable(name)
    assert mail
    assert mail.variables == SOURCES[name].parameters()
    assert mail.variables - mail.required <= {"name"}
    assert mail.outside.isdisjoint({"name", "code"})
    assert built_in_mails.fits(name, mail.required)
    assert not built_in_mails.fits(name, mail.variables | {"unknown"})
    for variable in mail.required:
        assert not built_in_mails.fits(name, mail.variables - {variable})


def test_every_variable_has_a_sample_that_the_mail_of_the_code_can_show() -> None:
    assert set(SAMPLES) == set().union(*(source.parameters() for source in SOURCES.values()))
    for name in SOURCES:
        made = render(name, built_in_mails.samples(name), "en")
        assert made.text


def test_why_a_mail_comes_is_said_without_variables() -> None:
    """The last line of a replacement is that of the mail of the code, as it stands."""
    for name, source in SOURCES.items():
        assert all(not Template(text).get_identifiers() for text in source.why), name
