"""The whole exported document: which fields it has of each table and how their values are written.

A section exports every column that it does not take out, so a new column of its table fails here until somebody has
decided whether the member sees it.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime

import pytest
from pg8000.dbapi import Connection

from functions.member_export import main, store
from tests import factories
from tests.fakes.member_rows import MANY, ONE, insert_rows
from tests.fakes.plain_rows import unchecked

NOW = datetime.fromisoformat("2026-11-29T12:41:00+00:00")
TEXTS = {
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00",
    "date": r"\d{4}-\d\d-\d\d",
    "address": r"0x[0-9a-f]{40}",
    "text": r"[^{]*",
}
# The fields of a row, in their order, each with the kind of its value; a field without one is null in these rows.
FIELDS: Mapping[str, str] = {
    "account":
        "id:uuid bio city role email:text phone state number:int status:text country:text language:text "
        "username:text zip_code full_name:text avatar_url created_at:time updated_at:time address_line1 "
        "address_line2 date_of_birth:date last_login_at:time oobit_card_id permanent_tier:text referred_by_id "
        "wallet_address profile_revision:int email_verified_at:time oobit_card_status wallet_rests_until",
    "totals":
        "scans:int latitude longitude member_id:uuid comps_paid:int located_at recent_scans:list "
        "lifetime_comps:int",
    "quarters": "tier:text scans:int quarter:text closed_at override_tier",
    "tiers":
        "id:int kind:text tier:text quarter:text entry_id:uuid expires_at scan_count:int achieved_at:time "
        "is_permanent:bool downline_tins",
    "permanent_tiers": "earned_tier:text downline_tins:int override_tier",
    "governance_ballots": "option:int cast_at:time receipt:text vote_id:uuid",
    "governance_electors": "vote_id:uuid",
    "governance_proposals":
        "id:uuid body:text note type:text title:text status:text vote_id created_at:time decided_at:time",
    "social_cases":
        "id:uuid text:text copies:list number:int scores outcome:text reports:int urgency:int version:int decision "
        "revision:int severity opened_at:time channel_id:uuid decided_at message_id:uuid decision_reason",
    "social_images":
        "id:uuid status:text message_id removed_at finished_at:time uploaded_at:time content_type:text",
    "sessions":
        "id:uuid ends_at:time totp_at ended_at:time device_id created_at:time end_reason:text ip_address "
        "user_agent:text device_kind:text device_name last_used_at:time",
    "second_factor": "created_at:time enabled_at",
    "known_devices": "created_at:time last_used_at:time",
    "referral_codes": "code:text created_at:time",
    "former_usernames": "name:text given_up_at:time",
    "scans":
        "id:uuid tier:text method:text number:int quarter:text latitude device_id longitude ip_address "
        "scanned_at:time device_time product_sku:text usdt_earned:int processing_ms:int quarter_scans:int",
    "comps":
        "id:uuid type:text amount:int reason:dict status:text paid_at scan_id source_id:uuid awarded_at:time "
        "scanned_at scan_number source_kind:text cancelled_at cancel_reason transaction_hash",
    "milestones":
        "code tier:text type:text params:dict reason:text awarded:bool comp_id reached_at:time "
        "scan_number:int tins_per_month:int",
    "trips":
        "state:text title:text value:int comp_id:uuid chosen_at:time destination:text chip_mailed_at "
        "tracking_number concierge_contacted_at",
    "guarantee": "given:int next_on verified_on:date",
    "payouts":
        "id:uuid holds:int state:text amount:int paid_at state_at:time treasury:text source_id:uuid "
        "source_kind:text requested_at:time approvals_needed:int transaction_hash recipient_address:address",
    "wallet_transactions":
        "id:uuid type:text amount:int status:text comp_id log_index created_at:time to_address block_number "
        "confirmed_at from_address withdrawal_id transaction_hash",
    "withdrawals":
        "id:uuid nonce:int state:text amount:int chain_id:int state_at:time gas_limit:int signed_at succeeded "
        "block_hash expires_at:time payment_id to_address:address prepared_at:time block_number from_address:address "
        "outcome_hash token_address:address prepared_block transaction_hash fee_per_gas_wei_max:int "
        "priority_fee_per_gas_wei_max:int",
    "wallet_balance": "as_of:time address:address balance:int block_number:int",
    "wallets": "id:int method:text address:address linked_at:time",
    "affiliate_earnings":
        "id:uuid kind:text value:int amount:int status:text comp_id:uuid paid_at percent:int earned_at:time "
        "reverses_id cancelled_at",
    "chips": "id:uuid kind:text chips:int earned_at:time scan_number",
    "chip_balance": "earned:int",
    "week_shares":
        "mark:text chips:int share:int brought:int week_on:date given_up:bool overflow:int put_away:int "
        "scan_chips:int settled_at",
    "chip_moves": "id:int kind:text chips:int week_on:date moved_at:time",
    "vault_lots":
        "id:uuid kind:text chips:int week_on:date expires_at:time left_chips:int vaulted_at:time",
    "vault_moves": "id:int kind:text chips:int lot_id:uuid happened_at:time",
    "affiliate_payouts":
        "id:uuid state:text amount:int address:address made_at:time week_on state_at:time payout_id",
    "affiliate_payout_lines": "amount:int payout_id:uuid earning_id:uuid share_week released_at",
    "downline": "tins:int source_id:uuid counted_at:time",
    "referrals": "tier:text is_active:bool joined_at:time last_scan_at",
    "referral_clicks": "day:date code:text clicks:int",
    "locked_share": "weight:int",
    "cart": "sku:text cart_id:uuid added_at:time quantity:int price_cents:int",
    "orders":
        "id:uuid tins:int state:text number:int cart_id:uuid ship_zip:text state_at:time subtotal:int "
        "placed_at:time expires_at:time ship_state:text tax_amount:int age_check_id confirmed_at "
        "shipping_tax:int tax_quote_id:uuid total_amount:int cancel_reason shipping_cost:int "
        "tax_breakdown:list cancel_wanted_at",
    "order_items":
        "sku:text tax:int shipped:int order_id:uuid quantity:int refunded:int line_total:int unit_price:int "
        "product_name:text",
    "payments":
        "id:uuid state:text amount:int reason disputed:int order_id:uuid provider:text refunded:int created_at:time "
        "refund_open:int",
    "refunds":
        "id:uuid tax:int tins:int goods:int amount:int reason:text order_id:uuid shipping:int recorded_at:time "
        "shipping_tax:int",
    "refund_lines": "sku:text tax:int tins:int goods:int refund_id:uuid",
    "disputes":
        "id:uuid state:text amount:int reason:text order_id:uuid opened_at:time withdrawn:int decided_at "
        "noticed_at:time evidence_by",
    "parcels":
        "id:uuid status:text carrier:text order_id:uuid shipped_at:time delivered_at tracking_number:text",
    "age_checks":
        "id:uuid url reason status:text looked_at reference:uuid decided_at:time recorded_at:time valid_until",
    "tax_quotes":
        "id:uuid tax:int lines:dict shipping:int breakdown:list quoted_at:time expires_at:time",
    "wholesale_account":
        "id:uuid email:text phone number:text status:text applied_at:time created_at:time decided_at activated_at "
        "company_name:text contact_name:text tax_id_last4:text business_address:dict",
    "wholesale_chips": "id:uuid chips:int order_id:uuid earned_at:time refund_id",
    "wholesale_comps": "id:uuid amount:int awarded_at:time milestone_id",
    "resale_certificates": "id:uuid state:text number:text recorded_at:time valid_until:date",
    "notifications": "id:uuid body:text code data:dict type:text title:text params:dict read_at created_at:time",
    "notification_preferences": "push:bool type:text email:bool",
    "devices": "id:uuid platform:text session_id registered_at:time",
    "mails":
        "id:uuid status:text to_name:text language:text template:text to_email:text tried_at queued_at:time "
        "campaign_id finished_at asked_again_at provider_message_id",
    "social_messages":
        "id:uuid text:text tier:text number:int language media_id reply_to revision:int edited_at posted_at:time "
        "channel_id:uuid media_type:text removed_at removed_by checked_revision:int",
    "social_reactions": "emoji:text posted_at:time message_id:uuid",
    "social_reads": "number:int channel_id:uuid",
    "social_blocks": "blocked_at:time blocked_id:uuid",
    "social_pins":
        "text:text tier:text number:int language media_id pinned_at:time posted_at:time channel_id:uuid expires_at "
        "media_type:text message_id:uuid",
    "social_reports": "note reason:text case_id:uuid reported_at:time",
    "social_sanctions": "id:uuid kind:text until reason:text case_id given_at:time message_id",
    "social_standings": "last_at strikes:int banned_at struck_at muted_until timeout_until",
    "support_appeals": "made_at:time message:text sent_at opened_at sanction_id:uuid conversation_id",
    "support_events": "id:uuid name:text told_at metadata:dict happened_at:time",
    "pictures": "id:uuid status:text removed_at finished_at:time object_name:uuid uploaded_at:time content_type:text",
    "email_changes": "id:uuid asked_at:time attempts:int new_email:text expires_at:time",
    "exports": "id:uuid status:text asked_at:time ready_at:time expires_at:time",
}  # fmt: skip


def kind(value: object) -> str:
    """The kind of a value: which text, or which other type of JSON; "" for null."""
    if isinstance(value, str):
        return ":" + next(name for name, pattern in TEXTS.items() if re.fullmatch(pattern, value))
    return "" if value is None else f":{type(value).__name__}"


def fields(rows: list[dict[str, object]]) -> str:
    """The fields of these rows, all with the same ones in the same order."""
    (names,) = {tuple(row) for row in rows}
    return " ".join(name + max(kind(row[name]) for row in rows) for name in names)


def test_every_field_of_the_document_is_known(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PAGE_ROWS", 2)
    somebody = factories.member()
    with unchecked(sql):
        for section in MANY | ONE:
            insert_rows(sql, section, somebody)

    lines = b"".join(main._document(somebody.id, NOW)).decode().splitlines()

    assert lines[:2] == ['{"made_at": "2026-11-29T12:41:00+00:00",', '"account": [']
    document = json.loads("\n".join(lines))
    assert document.pop("made_at") == NOW.isoformat()
    assert len(lines) == 1 + len(document) + sum(map(len, document.values())), "a row is a line"
    assert {name: fields(rows) for name, rows in document.items()} == FIELDS
