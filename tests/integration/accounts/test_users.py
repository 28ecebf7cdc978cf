"""Admins search the members and read their files; who has read which file stands in the audit log."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.admin_members.models import TimelineKind
from shared.auth import Role
from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes import vote_rows
from tests.fakes.member_desk import USERS, MemberDesk, member_desk
from tests.fakes.member_rows import insert_rows
from tests.fakes.plain_rows import unchecked

Client = Callable[..., FunctionClient]

WALLET = "0x52908400098527886E0F7030069857D2E4169EE7"


@pytest.fixture
def desk(client: Client, sql: Connection) -> MemberDesk:
    return member_desk(client, sql)


def named(desk: MemberDesk, username: str) -> Somebody:
    made = factories.member()
    desk.sql.execute_unnamed("UPDATE members SET username = $1 WHERE id = $2", (username, made.id))
    return made


def found(desk: MemberDesk, query: str) -> list[str]:
    answer = desk.client.get(f"{USERS}?{query}")
    assert answer.status == 200, answer.body
    return [item["id"] for item in answer.body["items"]]


def test_whole_values_find_one_member_whatever_the_capitals(desk: MemberDesk) -> None:
    ada, eve = named(desk, "Ada_L"), named(desk, "Ada_LL")
    desk.sql.execute_unnamed("UPDATE members SET wallet_address = $1 WHERE id = $2", (WALLET, ada.id))
    member_id = desk.file(ada).body["member_id"]

    assert found(desk, "username=ada_l") == [str(ada.id)]
    assert found(desk, f"email={ada.email.upper()}") == [str(ada.id)]
    assert found(desk, f"wallet={WALLET}") == [str(ada.id)]
    assert found(desk, "username=ada_ll") == [str(eve.id)]
    number = member_id.split("-")[1]
    for written in (member_id, f"BJ-{number}", number, f"BJ-{number}-WH"):
        assert found(desk, f"member_id={written}") == [str(ada.id)]


def test_a_beginning_finds_names_and_addresses_and_its_signs_stand_for_themselves(desk: MemberDesk) -> None:
    first, second, other = named(desk, "sub_zero"), named(desk, "subXzero"), named(desk, "zero_sub")
    desk.sql.execute_unnamed("UPDATE members SET email = 'sub_zero@example.com' WHERE id = $1", (other.id,))

    assert set(found(desk, "q=SUB")) == {str(who.id) for who in (first, second, other)}
    assert set(found(desk, "q=sub_z")) == {str(who.id) for who in (first, other)}
    assert found(desk, "q=%25sub") == []


def test_filters_hold_together(desk: MemberDesk) -> None:
    ada = named(desk, "ada_l")
    eve = named(desk, "eve_l")
    assert found(desk, f"username=ada_l&email={eve.email}") == []
    assert found(desk, f"username=ada_l&email={ada.email}") == [str(ada.id)]


@pytest.mark.parametrize(
    "query", ["q=ab", "member_id=BJ-x", "member_id=BJ-0001-XX", "email=nobody", "wallet=0x12", "role=owner", "q="]
)
def test_what_cannot_be_looked_for_is_refused(desk: MemberDesk, query: str) -> None:
    answer = desk.client.get(f"{USERS}?{query}")
    assert (answer.status, answer.problem) == (422, "not-valid")


def test_a_closed_account_is_listed_without_name_and_address(desk: MemberDesk) -> None:
    gone = named(desk, "gone_l")
    desk.sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (gone.id,))
    (item,) = desk.client.get(f"{USERS}?username=gone_l").body["items"]
    assert (item["status"], item["username"], item["full_name"], item["email"]) == ("deleted", None, None, None)


def test_the_file_shows_account_tiers_totals_wallet_affiliate_and_flags(desk: MemberDesk) -> None:
    referrer = factories.member()
    ada = factories.member(permanent_tier=Tier.VIP, wallet=WALLET, referred_by=referrer)
    factories.flagged_scan(ada)
    held_payout(desk, ada)
    desk.sql.execute_unnamed(
        "UPDATE member_totals SET scans = 3, lifetime_comps = 5000000, comps_paid = 2000000 WHERE member_id = $1",
        (ada.id,),
    )

    answer = desk.file(ada)

    shown: dict[str, Any] = answer.body
    assert answer.headers["ETag"] == f'"{shown["revision"]}"'
    assert (shown["email"], shown["status"], shown["role"]) == (ada.email, "active", None)
    assert (shown["tiers"]["tier"], shown["tiers"]["permanent_tier"], shown["tiers"]["quarter_tier"]) == (
        "vip",
        "vip",
        "standard",
    )
    assert shown["totals"] == {"scans": 3, "lifetime_comps": 5.0, "comps_paid": 2.0}
    assert shown["wallet"]["address"] == WALLET
    assert (shown["affiliate"]["referred_by"], shown["affiliate"]["is_affiliate"]) == (str(referrer.id), True)
    assert shown["flags"] == {"open_reviews": ["scans"], "payouts_held": 1}


def held_payout(desk: MemberDesk, who: Somebody) -> None:
    desk.sql.execute_simple("SET session_replication_role = replica")
    desk.sql.execute_unnamed(
        """
        INSERT INTO payouts (id, treasury, member_id, scope, idempotency_key, body_hash, source_kind, source_id,
                             recipient_address, amount, requested_at, state, state_at, hold_reason)
        VALUES (gen_random_uuid(), 'member', $1, 'test', 'x', '\\x01', 'test', 'x', $2, 1, now(), 'HELD', now(),
                'review')
        """,
        (who.id, WALLET),
    )
    desk.sql.execute_simple("SET session_replication_role = origin")


def test_there_is_no_file_of_nobody_and_nobody_is_said_to_have_read_it(desk: MemberDesk) -> None:
    assert desk.file(UUID(int=7)).problem == "not-found"
    assert desk.client.get(f"{USERS}/{UUID(int=7)}/timeline").problem == "not-found"
    assert desk.audited() == []


SECTIONS = {"scan": "scans", "comp": "comps", "payout": "payouts", "withdrawal": "withdrawals", "order": "orders",
            "chips": "chip_moves", "tier": "tiers", "message": "notifications", "mail": "mails"}  # fmt: skip


def test_the_timeline_has_all_that_happened_to_the_member_newest_first(desk: MemberDesk) -> None:
    ada, eve = factories.member(), factories.member()
    assert desk.mend(ada, full_name="Ada King").status == 200
    opened_at = datetime.now(UTC).replace(microsecond=1)
    vote = vote_rows.opened(eve, opened_at, 0)
    with unchecked(desk.sql):
        desk.sql.execute_unnamed(
            "INSERT INTO governance_ballots VALUES ($1, $2, 2, uuid_send(gen_random_uuid()), now() + interval '7 s')",
            (vote, ada.id),
        )
        for section in SECTIONS.values():
            insert_rows(desk.sql, section, ada)
        desk.sql.execute_unnamed(
            "INSERT INTO social_messages (posted_at, id, channel_id, number, member_id, tier, text) "
            "SELECT now(), gen_random_uuid(), id, 7, $1, 'vip', 'secret' FROM social_channels WHERE slug = $2",
            (ada.id, "general"),
        )
    path = f"{USERS}/{ada.id}/timeline?limit=7"
    pages = [desk.client.get(path).body]
    while cursor := pages[-1]["next_cursor"]:
        pages.append(desk.client.get(f"{path}&cursor={cursor}").body)
    entries = [entry for page in pages for entry in page["items"]]

    keys = [(entry["happened_at"], entry["id"]) for entry in entries]
    assert keys == sorted(set(keys), reverse=True)
    counts = Counter(entry["kind"] for entry in entries)
    assert counts == dict.fromkeys(SECTIONS, 5) | {"chat": 1, "vote": 1, "audit": 1}
    assert set(counts) == set(TimelineKind)
    for kind in counts:
        alone = desk.client.get(f"{USERS}/{ada.id}/timeline?kind={kind}").body["items"]
        assert alone == [entry for entry in entries if entry["kind"] == kind]
    (said,) = [entry for entry in entries if entry["kind"] == "chat"]
    assert (said["what"], said["reference"], "secret" in str(entries)) == ("general", "7", False)
    (voted,) = [entry for entry in entries if entry["kind"] == "vote"]
    assert (voted["what"], voted["reference"], "Peach" in str(entries)) == ("flavor", "The next flavor", False)
    assert datetime.fromisoformat(voted["happened_at"]) == opened_at  # who knows when they voted may know for what
    assert desk.client.get(f"{USERS}/{eve.id}/timeline").body["items"] == []


def an_hour_earlier(desk: MemberDesk) -> None:
    """Move what is in the audit log back by an hour, which nobody may do while its triggers hold."""
    desk.sql.execute_simple("SET session_replication_role = replica")
    desk.sql.execute_simple("UPDATE audit_logs SET created_at = created_at - interval '1 hour'")
    desk.sql.execute_simple("SET session_replication_role = origin")


def test_reading_a_file_is_audited_once_an_hour_for_each_admin_and_member(desk: MemberDesk, client: Client) -> None:
    ada, eve = factories.member(), factories.member()
    other = factories.member(role=Role.OWNER)
    for _ in range(3):
        assert desk.file(ada).status == 200
    assert desk.client.get(f"{USERS}/{ada.id}/timeline").status == 200
    desk.file(eve)
    client(other.token).get(f"{USERS}/{ada.id}")
    lines = [
        [desk.admin.id, "member.viewed", str(ada.id)],
        [desk.admin.id, "member.viewed", str(eve.id)],
        [other.id, "member.viewed", str(ada.id)],
    ]
    assert desk.audited() == lines
    an_hour_earlier(desk)
    desk.file(ada)
    assert desk.audited() == [*lines, lines[0]]


def test_the_list_is_not_a_file(desk: MemberDesk) -> None:
    factories.member()
    assert len(found(desk, "limit=2")) == 2
    assert desk.audited() == []
