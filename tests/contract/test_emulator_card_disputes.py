"""The card port reads what its processor tells of disputes, and lists that are late or wrong are read as they are."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import requests

from emulators.card import CardStandIn
from emulators.vendor import Fault
from shared.ports import card, card_notices
from shared.ports.card import Done, Settled
from shared.ports.vendors import VendorRefused, VendorSilent
from shared.values.money import ZERO, Usdt

TOTAL = Usdt.of("12.97")
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Iterator[CardStandIn]:
    made = CardStandIn(lambda: NOON)
    made.start()
    for name, value in made.settings.items():
        monkeypatch.setenv(name, value)
    yield made
    made.stop()


def captured() -> UUID:
    """The key of a capture."""
    held, key = card.authorize(uuid4(), TOTAL, "ok"), uuid4()
    assert isinstance(held, Done)
    assert isinstance(card.capture(key, held.reference, TOTAL), Done)
    return key


def listed() -> list[Settled]:
    return card.settled(NOON.date()).operations


def test_a_dispute_takes_the_money_and_a_fee_and_gives_the_money_back_when_it_is_won(processor: CardStandIn) -> None:
    key = captured()
    made = processor.open_dispute(key)
    told = card.dispute(made.id)
    assert told is not None
    assert (told.key, told.amount, told.withdrawn, told.state) == (key, TOTAL, TOTAL, "open")
    assert told.evidence_by == NOON + timedelta(days=9)
    processor.change_dispute(made.id, "won")
    told = card.dispute(made.id)
    assert told is not None
    assert (told.withdrawn, told.state) == (ZERO, "won")
    assert [(each.kind, each.amount, each.fee, each.dispute) for each in listed()[2:]] == [
        ("dispute", TOTAL, Usdt.of("15.00"), made.id),
        ("dispute_reversal", TOTAL, ZERO, made.id),
    ]


def test_a_disputed_capture_is_refunded_only_after_the_dispute_was_won(processor: CardStandIn) -> None:
    key, refund = captured(), uuid4()
    capture = processor.find(str(key)).id
    made = processor.open_dispute(key, withdraw=False)
    for _ in range(2):
        with pytest.raises(VendorRefused, match=card.CHARGE_DISPUTED):
            card.refund(refund, capture, TOTAL)
        processor.change_dispute(made.id, "lost")
    assert card.find(refund) is None
    processor.change_dispute(made.id, "won")
    assert isinstance(card.refund(refund, capture, TOTAL), Done)


def test_an_inquiry_takes_nothing_until_it_is_opened(processor: CardStandIn) -> None:
    made = processor.open_dispute(captured(), 500, inquiry=True)
    told = card.dispute(made.id)
    assert told is not None
    assert (told.amount, told.withdrawn, told.state) == (Usdt.of("5.00"), ZERO, "inquiry")
    processor.change_dispute(made.id, "open")
    told = card.dispute(made.id)
    assert told is not None
    assert told.withdrawn == Usdt.of("5.00")


def test_disputes_that_have_changed_come_in_pages(processor: CardStandIn) -> None:
    processor.books.page_size = 2
    made = [processor.open_dispute(captured()).id for _ in range(3)]
    first = card.disputes(NOON)
    assert [each.reference for each in first.disputes] == made[:2]
    last = card.disputes(NOON, first.cursor)
    assert ([each.reference for each in last.disputes], last.cursor) == (made[2:], None)
    assert card.disputes(NOON + timedelta(seconds=1)).disputes == []


def test_a_dispute_that_nobody_knows_is_none_and_a_page_of_somebody_else_tells_nothing(processor: CardStandIn) -> None:
    assert card.dispute("dp_of/nobody?") is None
    processor.fail_next(1, Fault.FOREIGN_NOT_FOUND)
    with pytest.raises(VendorSilent):
        card.dispute("dp_1")
    processor.fail_next(1, Fault.NONSENSE)
    with pytest.raises(VendorSilent):
        card.disputes(NOON)


def test_each_change_of_a_dispute_is_told_with_its_name(processor: CardStandIn) -> None:
    key = captured()
    made = processor.open_dispute(key)
    processor.change_dispute(made.id, "lost")
    told = [card_notices.notice(processor.webhooks.signed(body), body) for body in processor.webhooks.told()]
    assert [(each.key, each.kind, each.dispute) for each in told[2:]] == [
        (key, "dispute.open", made.id),
        (key, "dispute.lost", made.id),
    ]
    assert told[0].dispute is None


def test_rows_may_be_late_wrong_or_made_by_hand(processor: CardStandIn) -> None:
    captured()
    authorization, capture = listed()
    processor.books.mislaid.add(capture.reference)
    processor.books.misstated[authorization.reference] = 1
    processor.books.by_hand(200)
    assert [(each.key is None, each.kind, each.amount) for each in listed()] == [
        (False, "authorize", Usdt.of("0.01")),
        (True, "refund", Usdt.of("2.00")),
    ]
    processor.books.mislaid.clear()
    assert listed()[1] == capture


def test_people_open_and_decide_disputes_by_command(processor: CardStandIn) -> None:
    key = captured()
    opened = requests.post(f"{processor.url}/disputes/{key}/open?amount=100", timeout=10).json()
    assert (opened["status"], opened["amount"]) == ("open", 100)
    lost = requests.post(f"{processor.url}/disputes/{opened['id']}/lost", timeout=10).json()
    assert lost["status"] == "lost"
    assert requests.post(f"{processor.url}/disputes/{opened['id']}/forgotten", timeout=10).status_code == 404
    assert requests.post(f"{processor.url}/disputes/{key}/open?amount=x", timeout=10).status_code == 422
