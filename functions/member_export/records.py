"""The sections of the export, each of any length: a statement for each, for the rows after a key, in the order of keys.

A row is exported with all its columns but those that its statement takes out: the member's own id, which is known,
secrets, and what is internal. Amounts are micro-USDT. Tests compare the list with the schema, and the fields with those
that members are to see.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from shared.db import Tx

SECTIONS: Mapping[str, LiteralString] = {
    "account": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(members) - 'password_hash' - 'sign_up_ticket' AS text) AS document
        FROM members WHERE id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "totals": """
        SELECT CAST(member_id AS text) AS key, CAST(to_jsonb(member_totals) AS text) AS document
        FROM member_totals WHERE member_id = :member_id AND CAST(member_id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "quarters": """
        SELECT quarter AS key, CAST(to_jsonb(member_quarters) - 'member_id' AS text) AS document
        FROM member_quarters WHERE member_id = :member_id AND quarter > :after ORDER BY key LIMIT :limit
        """,
    # The admin who set a tier, and why, stay with us.
    "tiers": """
        SELECT CAST(entry_id AS text) AS key,
               CAST(to_jsonb(tier_history) - 'member_id' - 'set_by' - 'reason' AS text) AS document
        FROM tier_history WHERE member_id = :member_id AND CAST(entry_id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "permanent_tiers": """
        SELECT CAST(member_id AS text) AS key, CAST(to_jsonb(permanent_tiers) - 'member_id' AS text) AS document
        FROM permanent_tiers WHERE member_id = :member_id AND CAST(member_id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "sessions": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(sessions) - 'member_id' AS text) AS document
        FROM sessions WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    # The secret stays with us.
    "second_factor": """
        SELECT CAST(member_id AS text) AS key,
               CAST(jsonb_build_object('created_at', created_at, 'enabled_at', enabled_at) AS text) AS document
        FROM second_factors WHERE member_id = :member_id AND CAST(member_id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "known_devices": """
        SELECT encode(token_hash, 'hex') AS key,
               CAST(jsonb_build_object('created_at', created_at, 'last_used_at', last_used_at) AS text) AS document
        FROM known_devices WHERE member_id = :member_id AND encode(token_hash, 'hex') > :after ORDER BY key LIMIT :limit
        """,
    "referral_codes": """
        SELECT code AS key, CAST(to_jsonb(referral_codes) - 'member_id' AS text) AS document
        FROM referral_codes WHERE member_id = :member_id AND code > :after ORDER BY key LIMIT :limit
        """,
    "former_usernames": """
        SELECT name AS key, CAST(to_jsonb(former_usernames) - 'member_id' AS text) AS document
        FROM former_usernames WHERE member_id = :member_id AND name > :after ORDER BY key LIMIT :limit
        """,
    # Flags are how fraud is found.
    "scans": """
        SELECT lpad(CAST(number AS text), 20, '0') AS key,
               CAST(to_jsonb(scans) - 'member_id' - 'code_mac' - 'flags' AS text) AS document
        FROM scans WHERE member_id = :member_id AND lpad(CAST(number AS text), 20, '0') > :after
        ORDER BY key LIMIT :limit
        """,
    "comps": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(comps) - 'member_id' - 'notes' AS text) AS document
        FROM comps WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "milestones": """
        SELECT lpad(CAST(scan_number AS text), 20, '0') || type AS key,
               CAST(to_jsonb(milestones) - 'member_id' AS text) AS document
        FROM milestones WHERE member_id = :member_id AND lpad(CAST(scan_number AS text), 20, '0') || type > :after
        ORDER BY key LIMIT :limit
        """,
    "trips": """
        SELECT CAST(comp_id AS text) AS key, CAST(to_jsonb(trips) AS text) AS document
        FROM trips JOIN comps ON comps.id = comp_id WHERE member_id = :member_id AND CAST(comp_id AS text) > :after
        ORDER BY key LIMIT :limit
        """,
    "guarantee": """
        SELECT CAST(member_id AS text) AS key, CAST(to_jsonb(guarantees) - 'member_id' AS text) AS document
        FROM guarantees WHERE member_id = :member_id AND CAST(member_id AS text) > :after ORDER BY key LIMIT :limit
        """,
    # What the policy goes by stays with us.
    "payouts": """
        SELECT CAST(id AS text) AS key,
               CAST(to_jsonb(payouts) - 'member_id' - 'body_hash' - 'idempotency_key' - 'scope' - 'hold_reason'
                    - 'requested_by' - 'postponed_until' - 'counted_on' - 'people_agreed' AS text) AS document
        FROM payouts WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "wallet_transactions": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(wallet_transactions) - 'member_id' AS text) AS document
        FROM wallet_transactions WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "withdrawals": """
        SELECT CAST(id AS text) AS key,
               CAST(to_jsonb(withdrawals) - 'member_id' - 'raw' - 'checked_at' AS text) AS document
        FROM withdrawals WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "wallet_balance": """
        SELECT CAST(member_id AS text) AS key, CAST(to_jsonb(wallet_balances) - 'member_id' AS text) AS document
        FROM wallet_balances WHERE member_id = :member_id AND CAST(member_id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "wallets": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(wallet_links) - 'member_id' AS text) AS document
        FROM wallet_links WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    # Referred members stay unnamed, and so do admins, whose reasons are for admins.
    "affiliate_earnings": """
        SELECT CAST(id AS text) AS key,
               CAST(to_jsonb(affiliate_earnings)
                    - ARRAY['affiliate_id', 'referred_id', 'awarded_by', 'agreed_by', 'reason'] AS text) AS document
        FROM affiliate_earnings WHERE affiliate_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "chips": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(affiliate_chips) - 'affiliate_id' AS text) AS document
        FROM affiliate_chips WHERE affiliate_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "chip_balance": """
        SELECT CAST(affiliate_id AS text) AS key, CAST(to_jsonb(chip_counts) - 'affiliate_id' AS text) AS document
        FROM chip_counts WHERE affiliate_id = :member_id AND CAST(affiliate_id AS text) > :after
        ORDER BY key LIMIT :limit
        """,
    # The mark is how the member is named in the published list; the scans behind moves are of others.
    "week_shares": """
        SELECT CAST(week_on AS text) AS key, CAST(to_jsonb(affiliate_week_shares) - 'affiliate_id' AS text) AS document
        FROM affiliate_week_shares WHERE affiliate_id = :member_id AND CAST(week_on AS text) > :after
        ORDER BY key LIMIT :limit
        """,
    "chip_moves": """
        SELECT lpad(CAST(id AS text), 20, '0') AS key,
               CAST(to_jsonb(chip_moves) - 'affiliate_id' - 'source' AS text) AS document
        FROM chip_moves WHERE affiliate_id = :member_id AND lpad(CAST(id AS text), 20, '0') > :after
        ORDER BY key LIMIT :limit
        """,
    "vault_lots": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(vault_lots) - 'affiliate_id' AS text) AS document
        FROM vault_lots WHERE affiliate_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "vault_moves": """
        SELECT lpad(CAST(id AS text), 20, '0') AS key, CAST(to_jsonb(vault_moves) - 'affiliate_id' AS text) AS document
        FROM vault_moves WHERE affiliate_id = :member_id AND lpad(CAST(id AS text), 20, '0') > :after
        ORDER BY key LIMIT :limit
        """,
    "affiliate_payouts": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(affiliate_payouts) - 'affiliate_id' AS text) AS document
        FROM affiliate_payouts WHERE affiliate_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "affiliate_payout_lines": """
        SELECT l.payout_id || ' ' || coalesce(CAST(l.share_week AS text), CAST(l.earning_id AS text)) AS key,
               CAST(to_jsonb(l) - 'affiliate_id' AS text) AS document
        FROM affiliate_payouts p JOIN affiliate_payout_lines l ON l.payout_id = p.id
        WHERE p.affiliate_id = :member_id
          AND l.payout_id || ' ' || coalesce(CAST(l.share_week AS text), CAST(l.earning_id AS text)) > :after
        ORDER BY key LIMIT :limit
        """,
    "downline": """
        SELECT source_id AS key, CAST(to_jsonb(downline_entries) - 'affiliate_id' - 'buyer_id' AS text) AS document
        FROM downline_entries WHERE affiliate_id = :member_id AND source_id > :after ORDER BY key LIMIT :limit
        """,
    # Referred members stay unnamed.
    "referrals": """
        SELECT CAST(referred_id AS text) AS key,
               CAST(to_jsonb(referrals) - 'affiliate_id' - 'referred_id' AS text) AS document
        FROM referrals WHERE affiliate_id = :member_id AND CAST(referred_id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "referral_clicks": """
        SELECT day || ' ' || code AS key, CAST(to_jsonb(referral_clicks) - 'member_id' AS text) AS document
        FROM referral_clicks WHERE member_id = :member_id AND day || ' ' || code > :after ORDER BY key LIMIT :limit
        """,
    "locked_share": """
        SELECT CAST(affiliate_id AS text) AS key, CAST(to_jsonb(locked_shares) - 'affiliate_id' AS text) AS document
        FROM locked_shares WHERE affiliate_id = :member_id AND CAST(affiliate_id AS text) > :after
        ORDER BY key LIMIT :limit
        """,
    "cart": """
        SELECT CAST(cart_items.id AS text) AS key, CAST(to_jsonb(cart_items) - 'id' AS text) AS document
        FROM cart_items JOIN carts ON carts.id = cart_id
        WHERE member_id = :member_id AND CAST(cart_items.id AS text) > :after ORDER BY key LIMIT :limit
        """,
    # The address is sealed, the door is a fingerprint; what a tin costs us stays with us.
    "orders": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(own) AS text) AS document
        FROM (SELECT id, number, cart_id, state, state_at, placed_at, expires_at, tins, subtotal, shipping_cost,
                     shipping_tax, tax_amount, total_amount, tax_quote_id, tax_breakdown, ship_state, ship_zip,
                     age_check_id, confirmed_at, cancel_wanted_at, cancel_reason
              FROM orders WHERE member_id = :member_id) AS own
        WHERE CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "order_items": """
        SELECT order_id || ' ' || sku AS key,
               CAST(to_jsonb(order_items) - 'promised' - 'released' - 'refunded_unsent' AS text) AS document
        FROM order_items JOIN orders ON orders.id = order_id
        WHERE member_id = :member_id AND order_id || ' ' || sku > :after ORDER BY key LIMIT :limit
        """,
    # The card's token is sealed, and goes when it is spent.
    "payments": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(own) AS text) AS document
        FROM (SELECT payments.id, order_id, provider, amount, payments.state, refund_open, refunded, disputed, reason,
                     created_at
              FROM payments JOIN orders ON orders.id = order_id WHERE member_id = :member_id) AS own
        WHERE CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "refunds": """
        SELECT CAST(refunds.id AS text) AS key, CAST(to_jsonb(refunds) AS text) AS document
        FROM refunds JOIN orders ON orders.id = order_id
        WHERE member_id = :member_id AND CAST(refunds.id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "refund_lines": """
        SELECT refund_id || ' ' || sku AS key, CAST(to_jsonb(refund_lines) AS text) AS document
        FROM refund_lines JOIN refunds ON refunds.id = refund_id JOIN orders ON orders.id = order_id
        WHERE member_id = :member_id AND refund_id || ' ' || sku > :after ORDER BY key LIMIT :limit
        """,
    "disputes": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(own) AS text) AS document
        FROM (SELECT disputes.id, order_id, disputes.state, disputes.reason, disputes.amount, withdrawn, evidence_by,
                     opened_at, noticed_at, decided_at
              FROM disputes JOIN payments ON payments.id = payment_id JOIN orders ON orders.id = order_id
              WHERE member_id = :member_id) AS own
        WHERE CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "parcels": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(own) AS text) AS document
        FROM (SELECT parcels.id, order_id, carrier, tracking_number, parcels.status, shipped_at, delivered_at
              FROM parcels JOIN fulfilments ON fulfilments.id = fulfilment_id JOIN orders ON orders.id = order_id
              WHERE member_id = :member_id) AS own
        WHERE CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "age_checks": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(age_checks) - 'member_id' AS text) AS document
        FROM age_checks WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "tax_quotes": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(tax_quotes) - 'member_id' - 'basis' AS text) AS document
        FROM tax_quotes WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    # The tax id is not readable here; who decided, and why, stay with us.
    "wholesale_account": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(shown) AS text) AS document
        FROM (SELECT id, number, status, company_name, contact_name, email, phone, business_address, tax_id_last4,
                     created_at, applied_at, decided_at, activated_at
              FROM wholesale_accounts WHERE member_id = :member_id) AS shown
        WHERE CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "wholesale_chips": """
        SELECT CAST(own.id AS text) AS key, CAST(to_jsonb(own) - 'account_id' AS text) AS document
        FROM wholesale_chips own JOIN wholesale_accounts ON wholesale_accounts.id = account_id
        WHERE member_id = :member_id AND CAST(own.id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "wholesale_comps": """
        SELECT CAST(own.id AS text) AS key,
               CAST(to_jsonb(own) - 'account_id' - 'awarded_by' - 'reason' AS text) AS document
        FROM wholesale_comps own JOIN wholesale_accounts ON wholesale_accounts.id = account_id
        WHERE member_id = :member_id AND CAST(own.id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "resale_certificates": """
        SELECT CAST(own.id AS text) AS key,
               CAST(to_jsonb(own) - 'account_id' - 'recorded_by' - 'reason' AS text) AS document
        FROM resale_certificates own JOIN wholesale_accounts ON wholesale_accounts.id = account_id
        WHERE member_id = :member_id AND CAST(own.id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "notifications": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(notifications) - 'member_id' - 'dedupe_key' AS text) AS document
        FROM notifications WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "notification_preferences": """
        SELECT type AS key, CAST(to_jsonb(notification_preferences) - 'member_id' AS text) AS document
        FROM notification_preferences WHERE member_id = :member_id AND type > :after ORDER BY key LIMIT :limit
        """,
    "devices": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(devices) - 'member_id' - 'token' AS text) AS document
        FROM devices WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    # Parameters have the codes that were mailed.
    "mails": """
        SELECT CAST(id AS text) AS key,
               CAST(to_jsonb(mails) - 'member_id' - 'dedupe_key' - 'parameters' - 'claimed_until' - 'version_id'
                    - 'lineage' AS text) AS document
        FROM mails WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "governance_ballots": """
        SELECT CAST(vote_id AS text) AS key,
               CAST(to_jsonb(governance_ballots) - 'member_id' - 'receipt'
                    || jsonb_build_object('receipt', encode(receipt, 'hex')) AS text) AS document
        FROM governance_ballots WHERE member_id = :member_id AND CAST(vote_id AS text) > :after
        ORDER BY key LIMIT :limit
        """,
    "governance_electors": """
        SELECT CAST(vote_id AS text) AS key, CAST(to_jsonb(governance_electors) - 'member_id' AS text) AS document
        FROM governance_electors WHERE member_id = :member_id AND CAST(vote_id AS text) > :after
        ORDER BY key LIMIT :limit
        """,
    # The admin who has decided stays unnamed.
    "governance_proposals": """
        SELECT CAST(id AS text) AS key,
               CAST(to_jsonb(governance_proposals) - 'member_id' - 'decided_by' - 'slot' AS text) AS document
        FROM governance_proposals WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "social_cases": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(social_cases) - 'member_id' - 'decided_by' AS text) AS document
        FROM social_cases WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    # Whom a message names is known to us by ids of others.
    "social_messages": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(social_messages) - 'member_id' - 'mentions' AS text) AS document
        FROM social_messages WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "social_reactions": """
        SELECT message_id || ' ' || emoji AS key, CAST(to_jsonb(social_reactions) - 'member_id' AS text) AS document
        FROM social_reactions WHERE member_id = :member_id AND message_id || ' ' || emoji > :after
        ORDER BY key LIMIT :limit
        """,
    "social_reads": """
        SELECT CAST(channel_id AS text) AS key, CAST(to_jsonb(social_reads) - 'member_id' AS text) AS document
        FROM social_reads WHERE member_id = :member_id AND CAST(channel_id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "social_blocks": """
        SELECT CAST(blocked_id AS text) AS key, CAST(to_jsonb(social_blocks) - 'member_id' AS text) AS document
        FROM social_blocks WHERE member_id = :member_id AND CAST(blocked_id AS text) > :after
        ORDER BY key LIMIT :limit
        """,
    "social_pins": """
        SELECT CAST(message_id AS text) AS key,
               CAST(to_jsonb(social_pins) - 'member_id' - 'pinned_by' AS text) AS document
        FROM social_pins WHERE member_id = :member_id AND CAST(message_id AS text) > :after
        ORDER BY key LIMIT :limit
        """,
    "social_reports": """
        SELECT CAST(case_id AS text) AS key, CAST(to_jsonb(social_reports) - 'reporter_id' AS text) AS document
        FROM social_reports WHERE reporter_id = :member_id AND CAST(case_id AS text) > :after
        ORDER BY key LIMIT :limit
        """,
    # The admin who gave it stays unnamed.
    "social_sanctions": """
        SELECT CAST(id AS text) AS key,
               CAST(to_jsonb(social_sanctions) - 'member_id' - 'given_by' AS text) AS document
        FROM social_sanctions WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "social_standings": """
        SELECT CAST(member_id AS text) AS key,
               CAST(to_jsonb(social_standings) - 'member_id' - 'recent' AS text) AS document
        FROM social_standings WHERE member_id = :member_id AND CAST(member_id AS text) > :after
        ORDER BY key LIMIT :limit
        """,
    "support_appeals": """
        SELECT CAST(sanction_id AS text) AS key, CAST(to_jsonb(support_appeals) - 'member_id' AS text) AS document
        FROM support_appeals WHERE member_id = :member_id AND CAST(sanction_id AS text) > :after
        ORDER BY key LIMIT :limit
        """,
    "support_events": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(support_events) - 'member_id' AS text) AS document
        FROM support_events WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "pictures": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(avatars) - 'member_id' - 'large' - 'small' AS text) AS document
        FROM avatars WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "social_images": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(social_images) - 'member_id' - 'content' AS text) AS document
        FROM social_images WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "email_changes": """
        SELECT CAST(member_id AS text) AS key,
               CAST(to_jsonb(email_changes) - 'member_id' - 'code_mac' AS text) AS document
        FROM email_changes WHERE member_id = :member_id AND CAST(member_id AS text) > :after ORDER BY key LIMIT :limit
        """,
    "exports": """
        SELECT CAST(id AS text) AS key, CAST(to_jsonb(data_exports) - 'member_id' - 'object_name' AS text) AS document
        FROM data_exports WHERE member_id = :member_id AND CAST(id AS text) > :after ORDER BY key LIMIT :limit
        """,
}


@dataclass(frozen=True)
class Row:
    """A row as JSON, and its key within the section."""

    key: str
    document: str


def rows(tx: Tx, section: str, member_id: UUID, after: str, limit: int) -> list[Row]:
    """At most `limit` rows of the member's in a section, from the first after a key on."""
    return tx.all(Row, SECTIONS[section], member_id=member_id, after=after, limit=limit)
