"""Facts of every kind that figures are worked out of, as rows of random histories."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from shared import db
from shared.ledger import journals
from shared.values import tiers
from shared.values.money import Usdt
from shared.values.prizes import CompType
from shared.values.tiers import Tier
from tests.factories import Somebody
from tests.fakes.plain_rows import SIGNER, put, unchecked
from tests.fakes.wallet_driver import RECIPIENT

TREASURIES = ("member", "affiliate", "wholesale")
SOURCES = ("comp", "affiliate_payout", "wholesale_comp", "manual", "rotation")
PRODUCTS = ("mint-ice-4", "mint-ice-12", "citrus-8")


class Facts:
    """Makes facts at a time that the history has come to; `late` ones happened some hours before."""

    def __init__(self, sql: Connection, people: Sequence[Somebody], chance: random.Random, start: datetime) -> None:
        self.sql, self.people, self.chance, self.time = sql, people, chance, start
        self.numbers = self.made = 0

    def late(self) -> datetime:
        """A moment of the last hours: what happened then is committed now."""
        return self.time - timedelta(seconds=self.chance.randrange(20 * 3_600))

    def amount(self) -> int:
        return self.chance.randrange(1, 10**9)

    def one(self) -> UUID:
        return self.chance.choice(self.people).id

    def scan(self) -> None:
        """Some scans; half of them give an affiliate a chip."""
        with unchecked(self.sql):
            for _ in range(self.chance.randrange(1, 8)):
                self.numbers += 1
                put(
                    self.sql, "scans", id=uuid4(), number=self.numbers, member_id=self.one(), code_mac=b"",
                    product_sku=self.chance.choice(PRODUCTS), scanned_at=self.time, method="qr",
                    tier=self.chance.choice(list(Tier)).value, quarter="2026-Q4", quarter_scans=1,
                )  # fmt: skip
                if self.chance.random() < 0.5:
                    put(
                        self.sql, "affiliate_chips", id=uuid4(), affiliate_id=self.one(), kind="referral_scan", chips=1,
                        scan_number=self.numbers, earned_at=self.time,
                    )  # fmt: skip

    def order(self) -> None:
        """An order is paid, one that is not paid yet is placed, or one that was paid goes on its way."""
        if self.chance.random() < 0.3:
            further = self.chance.choice(("fulfilled", "shipped", "delivered"))
            with unchecked(self.sql):
                self.sql.execute_unnamed(
                    "UPDATE orders SET state = CAST($1 AS order_state) WHERE id = (SELECT id FROM orders "
                    "WHERE confirmed_at IS NOT NULL ORDER BY id LIMIT 1 OFFSET $2)",
                    (further, self.chance.randrange(8)),
                )
            return
        unpaid = self.chance.choice(("pending", "age_verification", "payment_processing"))
        changes = {"state": unpaid, "confirmed_at": None} if self.chance.random() < 0.2 else {}
        self._order(**changes)

    def _order(self, **changes: object) -> None:
        with unchecked(self.sql):
            row: dict[str, object] = {
                "id": uuid4(), "number": self._next(), "member_id": self.one(), "cart_id": uuid4(),
                "doorstep": b"d" * 32, "state": "confirmed", "state_at": self.time, "placed_at": self.time,
                "expires_at": self.time, "tins": 1, "subtotal": 4_990_000, "shipping_cost": 2_990_000,
                "shipping_tax": 0, "tax_amount": 410_000, "total_amount": 8_390_000, "cost_per_tin": 1_000_000,
                "tax_quote_id": uuid4(), "tax_breakdown": {}, "ship_state": "NV", "ship_zip": "89501",
                "confirmed_at": self.time - timedelta(seconds=self.chance.randrange(1_800)),
            }  # fmt: skip
            put(self.sql, "orders", **(row | changes))

    def sign_up(self) -> None:
        with unchecked(self.sql):
            put(self.sql, "guarantees", member_id=uuid4(), verified_on=self.late().date())

    def comp(self) -> None:
        """A comp is won, or one that was won before is paid or cancelled."""
        fate = self.chance.random()
        with unchecked(self.sql):
            if fate < 0.5:
                identity = uuid4()
                put(
                    self.sql, "comps", id=identity, member_id=self.one(), type=self.chance.choice(list(CompType)).value,
                    amount=self.amount(), source_kind="manual", source_id=str(identity), reason={},
                    awarded_at=self.late(),
                )  # fmt: skip
                return
            change = (
                "status = 'paid', paid_at = $1"
                if fate < 0.8
                else "status = 'cancelled', cancelled_at = $1, cancel_reason = 'x'"
            )
            self.sql.execute_unnamed(
                f"UPDATE comps SET {change} WHERE id = (SELECT id FROM comps WHERE status = 'pending' LIMIT 1)",
                (self.late(),),
            )

    def payout(self) -> None:
        """A payout is asked for, paid or cancelled."""
        identity, at = uuid4(), self.late()
        state = self.chance.choice(("REQUESTED", "IN_FLIGHT", "HELD", "PAID", "PAID", "CANCELLED"))
        ends: dict[str, object] = {}
        if state == "PAID":
            ends = {"paid_at": at, "transaction_hash": "0x" + identity.hex * 2}
        if state == "HELD":
            ends = {"hold_reason": "limit"}
        with unchecked(self.sql):
            put(
                self.sql, "payouts", id=identity, treasury=self.chance.choice(TREASURIES), scope=str(identity),
                idempotency_key="x", body_hash=b"x", source_kind=self.chance.choice(SOURCES), source_id=str(identity),
                recipient_address=RECIPIENT, amount=self.amount(), requested_at=at, state=state, state_at=at,
                requested_by=uuid4(), **ends,
            )  # fmt: skip
            if state == "PAID" and self.chance.random() < 0.8:
                put(
                    self.sql, "payout_slots", signer=SIGNER, nonce=self._next(), payout_id=identity, state="FINAL_PAY",
                    state_at=at, allocated_at=at - timedelta(seconds=self.chance.randrange(600)),
                    winning_hash="0x" + identity.hex * 2, block_number=1, block_hash="0x" + "1" * 64, succeeded=True,
                )  # fmt: skip

    def earning(self) -> None:
        """A match is paid or promised, or a paid one is taken back."""
        paid = self.sql.execute_simple(
            "SELECT id, amount FROM affiliate_earnings e WHERE kind = 'prize_match' AND status = 'paid' "
            "AND NOT EXISTS (SELECT FROM affiliate_earnings WHERE reverses_id = e.id) LIMIT 1"
        ).rows
        with unchecked(self.sql):
            if paid and self.chance.random() < 0.2:
                put(
                    self.sql, "affiliate_earnings", id=uuid4(), affiliate_id=self.one(), kind="reversal",
                    reverses_id=paid[0][0], amount=-paid[0][1], status="paid", earned_at=self.late(),
                    paid_at=self.late(),
                )  # fmt: skip
                return
            value, status = self.amount(), self.chance.choice(("pending", "paid", "in_review"))
            affiliate, referred = self.chance.sample(self.people, 2)
            put(
                self.sql, "affiliate_earnings", id=uuid4(), affiliate_id=affiliate.id, referred_id=referred.id,
                kind="prize_match", comp_id=uuid4(), value=value * 100, amount=value * 21, status=status,
                earned_at=self.late(), **({"paid_at": self.late()} if status == "paid" else {}),
            )  # fmt: skip

    def chips(self) -> None:
        """Chips are given, vaulted, taken out or expire; a week counts some."""
        with unchecked(self.sql):
            put(
                self.sql, "chip_moves", id=self._next(), affiliate_id=self.one(), week_on="2026-11-22",
                kind=self.chance.choice(("bonus", "grant", "withdraw", "carried")), chips=self.chance.randrange(1, 50),
                source=str(uuid4()), moved_at=self.late(),
            )  # fmt: skip
            put(
                self.sql, "vault_moves", id=self._next(), affiliate_id=self.one(), lot_id=uuid4(),
                kind=self.chance.choice(("vault", "overflow", "withdraw", "expire", "return")),
                chips=self.chance.randrange(1, 50), happened_at=self.late(),
            )  # fmt: skip
            week_on = self.time.date() - timedelta(days=self.time.isoweekday() % 7)
            self.sql.execute_unnamed(
                """
                INSERT INTO affiliate_week_shares (week_on, affiliate_id, mark, scan_chips, brought, put_away, chips,
                                                   overflow, share)
                VALUES ($1, $2, decode($3, 'hex'), $4, 0, 0, $4, 0, 1) ON CONFLICT DO NOTHING
                """,
                (week_on, self.one(), uuid4().hex * 2, self.chance.randrange(2)),
            )

    def wholesale(self) -> None:
        """A business is admitted, or its tins give chips and people a comp."""
        with unchecked(self.sql):
            if self.chance.random() < 0.3:
                self.sql.execute_unnamed(
                    """
                    INSERT INTO wholesale_accounts (id, member_id, status, created_at, applied_at, decided_at,
                                                    decided_by, reason, activated_at)
                    VALUES ($1, $2, 'active', $3, $3, $3, $1, 'x', $3) ON CONFLICT DO NOTHING
                    """,
                    (uuid4(), self.one(), self.time),
                )
                return
            back = self.chance.random() < 0.3
            put(
                self.sql, "wholesale_chips", account_id=uuid4(), order_id=uuid4(),
                chips=-self.chance.randrange(1, 9) if back else self.chance.randrange(1, 900),
                earned_at=self.late(), **({"refund_id": uuid4()} if back else {}),
            )  # fmt: skip
            put(
                self.sql, "wholesale_comps", id=uuid4(), account_id=uuid4(), amount=self.amount(), reason="x",
                awarded_by=uuid4(), awarded_at=self.late(),
            )  # fmt: skip

    def book(self) -> None:
        """The books: a sale or a refund of it, a promise, a match, a payment."""
        pool, amount = self.chance.choice(TREASURIES), Usdt(self.amount())
        moves = {
            "accrual": ("profit:shop", f"pool:{pool}"),
            "accrual:back": (f"pool:{pool}", "profit:shop"),
            "award": (f"pool:{pool}", f"owed:{pool}"),
            "comp-cancelled": (f"owed:{pool}", f"pool:{pool}"),
            "settled": (f"owed:{pool}", f"settled:{pool}"),
            "match": ("match:affiliate", "owed:affiliate"),
            "week-opened": ("pool:affiliate", "week:affiliate"),
        }
        kind = self.chance.choice(list(moves))
        source, target = moves[kind]
        db.atomically(journals.move, f"{kind}:{uuid4()}", source, target, amount, self.late())

    def tier(self) -> None:
        """A member rises in the quarter, or for good, or leaves."""
        rises = self.chance.random()
        with unchecked(self.sql):
            if rises < 0.6:
                self.sql.execute_unnamed(
                    "INSERT INTO member_quarters (member_id, quarter, scans, tier) VALUES ($1, $2, 1, $3) "
                    "ON CONFLICT (member_id, quarter) DO UPDATE SET tier = EXCLUDED.tier",
                    (self.one(), tiers.quarter_of(self.time), self.chance.choice(list(Tier)).value),
                )
            else:
                self.sql.execute_unnamed(
                    "UPDATE members SET permanent_tier = $2, status = $3 WHERE id = $1",
                    (self.one(), self.chance.choice(list(Tier)).value, "deleted" if rises > 0.95 else "active"),
                )

    def snapshot(self) -> None:
        """The balances of a full hour are recorded."""
        from functions.treasury_snapshot import store

        at = self.time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        for treasury in TREASURIES:
            taken = store.Snapshot(at, treasury, Usdt(self.amount()), self._next(), {})
            db.atomically(store.insert, taken)

    def _next(self) -> int:
        self.made += 1
        return self.made
