"""The card port and its processor understand each other, whatever happens on the way, and money moves once."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import requests

from emulators.card import API_KEY, CardStandIn
from emulators.process import wait_until
from emulators.vendor import Fault
from shared.ports import card, card_notices
from shared.ports.card import ActionNeeded, Declined, Done, Ended, Working
from shared.ports.vendors import VendorRefused, VendorSilent
from shared.values.money import Usdt

TOTAL = Usdt.of("12.97")
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Moment:
    """A clock that stands where the test puts it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Moment:
    return Moment()


@pytest.fixture
def processor(clock: Moment, monkeypatch: pytest.MonkeyPatch) -> Iterator[CardStandIn]:
    made = CardStandIn(clock)
    made.later_seconds = 3600.0  # the test decides
    made.start()
    for name, value in made.settings.items():
        monkeypatch.setenv(name, value)
    yield made
    made.stop()


def held(kind_of_card: str = "ok") -> str:
    answer = card.authorize(uuid4(), TOTAL, kind_of_card)
    assert isinstance(answer, Done)
    return answer.reference


def taken() -> str:
    answer = card.capture(uuid4(), held(), TOTAL)
    assert isinstance(answer, Done)
    return answer.reference


def test_money_is_held_taken_and_given_back(processor: CardStandIn) -> None:
    authorization = held()
    capture = card.capture(uuid4(), authorization, TOTAL)
    assert isinstance(capture, Done)
    assert capture.amount == TOTAL
    back = card.refund(uuid4(), capture.reference, Usdt.of("2.97"))
    assert isinstance(back, Done)
    assert (processor.total("authorize"), processor.total("capture"), processor.total("refund")) == (1297, 1297, 297)


def test_money_is_held_and_let_go(processor: CardStandIn) -> None:
    authorization = held()
    assert isinstance(card.void(uuid4(), authorization), Done)
    assert card.capture(uuid4(), authorization, TOTAL) == Declined("already_voided")
    assert isinstance(card.void(uuid4(), authorization), Done)
    assert processor.total("capture") == 0


def test_money_is_taken_once(processor: CardStandIn) -> None:
    authorization = held()
    assert isinstance(card.capture(uuid4(), authorization, TOTAL), Done)
    assert card.capture(uuid4(), authorization, TOTAL) == Declined("already_captured")
    assert card.void(uuid4(), authorization) == Declined("already_captured")
    assert processor.total("capture") == 1297


@pytest.mark.parametrize(
    ("token", "reason"),
    [("declined", "card_declined"), ("expired", "token_expired"), ("declined:4000", "card_declined")],
)
def test_a_card_is_declined_for_good(processor: CardStandIn, token: str, reason: str) -> None:
    key = uuid4()
    for _ in range(2):
        assert card.authorize(key, TOTAL, token) == Declined(reason) == card.find(key)
    assert len(processor.operations(key)) == 1


def test_an_issuer_may_decline_anything(processor: CardStandIn) -> None:
    capture = taken()
    processor.decline_next("refund")
    assert card.refund(uuid4(), capture, TOTAL) == Declined("do_not_honor")
    assert isinstance(card.refund(uuid4(), capture, TOTAL), Done)


def test_what_cannot_be_is_refused_and_leaves_nothing(processor: CardStandIn) -> None:
    authorization, capture = held(), taken()
    before = len(processor.operations())
    impossible: dict[str, Callable[[UUID], card.Answer]] = {
        "token_unknown": lambda key: card.authorize(key, TOTAL, "made up"),
        "authorization_unknown": lambda key: card.capture(key, "auth_0", TOTAL),
        "amount_too_large": lambda key: card.capture(key, authorization, TOTAL + Usdt.of("0.01")),
        "capture_unknown": lambda key: card.refund(key, authorization, TOTAL),
        "amount_not_valid": lambda key: card.refund(key, capture, Usdt(0)),
    }
    for reason, ask in impossible.items():
        key = uuid4()
        with pytest.raises(VendorRefused, match=reason):
            ask(key)
        assert card.find(key) is None
    assert len(processor.operations()) == before


