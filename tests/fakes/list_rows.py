"""Rows of the contract's lists, as plain SQL; `number` selects one of several kinds in turn."""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from shared import db
from shared.affiliates import payouts
from shared.comps import awards
from shared.db import Tx
from shared.members import tier_history
from shared.members.tier_history import TierChange
from shared.messages import notifications
from shared.messages.notifications import Note
from shared.values.money import Usdt
from shared.values.tiers import Tier
from tests import factories
from tests.factories import Somebody
from tests.fakes import usdt_rows
from tests.fakes.comp_records import award_for
from tests.fakes.wallet_driver import RECIPIENT
from tests.fakes.wholesale_rows import wholesale_account

TREASURIES = ("member", "affiliate", "wholesale")
HOLDS = ("limit", "review", "funds")


def insert(table: str, **values: object) -> None:
    """Insert one row; a dict is stored as JSON."""
    given = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()}
    names = ", ".join(given)
    places = ", ".join(f":{name}" for name in given)
    statement = f"INSERT INTO {table} ({names}) VALUES ({places})"
    db.atomically(lambda tx: tx.run(cast("Any", statement), **given))


def run(statement: str, **values: object) -> None:
    db.atomically(lambda tx: tx.run(cast("Any", statement), **values))


@dataclass(frozen=True)
class _Id:
    id: str


def tier_change(owner: Somebody, at: datetime, number: int) -> str:
    change = TierChange(owner.id, "earned", Tier.VIP, at, quarter="2026-Q4", scan_count=7 + number)
    db.atomically(lambda tx: tier_history.record(tx, change))
    query = "SELECT CAST(entry_id AS text) AS id FROM tier_history WHERE scan_count = :scans"
    return db.atomically(lambda tx: tx.one(_Id, query, scans=change.scan_count)).id


def referral(owner: Somebody, at: datetime, number: int) -> str:
    """A referred member; every second one is active, and a VIP."""
    made = factories.member(referred_by=owner).id
    statement = """
        UPDATE referrals SET joined_at = :at, tier = CAST(:tier AS tier), is_active = :active, last_scan_at = :at
        WHERE referred_id = :id
        """
    run(statement, id=made, at=at, tier="vip" if number % 2 else "standard", active=number % 2 == 0)
    return str(made)


