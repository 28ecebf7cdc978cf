"""The catalogue of texts: complete in every language, named as the contract says, and the only place for words."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any

import pytest

from emulators import contract
from shared.messages import notifications, texts, wording
from shared.messages.lines import LINES
from shared.messages.notices import NOTICES
from shared.messages.texts import ANNOUNCEMENT, TextUnknown
from shared.messages.wording import LANGUAGES, Kind, NotThisKind
from shared.values.money import Usdt
from shared.values.prizes import CompType
from shared.values.tiers import Tier

SAMPLES: dict[Kind, object] = {
    Kind.TEXT: "Ada's & <b>",
    Kind.MONEY: Usdt.of("1234.50"),
    Kind.NUMBER: 50_000,
    Kind.TIER: Tier.HIGH_ROLLER,
    Kind.QUARTER: "2026-Q4",
    Kind.PRIZE: CompType.TRIP,
    Kind.COMPS: CompType.CRYPTO_1K,
    Kind.MOMENT: datetime(2026, 11, 29, 13, 5, tzinfo=UTC),
    Kind.PACKAGE: Usdt.of(1000),
}
CODES = sorted([*NOTICES, *LINES])
OF_CAMPAIGNS = {
    "campaign_why",
    "campaign_unsubscribe",
    "unsubscribe_question",
    "unsubscribed",
}  # in a mail and its page
OF_THE_PACKAGE = {code for code in LINES if code.startswith("casino_")}  # told as one list, which has no codes


def all_texts(code: str, language: str) -> tuple[str, ...]:
    found = getattr(NOTICES.get(code) or LINES.get(code), language)
    return found if isinstance(found, tuple) else (found,)


def names(code: str, language: str) -> set[str]:
    return {name for text in all_texts(code, language) for name in Template(text).get_identifiers()}


@pytest.mark.parametrize("code", CODES)
def test_a_text_is_there_in_every_language_with_the_same_parameters(code: str) -> None:
    for language in LANGUAGES:
        assert names(code, language) == texts.parameters(code)
        for text in all_texts(code, language):
            assert text.strip() == text
            assert text
            assert Template(text).is_valid()


@pytest.mark.parametrize("code", sorted(NOTICES))
def test_a_notice_is_written_in_every_language(code: str) -> None:
    values = {name: SAMPLES[wording.kind(name)] for name in texts.parameters(code)}
    params = texts.checked(code, values)
    english = texts.notice(code, params, "en")
    assert english
    for language in LANGUAGES:
        words = texts.notice(code, params, language)
        assert words
        assert "$destination" not in words.title
        assert not re.search(r"\$[a-z]", words.title + words.body)
        assert language == "en" or words != english
    note = notifications.note(factory_id(), code, {}, "key", **values)
    assert (note.title, note.body, note.code, note.params) == (english.title, english.body, code, params)


def factory_id() -> Any:
    from uuid import uuid4

    return uuid4()


def test_no_code_is_used_twice_and_none_of_ours_is_that_of_an_announcement() -> None:
    assert not NOTICES.keys() & LINES.keys()
    assert ANNOUNCEMENT not in CODES


def test_no_notice_shows_a_code_that_proves_something() -> None:
    """Notices stand on locked screens."""
    assert not {code for code in NOTICES if {"code", "digits", "password", "token"} & texts.parameters(code)}


def test_what_a_text_does_not_take_is_refused() -> None:
    with pytest.raises(TextUnknown):
        texts.say("someone_won", prize=CompType.TRIP)
    with pytest.raises(TextUnknown):
        texts.say("nothing")
    with pytest.raises(TextUnknown):
        texts.say("comp_won", amount=Usdt.of(1))  # a notice is no line
    for wrong in ("100.00", 100, None, True):
        with pytest.raises(NotThisKind):
            texts.say("someone_won", amount=wrong)
    with pytest.raises(NotThisKind):
        texts.checked("tier_ended", {"tier": Tier.VIP, "quarter": "Q4 2026", "scans": 7})


def test_a_text_of_another_release_is_shown_as_it_was_stored() -> None:
    assert texts.notice(None, {}, "es") is None
    assert texts.notice(ANNOUNCEMENT, {}, "es") is None
    assert texts.notice("of_the_next_release", {}, "es") is None
    assert texts.notice("comp_won", {"amount": "1.00", "more": 1}, "es") is None


# What the contract says


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = contract.document()["components"]["schemas"][name]
    return found


def test_the_contract_names_every_notice_with_its_parameters() -> None:
    said = schema("Notification")["properties"]["code"]["x-texts"]
    assert said == {code: sorted(texts.parameters(code)) for code in NOTICES} | {ANNOUNCEMENT: []}


def test_the_contract_names_every_line_with_its_parameters() -> None:
    said = schema("MilestoneHit")["properties"]["code"]["x-texts"]
    assert schema("PrizeDecision")["properties"]["code"]["x-texts"] == said
    said = said | schema("RealtimeToken")["x-feed-texts"]
    assert said == {code: sorted(texts.parameters(code)) for code in said}
    prize = schema("Prize")["description"]
    of_prizes = {
        code
        for code in LINES
        if f"`{code}` ({', '.join(sorted(texts.parameters(code), reverse=code == 'prize_progress'))})" in prize
    }
    assert said.keys() | of_prizes | OF_THE_PACKAGE | OF_CAMPAIGNS == LINES.keys()


def test_the_contract_says_what_every_parameter_is() -> None:
    told = schema("TextParams")["description"]
    for name, kind in wording.KINDS.items():
        assert f"`{name}`" in told or kind is Kind.PACKAGE, name


# What the code says


def sources() -> Iterator[tuple[Path, ast.Call]]:
    for path in [*contract.FUNCTIONS.rglob("*.py"), *(contract.ROOT / "shared").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield path, node


def called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return f"{node.func.value.id}.{node.func.attr}"
    return node.func.id if isinstance(node.func, ast.Name) else ""


def test_every_notification_that_the_product_makes_has_a_code() -> None:
    """A Note is made by notifications.note or .announcement: a new text is an entry of shared/messages/notices.py."""
    made = [str(path) for path, node in sources() if called(node) == "Note"]
    assert [Path(path).name for path in made] == ["notifications.py"] * 2, made


def test_every_code_is_used_and_every_code_that_is_used_exists() -> None:
    written = {
        constant.value
        for path in [*contract.FUNCTIONS.rglob("*.py"), *(contract.ROOT / "shared").rglob("*.py")]
        if path.name not in ("notices.py", "lines.py") and not path.name.startswith("sources")
        for constant in ast.walk(ast.parse(path.read_text()))
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }
    assert set(CODES) <= written, set(CODES) - written
    for path, node in sources():
        place = {"notifications.note": 1, "texts.say": 0, "say": 0}.get(called(node))
        if place is None or path.name == "notifications.py":
            continue
        code = node.args[place]
        if isinstance(code, ast.Constant):
            given = {keyword.arg for keyword in node.keywords if keyword.arg}
            assert code.value in CODES, code.value
            if None not in {keyword.arg for keyword in node.keywords}:
                assert given == texts.parameters(str(code.value)), f"{path}: {code.value}"
