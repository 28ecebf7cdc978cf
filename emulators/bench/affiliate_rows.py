"""Rows that the benchmarks of affiliates need, written by the server itself, without triggers."""

from collections.abc import Sequence
from datetime import date

PIECE = 250_000  # affiliates or referrals written at once
CHIPS_MAX = 5  # of an affiliate in the week: one to this many
POOL_MICRO = 40_000_000_000
# What weeks leave behind; balances, notices and tasks among it.
CLEARED = (
    "affiliate_weeks, affiliate_week_shares, affiliate_week_decisions, affiliate_payouts, affiliate_payout_lines, "
    "payouts, payout_events, ledger_journals, ledger_postings, ledger_balances, outbox, notifications"
)
MEMBERS = """
    INSERT INTO members (id, email, email_verified_at, password_hash, username, full_name, date_of_birth,
                         wallet_address, created_at, updated_at)
    SELECT CAST(md5('{kind}' || n) AS uuid), '{kind}' || n || '@example.com', now(), 'none', '{kind}' || n, 'Bench',
           '1990-06-15', {wallet}, now(), now()
    FROM generate_series({first}, {last}) AS n
    """
CHIPS = """
    INSERT INTO affiliate_chips (id, affiliate_id, kind, chips, scan_number, earned_at)
    SELECT CAST(md5('chip' || n || '-' || k) AS uuid), CAST(md5('affiliate' || n) AS uuid), 'referral_scan', 1,
           (n - 1) * {most} + k, CAST('{week_on}' AS timestamptz) - interval '1 day'
    FROM generate_series({first}, {last}) AS n, generate_series(1, 1 + n % {most}) AS k
    """
LAST_SCAN = """
    INSERT INTO scans (id, number, member_id, code_mac, product_sku, scanned_at, method, tier, quarter, quarter_scans)
    SELECT gen_random_uuid(), {number}, CAST(md5('affiliate1') AS uuid), decode(md5('last{number}'), 'hex'),
           'MINTICE-6', CAST('{week_on}' AS timestamptz) - interval '1 hour', 'qr', 'whale', '2026-Q4', 1
    """
REFERRALS = """
    INSERT INTO referrals (referred_id, affiliate_id, joined_at, tier, last_scan_at, is_active)
    SELECT CAST(md5('referred' || n) AS uuid), CAST('{affiliate}' AS uuid), now() - interval '1 minute' * n,
           (enum_range(NULL::tier))[1 + n % 4], now() - interval '1 day' * (n % 90), n % 90 < 30
    FROM generate_series({first}, {last}) AS n
    """
TOTALS = """
    INSERT INTO member_totals (member_id, scans)
    SELECT CAST(md5('referred' || n) AS uuid), 90 FROM generate_series({first}, {last}) AS n
    """


def settings() -> Sequence[str]:
    """Statements by which no limit holds a week, and no person is asked about it."""
    rules = '{"chips_max": 1000, "payout_min": "0.000001", "approval": "automatic", "award_alone_max": "1000.00"}'
    lifted = '{"single": 1000000000, "day": 1000000000, "hour": 1000000000}'
    return (
        f"UPDATE settings SET value = '{rules}' WHERE name = 'affiliate_week'",  # noqa: S608 - constants
        f"UPDATE settings SET value = jsonb_set(value, '{{affiliate}}', '{lifted}') WHERE name = 'payout_limits'",  # noqa: S608
    )


def affiliates(first: int, last: int, week_on: date) -> list[str]:
    """Statements that write affiliates with a wallet each, and their chips of the week that ends on that day."""
    wallet = "'0x' || lpad(to_hex(n), 40, '0')"
    return [
        written
        for start in range(first, last + 1, PIECE)
        for written in (
            MEMBERS.format(kind="affiliate", wallet=wallet, first=start, last=min(start + PIECE - 1, last)),
            CHIPS.format(first=start, last=min(start + PIECE - 1, last), most=CHIPS_MAX, week_on=week_on),
        )
    ]


def last_scan(affiliates_count: int, week_on: date) -> str:
    """A statement that writes the newest scan of the week, whose number is that of the last chip or a higher one."""
    return LAST_SCAN.format(number=affiliates_count * CHIPS_MAX, week_on=week_on)


def referrals(affiliate: str, count: int) -> list[str]:
    """Statements that write members whom this one has referred, a third of them active, in all four tiers."""
    return [
        written.format(
            kind="referred", wallet="NULL", affiliate=affiliate, first=start, last=min(start + PIECE - 1, count)
        )
        for start in range(1, count + 1, PIECE)
        for written in (MEMBERS, REFERRALS, TOTALS)
    ]
