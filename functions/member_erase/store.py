"""The rows of a deleted account: each step deletes a limited number of them and returns how many.

KEPT lists what stays and why. A contract test compares both lists with the schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from shared.db import Tx

ROWS_AT_ONCE = 500

KEPT: Mapping[str, str] = {
    "members": "emptied when the account was closed; the number is what the rest refers to",
    "member_totals": "sums of the ledger, without a place",
    "member_quarters": "how many scans and which tier: the public count rests on them",
    "tier_history": "likewise",
    "permanent_tiers": "likewise",
    "scans": "the public count has no gaps; without place, device and address",
    "codes": "a code is spent",
    "governance_electors": "what was decided can be counted again, with their ballots; who cast which, nobody is shown",
    "governance_proposals": "what a vote came from, without its words",
    "governance_votes": "what was opened; drafts of proposals without their words; by the admins who wrote them",
    "comps": "bookkeeping: what was won and paid",
    "milestones": "bookkeeping",
    "guarantees": "bookkeeping: given once and never again",
    "guarantee_claims": "fraud: keyed fingerprints, by which the guarantee is given once per person",
    "guarantee_reviews": "fraud: what people decided about a second guarantee",
    "payouts": "bookkeeping: the chain shows them anyway",
    "payout_approvals": "bookkeeping of admins",
    "bank_nonces": "of admins, for a day",
    "foreign_explanations": "bookkeeping of admins",
    "withdrawals": "bookkeeping: the chain shows them anyway, and one that is signed is still followed",
    "wallet_transactions": "bookkeeping: the chain shows them anyway",
    "wallet_links": "bookkeeping: which address was paid, and who proved it",
    "member_wallets": "who has had which wallet: nobody approves a payment to a wallet that was theirs",
    "affiliate_earnings": "bookkeeping",
    "affiliate_chips": "bookkeeping",
    "chip_balances": "bookkeeping",
    "referrals": "who referred whom, as what was earned by it says too; without a name",
    "referral_changes": "on its way to a row of referrals",
    "affiliate_figures": "bookkeeping: sums of what is kept, without a name",
    "activity": "a day without a name, for a count",
    "affiliate_figure_changes": "on its way to a row of affiliate_figures",
    "referral_checks": "on its way to a look, within minutes",
    "referral_reviews": "fraud: what people decided about a referral; it says what two accounts shared, not the thing",
    "locked_shares": "bookkeeping: by what weeks are shared",
    "chip_moves": "bookkeeping",
    "chip_vaults": "bookkeeping",
    "withheld_chips": "bookkeeping",
    "vault_lots": "bookkeeping",
    "vault_moves": "bookkeeping",
    "affiliate_week_shares": "bookkeeping: what a week has published, under a mark that leads to nobody any more",
    "affiliate_week_decisions": "what an admin did, seven years",
    "affiliate_payouts": "bookkeeping: the chain shows them anyway",
    "wholesale_accounts": "what people decided about it, by its number; what names the business goes",
    "late_counts": "bookkeeping: numbers on their way to a count",
    "downline_entries": "bookkeeping",
    "honey_trials": "fraud: who tried a code that is on no tin",
    "code_retries": "fraud: who tried a code that was spent",
    "flagged_scans": "fraud: what people decided about a scan",
    "comp_rule_changes": "what an admin did, seven years",
    "critical_events": "what an admin did, seven years",
    "setting_changes": "what an admin did, seven years",
    "setting_wishes": "what an admin did, seven years",
    "manual_awards": "likewise",
    "refund_requests": "likewise",
    "operation_resolutions": "likewise",
    "payment_findings": "bookkeeping; by its admins",
    "code_batches": "likewise",
    "code_changes": "likewise",
    "code_imports": "likewise",
    "broadcasts": "likewise",
    "campaigns": "likewise",
    "live_streams": "likewise",
    "mail_publications": "likewise",
    "mail_templates": "likewise",
    "mail_template_versions": "likewise",
    "manual_transfers": "likewise",
    "api_keys": "what an owner has made and revoked; of a key its hash",
    "top_ups": "likewise",
    "top_up_approvals": "likewise",
    "stock_moves": "likewise",
    "bank_transfers": "likewise",
    "wholesale_comps": "likewise; it says what an account was paid",
    "resale_certificates": "likewise; it proves to a state why nothing was taxed",
    "report_exports": "what an admin has asked for; it goes a month after its file",
    "parcels": "bookkeeping: what has left; by the admins who have sent it by hand",
    "orders": "bookkeeping: what was sold and taxed; without the address",
    "age_checks": "who sells must be able to show that the buyer was old enough; the provider keeps the person",
    "reconciliations": "likewise",
    "reconciliation_findings": "likewise",
    "social_cases": "what a check has found or others have reported, for a year; without the texts",
    "social_messages": "numbers without a text: the unread counts of all others rest on them",
    "social_sanctions": "what was done to the member in the chat, and by which admin",
    "social_standings": "whether the member was banned from the chat; times and marks of messages, without their texts",
    "support_contacts": "until Intercom has forgotten the member, which support_sync sees to",
    "listener_revocations": "older realtime tokens stay refused",
    "erasures": "that it was done",
}

# The step of each table, in the order in which they run.
STEPS: Mapping[str, LiteralString] = {
    # Before the notifications that they belong to.
    "pushes": """
        DELETE FROM pushes WHERE ctid IN (
            SELECT pushes.ctid FROM pushes JOIN notifications ON notifications.id = notification_id
            WHERE member_id = :member_id LIMIT :limit)
        """,
    "notifications": """
        DELETE FROM notifications WHERE id IN (
            SELECT id FROM notifications WHERE member_id = :member_id LIMIT :limit)
        """,
    "inboxes": "DELETE FROM inboxes WHERE member_id = :member_id AND :limit > 0",
    "notification_preferences": "DELETE FROM notification_preferences WHERE member_id = :member_id AND :limit > 0",
    "devices": "DELETE FROM devices WHERE member_id = :member_id AND :limit > 0",
    # A queued mail is sent first, and goes with the last task.
    "mails": """
        DELETE FROM mails WHERE id IN (
            SELECT id FROM mails WHERE member_id = :member_id AND status <> 'queued' LIMIT :limit)
        """,
    "hook_endpoints": """
        DELETE FROM hook_endpoints WHERE id IN (
            SELECT e.id FROM hook_endpoints e JOIN wholesale_accounts a ON a.id = e.account_id
            WHERE a.member_id = :member_id LIMIT :limit)
        """,
    "email_codes": "DELETE FROM email_codes WHERE member_id = :member_id AND :limit > 0",
    "email_changes": "DELETE FROM email_changes WHERE member_id = :member_id AND :limit > 0",
    # Before the sessions that they belong to.
    "refresh_tokens": """
        DELETE FROM refresh_tokens WHERE token_hash IN (
            SELECT token_hash FROM refresh_tokens JOIN sessions ON sessions.id = session_id
            WHERE member_id = :member_id LIMIT :limit)
        """,
    "wallet_tokens": """
        DELETE FROM wallet_tokens WHERE id IN (
            SELECT id FROM wallet_tokens WHERE member_id = :member_id LIMIT :limit)
        """,
    "wallet_id_tokens": """
        DELETE FROM wallet_id_tokens WHERE mark IN (
            SELECT mark FROM wallet_id_tokens WHERE member_id = :member_id LIMIT :limit)
        """,
    "sessions": """
        DELETE FROM sessions WHERE id IN (
            SELECT id FROM sessions WHERE member_id = :member_id LIMIT :limit)
        """,
    "second_factors": "DELETE FROM second_factors WHERE member_id = :member_id AND :limit > 0",
    "backup_codes": "DELETE FROM backup_codes WHERE member_id = :member_id AND :limit > 0",
    "known_devices": """
        DELETE FROM known_devices WHERE token_hash IN (
            SELECT token_hash FROM known_devices WHERE member_id = :member_id LIMIT :limit)
        """,
    # Without it nothing that was published can be tied to the member.
    "mark_secrets": "DELETE FROM mark_secrets WHERE member_id = :member_id AND :limit > 0",
    # Codes and names stay taken, as keyed fingerprints.
    "referral_codes": """
        DELETE FROM referral_codes WHERE code IN (
            SELECT code FROM referral_codes WHERE member_id = :member_id LIMIT :limit)
        """,
    "former_usernames": """
        DELETE FROM former_usernames WHERE name IN (
            SELECT name FROM former_usernames WHERE member_id = :member_id LIMIT :limit)
        """,
    "referral_clicks": """
        DELETE FROM referral_clicks WHERE ctid IN (
            SELECT ctid FROM referral_clicks WHERE member_id = :member_id LIMIT :limit)
        """,
    "wallet_balances": "DELETE FROM wallet_balances WHERE member_id = :member_id AND :limit > 0",
    "wallet_challenges": "DELETE FROM wallet_challenges WHERE member_id = :member_id AND :limit > 0",
    # What is in them goes with them. One that an order has closed belongs to the order.
    "carts": """
        DELETE FROM carts WHERE id IN (
            SELECT id FROM carts WHERE member_id = :member_id AND status = 'open' LIMIT :limit)
        """,
    "tax_quotes": """
        DELETE FROM tax_quotes WHERE id IN (SELECT id FROM tax_quotes WHERE member_id = :member_id LIMIT :limit)
        """,
    # What was sold stays, without the place it went to; state and ZIP code are what the tax is for.
    "orders": """
        UPDATE orders SET address = NULL WHERE id IN (
            SELECT id FROM orders WHERE member_id = :member_id AND address IS NOT NULL LIMIT :limit)
        """,
    # The scope of a member's keys is the member's id.
    "idempotency_keys": """
        DELETE FROM idempotency_keys WHERE (scope, key_hash) IN (
            SELECT scope, key_hash FROM idempotency_keys WHERE scope = CAST(:member_id AS text) LIMIT :limit)
        """,
    # The rows of scans and sums are kept, without place, device and address.
    "scans": """
        UPDATE scans SET latitude = NULL, longitude = NULL, device_time = NULL, device_id = NULL, ip_address = NULL
        WHERE (scanned_at, id) IN (
            SELECT scanned_at, id FROM scans WHERE member_id = :member_id
              AND (latitude IS NOT NULL OR longitude IS NOT NULL OR device_time IS NOT NULL OR device_id IS NOT NULL
                   OR ip_address IS NOT NULL)
            LIMIT :limit)
        """,
    "member_totals": """
        UPDATE member_totals SET located_at = NULL, latitude = NULL, longitude = NULL
        WHERE member_id = :member_id AND located_at IS NOT NULL AND :limit > 0
        """,
    # The tax id goes with all that names the business.
    "wholesale_accounts": """
        UPDATE wholesale_accounts SET company_name = NULL, contact_name = NULL, email = NULL, phone = NULL,
               business_address = NULL, tax_id = NULL, tax_id_last4 = NULL
        WHERE member_id = :member_id AND email IS NOT NULL AND :limit > 0
        """,
    # A message keeps its number, which the unread counts of all others rest on.
    "social_messages": """
        UPDATE social_messages SET text = '', language = NULL, media_type = 'none', media_id = NULL, mentions = '[]',
               removed_at = coalesce(removed_at, posted_at), removed_by = 'erasure'
        WHERE (posted_at, id) IN (
            SELECT posted_at, id FROM social_messages
            WHERE member_id = :member_id AND removed_by IS DISTINCT FROM 'erasure' LIMIT :limit)
        """,
    "social_reactions": """
        DELETE FROM social_reactions WHERE (posted_at, message_id, emoji, member_id) IN (
            SELECT posted_at, message_id, emoji, member_id FROM social_reactions
            WHERE member_id = :member_id LIMIT :limit)
        """,
    "social_cases": """
        UPDATE social_cases SET text = '', copies = '[]' WHERE id IN (
            SELECT id FROM social_cases WHERE member_id = :member_id AND (text <> '' OR copies <> '[]')
            LIMIT :limit)
        """,
    # Those of messages that are still kept have gone with them.
    "social_pins": "DELETE FROM social_pins WHERE member_id = :member_id AND :limit > 0",
    "social_blocks": """
        DELETE FROM social_blocks WHERE (member_id, blocked_id) IN (
            SELECT member_id, blocked_id FROM social_blocks
            WHERE member_id = :member_id OR blocked_id = :member_id LIMIT :limit)
        """,
    "social_reports": """
        DELETE FROM social_reports WHERE (case_id, reporter_id) IN (
            SELECT case_id, reporter_id FROM social_reports WHERE reporter_id = :member_id LIMIT :limit)
        """,
    "governance_proposals": """
        UPDATE governance_proposals SET title = '', body = '',
               status = CASE status WHEN 'open' THEN 'withdrawn' ELSE status END,
               decided_at = coalesce(decided_at, created_at)
        WHERE id IN (
            SELECT id FROM governance_proposals WHERE member_id = :member_id AND body <> '' LIMIT :limit)
        """,
    # A draft of a proposal that was never opened is discarded. What was opened keeps its text, which the digest seals.
    "governance_votes": """
        UPDATE governance_votes SET title = '', description = '', status = 'discarded', revision = revision + 1
        WHERE id IN (
            SELECT v.id FROM governance_proposals p JOIN governance_votes v ON v.id = p.vote_id
            WHERE p.member_id = :member_id AND v.status IN ('draft', 'discarded') AND v.title <> '' LIMIT :limit)
          AND status IN ('draft', 'discarded')
        """,
    "social_reads": "DELETE FROM social_reads WHERE member_id = :member_id AND :limit > 0",
    "social_sent": """
        DELETE FROM social_sent WHERE (member_id, client_id) IN (
            SELECT member_id, client_id FROM social_sent WHERE member_id = :member_id LIMIT :limit)
        """,
    "support_events": """
        DELETE FROM support_events WHERE id IN (
            SELECT id FROM support_events WHERE member_id = :member_id LIMIT :limit)
        """,
    "support_appeals": """
        DELETE FROM support_appeals WHERE sanction_id IN (
            SELECT sanction_id FROM support_appeals WHERE member_id = :member_id LIMIT :limit)
        """,
    "avatars": "DELETE FROM avatars WHERE member_id = :member_id AND :limit > 0",
    "social_images": "DELETE FROM social_images WHERE member_id = :member_id AND :limit > 0",
    "data_exports": "DELETE FROM data_exports WHERE member_id = :member_id AND :limit > 0",
}
# Their rows name files, which may still be written until the last task.
AT_LAST = frozenset({"avatars", "social_images", "data_exports"})


@dataclass(frozen=True)
class ReportFile:
    """A file that a run of a report has begun."""

    run_id: UUID
    export_id: UUID


@dataclass(frozen=True)
class Erasure:
    """The erasure of an account, and when it was finished."""

    finished_at: datetime | None


def erasure(tx: Tx, member_id: UUID) -> Erasure | None:
    """The erasure of the account; None if the member has not asked for one."""
    return tx.first(Erasure, "SELECT finished_at FROM erasures WHERE member_id = :member_id", member_id=member_id)


def finish(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Mark the erasure as finished."""
    tx.run(
        "UPDATE erasures SET finished_at = :now WHERE member_id = :member_id AND finished_at IS NULL",
        member_id=member_id,
        now=now,
    )


