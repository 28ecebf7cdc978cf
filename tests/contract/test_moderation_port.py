"""The moderation port and its stand-in understand each other, and an answer that is not sound is not believed."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from emulators.chat_vendor import Spoil, Spoilt
from emulators.process import free_port
from emulators.vendor import DONE, Fault
from emulators.vendors import Vendors
from shared.ports import moderation
from shared.ports import vendors as port
from shared.ports.outage import Outage
from shared.ports.vendors import VendorMisconfigured, VendorRefused, VendorSilent

pytest_plugins = ["tests.contract.vendor_plugin"]

SECRET = "a text that only two people know"
SILENT = [fault for fault in Fault if fault not in (Fault.UNAUTHORIZED, Fault.FORBIDDEN, Fault.REFUSED)]


def scored(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    """Spoils the first result's score of a category."""
    return lambda answer: answer["results"][0]["category_scores"].update({name: value})


def test_each_text_has_its_scores_in_order(shop_vendors: Vendors) -> None:
    first, second, third = moderation.scores(["hello", "hello hate=0.97 sexual/minors=1", "violence=.5"])
    assert first.keys() == second.keys() == third.keys() == moderation.CATEGORIES
    assert set(first.values()) == {0.0001}
    assert (second["hate"], second["sexual/minors"], second["violence"], third["violence"]) == (0.97, 1, 0.0001, 0.5)
    (asked,) = shop_vendors.moderation.asked
    assert asked == {
        "model": "omni-moderation-latest",
        "input": ["hello", "hello hate=0.97 sexual/minors=1", "violence=.5"],
    }


def test_nothing_is_asked_about_no_text(shop_vendors: Vendors) -> None:
    assert moderation.scores([]) == []
    assert shop_vendors.moderation.asked == []


def test_a_full_batch_of_the_longest_texts_is_one_call(shop_vendors: Vendors) -> None:
    assert len(moderation.scores(["😀" * 2000] * moderation.TEXTS_MAX)) == moderation.TEXTS_MAX
    assert len(shop_vendors.moderation.asked) == 1
    with pytest.raises(AssertionError):
        moderation.scores(["a"] * (moderation.TEXTS_MAX + 1))


def test_a_category_that_is_new_is_told_and_a_strange_one_is_not(shop_vendors: Vendors) -> None:
    shop_vendors.moderation.spoil_next(scored("fraud/impersonation", 0.5), scored("DROP TABLE", 0.5))
    assert moderation.scores(["a"])[0]["fraud/impersonation"] == 0.5
    assert moderation.scores(["a"])[0].keys() == moderation.CATEGORIES


@pytest.mark.parametrize("fault", SILENT, ids=lambda fault: fault.name)
@pytest.mark.usefixtures("impatient")
def test_without_an_answer_nothing_is_known_and_it_may_be_asked_again(shop_vendors: Vendors, fault: Fault) -> None:
    shop_vendors.moderation.later_seconds = 0.05
    shop_vendors.moderation.fail_next(1, fault)
    with pytest.raises(VendorSilent) as silent:
        moderation.scores([SECRET])
    assert isinstance(silent.value, Outage)
    assert silent.value.retry_after_seconds == (7 if fault is Fault.TOO_MANY_REQUESTS else 30)
    assert SECRET not in str(silent.value)
    assert len(moderation.scores([SECRET])) == 1
    assert len(shop_vendors.moderation.asked) >= (2 if fault in DONE and fault is not Fault.DONE_LATER else 1)


UNSOUND: dict[str, Spoil] = {
    **{spoilt.name: spoilt for spoilt in Spoilt},
    "a score above one": scored("hate", 1.0001),
    "a score below zero": scored("hate", -0.0001),
    "a score that is huge": scored("hate", 10**400),
    "a score that is no number": scored("hate", float("nan")),
    "a score without an end": scored("hate", float("inf")),
    "a score as a text": scored("hate", "0.5"),
    "a score that is true": scored("hate", True),
    "no score": scored("hate", None),
    "a category is missing": lambda answer: answer["results"][0]["category_scores"].pop("hate"),
    "scores are a list": lambda answer: answer["results"][0].update(category_scores=[0.5]),
    "scores are missing": lambda answer: answer["results"][0].pop("category_scores"),
    "a result is no object": lambda answer: answer["results"].__setitem__(0, "fine"),
    "results are an object": lambda answer: answer.update(results={"0": {}}),
    "results are missing": lambda answer: answer.pop("results"),
}