def affiliate_payout(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    """A payout of what a match has brought, made because a wallet was linked."""
    winner = factories.member(referred_by=owner)

    def work(tx: Tx) -> str:
        comp_id = awards.award(tx, award_for(winner, Usdt.of(100), source=str(uuid4())), at)
        assert payouts.pay_owed(tx, owner.id, RECIPIENT, at)
        query = """
            SELECT CAST(payout_id AS text) AS id FROM affiliate_payout_lines line
            JOIN affiliate_earnings earning ON earning.id = line.earning_id WHERE comp_id = :comp_id
            """
        return tx.one(_Id, query, comp_id=comp_id).id

    return db.atomically(work)


COMP_TYPES = ("manual", "trip", "casino")
COMP_STATUSES = ("pending", "cancelled", "in_review")


def comp(owner: Somebody, at: datetime, number: int, *, kind: str = "") -> str:
    made = uuid4()
    status = COMP_STATUSES[number % 3]
    gone = status == "cancelled"
    insert(
        "comps",
        id=made,
        member_id=owner.id,
        type=kind or COMP_TYPES[number % 3],
        amount=0,
        status=status,
        source_kind="manual",
        source_id=str(made),
        reason={},
        awarded_at=at,
        cancelled_at=at if gone else None,
        cancel_reason="by mistake" if gone else None,
    )
    return str(made)


def trip_won(owner: Somebody, at: datetime, number: int) -> str:
    made = comp(owner, at, number, kind="trip")
    if number % 3:
        insert("trips", comp_id=UUID(made), destination="hawaii", title="Hawaii", value=1, chosen_at=at)
    return made


WHOLESALE_STATUSES = ((), ("approved",), ("rejected",))


def wholesale(owner: Somebody, at: datetime, number: int, *, emptied: bool = False) -> str:
    """An account of another member each time: nobody has two."""
    del owner
    return str(wholesale_account(*WHOLESALE_STATUSES[number % 3], at=at, emptied=emptied))


def chips(owner: Somebody, at: datetime, number: int) -> str:
    made = uuid4()
    insert("affiliate_chips", id=made, affiliate_id=owner.id, kind="vault_bonus", chips=1 + number, earned_at=at)
    return str(made)


def chip_entry(owner: Somebody, at: datetime, number: int) -> str:
    """A lot that a week has vaulted; its move is the entry."""
    lot = uuid4()
    insert("vault_lots", id=lot, affiliate_id=owner.id, kind="overflow", week_on=date(2026, 11, 1 + number), chips=1,
           left_chips=1, vaulted_at=at, expires_at=at + timedelta(days=365))  # fmt: skip
    query = "SELECT '1' || lpad(to_hex(id), 31, '0') AS id FROM vault_moves WHERE lot_id = :lot"
    return str(UUID(db.atomically(lambda tx: tx.one(_Id, query, lot=lot)).id))


def withdrawal(owner: Somebody, at: datetime, number: int) -> str:
    made = uuid4()
    insert(
        "withdrawals",
        id=made,
        member_id=owner.id,
        from_address="0x" + made.hex + "00000000",
        to_address=RECIPIENT,
        amount=1 + number,
        chain_id=137,
        token_address=RECIPIENT,
        nonce=0,
        gas_limit=1,
        fee_per_gas_wei_max=2,
        priority_fee_per_gas_wei_max=1,
        prepared_at=at,
        expires_at=at + timedelta(minutes=10),
        state_at=at,
    )
    return str(made)


def movement(owner: Somebody, at: datetime, number: int) -> str:
    """A wallet transaction; the second one went out, the others came in."""
    made = uuid4()
    out = UUID(withdrawal(owner, at, number)) if number % 3 == 1 else None
    insert(
        "wallet_transactions",
        id=made,
        member_id=owner.id,
        type="withdrawal" if out else "comp_deposit",
        amount=1 + number,
        status="pending",
        to_address=RECIPIENT,
        created_at=at,
        comp_id=None if out else UUID(comp(owner, at, 0)),
        withdrawal_id=out,
    )
    return str(made)


def scan(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    made = uuid4()
    insert(
        "scans",
        id=made,
        number=made.int % 2**40,
        member_id=owner.id,
        code_mac=made.bytes,
        product_sku="MINTICE-6",
        scanned_at=at,
        method="qr",
        tier="standard",
        quarter="2026-Q4",
        quarter_scans=1,
    )
    return str(made)


FLAGS = ("burst", "guessing", "honey_code")
DECISIONS = ("open", "cleared", "confirmed")


def flagged(owner: Somebody, at: datetime, number: int) -> str:
    made = scan(owner, at, number)
    decided = number % 3 > 0
    insert(
        "flagged_scans",
        scan_id=UUID(made),
        scanned_at=at,
        scan_number=UUID(made).int % 2**40,
        member_id=owner.id,
        flags=[FLAGS[number % 3]],
        flagged_at=at,
        status=DECISIONS[number % 3],
        decided_at=at if decided else None,
        decided_by=owner.id if decided else None,
    )
    return made


NOTIFICATION_TYPES = ("system", "social", "comp")


def notification(owner: Somebody, at: datetime, number: int, *, kind: str = "") -> str:
    note = Note(owner.id, kind or NOTIFICATION_TYPES[number % 3], "Hello", "there", {}, str(uuid4()))
    return str(db.atomically(lambda tx: notifications.notify(tx, note, at)))


def period(period: str, owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    """A rollup period; no two begin at the same time."""
    starts_at = at.replace(minute=0) + timedelta(days=number)
    insert(
        "scan_rollups",
        period=period,
        starts_at=starts_at,
        scans=1 + number,
        processing_ms=1,
        histogram={},
        peak_scans=1,
        peak_at=starts_at,
    )
    return f"{starts_at:%Y-%m-%dT%H:%M:%S}Z"


def affiliate_figures(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    """An affiliate; the later, the more they have of everything."""
    made, figure = factories.member().id, int(at.timestamp()) % 1_000_000
    insert("affiliate_figures", affiliate_id=made, downline=figure, chips=figure, earned=figure)
    return str(made)


def affiliate_week(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    """The next week of affiliates, which is open; no two end on the same day."""
    week_on = date(2026, 1, 4) + timedelta(days=7 * number)
    insert(
        "affiliate_weeks",
        week_on=week_on,
        first_number=1,
        last_number=0,
        pool=0,
        chips_max=1000,
        payout_min=1_000_000,
        opened_at=at,
    )
    return week_on.isoformat()


BATCH_STATES = ("generated", "generating", "recalled")


def batch(owner: Somebody, at: datetime, number: int) -> str:
    made, status = uuid4(), BATCH_STATES[number % 3]
    insert(
        "code_batches",
        id=made,
        name="A batch",
        product_sku="MINTICE-6",
        quantity=1,
        status=status,
        created_by=owner.id,
        created_at=at,
        generated_at=None if status == "generating" else at,
    )
    return str(made)


def honey_trial(owner: Somebody, at: datetime, number: int) -> str:
    """A honey trial, identified by its device; a later one has a device later in the alphabet."""
    device = f"device-{number}"
    insert("honey_trials", batch_id=UUID(batch(owner, at, 0)), member_id=owner.id, device_id=device, happened_at=at)
    return device


def broadcast(owner: Somebody, at: datetime, number: int) -> str:
    made = uuid4()
    insert(
        "broadcasts", id=made, title=f"Note {number}", body="Hello", data={}, created_by=owner.id, created_at=at,
        last_number=1,
    )  # fmt: skip
    return str(made)


def rule_change(kind: str, owner: Somebody, at: datetime, number: int) -> str:
    made = uuid4()
    terms = {
        "interval": 100,
        "tier": "vip",
        "amount": 1_000_000,
        "unlock_volume": 0,
        "awards_per_member": None,
        "enabled": True,
        "unlocked_by_admin": False,
    }
    insert(
        "comp_rule_changes",
        id=made,
        type=kind,
        revision=2 + number,
        changed_by=owner.id,
        before_terms=terms,
        after_terms=terms,
        reason="for Christmas",
        changed_at=at,
    )
    return str(made)


REVIEW_STATES = ("waiting", "granted", "refused")


def referral_review(owner: Somebody, at: datetime, number: int) -> str:
    """A review of a referral of its own; an admin has decided the second and the third."""
    made, status = uuid4(), ("open", "cleared", "confirmed")[number % 3]
    decided = status != "open"
    insert(
        "referral_reviews",
        id=made,
        referred_id=factories.member().id,
        affiliate_id=factories.member().id,
        score=60,
        signals=json.dumps([{"kind": "device", "member_id": str(made), "points": 60}]),
        status=status,
        found_at=at,
        decided_at=at if decided else None,
        decided_by=owner.id if decided else None,
        note="a sister" if decided else None,
    )
    return str(made)


def guarantee_review(owner: Somebody, at: datetime, number: int) -> str:
    """A review of a member of its own; an admin has decided the second and the third."""
    made, status = uuid4(), REVIEW_STATES[number % 3]
    decided = status != "waiting"
    insert(
        "guarantee_reviews",
        id=made,
        member_id=factories.member().id,
        score=50,
        signals=json.dumps([{"kind": "device", "member_id": str(made), "points": 50}]),
        status=status,
        asked_at=at,
        decided_at=at if decided else None,
        decided_by=owner.id if decided else None,
        note="a sister" if decided else None,
    )
    return str(made)


def reconciliation(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    made = uuid4()
    insert("reconciliations", id=made, requested_by=owner.id, requested_at=at)
    return str(made)


def finding(owner: Somebody, at: datetime, number: int) -> str:
    """A finding of a reconciliation; the second one is resolved."""
    made, run_ = uuid4(), UUID(reconciliation(owner, at, number))
    resolved = number % 3 == 1
    insert(
        "reconciliation_findings",
        id=made,
        reconciliation_id=run_,
        treasury=TREASURIES[number % 3],
        kind="balance_differs",
        ref=str(made),
        expected=0,
        found=1,
        found_at=at,
        resolved_at=at if resolved else None,
        resolution="a gift" if resolved else None,
    )
    return str(made)


def deposit(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    """A deposit of USDT that belongs to no order."""
    return str(usdt_rows.deposit(at))


def payout(source_kind: str, owner: Somebody, at: datetime, number: int) -> str:
    """A payout; the second one is cancelled, the others are held."""
    made = uuid4()
    insert(
        "payouts",
        id=made,
        treasury=TREASURIES[number % 3],
        scope="test",
        idempotency_key=str(made),
        body_hash=b"\x01",
        source_kind=source_kind or ("test", "other", "manual")[number % 3],
        source_id=str(made),
        recipient_address=RECIPIENT,
        amount=1 + number,
        requested_by=owner.id,
        requested_at=at,
        state_at=at,
    )
    cancelled = number % 3 == 1
    run(
        """
        UPDATE payouts SET state = CAST(:state AS payout_state), hold_reason = CAST(:reason AS hold_reason),
               approvals_needed = 2, state_at = :at
        WHERE id = :id
        """,
        id=made,
        state="CANCELLED" if cancelled else "HELD",
        reason=None if cancelled else HOLDS[number % 3],
        at=at,
    )
    return str(made)


def device(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    made = uuid4()
    insert("devices", id=made, member_id=owner.id, platform="ios", token=uuid4().hex, registered_at=at)
    return str(made)


def feed_line(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    key = str(uuid4())
    kind = ("comp_awarded", "comp_paid")[number % 2]
    insert("feed_items", kind=kind, text="Someone won $100!", amount=100_000_000, dedupe_key=key, happened_at=at)
    return str(db.atomically(lambda tx: tx.scalar(int, "SELECT id FROM feed_items WHERE dedupe_key = :key", key=key)))
