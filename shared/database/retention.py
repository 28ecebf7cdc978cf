"""How long rows are kept. A test checks that every table of the schema is in PERIODS or in FOR_EVER.

docs/retention.md shows PERIODS. When an account is erased, its rows go at once (functions/member_erase).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

HOURLY = "member_erase: forget-old"
MONTHS = "partition_maintain: make-months"  # whole months or weeks go, once their last day is so old
CHAT = timedelta(days=90)


@dataclass(frozen=True)
class Period:
    """How long rows of a table are kept after the time in `since`. `only` describes which rows, if not all."""

    table: str
    since: str
    kept: timedelta
    reason: str
    job: str = HOURLY
    only: str = ""


PERIODS: Mapping[str, Period] = {
    "attempt_counters": Period(
        "attempt_counters", "hour", timedelta(hours=26), "the longest window is a day; who began in it may be looking"
    ),
    "avatars": Period(
        "avatars", "removed_at", timedelta(days=30), "the picture is out of the storage", only="those not shown"
    ),
    "bank_nonces": Period("bank_nonces", "expires_at", timedelta(days=1), "a nonce is good for an hour"),
    "carts": Period(
        "carts", "changed_at", timedelta(days=365), "nobody has touched it for a year; what is in it goes with it",
        only="those that no order has closed",
    ),
    "data_exports": Period(
        "data_exports", "expires_at", timedelta(days=30), "the file is gone", only="those whose file has expired"
    ),
    "email_changes": Period("email_changes", "expires_at", timedelta(days=1), "its code is good for fifteen minutes"),
    "email_codes": Period("email_codes", "expires_at", timedelta(days=1), "a code is good for fifteen minutes"),
    "hook_deliveries": Period(
        "hook_deliveries", "done_at", timedelta(days=90), "questions about a message; until then it can be sent again",
        only="those that were delivered or given up",
    ),
    "hook_secrets": Period(
        "hook_secrets", "ends_at", timedelta(days=1), "nothing is signed with it any more", only="those that have ended"
    ),
    "idempotency_keys": Period(
        "idempotency_keys", "created_at", timedelta(days=90), "a phone that was off for a season repeats its requests"
    ),
    "idempotency_keys_of_anyone": Period(
        "idempotency_keys", "created_at", timedelta(days=1), "a page repeats its requests while it is open",
        only="those of callers who were not signed in",
    ),
    "job_faults": Period("job_faults", "happened_at", timedelta(days=90), "somebody has looked, or nobody will"),
    "known_devices": Period("known_devices", "last_used_at", timedelta(days=90), "as long as a device counts as known"),
    "mails": Period(
        "mails", "finished_at", timedelta(days=90), "questions about a mail; after it none is asked for a second time",
        only="those that were sent or given up",
    ),
    "members": Period(
        "members", "created_at", timedelta(days=7), "a sign-up whose address nobody proved; its number stays, emptied",
        only="those whose address was never proved",
    ),
    "orders": Period(
        "orders", "state_at", timedelta(days=180), "disputes and recalls; state and ZIP code stay for the tax",
        only="the addresses of those that were delivered or cancelled",
    ),
    "outbox": Period(
        "outbox", "published_at", timedelta(days=7), "longer than Pub/Sub keeps a message", "outbox_relay: sweep",
        only="those that were published",
    ),
    "pushes": Period("pushes", "claimed_until", timedelta(days=30), "nothing is pushed a day after it happened"),
    "refresh_tokens": Period(
        "refresh_tokens", "expires_at", timedelta(days=1), "an expired token is refused whether it is known or not"
    ),
    "report_exports": Period(
        "report_exports", "expires_at", timedelta(days=30), "the file is gone; the audit log keeps who asked, and why",
        only="those whose file has expired, and those that failed",
    ),
    "scan_rollups": Period(
        "scan_rollups", "starts_at", timedelta(days=8), "figures per minute are shown for a week",
        "scan_rollup: roll-up", only="minutes",
    ),
    "second_factors": Period(
        "second_factors", "created_at", timedelta(days=1), "a set-up that nobody finished", only="those not enabled"
    ),
    "sessions": Period(
        "sessions", "ended_at, or last_used_at", timedelta(days=400),
        "devices are compared as long as the new member guarantee runs, which is a year, and for referrals",
    ),
    "social_cases": Period("social_cases", "opened_at", timedelta(days=365), "appeals, and who does it again"),
    "social_entries": Period(
        "social_entries", "happened_at", timedelta(hours=48), "who was away for longer reads the messages anew"
    ),
    "social_images": Period(
        "social_images", "removed_at", timedelta(days=30), "the image is out of the storage", only="those not shown"
    ),
    "social_messages": Period(
        "social_messages", "posted_at", CHAT, "a chat is no archive; the day that they are over they are hidden", MONTHS
    ),
    "social_pages": Period("social_pages", "made_at", timedelta(days=2), "listeners' copies expire after a day"),
    "social_reaction_counts": Period(
        "social_reaction_counts", "posted_at", CHAT, "they go with their messages", MONTHS
    ),
    "social_reactions": Period("social_reactions", "posted_at", CHAT, "they go with their messages", MONTHS),
    "social_sent": Period("social_sent", "sent_at", timedelta(days=7), "no client sends its message again after that"),
    "social_translations": Period(
        "social_translations", "claimed_until", timedelta(days=7), "who still reads so old a message has it made anew"
    ),
    "support_events": Period(
        "support_events", "happened_at", timedelta(days=30), "Intercom has them, or nobody asks for them any more"
    ),
    "tax_quotes": Period("tax_quotes", "expires_at", timedelta(days=1), "an order keeps what it took of its quote"),
    "transparency_metrics": Period(
        "transparency_metrics", "at", timedelta(days=731), "numbers per hour are compared with the year before",
        MONTHS,
    ),
    "treasury_snapshots": Period(
        "treasury_snapshots", "at", timedelta(days=90), "a day's extremes and end are kept for ever",
        MONTHS,
    ),
    "wallet_challenges": Period("wallet_challenges", "expires_at", timedelta(days=30), "the link itself is kept"),
    "wallet_id_tokens": Period(
        "wallet_id_tokens", "used_at", timedelta(days=30), "a token is good for ten minutes; the link itself is kept"
    ),
    "wallet_tokens": Period(
        "wallet_tokens", "issued_at", timedelta(days=90), "questions about who could open a wallet, and when"
    ),
    "watch_minutes": Period("watch_minutes", "minute", timedelta(days=35), "figures are of 30 days"),
    "webhook_deliveries": Period(
        "webhook_deliveries", "received_at", timedelta(days=90), "no vendor repeats a message for so long"
    ),
    "wholesale_accounts": Period(
        "wholesale_accounts", "decided_at", timedelta(days=365),
        "whoever was rejected may ask why, and apply again; the audit log keeps what was decided",
        only="those that were rejected",
    ),
}  # fmt: skip

_BOOKS = "bookkeeping, ten years at least"
_ADMINS = "what people with a role did, seven years at least"
_STANDING = "the public count, tiers and prizes rest on it"
_SMALL = "a row for each thing there is now, not for what happens"
_TRIED = "fraud: whoever comes back years later is recognised"
FOR_EVER: Mapping[str, str] = {
    **dict.fromkeys(
        ("affiliate_chips", "affiliate_earnings", "affiliate_figures", "affiliate_payout_lines", "affiliate_payouts",
         "affiliate_week_shares", "affiliate_weeks", "bank_balances", "bank_transfers", "card_bookings", "card_days",
         "card_deposits", "chain_transfers", "chip_balances", "chip_moves", "chip_vaults", "comps", "dispute_movements",
         "disputes", "foreign_explanations", "foreign_transfers", "fulfilment_lines", "fulfilments", "invoices",
         "ledger_accounts", "ledger_balances", "ledger_journals", "ledger_postings", "ledger_seal_balances",
         "ledger_seals", "locked_shares", "manual_transfers", "milestones", "order_events", "order_items",
         "order_tins_sold", "orders", "parcel_lines", "parcels", "payment_findings", "payment_operations", "payments",
         "payout_approvals", "payout_attempts", "payout_events", "payout_policy_runs", "payout_slots", "payouts",
         "withheld_chips", "reconciliation_findings", "reconciliation_treasuries", "reconciliations", "refund_lines",
         "refunds", "sale_accruals", "sales_volume", "sunset_notices", "tax_reports", "teller_connections",
         "teller_enrollments", "tins_sold_daily", "top_up_approvals", "top_ups", "treasury_days", "treasury_minutes",
         "treasury_snapshot_days",
         "trip_places", "trips", "usdt_deposits", "usdt_requests", "usdt_returns", "vault_lots", "vault_months",
         "vault_moves", "vault_warnings", "wallet_links", "wallet_transactions", "wholesale_chips", "wholesale_comps",
         "wholesale_milestones", "withdrawal_events", "withdrawals"), _BOOKS),
    **dict.fromkeys(
        ("affiliate_week_decisions", "api_keys", "audit_logs", "broadcasts", "campaigns", "mail_publications",
         "mail_templates", "mail_template_versions",
         "code_batch_chunks", "code_batch_walks", "code_batches", "code_change_codes",
         "code_changes", "code_import_chunks", "code_imports", "comp_rule_changes", "critical_events",
         "live_stream_inputs", "live_stream_reminders", "live_streams", "manual_awards",
         "operation_resolutions", "refund_requests", "setting_changes", "setting_wishes", "stock_moves"),
        _ADMINS),
    **dict.fromkeys(
        ("award_inputs", "codes", "count_comparisons", "downline_entries", "feed_items", "guarantees",
         "member_quarters", "member_totals", "metric_days", "permanent_tiers", "referrals", "scans", "tier_history"),
        _STANDING),
    **dict.fromkeys(
        ("active_days", "activity", "affiliate_program", "card_balance", "chain_scans", "comp_rules", "data_keys",
         "figure_progress", "figures", "hold_windows", "hook_endpoints", "installation", "integration_states",
         "job_runs", "leases", "live_stream_strays",
         "nonce_searches", "nonce_uses", "order_transitions", "payout_transitions", "products",
         "reconciliation_marks", "referral_progress", "scan_counter", "scan_rollup_position", "schema_migrations",
         "settings", "signers", "signing_keys", "slot_transitions", "social_channels", "social_heads", "social_shifts",
         "social_tails", "stock", "stock_alerts", "treasuries", "treasury_alerts", "wallet_scans",
         "withdrawal_transitions"), _SMALL),
    **dict.fromkeys(
        ("code_retries", "flagged_scans", "guarantee_claims", "guarantee_reviews", "honey_trials", "member_wallets",
         "referral_reviews"),
        _TRIED),
    **dict.fromkeys(
        ("backup_codes", "devices", "former_usernames", "inboxes", "mark_secrets", "members",
         "notification_preferences", "notifications", "referral_clicks", "referral_codes", "social_blocks",
         "social_reads", "wallet_balances"),
        "the member's own, until the account is closed"),
    **dict.fromkeys(
        ("governance_ballots", "governance_electors", "governance_options", "governance_proposals", "governance_votes"),
        "votes: what members have decided can be counted again for ever"),
    "live_stream_presence": "while a stream is live; the watch of stream_control forgets it after ten minutes",
    "social_sanctions": "what the rules and people with a role did to members of the chat",
    "social_standings": "who is banned stays banned; a row for each member who has written",
    "support_appeals": "each sanction can be appealed once; until the account is closed",
    "support_contacts": "a row for each member whom Intercom knows, until it has forgotten them",
    "resale_certificates": "they prove to the states why nothing was taxed, seven years at least",
    "mail_suppressions": "an address stays refused, as a fingerprint, whoever has it later",
    "age_checks": "whoever sells must be able to show that the buyer was old enough",
    "cart_items": "as long as their cart",
    "hook_tries": "as long as their delivery",
    "report_files": "as long as the file",
    "social_reports": "as long as their case",
    "social_pins": "until an admin takes them down, or their time is over; until the account is closed",
    "erasures": "that it was done",
    "late_counts": "on its way to a count, which the next change of that count takes in",
    "listener_revocations": "one moment a member: tokens from before it stay refused",
    "referral_changes": "on its way to a row of referrals",
    "social_departures": "on its way to a shift of the chat's channels, within a minute",
    **dict.fromkeys(("affiliate_figure_changes", "affiliate_figure_weeks"), "on its way to a row of affiliate_figures"),
    "referral_checks": "on its way to a look, within minutes",
    "retired_names": "names of closed accounts are given to nobody else",
}  # fmt: skip
