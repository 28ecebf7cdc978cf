"""Rows of a member for every section of the export."""

from pg8000.dbapi import Connection

from tests.factories import Somebody

# Rows of one member, the ones with the greater keys written first where keys are not drawn at random.
MANY = {
    "quarters": "member_quarters SELECT $1, '2026-Q' || n, 1, 'standard' FROM generate_series(4, 1, -1) AS n",
    "tiers": """
        tier_history (member_id, quarter, tier, scan_count, achieved_at)
        SELECT $1, '2026-Q1', 'vip', n, now() FROM generate_series(1, 5) AS n""",
    "sessions": """
        sessions (id, member_id, device_kind, created_at, last_used_at, ended_at, end_reason)
        SELECT gen_random_uuid(), $1, 'mobile', now(), now(), now(), 'x' FROM generate_series(1, 5) AS n""",
    "known_devices": """
        known_devices SELECT sha256(CAST(n || CAST(id AS text) AS bytea)), id, now(), now()
        FROM members, generate_series(1, 5) AS n WHERE id = $1""",
    "referral_codes": """
        referral_codes SELECT 'a-' || (9 - n) || left(CAST(id AS text), 8), id, now()
        FROM members, generate_series(1, 5) AS n WHERE id = $1""",
    "former_usernames": """
        former_usernames SELECT 'a' || (9 - n) || left(CAST(id AS text), 8), id, now()
        FROM members, generate_series(1, 5) AS n WHERE id = $1""",
    "milestones": """
        milestones (scan_number, type, member_id, tier, tins_per_month, awarded, reason, reached_at)
        SELECT 1 + (random() * 1000000000)::bigint, 'crypto_100', $1, 'vip', 1, false, 'x', now()
        FROM generate_series(1, 5) AS n""",
    "scans": """
        scans (id, number, member_id, code_mac, product_sku, scanned_at, method, tier, quarter, quarter_scans)
        SELECT gen_random_uuid(), 1 + (random() * 1000000000)::bigint, $1, CAST(gen_random_uuid() AS text)::bytea,
               'MINTICE-6', now(), 'qr', 'standard', '2026-Q4', 1 FROM generate_series(1, 5) AS n""",
    "comps": """
        comps (id, member_id, type, amount, source_kind, source_id, reason, awarded_at)
        SELECT gen_random_uuid(), $1, 'manual', 1, 'manual', gen_random_uuid(), '{}', now()
        FROM generate_series(1, 5) AS n""",
    "trips": """
        trips (comp_id, destination, title, value, chosen_at)
        SELECT id, 'hawaii', 'Hawaii', 1, now() FROM comps WHERE member_id = $1""",
    "payouts": """
        payouts (id, treasury, member_id, scope, idempotency_key, body_hash, source_kind, source_id, recipient_address,
                 amount, requested_at, state_at)
        SELECT gen_random_uuid(), 'member', $1, gen_random_uuid(), 'x', '', 'test', gen_random_uuid(),
               '0x' || repeat('5', 40), 1, now(), now() FROM generate_series(1, 5) AS n""",
    "wallet_transactions": """
        wallet_transactions (id, member_id, type, amount, status, created_at)
        SELECT gen_random_uuid(), $1, 'comp_deposit', 1, 'pending', now() FROM generate_series(1, 5) AS n""",
    "withdrawals": """
        withdrawals (id, member_id, from_address, to_address, amount, chain_id, token_address, nonce, gas_limit,
                     fee_per_gas_wei_max, priority_fee_per_gas_wei_max, prepared_at, expires_at, state_at)
        SELECT gen_random_uuid(), $1, '0x' || left(replace(CAST(gen_random_uuid() AS text), '-', ''), 32) || '00000000',
               '0x' || repeat('5', 40), 1, 137, '0x' || repeat('5', 40), 0, 1, 2, 1, now(), now() + interval '1 hour',
               now() FROM generate_series(1, 5) AS n""",
    "wallets": """
        wallet_links (member_id, address, method, linked_at)
        SELECT $1, '0x' || repeat('5', 40), 'eip191', now() FROM generate_series(1, 5) AS n""",
    "affiliate_earnings": """
        affiliate_earnings (id, affiliate_id, referred_id, kind, comp_id, value, amount, status, earned_at)
        SELECT gen_random_uuid(), $1, gen_random_uuid(), 'prize_match', gen_random_uuid(), 100, 21, 'pending', now()
        FROM generate_series(1, 5) AS n""",
    "chips": """
        affiliate_chips (id, affiliate_id, kind, chips, earned_at)
        SELECT gen_random_uuid(), $1, 'vault_bonus', 1, now() FROM generate_series(1, 5) AS n""",
    "week_shares": """
        affiliate_week_shares (week_on, affiliate_id, mark, scan_chips, brought, put_away, chips, overflow, share)
        SELECT date '2026-11-29' - 7 * n, $1, sha256(uuid_send(gen_random_uuid())), 1, 0, 0, 1, 0, 1
        FROM generate_series(1, 5) AS n""",
    "chip_moves": """
        chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
        SELECT $1, '2026-11-29', 'bonus', 1, gen_random_uuid(), now() FROM generate_series(1, 5) AS n""",
    "vault_lots": """
        vault_lots (id, affiliate_id, kind, week_on, chips, left_chips, vaulted_at, expires_at)
        SELECT gen_random_uuid(), $1, 'manual', '2026-11-29', 1, 1, now(), now() + interval '365 days'
        FROM generate_series(1, 5) AS n""",
    "vault_moves": """
        vault_moves (affiliate_id, lot_id, kind, chips, happened_at)
        SELECT $1, gen_random_uuid(), 'withdraw', 1, now() FROM generate_series(1, 5) AS n""",
    "affiliate_payouts": """
        affiliate_payouts (id, affiliate_id, address, amount, made_at, state_at)
        SELECT gen_random_uuid(), $1, '0x' || repeat('5', 40), 1, now(), now() FROM generate_series(1, 5) AS n""",
    "affiliate_payout_lines": """
        affiliate_payout_lines (payout_id, affiliate_id, earning_id, amount)
        SELECT id, $1, gen_random_uuid(), 1 FROM affiliate_payouts WHERE affiliate_id = $1""",
    "downline": """
        downline_entries SELECT gen_random_uuid(), $1, gen_random_uuid(), 1, now() FROM generate_series(1, 5) AS n""",
    "referrals": """
        referrals (referred_id, affiliate_id, joined_at) SELECT gen_random_uuid(), $1, now()
        FROM generate_series(1, 5) AS n""",
    "referral_clicks": """
        referral_clicks SELECT $1, current_date - n, 'ada_l', n FROM generate_series(1, 5) AS n""",
    "cart": """
        cart_items SELECT gen_random_uuid(), id, 'TIN-' || n, 1, 499, now() FROM carts, generate_series(1, 5) AS n
        WHERE member_id = $1""",
    "governance_ballots": """
        governance_ballots (vote_id, member_id, option, receipt, cast_at)
        SELECT gen_random_uuid(), $1, 1, uuid_send(gen_random_uuid()), now() FROM generate_series(1, 5) AS n""",
    "governance_electors": """
        governance_electors SELECT gen_random_uuid(), $1 FROM generate_series(1, 5) AS n""",
    "governance_proposals": """
        governance_proposals (id, member_id, slot, type, title, body, created_at, status, decided_at)
        SELECT gen_random_uuid(), $1, (n - 1) % 3 + 1, 'flavor', 'x', 'x', now(),
               CASE WHEN n > 3 THEN 'withdrawn' ELSE 'open' END, CASE WHEN n > 3 THEN now() END
        FROM generate_series(1, 5) AS n""",
    "social_cases": """
        social_cases (id, message_id, revision, channel_id, number, member_id, text, outcome, opened_at)
        SELECT gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), n, $1, 'x', 'flagged', now()
        FROM generate_series(1, 5) AS n""",
    "social_messages": """
        social_messages (posted_at, id, channel_id, number, member_id, tier, text)
        SELECT now(), gen_random_uuid(), gen_random_uuid(), 1 + (random() * 1000000000)::bigint, $1, 'vip', 'x'
        FROM generate_series(1, 5) AS n""",
    "social_reactions": """
        social_reactions SELECT now(), gen_random_uuid(), '!', $1 FROM generate_series(1, 5) AS n""",
    "social_reads": """
        social_reads SELECT $1, gen_random_uuid(), n FROM generate_series(1, 5) AS n""",
    "social_blocks": """
        social_blocks SELECT $1, gen_random_uuid(), now() FROM generate_series(1, 5) AS n""",
    "social_pins": """
        social_pins (message_id, channel_id, number, member_id, tier, text, media_type, posted_at, pinned_by, pinned_at)
        SELECT gen_random_uuid(), gen_random_uuid(), n, $1, 'vip', 'x', 'none', now(), gen_random_uuid(), now()
        FROM generate_series(1, 5) AS n""",
    "social_reports": """
        social_reports (case_id, reporter_id, reason, reported_at)
        SELECT gen_random_uuid(), $1, 'spam', now() FROM generate_series(1, 5) AS n""",
    "social_sanctions": """
        social_sanctions (id, member_id, kind, reason, given_at)
        SELECT gen_random_uuid(), $1, 'lift', 'x', now() FROM generate_series(1, 5) AS n""",
    "support_appeals": """
        support_appeals (sanction_id, member_id, message, made_at)
        SELECT gen_random_uuid(), $1, 'x', now() FROM generate_series(1, 5) AS n""",
    "support_events": """
        support_events (member_id, name, happened_at)
        SELECT $1, 'suspended', now() FROM generate_series(1, 5) AS n""",
    "notifications": """
        notifications (id, member_id, type, title, body, dedupe_key, created_at)
        SELECT gen_random_uuid(), $1, 'system', 'x', 'x', n, now() FROM generate_series(1, 5) AS n""",
    "notification_preferences": """
        notification_preferences
        SELECT $1, kind, true, true FROM unnest(ARRAY['system', 'social', 'order', 'comp']) AS kind""",
    "devices": """
        devices SELECT gen_random_uuid(), $1, 'ios', gen_random_uuid(), now() FROM generate_series(1, 5) AS n""",
    "mails": """
        mails (id, dedupe_key, member_id, to_email, to_name, template, parameters, queued_at)
        SELECT gen_random_uuid(), gen_random_uuid(), $1, 'x', 'x', 'x', '{}', now() FROM generate_series(1, 5) AS n""",
    "orders": """
        orders (id, member_id, cart_id, state_at, placed_at, expires_at, tins, subtotal, shipping_cost, shipping_tax,
                tax_amount, total_amount, cost_per_tin, tax_quote_id, tax_breakdown, ship_state, ship_zip, doorstep)
        SELECT gen_random_uuid(), $1, gen_random_uuid(), now(), now(), now(), 1, 10000, 0, 0, 0, 10000, 0,
               gen_random_uuid(), '[]', 'NY', '10001', sha256('door') FROM generate_series(1, 5) AS n""",
    "order_items": """
        order_items (order_id, sku, product_name, quantity, unit_price, line_total, tax)
        SELECT id, 'MINTICE-6', 'BlakJaks Mint Ice', 1, 10000, 10000, 0 FROM orders WHERE member_id = $1""",
    "payments": """
        payments (id, order_id, provider, amount, created_at, ordered_at)
        SELECT gen_random_uuid(), id, 'card', 10000, now(), placed_at FROM orders WHERE member_id = $1""",
    "refunds": """
        refunds (id, order_id, tins, goods, shipping, tax, amount, reason, recorded_at)
        SELECT gen_random_uuid(), id, 1, 10000, 0, 0, 10000, 'cancelled', now() FROM orders WHERE member_id = $1""",
    "refund_lines": """
        refund_lines (refund_id, sku, tins, goods, tax)
        SELECT refunds.id, 'MINTICE-6', 1, 10000, 0
        FROM refunds JOIN orders ON orders.id = order_id WHERE member_id = $1""",
    "disputes": """
        disputes (id, payment_id, reference, state, reason, amount, opened_at, noticed_at, looked_at)
        SELECT gen_random_uuid(), payments.id, gen_random_uuid(), 'open', 'fraudulent', 10000, now(), now(), now()
        FROM payments JOIN orders ON orders.id = order_id WHERE member_id = $1""",
    "parcels": """
        parcels (id, fulfilment_id, carrier, tracking_number, shipped_at, recorded_at, news_at)
        SELECT gen_random_uuid(), fulfilments.id, 'USPS', 'No. ' || fulfilments.id, now(), now(), now()
        FROM fulfilments JOIN orders ON orders.id = order_id WHERE member_id = $1""",
    "age_checks": """
        age_checks (id, member_id, status, reference, recorded_at, decided_at)
        SELECT gen_random_uuid(), $1, 'denied', gen_random_uuid(), now(), now() FROM generate_series(1, 5) AS n""",
    "tax_quotes": """
        tax_quotes (id, member_id, basis, tax, shipping, lines, breakdown, quoted_at, expires_at)
        SELECT gen_random_uuid(), $1, sha256('cart'), 0, 0, '{}', '[]', now(), now() + interval '1 hour'
        FROM generate_series(1, 5) AS n""",
    "wholesale_chips": """
        wholesale_chips (account_id, order_id, chips, earned_at)
        SELECT id, gen_random_uuid(), n, now()
        FROM wholesale_accounts CROSS JOIN generate_series(1, 5) AS n WHERE member_id = $1""",
    "wholesale_comps": """
        wholesale_comps (id, account_id, amount, reason, awarded_by, awarded_at)
        SELECT gen_random_uuid(), id, n, 'x', $1, now()
        FROM wholesale_accounts CROSS JOIN generate_series(1, 5) AS n WHERE member_id = $1""",
    "resale_certificates": """
        resale_certificates (id, account_id, state, number, valid_until, recorded_by, reason, recorded_at)
        SELECT gen_random_uuid(), id, 'NV', 'x', current_date, $1, 'x', now()
        FROM wholesale_accounts CROSS JOIN generate_series(1, 5) AS n WHERE member_id = $1""",
    "pictures": """
        avatars (id, member_id, status, object_name, content_type, uploaded_at, finished_at)
        SELECT gen_random_uuid(), $1, 'replaced', gen_random_uuid(), 'image/png', now(), now()
        FROM generate_series(1, 5) AS n""",
    "social_images": """
        social_images (id, member_id, status, content_type, uploaded_at, finished_at)
        SELECT gen_random_uuid(), $1, 'refused', 'image/png', now(), now() FROM generate_series(1, 5) AS n""",
    "exports": """
        data_exports (id, member_id, status, object_name, asked_at, ready_at, expires_at)
        SELECT gen_random_uuid(), $1, 'expired', 'x', now(), now(), now() FROM generate_series(1, 5) AS n""",
}
ONE = {
    "account": "",  # every member has them
    "totals": "",
    "permanent_tiers": "permanent_tiers VALUES ($1, 1, 'vip', NULL)",
    "second_factor": "second_factors (member_id, sealed_secret, created_at) VALUES ($1, '', now())",
    "social_standings": "social_standings (member_id) VALUES ($1)",
    "guarantee": "guarantees VALUES ($1, now(), 0, NULL) ON CONFLICT DO NOTHING",
    "wallet_balance": "wallet_balances VALUES ($1, '0x' || repeat('5', 40), 1, 1, now())",
    "chip_balance": "chip_balances VALUES ($1, 1)",
    "locked_share": "locked_shares VALUES ($1, 1)",
    "wholesale_account": """
        wholesale_accounts (id, member_id, company_name, contact_name, email, business_address, tax_id, tax_id_last4,
                            created_at, applied_at)
        VALUES (gen_random_uuid(), $1, 'x', 'x', 'x' || gen_random_uuid(), '{}', '', '1234', now(), now())
        ON CONFLICT DO NOTHING""",
    "email_changes": """
        email_changes (member_id, id, new_email, code_mac, asked_at, expires_at)
        VALUES ($1, gen_random_uuid(), 'x', '', now(), now())""",
}