def test_no_more_is_given_back_than_was_taken(processor: CardStandIn) -> None:
    capture = taken()
    assert isinstance(card.refund(uuid4(), capture, Usdt.of("12.00")), Done)
    with pytest.raises(VendorRefused, match="amount_too_large"):
        card.refund(uuid4(), capture, Usdt.of("0.98"))
    assert isinstance(card.refund(uuid4(), capture, Usdt.of("0.97")), Done)
    assert processor.total("refund") == processor.total("capture")


# Keys


def test_a_key_is_done_once_within_a_day_and_again_after_it(processor: CardStandIn, clock: Moment) -> None:
    key, authorization = uuid4(), held()
    first = card.capture(key, authorization, TOTAL)
    clock.now += timedelta(hours=23, minutes=59)
    assert card.capture(key, authorization, TOTAL) == first
    assert len(processor.operations(key)) == 1
    clock.now += timedelta(minutes=2)
    assert card.capture(key, authorization, TOTAL) != first  # so the caller must not
    assert len(processor.operations(key)) == 2
    assert card.find(key) == first


def test_a_key_stands_for_one_thing(processor: CardStandIn) -> None:
    key = uuid4()
    first = card.authorize(key, TOTAL, "ok")
    with pytest.raises(VendorSilent, match="key_reused"):
        card.authorize(key, TOTAL + TOTAL, "ok")
    assert card.find(key) == first
    assert processor.total("authorize") == 1297