@pytest.mark.parametrize("spoil", UNSOUND.values(), ids=UNSOUND)
def test_an_answer_that_is_not_sound_is_not_believed(
    shop_vendors: Vendors, spoil: Spoil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moderation, "SECONDS_MAX", 0.5)
    shop_vendors.moderation.spoil_next(spoil)
    with pytest.raises(VendorSilent) as silent:
        moderation.scores([SECRET, "another"])
    assert SECRET not in str(silent.value)
    assert len(moderation.scores([SECRET, "another"])) == 2


def test_a_score_may_have_more_digits_than_a_double(shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop_vendors
    long = ", ".join(f'"{name}": 0.00001172601241748713612345' for name in moderation.CATEGORIES)
    content = f'{{"results": [{{"category_scores": {{{long}}}}}]}}'.encode()
    monkeypatch.setattr(port, "send", lambda *_, **__: port.RawAnswer(200, content))
    assert moderation.scores(["a"])[0]["hate"] == pytest.approx(1.1726e-5, rel=1e-3)


def test_an_answer_that_drips_is_waited_for_five_seconds(shop_vendors: Vendors) -> None:
    shop_vendors.moderation.spoil_next(Spoilt.SLOW)
    began = time.monotonic()
    with pytest.raises(VendorSilent, match="does not end"):
        moderation.scores(["a"])
    assert 4 < time.monotonic() - began < 8


@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.FORBIDDEN], ids=lambda fault: fault.name)
def test_a_wrong_key_needs_a_person(shop_vendors: Vendors, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    shop_vendors.moderation.fail_next(1, fault)
    with pytest.raises(VendorMisconfigured):
        moderation.scores([SECRET])
    monkeypatch.setenv("OPENAI_API_KEY", "stolen")
    with pytest.raises(VendorMisconfigured) as wrong:
        moderation.scores([SECRET])
    assert "stolen" not in str(wrong.value)
    assert shop_vendors.moderation.asked == []


def test_a_refusal_in_the_vendors_own_words_is_one(shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    shop_vendors.moderation.fail_next(1, Fault.REFUSED)
    with pytest.raises(VendorRefused, match="refused"):
        moderation.scores([SECRET])
    monkeypatch.setattr(moderation, "MODEL", "of yesterday")
    with pytest.raises(VendorRefused, match="model_not_found"):
        moderation.scores([SECRET])


@pytest.mark.parametrize("content", [b"", b"[]", b'"a"', b"null", b"\xff", b"[" * 100_000, b'{"error": "no"}', b"{}"])
@pytest.mark.parametrize("status", [200, 302, 400, 404])
def test_an_answer_of_somebody_on_the_way_is_nobodys_word(
    shop_vendors: Vendors, status: int, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop_vendors
    monkeypatch.setattr(port, "send", lambda *_, **__: port.RawAnswer(status, content))
    with pytest.raises(VendorSilent):
        moderation.scores(["a"])


def test_where_nobody_listens_nothing_is_known(shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop_vendors
    monkeypatch.setenv("OPENAI_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(VendorSilent):
        moderation.scores(["a"])


def test_the_answer_has_all_that_the_service_tells(shop_vendors: Vendors) -> None:
    told = shop_vendors.moderation.judge({"model": moderation.MODEL, "input": "hate=0.6"})
    (result,) = json.loads(json.dumps(told))["results"]
    assert (result["flagged"], result["categories"]["hate"], result["categories"]["violence"]) == (True, True, False)
    assert result["category_applied_input_types"]["hate"] == ["text"]
