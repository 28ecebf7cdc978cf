"""Admins look into comps: which there are, how far they are paid, and why they were awarded."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection
from pg8000.native import to_statement

from functions.admin_comps import store
from functions.admin_comps.store import Filter
from shared import db
from shared.auth import Role
from shared.comps import awards
from shared.values.money import Usdt
from shared.values.prizes import CompType
from shared.values.tiers import Tier
from shared.web.paging import Position
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.comp_records import WALLET, CompRecords, award_comp, award_for, cancel
from tests.fakes.payout_driver import PayoutDriver

pytest_plugins = ["tests.fakes.payout_plugin"]

Client = Callable[..., FunctionClient]

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def comp_records(sql: Connection) -> CompRecords:
    return CompRecords(sql)


@pytest.fixture
def admin(client: Client) -> FunctionClient:
    return client(factories.member(role=Role.OPERATIONS).token)


def awarded(somebody: Somebody, at: datetime, *, kind: CompType = CompType.MANUAL, in_review: bool = False) -> str:
    award = award_for(somebody, kind=kind, in_review=in_review)
    return str(db.atomically(lambda tx: awards.award(tx, award, at)))


def found(admin: FunctionClient, **wanted: object) -> list[str]:
    query = "&".join(f"{name}={value}" for name, value in wanted.items())
    return [comp["id"] for comp in admin.get(f"/v1/admin/comps?{query}").body["items"]]


def moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def test_comps_are_found_by_status_type_member_and_time(admin: FunctionClient) -> None:
    ada, eve = factories.member(), factories.member()
    first = awarded(ada, NOON)
    second = awarded(eve, NOON + timedelta(hours=1), in_review=True)
    third = awarded(ada, NOON + timedelta(hours=2), kind=CompType.NEW_MEMBER_GUARANTEE)
    cancel(UUID(first))

    assert found(admin) == [third, second, first]
    assert found(admin, status="in_review") == [second]
    assert found(admin, status="cancelled") == [first]
    assert found(admin, status="paid") == []
    assert found(admin, type="manual") == [second, first]
    assert found(admin, member_id=ada.id) == [third, first]
    assert found(admin, member_id=uuid4()) == []
    one_o_clock = moment(NOON + timedelta(hours=1))
    assert found(admin, awarded_from=one_o_clock) == [third, second]
    assert found(admin, awarded_to=one_o_clock) == [first]
    assert found(admin, member_id=ada.id, type="manual", status="cancelled", awarded_to=one_o_clock) == [first]
    assert found(admin, member_id=ada.id, type="manual", status="pending") == []


def test_pages_hold_every_comp_once_even_of_one_moment(admin: FunctionClient) -> None:
    somebody = factories.member()
    made = {awarded(somebody, NOON) for _ in range(7)}
    pages = [admin.get("/v1/admin/comps?status=pending&limit=3").body]
    while cursor := pages[-1]["next_cursor"]:
        pages.append(admin.get(f"/v1/admin/comps?status=pending&limit=3&cursor={cursor}").body)
    assert [len(page["items"]) for page in pages] == [3, 3, 1]
    assert {comp["id"] for page in pages for comp in page["items"]} == made


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Filter(None, None, None, None, None), "comps_awarded"),
        (Filter("in_review", None, None, None, None), "comps_status"),
        (Filter(None, CompType.TRIP, None, None, None), "comps_type"),
        (Filter(None, None, UUID(int=1), None, None), "comps_member"),
        (Filter(None, None, None, NOON, NOON + timedelta(minutes=1)), "comps_awarded"),
    ],
    ids=["all", "status", "type", "member", "time"],
)
def test_there_is_an_index_behind_each_filter(wanted: Filter, index: str, comp_records: CompRecords) -> None:
    """Also on later pages. Few of many comps fit, as in production."""
    somebody = factories.member()
    comp_records.rows(
        """
        INSERT INTO comps (id, member_id, type, amount, source_kind, source_id, reason, awarded_at)
        SELECT gen_random_uuid(), $1, 'manual', 5000000, 'manual', n, '{}',
               timestamptz '2026-01-01Z' + n * interval '1 hour'
        FROM generate_series(1, 20000) AS n
        """,
        somebody.id,
    )
    comp_records.sql.execute_simple("ANALYZE comps")

    class Asking:
        """Explains instead of asking."""

        plan = ""

        def run_later(self, statement: str) -> None:
            assert statement == "SET LOCAL plan_cache_mode = force_custom_plan"

        def all(self, _: object, statement: str, **values: Any) -> list[object]:
            positional, ordered = to_statement(statement)
            lines = comp_records.rows(f"EXPLAIN {positional}", *ordered(values))
            self.plan = "\n".join(line for (line,) in lines)
            return []

    for after in (None, Position(NOON, UUID(int=2))):
        asking = Asking()
        store.comps(asking, wanted, "2026-Q4", after, 21)  # type: ignore[arg-type]
        assert f" {index} on comps" in asking.plan, asking.plan
        assert "Seq Scan on comps" not in asking.plan


def test_the_detail_tells_why_and_what_was_missed(client: Client, admin: FunctionClient) -> None:
    affiliate = factories.member()
    winner = factories.member(permanent_tier=Tier.VIP, wallet=WALLET, referred_by=affiliate)
    (code,) = factories.manufactured_codes(1)
    factories.set_scan_counter(124_999)
    receipt = client(winner.token).post("/v1/scans/submit", {"code": code}).body

    shown = admin.get(f"/v1/admin/comps/{receipt['comp_earned']['comp_id']}").body

    why = shown.pop("why")
    assert (why["source_kind"], why["scan_number"], why["scan_id"]) == ("milestone", 125_000, receipt["scan_id"])
    assert (why["interval"], why["tier"], why["tier_needed"]) == (500, "vip", "vip")
    assert (why["tins_per_month"], why["unlock_volume"], why["unlocked_by_admin"]) == (0, 0, False)
    assert why["missed"] == [
        {
            "type": "crypto_10k",
            "awarded": False,
            "reason": "locked until 50,000 tins per month",
            "code": "prize_locked",
            "params": {"needed": 50_000},
        },
    ]
    assert {decision["type"] for decision in why["decisions"]} == {"crypto_100", "crypto_10k", "casino"}
    assert why["inputs"]["interval"] == 500
    assert shown["member"] == {
        "id": str(winner.id),
        "member_id": receipt["member_id"],
        "username": winner.email.partition("@")[0],
    }
    assert (shown["status"], shown["amount"], shown["wallet_address"]) == ("pending", 100, WALLET)
    assert (shown["payout"]["state"], shown["payout"]["recipient_address"]) == ("REQUESTED", WALLET)
    assert (shown["match"]["affiliate_id"], shown["match"]["amount"], shown["match"]["status"]) == (
        str(affiliate.id),
        21,
        "pending",
    )


def test_the_detail_of_a_paid_comp_names_its_transaction(
    admin: FunctionClient, payout_driver: PayoutDriver, comp_records: CompRecords
) -> None:
    comp = award_comp(factories.member(wallet=WALLET), Usdt.of(5))
    payout_driver.send(comp_records.payout(comp))
    payout_driver.finalize(comp_records.payout(comp))
    shown = admin.get(f"/v1/admin/comps/{comp}").body
    (transfer,) = payout_driver.chain.transfers()
    assert (shown["status"], shown["transaction_hash"]) == ("paid", transfer.hash)
    assert shown["payout"]["state"] == "PAID"
    assert (shown["match"], shown["why"]["missed"], shown["why"]["tier"]) == (None, [], None)


def test_a_comp_that_there_is_not_is_not_found(admin: FunctionClient) -> None:
    for name in (uuid4(), "award", "none"):
        assert admin.get(f"/v1/admin/comps/{name}").problem == "not-found"


@pytest.mark.parametrize(
    "query",
    [
        "status=lost", "status=PAID", "type=crypto_5", "type=", "member_id=1", "member_id=BJ-0001-ST", "limit=0",
        "awarded_from=2026-11-22", "awarded_from=2026-11-22T12:00:00", "awarded_to=yesterday", "awarded_to=0",
        "awarded_from=2026-11-22T12:00:00Z&awarded_from=2026-11-22T12:00:00Z", "member=1", "from=2026-11-22T12:00:00Z",
    ],
)  # fmt: skip
def test_a_wrong_filter_is_refused(query: str, admin: FunctionClient) -> None:
    refused = admin.get(f"/v1/admin/comps?{query}")
    assert (refused.status, refused.problem) == (422, "not-valid")
