"""Referrals that seem to be of one person, for tests: sign-ins, wallets, the job that finds them, and decisions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from functions.referral_refresh import main
from shared import clock, db
from shared.auth import Role
from tests import factories
from tests.factories import Somebody
from tests.fakes.plain_rows import put, unchecked
from tests.fakes.week_rows import Weeks


@dataclass(frozen=True)
class Rings(Weeks):
    """Weeks, with what tells people apart."""

    def sign_in(self, *people: Somebody, device: str | None = None, address: str | None = None) -> None:
        """Have each of them sign in on a device, from a network's address; the session has ended since."""
        for person in people:
            put(
                self.sql,
                "sessions",
                id=uuid4(),
                member_id=person.id,
                device_kind="mobile",
                device_id=device,
                ip_address=address,
                created_at=clock.now(),
                last_used_at=clock.now(),
                ended_at=clock.now(),
                end_reason="signed_out",
            )

    def link(self, *people: Somebody, wallet: str) -> None:
        """Have each of them link a wallet and replace it at once."""
        for person in people:
            for address in (wallet, "0x" + uuid4().hex + "ab" * 4):
                self.sql.execute_unnamed("UPDATE members SET wallet_address = $1 WHERE id = $2", (address, person.id))

    def order(self, *people: Somebody, doorstep: bytes) -> None:
        """Have each of them order to a doorstep."""
        for person in people:
            with unchecked(self.sql):
                self.rows(
                    """
                    INSERT INTO orders (id, member_id, cart_id, state_at, placed_at, expires_at, tins, subtotal,
                                        shipping_cost, shipping_tax, tax_amount, total_amount, cost_per_tin,
                                        tax_quote_id, tax_breakdown, ship_state, ship_zip, doorstep)
                    VALUES (gen_random_uuid(), $1, gen_random_uuid(), now(), now(), now(), 1, 10000, 0, 0, 0, 10000, 0,
                            gen_random_uuid(), '[]', 'NY', '10001', $2) RETURNING 1
                    """,
                    person.id,
                    doorstep,
                )

    def look(self, now: datetime | None = None) -> None:
        """Run the job as its schedule does."""
        with db.acting_for("referral_refresh"):
            main.review(now or clock.now())

    def found(self, *referred: Somebody) -> list[list[tuple[str, UUID]]]:
        """Kind and other account of the signals of each one's newest review; empty without one."""
        return [self.signals(each) for each in referred]

    def signals(self, referred: Somebody) -> list[tuple[str, UUID]]:
        """Kind and other account of each signal of the newest review."""
        rows = self.rows(
            "SELECT signals FROM referral_reviews WHERE referred_id = $1 ORDER BY found_at DESC LIMIT 1", referred.id
        )
        said: Sequence[dict[str, Any]] = rows[0][0] if rows else []
        return [(signal["kind"], UUID(signal["member_id"])) for signal in said]

    def review(self, referred: Somebody) -> UUID:
        """Have people look at a referral, for a device that both use; returns the review's id."""
        ((affiliate,),) = self.rows("SELECT affiliate_id FROM referrals WHERE referred_id = $1", referred.id)
        return self.review_between(affiliate, referred.id)

    def review_between(self, affiliate: UUID, referred: UUID) -> UUID:
        """Have people look at a pair, whether it is a referral or not; returns the review's id."""
        made = uuid4()
        signals = json.dumps([{"kind": "device", "member_id": str(affiliate), "points": 60}])
        put(self.sql, "referral_reviews", id=made, referred_id=referred, affiliate_id=affiliate, score=60,
            signals=signals, found_at=clock.now())  # fmt: skip
        return made

    def statuses(self) -> list[str]:
        """The statuses of all reviews, oldest first."""
        return [status for (status,) in self.rows("SELECT status FROM referral_reviews ORDER BY found_at, id")]

    def decide(self, verdict: str, referred: Somebody | None = None) -> None:
        """Decide about every open review, or about that of one referral."""
        self.rows(
            """
            UPDATE referral_reviews SET status = $1, decided_at = found_at, decided_by = $2, note = 'Looked at.'
            WHERE status = 'open' AND referred_id = coalesce($3, referred_id) RETURNING 1
            """,
            verdict,
            factories.member(role=Role.TREASURY).id,
            referred.id if referred else None,
        )

    def matches(self, affiliate: Somebody) -> list[str]:
        """The statuses of the affiliate's matches, oldest first."""
        rows = self.rows(
            "SELECT status FROM affiliate_earnings WHERE affiliate_id = $1 AND kind = 'prize_match' "
            "ORDER BY earned_at, id",
            affiliate.id,
        )
        return [status for (status,) in rows]
