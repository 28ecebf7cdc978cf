"""Intercom is told of members who have asked for support, and of nobody else, and forgets closed accounts."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from emulators.support import Conversation, KnownContact, Lie, SupportStandIn
from emulators.vendor import Fault
from functions.support_sync import main, rules, store
from shared import clock, db
from shared.auth import Role
from shared.events import SyncSupport
from shared.members import tier_history
from shared.members.tier_history import TierChange
from shared.ports import support
from shared.values import tiers
from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.clock import moved_clock
from tests.factories import Somebody
from tests.fakes import support_rows
from tests.fakes.crashes import Crash, crash
from tests.fakes.profile_client import ProfileClient
from tests.platform import Platform
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.profile_plugin"]

Client = Callable[..., FunctionClient]

AT_ONCE = 6
LATER = timedelta(minutes=11)


@dataclass(frozen=True)
class World:
    """A member, what Intercom knows, and the jobs."""

    mine: ProfileClient
    somebody: Somebody
    intercom: SupportStandIn
    tmp_path: Path

    @property
    def contact(self) -> KnownContact | None:
        return self.intercom.contact_of(self.somebody.id)

    @property
    def conversations(self) -> list[Conversation]:
        return list(self.intercom.conversations.values())

    def row(self, columns: str) -> list[Any]:
        """These columns of the member's contact."""
        (found,) = self.mine.sql.execute_simple(f"SELECT {columns} FROM support_contacts").rows
        return list(found)

    def ask(self) -> None:
        """Open the messenger, and have Intercom told."""
        assert self.mine.member.post("/v1/support/token").status == 201
        self.mine.run_tasks()

    def appeal(self) -> UUID:
        """Appeal a sanction, of which Intercom is not told yet."""
        case = support_rows.case(self.somebody)
        body = {"sanction_id": str(case), "message": "It was a joke."}
        assert self.mine.member.post("/v1/support/appeals", body).status == 201
        return case

    def sync(self) -> None:
        main.sync(SyncSupport(member_id=self.somebody.id), clock.now())

    def sweep(self) -> None:
        assert self.mine.invoker.schedule("support_sync", "sweep") == 204
        self.mine.run_tasks()

    @contextmanager
    def later(self, by: timedelta = LATER) -> Iterator[None]:
        with moved_clock(self.tmp_path, by):
            yield


@pytest.fixture
def world(profile_client: ProfileClient, somebody: Somebody, platform: Platform, tmp_path: Path) -> World:
    return World(profile_client, somebody, platform.vendors.support, tmp_path)


@pytest.fixture
def admin(client: Client, database: str) -> FunctionClient:
    assert database
    return client(factories.member(role=Role.OPERATIONS).token)


def rise(who: Somebody, at: datetime) -> None:
    quarter = tiers.quarter_of(clock.now())
    factories.quarter(who, Tier.VIP, 7, quarter)
    change = TierChange(who.id, "earned", Tier.VIP, at, quarter=quarter, scan_count=7)
    db.atomically(lambda tx: tier_history.record(tx, change))


def test_whoever_asks_for_support_is_known_with_what_support_needs_and_no_more(world: World) -> None:
    world.ask()
    known = world.contact
    assert known
    ((number, username),) = world.mine.sql.execute_unnamed(
        "SELECT number, username FROM members WHERE id = $1", (world.somebody.id,)
    ).rows
    assert (known.email, known.name) == (world.somebody.email, username)
    assert known.custom_attributes == {"member_id": f"BJ-{number:04d}-ST", "tier": "standard", "suspended": False}
    assert world.row("contact_id, told = revision, look_at, waits_since, failures") == [known.id, True, None, None, 0]


def test_tier_suspension_and_name_follow_by_the_outbox(world: World, admin: FunctionClient) -> None:
    world.ask()
    rise(world.somebody, datetime(2026, 11, 22, 12, tzinfo=UTC))
    world.mine.run_tasks()
    known = world.contact
    assert known
    assert (known.custom_attributes["tier"], known.custom_attributes["member_id"][-3:]) == ("vip", "VIP")
    assert world.mine.change(username="ada_lovelace").status == 200
    assert admin.post(f"/v1/admin/members/{world.somebody.id}/suspend", {"reason": "a stolen box"}).status == 200
    world.mine.run_tasks()
    assert (known.name, known.custom_attributes["suspended"]) == ("ada_lovelace", True)
    assert admin.post(f"/v1/admin/members/{world.somebody.id}/activate", {"reason": "it was theirs"}).status == 200
    world.mine.run_tasks(times=2)
    assert known.custom_attributes["suspended"] is False
    assert [(event.event_name, dict(event.metadata)) for event in world.intercom.events] == [
        ("tier_changed", {"tier": "vip", "change": "earned"}), ("suspended", {}), ("reinstated", {}),
    ]  # fmt: skip