# What rows of a section lie in.
FULFILMENTS = """
    fulfilments (id, order_id, recorded_at, look_at)
    SELECT gen_random_uuid(), id, now(), now() FROM orders WHERE member_id = $1"""
BEFORE = {
    "trips": (MANY["comps"],),
    "order_items": (MANY["orders"],),
    "payments": (MANY["orders"],),
    "refunds": (MANY["orders"],),
    "refund_lines": (MANY["orders"], MANY["refunds"]),
    "disputes": (
        MANY["orders"],
        """
        payments (id, order_id, provider, amount, state, created_at, ordered_at)
        SELECT gen_random_uuid(), id, 'card', 10000, 'voided', now(), placed_at FROM orders WHERE member_id = $1""",
    ),
    "wholesale_chips": (ONE["wholesale_account"],),
    "wholesale_comps": (ONE["wholesale_account"],),
    "resale_certificates": (ONE["wholesale_account"],),
    "parcels": (MANY["orders"], FULFILMENTS),
    "affiliate_payout_lines": (MANY["affiliate_payouts"],),
    "cart": ("carts (id, member_id, created_at, changed_at) VALUES (gen_random_uuid(), $1, now(), now())",),
}


def insert_rows(sql: Connection, section: str, somebody: Somebody) -> None:
    """Insert the member's rows of this section, outside of foreign keys (`plain_rows.unchecked`)."""
    before = BEFORE.get(section, ())
    for rows in (*before, (MANY | ONE)[section]):
        if rows:
            sql.execute_unnamed(f"INSERT INTO {rows}", (somebody.id,))
