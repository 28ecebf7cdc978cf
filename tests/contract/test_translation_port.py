"""The translation port and its stand-in understand each other, and tokens survive what a translation does to them."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
import requests
from google.auth.exceptions import DefaultCredentialsError

from emulators.chat_vendor import Spoil, Spoilt
from emulators.process import free_port
from emulators.vendor import DONE, Fault
from emulators.vendors import Vendors
from shared.ports import google_sessions, translation
from shared.ports import vendors as port
from shared.ports.outage import Outage
from shared.ports.translation import Language
from shared.ports.vendors import VendorMisconfigured, VendorRefused, VendorSilent
from shared.social import tokens

pytest_plugins = ["tests.contract.vendor_plugin"]

SECRET = "a text that only two people know"
SILENT = [fault for fault in Fault if fault not in (Fault.UNAUTHORIZED, Fault.FORBIDDEN, Fault.REFUSED)]


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "local")


def to_spanish(*texts: str) -> list[str]:
    return translation.translate(texts, Language.ENGLISH, Language.SPANISH)


def said(value: object) -> Callable[[dict[str, Any]], object]:
    """Spoils the first translation's text."""
    return lambda answer: answer["translations"][0].update(translatedText=value)


def test_each_text_is_translated_in_order(shop_vendors: Vendors) -> None:
    assert to_spanish("one", "a < b & c", "two\nlines") == ["[es] one", "[es] a < b & c", "[es] two\nlines"]
    assert translation.translate(["x"], None, Language.PORTUGUESE) == ["[pt] x"]
    known, unknown = shop_vendors.translation.asked
    assert known == {
        "contents": ["one", "a < b & c", "two\nlines"],
        "mimeType": "text/plain",
        "sourceLanguageCode": "en",
        "targetLanguageCode": "es",
    }
    assert "sourceLanguageCode" not in unknown


def test_what_needs_no_translation_is_not_asked_about(shop_vendors: Vendors) -> None:
    assert translation.translate([], Language.ENGLISH, Language.SPANISH) == []
    assert translation.translate(["a"], Language.SPANISH, Language.SPANISH) == ["a"]
    assert shop_vendors.translation.asked == []


def test_batches_keep_the_order_and_the_limits(shop_vendors: Vendors) -> None:
    texts = [f"{number}" + "x" * (number % 2000) for number in range(0, 6000, 13)]
    made = translation.batches(texts)
    assert [text for batch in made for text in batch] == texts
    assert all(len(batch) <= translation.TEXTS_MAX for batch in made)
    assert all(sum(map(len, batch)) <= translation.CODE_POINTS_MAX for batch in made)
    assert [len(batch) for batch in translation.batches(["a"] * 101)] == [100, 1]
    assert translation.batches([]) == []
    assert len(to_spanish(*made[0])) == len(made[0])
    with pytest.raises(AssertionError):
        to_spanish(*texts)
    assert len(shop_vendors.translation.asked) == 1


def test_names_codes_and_links_come_back_unchanged(shop_vendors: Vendors) -> None:
    marked = tokens.mark("@ana look: https://a.example/x KEKW", {"KEKW"})
    shop_vendors.translation.spoil_next(said("⟦2⟧ mira ⟦ 0 ⟧: ⟦1⟧"), said("nada"))
    assert tokens.restore(to_spanish(marked.text)[0], marked.parts) == "KEKW mira @ana: https://a.example/x"
    assert tokens.restore(to_spanish(marked.text)[0], marked.parts) == "nada @ana https://a.example/x KEKW"
    for asked in shop_vendors.translation.asked:
        assert asked["contents"] == ["⟦0⟧ look: ⟦1⟧ ⟦2⟧"]