def test_nobody_else_is_told_of(world: World, admin: FunctionClient) -> None:
    rise(world.somebody, datetime.now(UTC))
    assert admin.post(f"/v1/admin/members/{world.somebody.id}/suspend", {"reason": "a stolen box"}).status == 200
    world.mine.run_tasks()
    world.sweep()
    world.sync()
    assert (world.intercom.calls, world.intercom.contacts) == (0, {})
    for table in ("support_contacts", "support_events"):
        assert world.mine.one(f"SELECT count(*) FROM {table}") == 0
    assert world.mine.one("SELECT count(*) FROM outbox WHERE function = 'support_sync'") == 0


def test_an_appeal_opens_a_conversation_with_its_case(world: World) -> None:
    case = world.appeal()
    world.mine.run_tasks(times=2)
    (conversation,) = world.conversations
    assert world.contact
    assert conversation.contact_id == world.contact.id
    assert conversation.body == f"Case {case}: appeal of a mute in the chat.\n\nIt was a joke."
    assert world.mine.one("SELECT conversation_id FROM support_appeals WHERE opened_at >= sent_at") == conversation.id


@pytest.mark.parametrize(
    "fault",
    [Fault.UNANSWERED, Fault.DONE_UNANSWERED, Fault.DONE_INTERNAL_ERROR, Fault.NONSENSE, Fault.TOO_MANY_REQUESTS],
)
@pytest.mark.parametrize("well", [0, 1], ids=["contact", "conversation"])
def test_what_is_not_answered_is_done_later_and_once(fault: Fault, well: int, world: World) -> None:
    world.appeal()
    world.intercom.fail_next(1, fault, after=well)
    world.mine.run_tasks()
    assert world.row("failures, held_until, told") == [1, None, 0]
    world.sync()  # it may come too soon: what may be open cannot be found yet
    with world.later():
        world.sweep()
    assert len(world.conversations) == len(world.intercom.contacts) == 1
    assert world.row("told = revision, look_at, failures") == [True, None, 0]


def test_a_lie_opens_no_second_conversation(world: World) -> None:
    world.appeal()
    world.intercom.lie_next(Lie.NO_ID)
    world.mine.run_tasks()
    with world.later():
        world.sweep()
    (conversation,) = world.conversations
    assert world.mine.one("SELECT conversation_id FROM support_appeals") == conversation.id


@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.REFUSED])
def test_a_refusal_is_kept_and_done_once_it_is_mended(fault: Fault, world: World) -> None:
    case = world.appeal()
    world.intercom.fail_next(1, fault, after=1)
    world.mine.run_tasks()
    is_refusal = fault is Fault.REFUSED
    assert world.row("refusal, failures") == ["refused" if is_refusal else None, 1]
    ((sent_at,),) = world.mine.sql.execute_simple("SELECT sent_at FROM support_appeals").rows
    assert sent_at is None
    with world.later(timedelta(hours=25) if is_refusal else timedelta(minutes=6)):
        world.sweep()
    (conversation,) = world.conversations
    assert rules.mark(case) in conversation.body
    assert world.row("refusal, look_at") == [None, None]


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        (store, "hold", True),
        (support, "put_contact", True),
        (store, "mark_sent", True),
        (support, "open_conversation", False),
        (support, "open_conversation", True),
        (store, "finish", False),
    ],
    ids=lambda part: getattr(part, "__name__", str(part)),
)
def test_a_job_that_dies_is_done_by_the_next(owner: object, name: str, after: bool, world: World) -> None:
    world.appeal()
    with crash(owner, name, at=1, after=after) as crashed, pytest.raises(Crash):
        world.sync()
    assert crashed()
    for minutes in (11, 30):  # once its hold is over, and once a conversation can be found
        with world.later(timedelta(minutes=minutes)):
            world.sweep()
    assert len(world.conversations) == len(world.intercom.contacts) == 1
    assert world.row("told = revision, look_at, held_until") == [True, None, None]