def test_many_at_once_under_one_key_are_one(processor: CardStandIn) -> None:
    key, authorization = uuid4(), held()
    answers: list[card.Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(card.capture(key, authorization, TOTAL))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1
    assert len(processor.operations(key)) == 1


def test_a_key_that_was_never_heard_of_is_not_known(processor: CardStandIn) -> None:
    assert card.find(uuid4()) is None
    processor.fail_next(1, Fault.FOREIGN_NOT_FOUND)  # but a 404 of somebody else says nothing
    with pytest.raises(VendorSilent):
        card.find(uuid4())


def test_done_without_an_answer_is_found(processor: CardStandIn) -> None:
    key = uuid4()
    with pytest.raises(VendorSilent):
        card.authorize(key, TOTAL, "silent-done")
    found = card.find(key)
    assert isinstance(found, Done)
    assert card.authorize(key, TOTAL, "silent-done") == found
    assert processor.total("authorize") == 1297


def test_neither_done_nor_answered_is_not_found_and_done_when_repeated(processor: CardStandIn) -> None:
    key = uuid4()
    with pytest.raises(VendorSilent):
        card.authorize(key, TOTAL, "silent-undone")
    assert card.find(key) is None
    assert processor.total("authorize") == 0
    assert isinstance(card.authorize(key, TOTAL, "silent-undone"), Done)
    assert processor.total("authorize") == 1297


def test_done_after_it_was_not_found_is_found_later(processor: CardStandIn) -> None:
    key, processor.later_seconds = uuid4(), 0.2
    processor.fail_next(1, Fault.DONE_LATER)
    with pytest.raises(VendorSilent):
        card.authorize(key, TOTAL, "ok")
    assert card.find(key) is None
    wait_until(lambda: card.find(key) is not None, "the operation", 5.0)
    assert isinstance(card.authorize(key, TOTAL, "ok"), Done)
    assert len(processor.operations(key)) == 1


# Undecided


def test_an_authorization_is_decided_late(processor: CardStandIn) -> None:
    key = uuid4()
    assert card.authorize(key, TOTAL, "late") == Working() == card.find(key)
    assert card.abandon(key) == Working()  # the bank is at it: it cannot be ended
    processor.decide(processor.find(str(key)).id)
    assert isinstance(card.find(key), Done)
    assert isinstance(card.abandon(key), Done)


def test_late_means_by_itself(processor: CardStandIn) -> None:
    key, processor.later_seconds = uuid4(), 0.1
    card.authorize(key, TOTAL, "late")
    wait_until(lambda: isinstance(card.find(key), Done), "the decision", 5.0)


def test_a_capture_is_decided_late(processor: CardStandIn) -> None:
    key, authorization = uuid4(), held("captures-late")
    assert card.capture(key, authorization, TOTAL) == Working()
    assert card.void(uuid4(), authorization) == Declined("already_captured")
    processor.decide(processor.find(str(key)).id)
    assert isinstance(card.find(key), Done)
    assert processor.total("capture") == 1297


def asked_to_confirm() -> tuple[UUID, str]:
    key = uuid4()
    answer = card.authorize(key, TOTAL, "action")
    assert isinstance(answer, ActionNeeded)
    assert card.find(key) == answer
    return key, answer.url


@pytest.mark.parametrize(
    ("form", "answer"), [({}, Done), ({"outcome": "accept"}, Done), ({"outcome": "refuse"}, Declined)]
)
@pytest.mark.usefixtures("processor")
def test_the_cardholder_confirms(form: dict[str, str], answer: type) -> None:
    key, url = asked_to_confirm()
    assert "12.97" in requests.get(url, timeout=10).text
    assert requests.post(url, data=form, timeout=10).status_code == 200
    assert isinstance(card.find(key), answer)
    assert requests.post(url, timeout=10).status_code == 410


def test_whoever_never_comes_back_is_abandoned(processor: CardStandIn) -> None:
    key, url = asked_to_confirm()
    assert card.abandon(key) == Ended() == card.find(key)
    assert requests.post(url, timeout=10).status_code == 410
    assert card.abandon(key) == Ended()
    assert card.authorize(key, TOTAL, "action") == Ended()
    assert processor.total("authorize") == 0


def test_an_abandoned_key_holds_nothing_even_if_it_arrives_only_then(processor: CardStandIn, clock: Moment) -> None:
    key = uuid4()
    assert card.abandon(key) == Ended()
    clock.now += timedelta(days=2)
    assert card.authorize(key, TOTAL, "ok") == Ended()
    assert processor.total("authorize") == 0


def test_an_authorization_lapses_and_its_void_counts(processor: CardStandIn, clock: Moment) -> None:
    key = uuid4()
    answer = card.authorize(key, TOTAL, "ok")
    assert isinstance(answer, Done)
    clock.now += timedelta(days=8)
    assert card.find(key) == Ended()
    assert card.capture(uuid4(), answer.reference, TOTAL) == Declined("authorization_expired")
    assert isinstance(card.void(uuid4(), answer.reference), Done)
    assert processor.total("capture") == 0


# What is told and listed


def test_each_change_is_told(processor: CardStandIn) -> None:
    key, url = asked_to_confirm()
    requests.post(url, timeout=10)
    told = [card_notices.notice(processor.webhooks.signed(body), body) for body in processor.webhooks.told()]
    assert [(each.key, each.kind) for each in told] == [
        (key, "authorize.requires_action"),
        (key, "authorize.succeeded"),
    ]
    assert len({each.event_id for each in told}) == 2


def settled_on(day: datetime) -> tuple[list[card.Settled], list[card.Deposit], int]:
    operations: list[card.Settled] = []
    deposits: list[card.Deposit] = []
    cursor, pages = None, 0
    while pages == 0 or cursor:
        page = card.settled(day.date(), cursor)
        operations += page.operations
        deposits += page.deposits
        cursor, pages = page.cursor, pages + 1
    return operations, deposits, pages


def test_a_days_bookings_are_listed_to_the_cent(processor: CardStandIn, clock: Moment) -> None:
    authorize, capture, back = uuid4(), uuid4(), uuid4()
    authorization = card.authorize(authorize, TOTAL, "ok")
    assert isinstance(authorization, Done)
    took = card.capture(capture, authorization.reference, TOTAL)
    assert isinstance(took, Done)
    card.authorize(uuid4(), TOTAL, "declined")
    clock.now += timedelta(days=1)
    card.refund(back, took.reference, Usdt.of("1.00"))
    operations, deposits, _ = settled_on(NOON)
    assert [(each.key, each.kind, each.amount, each.fee) for each in operations] == [
        (authorize, "authorize", TOTAL, Usdt(0)),
        (capture, "capture", TOTAL, Usdt.of("0.68")),  # 2.9 % and 30 cents
    ]
    assert deposits == []
    operations, deposits, _ = settled_on(clock.now)
    assert [(each.key, each.kind) for each in operations] == [(back, "refund")]
    assert [(each.amount, each.at) for each in deposits] == [(Usdt.of("12.29"), datetime(2026, 11, 30, 6, tzinfo=UTC))]
    clock.now += timedelta(days=1)
    _, deposits, _ = settled_on(clock.now)
    assert [each.amount for each in deposits] == [Usdt.of("-1.00")]
    assert processor.total("capture") == 1297


def test_a_long_day_has_pages(processor: CardStandIn) -> None:
    for _ in range(205):
        processor.take(str(uuid4()), {"kind": "authorize", "amount": 1, "currency": "usd", "source": "ok"})
    operations, _, pages = settled_on(NOON)
    assert pages == 3
    assert len({each.key for each in operations}) == 205


def test_everything_that_was_done_can_be_seen(processor: CardStandIn) -> None:
    key = uuid4()
    card.authorize(key, TOTAL, "ok")
    (shown,) = requests.get(f"{processor.url}/operations", timeout=10).json()
    assert (shown["key"], shown["amount"], shown["status"]) == (str(key), 1297, "succeeded")


def test_a_route_or_a_body_that_is_none_is_refused(processor: CardStandIn) -> None:
    headers = {"authorization": f"Bearer {API_KEY}"}
    assert requests.get(f"{processor.url}/v1/nothing", headers=headers, timeout=10).status_code == 404
    for body in ("no json", "[]", '{"kind": "steal"}'):
        answer = requests.post(f"{processor.url}/v1/operations/x", data=body, headers=headers, timeout=10)
        assert answer.status_code in (400, 422)
    assert requests.get(f"{processor.url}/v1/settlements?day=x", headers=headers, timeout=10).status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        {"amount": -1},
        {"amount": 1.5},
        {"amount": True},
        {"amount": "1297"},
        {"amount": 10**15},
        {"id": ""},
        {"id": "a b"},
        {"id": None},
        {"status": "paid"},
        {"status": None},
        {"status": "requires_action"},
        {"status": "requires_action", "next_action": {"url": "http://bank.example"}},
        {"kind": "gift"},
        {"key": "another"},
    ],
)
def test_an_answer_that_is_not_sound_is_not_believed(change: dict[str, object]) -> None:
    key = uuid4()
    sound = {"id": "auth_1", "key": str(key), "kind": "authorize", "status": "succeeded", "amount": 1297}
    assert card._answer(sound, key, "authorize") == Done("auth_1", TOTAL)
    with pytest.raises(VendorSilent):
        card._answer(sound | change, key, "authorize")


def test_a_reason_that_is_no_code_is_not_kept() -> None:
    key = uuid4()
    told = {"id": "auth_1", "key": str(key), "kind": "authorize", "status": "declined", "amount": 1297}
    assert card._answer(told | {"reason": "Do Not Honor"}, key, None) == Declined("do_not_honor")
    for reason in ("<b>no</b>", "x" * 61, "", None, 7, "ünï"):
        assert card._answer(told | {"reason": reason}, key, None) == Declined("unclear")