def avatars_left(tx: Tx, member_id: UUID) -> list[str]:
    """The member's pictures, whether they were stored or not."""
    return tx.column(str, "SELECT object_name FROM avatars WHERE member_id = :member_id", member_id=member_id)


def images_left(tx: Tx, member_id: UUID) -> list[UUID]:
    """The member's images for the chat, whether they were stored or not."""
    return tx.column(UUID, "SELECT id FROM social_images WHERE member_id = :member_id", member_id=member_id)


def exports_left(tx: Tx, member_id: UUID) -> list[str]:
    """The member's exported files."""
    return tx.column(str, "SELECT object_name FROM data_exports WHERE member_id = :member_id", member_id=member_id)


def drop_reports(tx: Tx, member_id: UUID, closed_within: timedelta) -> None:
    """Show no report any more that names members and may have been read before the account was closed; those under way
    are made anew. Such are all that were begun before `closed_within` had passed since the member asked, because the
    account was closed within that time.
    """
    tx.run(
        """
        UPDATE report_exports r
        SET state = CASE r.state WHEN 'ready' THEN 'expired' ELSE r.state END, run_id = NULL, held_until = NULL
        FROM erasures e
        WHERE e.member_id = :member_id AND r.kind IN ('users', 'orders', 'affiliates')
          AND r.state IN ('making', 'ready') AND r.run_id IS NOT NULL
          AND r.read_from < e.asked_at + :seconds * interval '1 second'
        """,
        member_id=member_id,
        seconds=round(closed_within.total_seconds()),
    )


def dropped_files(tx: Tx) -> list[ReportFile]:
    """The files of reports that are not shown, whose run does not hold the report any more."""
    return tx.all(
        ReportFile,
        """
        SELECT f.run_id, f.export_id FROM report_files f JOIN report_exports e ON e.id = f.export_id
        WHERE e.run_id IS DISTINCT FROM f.run_id ORDER BY f.begun_at
        """,
    )


def erase(tx: Tx, table: str, member_id: UUID, limit: int) -> int:
    """Run the step of a table: delete or empty at most `limit` rows of the member's; returns how many."""
    return tx.run(STEPS[table], member_id=member_id, limit=limit)
