"""The support port and its stand-in understand each other: one contact a member, whatever Intercom answers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from uuid import UUID, uuid4

import jwt
import pytest
import requests

from emulators.support import MESSENGER_SECRET, SEARCH_LAG, Lie, SupportStandIn
from emulators.vendor import Fault
from emulators.vendors import Vendors
from shared.ports import support
from shared.ports.support import OF_ANOTHER, Contact, SupportEvent
from shared.ports.vendors import VendorMisconfigured, VendorRefused, VendorSilent

pytest_plugins = ["tests.contract.vendor_plugin"]

AT = datetime(2026, 11, 29, 12, 0, 0, 700_000, tzinfo=UTC)
ATTRIBUTES: dict[str, str | bool] = {"member_id": "BJ-0007-VIP", "tier": "vip", "suspended": False}


@pytest.fixture
def intercom(shop_vendors: Vendors) -> SupportStandIn:
    return shop_vendors.support


def contact(external_id: UUID | None = None, email: str = "ada@example.com") -> Contact:
    return Contact(external_id or uuid4(), email, "ada", ATTRIBUTES)


def opened(intercom: SupportStandIn, text: str = "Case 7: appeal", member: UUID | None = None) -> tuple[str, str]:
    """A contact and its conversation."""
    contact_id = support.put_contact(contact(member), None)
    made = support.open_conversation(contact_id, text)
    assert intercom.conversations[made].body == text
    return contact_id, made


def test_a_contact_is_made_once_and_changed_afterwards(intercom: SupportStandIn) -> None:
    ada = contact()
    made = support.put_contact(ada, None)
    assert support.put_contact(Contact(ada.external_id, "a@example.com", "ada_l", ATTRIBUTES), made) == made
    (known,) = intercom.contacts.values()
    assert (known.id, known.external_id, known.email, known.name) == (
        made, str(ada.external_id), "a@example.com", "ada_l",
    )  # fmt: skip
    assert known.custom_attributes == ATTRIBUTES


def test_a_contact_that_is_there_already_is_taken_over(intercom: SupportStandIn) -> None:
    ada = contact()
    assert support.put_contact(ada, None) == support.put_contact(ada, None)  # the first answer was lost, say
    assert len(intercom.contacts) == 1


def test_whoever_wrote_before_signing_up_becomes_the_member(intercom: SupportStandIn) -> None:
    visitor = intercom.put({"external_id": None, "email": "ada@example.com", "name": ""})
    ada = contact()
    assert support.put_contact(ada, None) == visitor["id"]
    assert intercom.contacts[visitor["id"]].external_id == str(ada.external_id)


def test_the_contact_of_another_member_is_left_alone(intercom: SupportStandIn) -> None:
    other = support.put_contact(contact(), None)
    with pytest.raises(VendorRefused, match=OF_ANOTHER):
        support.put_contact(contact(), None)
    assert list(intercom.contacts) == [other]


def test_a_contact_that_somebody_has_deleted_is_made_anew(intercom: SupportStandIn) -> None:
    ada = contact()
    old = support.put_contact(ada, None)
    intercom.delete("contacts", old)
    new = support.put_contact(ada, old)
    assert new != old
    assert list(intercom.contacts) == [new]


def test_an_event_counts_once(intercom: SupportStandIn) -> None:
    ada = contact()
    support.put_contact(ada, None)
    for _ in range(2):
        support.tell(SupportEvent(ada.external_id, "tier_changed", AT, {"tier": "vip"}))
    (event,) = intercom.events
    assert (event.event_name, event.created_at, event.metadata) == (
        "tier_changed", int(AT.timestamp()), (("tier", "vip"),),
    )  # fmt: skip
    with pytest.raises(VendorRefused, match="not_found"):
        support.tell(SupportEvent(uuid4(), "tier_changed", AT, {}))


def test_a_conversation_is_found_by_its_mark_a_few_minutes_later(intercom: SupportStandIn) -> None:
    began = intercom.now()
    contact_id, made = opened(intercom, "Case 7: appeal of a mute")
    assert support.find_conversation(contact_id, "Case 7", began) is None
    intercom.now = lambda: began + SEARCH_LAG + timedelta(minutes=1)
    assert support.find_conversation(contact_id, "Case 7", began) == made
    assert support.find_conversation(contact_id, "Case 8", began) is None
    assert support.find_conversation(contact_id, "Case 7", began + timedelta(days=2)) is None


def test_a_member_is_forgotten_with_all_conversations_and_nobody_else_is(
    intercom: SupportStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(support, "FORGOTTEN_AT_ONCE_MAX", 2)
    ada = uuid4()
    contact_id, _ = opened(intercom, member=ada)
    for number in range(2):
        support.open_conversation(contact_id, f"Case {number}")
    other = intercom.put({"external_id": "another", "email": "bob@example.com", "name": ""})["id"]
    kept = support.open_conversation(other, "Hello")
    began = intercom.now()
    intercom.now = lambda: began + SEARCH_LAG + timedelta(minutes=1)

    assert [support.forget(ada, contact_id) for _ in range(3)] == [False, True, True]
    assert (list(intercom.contacts), list(intercom.conversations)) == ([other], [kept])


def test_a_contact_whose_id_we_never_learned_is_forgotten_too(intercom: SupportStandIn) -> None:
    ada = contact()
    support.put_contact(ada, None)
    assert support.forget(ada.external_id, None)
    assert intercom.contacts == {}


ACTS: dict[str, Callable[[str, UUID], object]] = {
    "put": lambda known, member: support.put_contact(contact(member), known),
    "tell": lambda _, member: support.tell(SupportEvent(member, "suspended", AT, {})),
    "open": lambda known, _: support.open_conversation(known, "Case 7"),
    "find": lambda known, _: support.find_conversation(known, "Case 7", AT),
    "forget": lambda known, member: support.forget(member, known),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.usefixtures("impatient")
def test_what_was_not_answered_is_not_known(intercom: SupportStandIn, act: str) -> None:
    member = uuid4()
    known = support.put_contact(contact(member), None)
    for fault in (Fault.UNANSWERED, Fault.DONE_TIMEOUT, Fault.NONSENSE, Fault.FOREIGN_NOT_FOUND, Fault.INTERNAL_ERROR):
        intercom.fail_next(1, fault)
        with pytest.raises(VendorSilent):
            ACTS[act](known, member)
    intercom.fail_next(1, Fault.TOO_MANY_REQUESTS)
    with pytest.raises(VendorSilent) as busy:
        ACTS[act](known, member)
    assert busy.value.retry_after_seconds == 7
    for fault in (Fault.UNAUTHORIZED, Fault.FORBIDDEN):
        intercom.fail_next(1, fault)
        with pytest.raises(VendorMisconfigured):
            ACTS[act](known, member)
    intercom.fail_next(1, Fault.REFUSED)
    with pytest.raises(VendorRefused, match="refused"):
        ACTS[act](known, member)


@pytest.mark.parametrize(("act", "lie"), [("put", Lie.OTHER_CONTACT), ("open", Lie.NO_ID), ("forget", Lie.NOT_DELETED)])
def test_a_lie_is_not_believed(intercom: SupportStandIn, act: str, lie: Lie) -> None:
    member = uuid4()
    known = support.put_contact(contact(member), None)
    intercom.lie_next(lie)
    with pytest.raises(VendorSilent):
        ACTS[act](known, member)


def test_the_messenger_knows_the_member_by_a_token_until_its_end(intercom: SupportStandIn) -> None:
    member, until = uuid4(), intercom.now() + timedelta(minutes=5)
    token = support.identity_token(member, "ada@example.com", until)
    assert jwt.decode(token, MESSENGER_SECRET, algorithms=["HS256"]) == {
        "user_id": str(member), "email": "ada@example.com", "exp": int(until.timestamp()),
    }  # fmt: skip
    door = f"{intercom.url}/messenger/boot"
    assert requests.post(door, token, timeout=5).json()["external_id"] == str(member)
    claims = {"user_id": str(uuid4()), "email": "x", "exp": until}
    forged = jwt.encode(claims, "another secret of 32 characters!", "HS256")
    assert requests.post(door, forged, timeout=5).status_code == HTTPStatus.BAD_REQUEST
    intercom.now = lambda: until
    assert requests.post(door, token, timeout=5).status_code == HTTPStatus.BAD_REQUEST


@pytest.mark.usefixtures("shop_vendors")
def test_without_secrets_nothing_is_signed_and_nobody_asked(
    intercom: SupportStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("INTERCOM_ACCESS_TOKEN", "INTERCOM_MESSENGER_SECRET"):
        monkeypatch.setenv(name, " ")
    assert not support.is_configured()
    assert not support.is_messenger_configured()
    with pytest.raises(VendorMisconfigured):
        support.identity_token(uuid4(), "ada@example.com", AT)
    with pytest.raises(VendorMisconfigured):
        support.put_contact(contact(), None)
    assert intercom.calls == 0
