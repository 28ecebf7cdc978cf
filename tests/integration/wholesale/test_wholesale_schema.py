"""The schema keeps the rules of wholesale accounts whatever the code does."""

from itertools import permutations
from uuid import UUID

import pytest
from pg8000.dbapi import Connection, DatabaseError

from shared.auth import Role
from shared.values.states import WholesaleStatus
from shared.values.wholesale import AGAIN_AFTER
from tests import factories
from tests.fakes.wholesale_rows import wholesale_account

STATUSES: dict[WholesaleStatus, tuple[str, ...]] = {
    WholesaleStatus.PENDING: (), WholesaleStatus.APPROVED: ("approved",), WholesaleStatus.REJECTED: ("rejected",),
    WholesaleStatus.ACTIVE: ("approved", "active"), WholesaleStatus.SUSPENDED: ("approved", "active", "suspended"),
}  # fmt: skip
BY_PEOPLE = {
    ("pending", "approved"), ("pending", "rejected"), ("approved", "suspended"), ("active", "suspended"),
    ("suspended", "active"),
}  # fmt: skip
EMPTY = ("company_name = NULL, contact_name = NULL, email = NULL, phone = NULL, business_address = NULL, tax_id = NULL,"
         " tax_id_last4 = NULL")  # fmt: skip


def change(sql: Connection, account: UUID, change: str) -> str:
    """The rule that refuses the change; empty when none does."""
    try:
        sql.execute_simple(f"UPDATE wholesale_accounts SET {change} WHERE id = '{account}'")
    except DatabaseError as refused:
        return str(refused.args[0].get("n", refused.args[0]["C"]))
    return ""


def decided(status: str, by: UUID | None = None) -> str:
    admin = by or factories.member(role=Role.OPERATIONS).id
    return f"status = '{status}', decided_by = '{admin}', decided_at = now(), reason = 'x'"


@pytest.mark.parametrize(("had", "wanted"), list(permutations(WholesaleStatus, 2)))
def test_people_make_these_changes_of_the_status_and_no_others(
    sql: Connection, had: WholesaleStatus, wanted: WholesaleStatus
) -> None:
    account = wholesale_account(*STATUSES[had])
    refused = change(sql, account, decided(wanted))
    if (had, wanted) in BY_PEOPLE:
        assert refused == ""
    else:
        assert refused in {"wholesale_transition", "wholesale_accounts_activated", "wholesale_accounts_decided"}


def test_what_was_never_active_is_approved_again_and_not_active(sql: Connection) -> None:
    account = wholesale_account("approved", "suspended")
    assert change(sql, account, decided("active")) == "wholesale_accounts_activated"
    assert change(sql, account, decided("approved")) == ""


def test_an_account_becomes_active_with_its_first_order_and_without_a_person(sql: Connection) -> None:
    account = wholesale_account("approved")
    assert change(sql, account, "status = 'active'") == "wholesale_accounts_activated"
    assert change(sql, account, "status = 'active', activated_at = now()") == ""
    assert change(sql, account, "activated_at = now() + interval '1 day'") == "wholesale_account_fixed"


def test_every_other_change_of_the_status_is_a_new_decision(sql: Connection) -> None:
    account = wholesale_account("approved")
    assert change(sql, account, "status = 'suspended'") == "wholesale_undecided"
    assert change(sql, account, "reason = 'another one'") == "wholesale_decision_fixed"
    assert change(sql, account, decided("approved")) == "wholesale_decision_fixed"


def test_nobody_decides_in_their_own_favour(sql: Connection) -> None:
    owner = factories.member(role=Role.OPERATIONS)
    admin = factories.member(role=Role.OPERATIONS)
    account = wholesale_account(member=owner)
    referred = wholesale_account(member=factories.member(referred_by=admin))
    assert change(sql, account, decided("approved", owner.id)) in {"own_interest", "wholesale_accounts_own"}
    assert change(sql, referred, decided("approved", admin.id)) == "own_interest"
    assert change(sql, account, decided("approved", admin.id)) == ""


@pytest.mark.parametrize("status", [status for status in WholesaleStatus if status != "rejected"])
def test_only_who_was_rejected_applies_again(sql: Connection, status: WholesaleStatus) -> None:
    account = wholesale_account(*STATUSES[status])
    assert change(sql, account, "applied_at = applied_at + interval '31 days'") == "wholesale_again"


def test_who_was_rejected_applies_again_when_the_time_is_over(sql: Connection) -> None:
    account, days = wholesale_account("rejected"), AGAIN_AFTER.days
    assert change(sql, account, f"applied_at = decided_at + interval '{days} days' - interval '1 second'") == (
        "wholesale_again"
    )
    assert change(sql, account, f"email = 'new@example.com', applied_at = decided_at + interval '{days} days'") == ""
    assert sql.execute_simple("SELECT status, decided_by, decided_at, reason FROM wholesale_accounts").rows == [
        ["pending", None, None, None]
    ]


def test_what_an_application_said_is_not_changed_and_may_be_emptied_as_a_whole(sql: Connection) -> None:
    account = wholesale_account("approved")
    for said in ("company_name = 'Another LLC'", "email = 'x@example.com'", "tax_id = '\\x00'", "phone = NULL"):
        assert change(sql, account, said) == "wholesale_application_fixed", said
    for part in ("tax_id = NULL, tax_id_last4 = NULL, email = NULL", EMPTY.replace("phone = NULL, ", "")):
        assert change(sql, account, part) == "wholesale_accounts_emptied", part
    assert change(sql, account, EMPTY) == ""
    assert change(sql, account, "email = 'x@example.com'") != ""


def test_an_account_stays_its_members_and_keeps_its_number(sql: Connection) -> None:
    account, other = wholesale_account(), factories.member()
    for said in (f"member_id = '{other.id}'", "id = gen_random_uuid()", "created_at = now()"):
        assert change(sql, account, said) == "wholesale_account_fixed", said


def test_only_a_rejected_account_is_deleted(sql: Connection) -> None:
    for status in WholesaleStatus:
        account = wholesale_account(*STATUSES[status])
        if status == WholesaleStatus.REJECTED:
            sql.execute_unnamed("DELETE FROM wholesale_accounts WHERE id = $1", (account,))
            continue
        with pytest.raises(DatabaseError, match="wholesale_account_kept"):
            sql.execute_unnamed("DELETE FROM wholesale_accounts WHERE id = $1", (account,))


def test_an_account_is_born_as_an_application(sql: Connection) -> None:
    member = factories.member()
    with pytest.raises(DatabaseError, match="wholesale_born"):
        sql.execute_unnamed(
            """
            INSERT INTO wholesale_accounts (id, member_id, status, applied_at, decided_by, decided_at, reason)
            VALUES (gen_random_uuid(), $1, 'approved', now(), $1, now(), 'x')
            """,
            (member.id,),
        )
