"""Vaulted chips for tests: weeks, members' moves, the job, and what the rows must add up to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from functions.affiliate import chips
from functions.affiliate.models import Chips
from functions.affiliate_vault import main
from shared import db, settings
from shared.values.problems import Problem
from tests.factories import Somebody
from tests.fakes.week_rows import AFTER, CUT, Weeks

LIFE = timedelta(days=365)
MONDAY = CUT + timedelta(days=1)  # in the week after SUNDAY's


@dataclass(frozen=True)
class Vaults(Weeks):
    """Weeks with their vaults."""

    def begin(self, chips_max: int = 1_000) -> None:
        """Have the week before be closed, without a pool, and so many chips count in one."""
        self.sql.execute_unnamed(
            "UPDATE settings SET value = value || jsonb_build_object('chips_max', $1::integer) "
            "WHERE name = 'affiliate_week'",
            (chips_max,),
        )
        settings.forget()
        self.run(AFTER)

    def vault(self, who: Somebody, chips_: int, now: datetime = MONDAY) -> str:
        """Vault chips by hand; returns the problem, or nothing."""
        return refused(who, "vault", chips_, now)

    def withdraw(self, who: Somebody, chips_: int, now: datetime = MONDAY) -> str:
        """Withdraw chips by hand; returns the problem, or nothing."""
        return refused(who, "withdraw", chips_, now)

    def shown(self, who: Somebody, now: datetime = MONDAY) -> Chips:
        """The chips as the member sees them."""
        with db.acting_for("affiliate"):
            return db.atomically(chips.shown, who.id, now)

    def keep(self, now: datetime) -> None:
        """Run the job of the vault."""
        with db.acting_for("affiliate_vault"):
            main.keep(now)

    def lots(self, who: Somebody) -> list[tuple[str, int, int]]:
        """Kind, chips and what is left of each lot, the one that ends first before the others."""
        return self.rows(
            "SELECT kind, chips, left_chips FROM vault_lots WHERE affiliate_id = $1 ORDER BY expires_at, id", who.id
        )

    def moved(self, who: Somebody) -> list[tuple[str, int]]:
        """Kind and chips of what came to weeks and was taken out of them, beside scans."""
        return self.rows("SELECT kind, chips FROM chip_moves WHERE affiliate_id = $1 ORDER BY id", who.id)

    def vault_moves(self, who: Somebody) -> list[tuple[str, int, datetime]]:
        """Kind, chips and time of each move of the vault."""
        return self.rows(
            "SELECT kind, chips, happened_at FROM vault_moves WHERE affiliate_id = $1 ORDER BY happened_at, id", who.id
        )

    def notes(self, who: Somebody) -> list[tuple[int, str]]:
        """Chips and end of each warning."""
        return self.rows(
            "SELECT (params ->> 'chips')::integer, params ->> 'at' FROM notifications "
            "WHERE member_id = $1 AND code = 'vault_expiring' ORDER BY created_at",
            who.id,
        )

    def where_chips_are(self, affiliate: UUID) -> Mapping[str, int]:
        """All chips that an affiliate ever had: `in` counts those that came, the others say where they are."""
        ((came, counted, active, vaulted, expired, postponed, refused_, negative),) = self.rows(ACCOUNTS, affiliate)
        assert not negative
        return {
            "in": came,
            "counted": counted,
            "active": active,
            "vaulted": vaulted,
            "expired": expired,
            "postponed": postponed,
            "refused": refused_,
        }


def refused(who: Somebody, verb: str, chips_: int, now: datetime) -> str:
    """Move chips; returns the problem's slug, or nothing."""
    try:
        with db.acting_for("affiliate"):
            db.atomically(getattr(chips, verb), who.id, chips_, now)
    except Problem as problem:
        return " ".join([problem.slug(), *map(str, problem.members.values())])
    return ""


# What a week has counted but nobody has agreed to yet is `counted` with its overflow, which is vaulted by the approval.
ACCOUNTS = """
    WITH mine AS (
        SELECT c.scan_number, p.judged_at, p.counts, p.scan_number IS NOT NULL AS is_postponed,
               coalesce(f.status = 'confirmed', false) OR coalesce(r.status = 'confirmed', false) AS is_fraud
        FROM affiliate_chips c LEFT JOIN flagged_scans f USING (scan_number)
        LEFT JOIN withheld_chips p USING (scan_number)
        JOIN scans s ON s.number = c.scan_number
        LEFT JOIN referral_reviews r ON r.referred_id = s.member_id AND r.status <> 'cleared'
        WHERE c.affiliate_id = $1
    ), newest AS (SELECT coalesce(max(last_number), 0) AS last_number FROM affiliate_weeks
    ), moves AS (SELECT kind, chips FROM chip_moves WHERE affiliate_id = $1),
    uncounted AS (SELECT * FROM uncounted_chips($1, 'infinity'))
    SELECT (SELECT count(*) FROM mine)
           + (SELECT coalesce(sum(chips) FILTER (WHERE kind IN ('bonus', 'grant')), 0) FROM moves),
           (SELECT coalesce(sum(s.chips + CASE WHEN w.approved_at IS NULL THEN s.overflow ELSE 0 END), 0)
            FROM affiliate_week_shares s JOIN affiliate_weeks w USING (week_on) WHERE s.affiliate_id = $1),
           (SELECT scan_chips + brought - put_away FROM uncounted),
           (SELECT coalesce(sum(left_chips), 0) FROM vault_lots WHERE affiliate_id = $1),
           (SELECT coalesce(sum(chips), 0) FROM vault_moves WHERE affiliate_id = $1 AND kind = 'expire'),
           (SELECT count(*) FROM mine WHERE is_postponed AND judged_at IS NULL) + (SELECT doubted FROM uncounted),
           (SELECT count(*) FROM mine CROSS JOIN newest
            WHERE counts IS false OR (is_fraud AND scan_number > last_number)),
           (SELECT scan_chips < 0 OR brought < 0 FROM uncounted)
           OR EXISTS (SELECT FROM vault_lots l WHERE affiliate_id = $1 AND (left_chips < 0 OR left_chips <>
               (SELECT sum(CASE WHEN kind IN ('vault', 'overflow') THEN m.chips ELSE -m.chips END)
                FROM vault_moves m WHERE m.lot_id = l.id)))
"""