@pytest.mark.parametrize("fault", SILENT, ids=lambda fault: fault.name)
@pytest.mark.usefixtures("impatient")
def test_without_an_answer_nothing_is_known_and_it_may_be_asked_again(shop_vendors: Vendors, fault: Fault) -> None:
    shop_vendors.translation.later_seconds = 0.05
    shop_vendors.translation.fail_next(1, fault)
    with pytest.raises(VendorSilent) as silent:
        to_spanish(SECRET)
    assert isinstance(silent.value, Outage)
    assert silent.value.retry_after_seconds == (7 if fault is Fault.TOO_MANY_REQUESTS else 30)
    assert SECRET not in str(silent.value)
    assert to_spanish(SECRET) == [f"[es] {SECRET}"]
    assert len(shop_vendors.translation.asked) >= (2 if fault in DONE and fault is not Fault.DONE_LATER else 1)


UNSOUND: dict[str, Spoil] = {
    **{spoilt.name: spoilt for spoilt in Spoilt},
    "no text": said(None),
    "a number": said(7),
    "nothing": said(""),
    "blanks": said("  \n"),
    "far too much": said("x" * 100_000),
    "half a surrogate": said("\ud800"),
    "a NUL": said("a\x00b"),
    "a text is missing": lambda answer: answer["translations"][0].pop("translatedText"),
    "a translation is no object": lambda answer: answer["translations"].__setitem__(0, "hola"),
    "translations are an object": lambda answer: answer.update(translations={}),
    "translations are missing": lambda answer: answer.pop("translations"),
}


@pytest.mark.parametrize("spoil", UNSOUND.values(), ids=UNSOUND)
def test_an_answer_that_is_not_sound_is_not_believed(
    shop_vendors: Vendors, spoil: Spoil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation, "TRANSLATION_SECONDS_MAX", 0.5)
    shop_vendors.translation.spoil_next(spoil)
    with pytest.raises(VendorSilent) as silent:
        to_spanish(SECRET, "another")
    assert SECRET not in str(silent.value)
    assert len(to_spanish(SECRET, "another")) == 2


@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.FORBIDDEN], ids=lambda fault: fault.name)
def test_a_missing_right_needs_a_person(shop_vendors: Vendors, fault: Fault) -> None:
    shop_vendors.translation.fail_next(1, fault)
    with pytest.raises(VendorMisconfigured):
        to_spanish(SECRET)
    assert shop_vendors.translation.asked == []


def test_a_refusal_in_the_vendors_own_words_is_one(shop_vendors: Vendors) -> None:
    shop_vendors.translation.fail_next(1, Fault.REFUSED)
    with pytest.raises(VendorRefused, match="failed_precondition"):
        to_spanish(SECRET)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"[" * 100_000, b'{"error": "no"}', b'{"error": {}}', b"{}"])
@pytest.mark.parametrize("status", [200, 302, 400, 404])
def test_an_answer_of_somebody_on_the_way_is_nobodys_word(
    shop_vendors: Vendors, status: int, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop_vendors
    monkeypatch.setattr(port, "send", lambda *_, **__: port.RawAnswer(status, content))
    with pytest.raises(VendorSilent):
        to_spanish("a")


def test_where_nobody_listens_nothing_is_known(shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop_vendors
    monkeypatch.setenv("TRANSLATION_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(VendorSilent):
        to_spanish("a")


def test_without_credentials_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_scope: str) -> requests.Session:
        raise DefaultCredentialsError("no credentials")  # type: ignore[no-untyped-call] # google-auth is untyped

    monkeypatch.setenv("TRANSLATION_URL", "https://translation.example")
    monkeypatch.setattr(google_sessions, "_logged_in", refuse)
    with pytest.raises(VendorSilent, match="DefaultCredentialsError"):
        to_spanish("a")


def test_the_stand_in_holds_the_limits_of_the_service(shop_vendors: Vendors) -> None:
    def asked(**body: object) -> int:
        whole = {"contents": ["a"], "targetLanguageCode": "es", **body}
        url = f"{shop_vendors.translation.url}/v3/projects/local/locations/global:translateText"
        return requests.post(url, json=whole, timeout=10).status_code

    assert asked() == HTTPStatus.OK
    assert asked(contents=["a"] * 1025) == asked(contents=["a" * 30_721]) == HTTPStatus.BAD_REQUEST
    assert asked(contents=[]) == asked(targetLanguageCode="xx") == HTTPStatus.BAD_REQUEST