def test_deliveries_at_once_open_one_conversation(world: World) -> None:
    world.appeal()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: world.sync(), range(AT_ONCE)))
    assert len(world.conversations) == 1
    assert world.row("told = revision, look_at") == [True, None]


def test_a_change_while_intercom_is_asked_is_told_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put = world.intercom.put

    def renamed(*asked: Any) -> dict[str, Any]:
        monkeypatch.setattr(world.intercom, "put", put)
        world.mine.sql.execute_unnamed("UPDATE members SET username = 'renamed' WHERE id = $1", (world.somebody.id,))
        return put(*asked)

    monkeypatch.setattr(world.intercom, "put", renamed)
    world.ask()
    assert world.contact
    assert world.contact.name == "renamed"
    assert world.row("revision, told, look_at") == [2, 2, None]


def test_a_worker_whose_hold_is_over_stores_nothing_and_opens_nothing(world: World) -> None:
    case = world.appeal()
    begun = db.atomically(main._begin, world.somebody.id, clock.now())
    assert begun
    with world.later():
        world.sweep()
    before = rows_of_all_tables(world.mine.sql)
    assert not db.atomically(store.mark_sent, case, begun.until, clock.now())
    assert not db.atomically(store.keep_contact, world.somebody.id, begun.until, "another")
    db.atomically(main._finish, begun, None, clock.now())
    db.atomically(store.put_off, world.somebody.id, begun.until, clock.now(), "late")
    assert rows_of_all_tables(world.mine.sql) == before


@pytest.mark.usefixtures("listener_copies")
def test_a_closed_account_is_forgotten_even_if_the_messenger_was_open(world: World) -> None:
    world.appeal()
    world.mine.run_tasks()
    (known,) = world.intercom.contacts.values()
    body = {"username": world.mine.profile()["username"]}
    with world.later(timedelta(minutes=5)):  # Intercom's search finds the conversation by now
        world.intercom.fail_next(1, Fault.DONE_UNANSWERED, after=2)
        assert world.mine.member.post("/v1/users/me/deletion", body).status == 202
        world.mine.run_tasks()
        world.intercom.mend()
        assert world.row("failures") == [1]
    with world.later(timedelta(minutes=8)):
        world.sweep()
    assert (world.contact, world.conversations) == (None, [])
    world.intercom.boot(support.identity_token(world.somebody.id, known.email, clock.now() + LATER))  # it was open
    with world.later(timedelta(minutes=21)):
        world.sweep()
    assert world.contact is None
    for table in ("support_contacts", "support_events", "support_appeals"):
        assert world.mine.one(f"SELECT count(*) FROM {table}") == 0


def test_without_an_access_token_nothing_is_asked_and_one_row_waits(
    world: World, admin: FunctionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setenv("INTERCOM_ACCESS_TOKEN", " ")
        world.ask()
        for name in ("suspend", "activate"):
            path = f"/v1/admin/members/{world.somebody.id}/{name}"
            assert admin.post(path, {"reason": "a stolen box"}).status == 200
        world.mine.run_tasks()
        world.sweep()
        assert world.intercom.calls == 0
        assert world.mine.one("SELECT count(*) FROM support_contacts") == 1
        assert world.mine.waiting() == []
        shown = admin.get("/v1/admin/integrations").body["items"]
        (intercom,) = [each for each in shown if each["name"] == "intercom"]
        assert (intercom["is_configured"], intercom["waiting_since"]) == (False, None)
    world.sweep()
    assert world.contact
    assert len(world.intercom.events) == 2


def test_the_desk_shows_what_intercom_has_answered(world: World, admin: FunctionClient) -> None:
    def shown() -> dict[str, Any]:
        (found,) = [each for each in admin.get("/v1/admin/integrations").body["items"] if each["name"] == "intercom"]
        return dict(found)

    world.intercom.fail_next(1, Fault.UNAUTHORIZED)
    world.ask()
    failed = shown()
    assert (failed["is_configured"], bool(failed["failed_at"]), failed["last_error"]) == (True, True, "401")
    with world.later(timedelta(minutes=6)):
        world.sweep()
        assert (shown()["status"], bool(shown()["answered_at"])) == ("ok", True)


def test_pauses_double_up_to_an_hour_and_last_as_long_as_asked() -> None:
    for failures, asked, pause in ((0, 7, 60), (0, 3600, 3600), (3, 30, 480), (500, 30, 3600)):
        assert rules.again_after(failures, timedelta(seconds=asked)) == timedelta(seconds=pause)
