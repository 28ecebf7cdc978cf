"""Each function's login may do in Postgres what it needs, and nothing that would make it somebody else.

That it is enough is shown by every other test: each request and each job runs with the rights of its own function
(DATABASE_ROLE, tests/platform.py).
"""

import re
from collections.abc import Iterator

import pytest
from pg8000.dbapi import Connection, DatabaseError

from emulators import contract
from emulators.bootstrap import LOCAL
from shared.database import migrate
from terraform.functions import DATABASE_ROLES
from tests.platform import Platform

INSUFFICIENT_PRIVILEGE = "42501"
ANY_ID = "'00000000-0000-4000-8000-000000000000'"

# A statement that would make somebody powerful, rich or known, and the only functions whose logins may run it.
POWERFUL = {
    "a key that signs access tokens": (
        "INSERT INTO signing_keys (kid, kms_version, public_jwk, created_at) VALUES ('k', 'v', '{}', now())",
        {"key_rotate", "migrate"},
    ),
    "a key that seals secrets": (
        f"INSERT INTO data_keys (id, kms_key, wrapped, created_at) VALUES ({ANY_ID}, 'k', '', now())",
        {"migrate"},
    ),
    "a treasury's key": (
        "INSERT INTO signers (address, treasury, kms_version, created_at) VALUES ('0x', 'member', 'v', now())",
        {"migrate"},
    ),
    "the token that is paid": ("UPDATE treasuries SET token_address = ''", set[str]()),
    "an admin's role": ("UPDATE members SET role = 'owner'", {"admin_members"}),
    "an account with a role": ("INSERT INTO members (email, role) VALUES ('', 'owner')", set[str]()),
    "a tier for good": (
        "UPDATE members SET permanent_tier = 'whale'",
        {"admin_members", "sales_count", "tier_rollover"},
    ),
    "a password": ("UPDATE members SET password_hash = ''", {"auth", "profile", "member_erase"}),
    "a second factor": (
        f"INSERT INTO second_factors (member_id, sealed_secret, created_at) VALUES ({ANY_ID}, '', now())",
        {"auth", "profile"},
    ),
    "a setting": ("UPDATE settings SET value = '0'", {"admin_settings"}),
    "a rule of comps": ("UPDATE comp_rules SET amount = 1", {"admin_comps"}),
    "a balance": ("UPDATE ledger_balances SET balance = 0", set[str]()),
    "a changed posting": ("UPDATE ledger_postings SET amount = 0", set[str]()),
    "a seal": ("DELETE FROM ledger_seals", set[str]()),
    "a signed payment": (
        f"INSERT INTO payout_attempts (hash, signer, nonce, position) VALUES ({ANY_ID}, '', 0, 0)",
        {"payout_send", "payout_recover", "payout_confirm", "admin_treasury", "migrate"},
    ),
    "an approval": (
        f"INSERT INTO payout_approvals (payout_id, approver_id) VALUES ({ANY_ID}, {ANY_ID})",
        {"admin_treasury"},
    ),
    "an amount that is owed": ("UPDATE payouts SET amount = 1", set[str]()),
    "the global count": ("UPDATE scan_counter SET value = 0", {"scans"}),
    "a price": ("UPDATE products SET price_cents = 1", {"admin_shop"}),
    "a count of the stock": (
        f"INSERT INTO stock_moves (sku, kind, quantity, counted_by) VALUES ('', 'count', 1, {ANY_ID})",
        {"admin_shop"},
    ),
    "a count by the warehouse": (
        "INSERT INTO stock_moves (sku, kind, quantity, reason) VALUES ('', 'count', 1, '')",
        {"admin_shop", "inventory_sync"},
    ),
    "a product that people were told of": ("DELETE FROM stock_alerts", {"inventory_sync"}),
    "stock that nobody counted": ("UPDATE stock SET on_hand = 1", set[str]()),
    "an order that is paid": (
        "UPDATE orders SET state = 'confirmed'",
        {"order_advance", "order_fulfil", "payment_watch"},
    ),
    "a parcel that has left": (
        f"INSERT INTO parcels (id, fulfilment_id, carrier) VALUES ({ANY_ID}, {ANY_ID}, 'UPS')",
        {"admin_orders", "order_fulfil"},
    ),
    "a parcel that people have sent": (
        f"INSERT INTO fulfilments (id, order_id, by_hand) VALUES ({ANY_ID}, {ANY_ID}, true)",
        {"admin_orders"},
    ),
    "an order's terms": ("UPDATE orders SET total_amount = 0", set[str]()),
    "a payment that is captured": ("UPDATE payments SET state = 'captured'", set[str]()),
    "a refund that nobody waits for": (
        f"INSERT INTO refunds (id, order_id, goods, shipping, tax, amount) VALUES ({ANY_ID}, {ANY_ID}, 1, 0, 0, 1)",
        {"admin_orders", "order_advance", "order_fulfil", "payment_watch"},
    ),
    "a refund that somebody asks for": (
        f"INSERT INTO refund_requests (id, order_id) VALUES ({ANY_ID}, {ANY_ID})",
        {"admin_orders"},
    ),
    "what became of a payment": (
        f"INSERT INTO operation_resolutions (operation_id, person_id) VALUES ({ANY_ID}, {ANY_ID})",
        {"admin_orders"},
    ),
    "a card to be charged": (
        f"INSERT INTO payments (id, order_id, provider, amount) VALUES ({ANY_ID}, {ANY_ID}, 'card', 10000)",
        {"orders", "wholesale"},
    ),
    "an invoice that is paid": (
        f"INSERT INTO bank_transfers (operation_id, reference) VALUES ({ANY_ID}, 'FT-1')",
        {"admin_treasury"},
    ),
    "a comp of a wholesale account": (
        f"INSERT INTO wholesale_comps (id, account_id, amount) VALUES ({ANY_ID}, {ANY_ID}, 1)",
        {"admin_wholesale"},
    ),
    "a business that pays no sales tax": (
        f"INSERT INTO resale_certificates (id, account_id) VALUES ({ANY_ID}, {ANY_ID})",
        {"admin_wholesale"},
    ),
    "what a buyer has sent": ("UPDATE usdt_deposits SET outcome = 'counted'", {"deposit_watch"}),
    "whose a deposit is": ("UPDATE usdt_deposits SET payment_id = id", {"deposit_watch", "admin_treasury"}),
    "what a buyer is asked to send": (
        f"INSERT INTO usdt_requests (payment_id, tail) VALUES ({ANY_ID}, 1)",
        {"orders", "wholesale"},
    ),
    "where a refund goes": ("UPDATE usdt_requests SET refund_to = ''", set[str]()),
    "a return to a buyer": (
        f"INSERT INTO usdt_returns (id, payment_id) VALUES ({ANY_ID}, {ANY_ID})",
        {"deposit_watch", "order_advance", "order_fulfil", "payment_watch"},
    ),
    "an age that was proved": (
        f"INSERT INTO age_checks (id, member_id, recorded_at) VALUES ({ANY_ID}, {ANY_ID}, now())",
        {"order_advance", "order_fulfil", "payment_watch"},
    ),
    "a share for ever": (
        f"INSERT INTO locked_shares (affiliate_id, weight) VALUES ({ANY_ID}, 1)",
        {"affiliate_sunset"},
    ),
    "the end of the affiliate program": ("UPDATE affiliate_program SET state = 'sunset'", {"affiliate_sunset"}),
    "a click on a referral link": (
        f"INSERT INTO referral_clicks (member_id, day, code, clicks) VALUES ({ANY_ID}, now(), 'ada', 1)",
        {"affiliate", "auth"},
    ),
    "a referral": ("UPDATE referrals SET affiliate_id = referred_id", set[str]()),
    "a figure that everybody is shown": ("UPDATE figures SET value = '1'", {"figure_rollup"}),
    "a figure of an affiliate": ("UPDATE affiliate_figures SET earned = 1", {"referral_refresh"}),
    "a share of a sale": (
        f"INSERT INTO sale_accruals (order_id, sequence) VALUES ({ANY_ID}, 1)",
        {"sale_accrue"},
    ),
    "money that a dispute has taken": (
        f"INSERT INTO dispute_movements (dispute_id, sequence) VALUES ({ANY_ID}, 1)",
        {"payment_watch"},
    ),
    "a dispute that is decided": ("UPDATE disputes SET state = 'won'", {"payment_watch"}),
    "a booking of the card's provider": (
        "INSERT INTO card_bookings (reference, kind) VALUES ('', 'capture')",
        {"payment_reconciliation"},
    ),
    "a deposit to our bank": ("INSERT INTO card_deposits (reference) VALUES ('')", {"payment_reconciliation"}),
    "a booking that is matched": ("UPDATE card_bookings SET operation_id = NULL", {"payment_reconciliation"}),
    "what the card's provider owes": ("UPDATE card_balance SET owed = 0", set[str]()),
    "a tax that is reported": ("UPDATE tax_reports SET status = 'done'", {"tax_report"}),
    "a bank that is connected": (
        f"INSERT INTO teller_enrollments (id, sealed_token) VALUES ({ANY_ID}, '')",
        {"admin_banks"},
    ),
    "a token of a bank": ("UPDATE teller_enrollments SET sealed_token = ''", {"admin_banks", "teller_sync"}),
    "an API key": (
        f"INSERT INTO api_keys (id, made_by) VALUES ({ANY_ID}, {ANY_ID})",
        {"admin_settings"},
    ),
    "a balance at a bank": (f"INSERT INTO bank_balances (connection_id) VALUES ({ANY_ID})", {"teller_sync"}),
    "a stream that is live": (
        "UPDATE live_streams SET started_at = now()",
        {"stream_control"},
    ),
    "an event": ("UPDATE live_streams SET tier_min = 'standard'", {"admin_streaming"}),
    "an appeal": (f"INSERT INTO support_appeals (sanction_id, member_id) VALUES ({ANY_ID}, {ANY_ID})", {"profile"}),
    "what Intercom was told": ("UPDATE support_contacts SET told = 1", {"support_sync"}),
    "a sale whose shares are settled": ("UPDATE orders SET accrual_due_at = NULL", {"sale_accrue"}),
    "a promise of stock": (
        f"INSERT INTO stock_moves (sku, kind, quantity, order_id) VALUES ('', 'promise', 1, {ANY_ID})",
        {"admin_orders", "orders", "wholesale", "order_advance", "order_fulfil", "payment_watch"},
    ),
    "somebody's cart": ("UPDATE cart_items SET quantity = 1", {"shop", "order_advance", "payment_watch"}),
    "a wholesale account that may order": ("UPDATE wholesale_accounts SET status = 'approved'", {"admin_wholesale"}),
    "an order of a wholesale account": ("UPDATE wholesale_accounts SET activated_at = now()", set[str]()),
    "what a business has said": (
        "UPDATE wholesale_accounts SET company_name = ''",
        {"wholesale", "profile", "member_erase"},
    ),
    "a chip out of nothing": (
        f"INSERT INTO chip_moves (affiliate_id, kind) VALUES ({ANY_ID}, 'grant')",
        {"affiliate_week", "affiliate_vault", "admin_affiliates"},
    ),
    "a vaulted chip": (f"INSERT INTO vault_lots (id) VALUES ({ANY_ID})", {"affiliate", "affiliate_week"}),
    "a chip that leaves the vault": (
        f"INSERT INTO vault_moves (lot_id) VALUES ({ANY_ID})",
        {"affiliate", "affiliate_vault"},
    ),
    "the audit log": ("DELETE FROM audit_logs", set[str]()),
    "who referred a member": ("UPDATE members SET referred_by_id = NULL", {"admin_comps"}),
    "the terms that awards follow": ("INSERT INTO award_inputs (revision) VALUES (1)", set[str]()),
    "an account that is emptied": (
        f"SELECT forget_sign_up({ANY_ID}, now())",
        {"auth", "profile", "member_erase"},
    ),
    "a count that goes on": ("SELECT let_count_go_on(1, 1, '', now())", {"feed_project"}),
}

# What is read by those who need it only.
SECRET = {
    "password hashes": (
        "SELECT password_hash FROM members",
        {"auth", "profile", "member_export", "member_erase"},
    ),
    "second factors": (
        "SELECT sealed_secret FROM second_factors",
        {"auth", "admin_affiliates", "admin_banks", "admin_treasury", "admin_comps", "admin_orders", "admin_wholesale",
         "wallet", "profile", "member_export", "member_erase", "admin_members", "admin_settings", "admin_streaming"},
    ),
    "signed payments": (
        "SELECT raw FROM payout_attempts",
        {"payout_send", "payout_confirm", "payout_recover", "reconciliation", "ledger_seal", "treasury_snapshot",
         "admin_treasury", "migrate"},
    ),
    "cards": ("SELECT token FROM payments", {"orders", "order_advance", "order_fulfil", "payment_watch"}),
    "addresses of orders": (
        "SELECT address FROM orders",
        {"orders", "admin_orders", "wholesale", "order_advance", "order_fulfil", "payment_watch", "member_erase",
         "profile", "tax_report"},
    ),
    "refresh tokens": ("SELECT token_hash FROM refresh_tokens", {"auth", "profile", "member_erase"}),
    "mailed codes": ("SELECT code_mac FROM email_codes", {"auth", "profile", "member_erase"}),
    "wrapped keys": (
        "SELECT wrapped FROM data_keys",
        {"auth", "admin_affiliates", "admin_banks", "admin_treasury", "admin_comps", "admin_orders", "admin_wholesale",
         "wallet", "wholesale", "profile", "orders", "order_advance", "order_fulfil", "payment_watch", "tax_report",
         "teller_sync", "migrate", "admin_members", "admin_settings", "hook_send", "admin_streaming", "stream_control"},
    ),
    "keys of streams": ("SELECT sealed_key FROM live_stream_inputs", {"admin_streaming"}),
    "tokens of banks": ("SELECT sealed_token FROM teller_enrollments", {"teller_sync"}),
    "secrets of webhooks": ("SELECT sealed FROM hook_secrets", {"hook_send"}),
    "addresses of webhooks": ("SELECT url FROM hook_endpoints", {"admin_settings", "hook_send", "wholesale"}),
    "tax ids": ("SELECT tax_id FROM wholesale_accounts", {"admin_wholesale"}),
}  # fmt: skip

# Nobody's login writes these: triggers do, or migrations.
WRITTEN_BY_NOBODY = {
    "active_days",
    *("award_inputs", "chip_vaults", "count_comparisons", "ledger_accounts", "ledger_balances", "member_wallets"),
    "social_departures",
    *(
        "order_events",
        "order_transitions",
        "payout_transitions",
        "schema_migrations",
        "slot_transitions",
        "stock",
        "treasury_days",
    ),
    *("treasury_minutes", "trip_places", "wholesale_chips"),
    "wholesale_milestones",
    "withdrawal_transitions",
}

FUNCTIONS = sorted(name for name, function in contract.functions().items() if function.database)


@pytest.fixture(params=FUNCTIONS)
def function(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def login(sql: Connection, function: str) -> Iterator[Connection]:
    """A session with the rights of that function's login."""
    sql.execute_simple(f"SET ROLE function_{function}")
    yield sql
    sql.execute_simple("RESET ROLE")


def allowed(login: Connection, statement: str) -> bool:
    """Rights are asked for before anything is planned; nothing is done."""
    try:
        login.execute_simple(f"EXPLAIN {statement}")
    except DatabaseError as refused:
        if refused.args[0]["C"] == INSUFFICIENT_PRIVILEGE:
            return False
        raise
    return True


def test_a_login_makes_nobody_powerful_but_by_its_own_work(login: Connection, function: str) -> None:
    for what, (statement, functions) in POWERFUL.items():
        assert allowed(login, statement) == (function in functions), what


def test_secrets_are_read_by_those_who_need_them(login: Connection, function: str) -> None:
    for what, (statement, functions) in SECRET.items():
        assert allowed(login, statement) == (function in functions), what


def test_no_login_changes_the_schema_or_empties_a_table(login: Connection) -> None:
    for statement in ("CREATE TABLE mine ()", "ALTER TABLE payouts DISABLE TRIGGER ALL", "TRUNCATE scans",
                      "DROP TABLE settings", "GRANT blakjaks_keys TO blakjaks_read"):  # fmt: skip
        with pytest.raises(DatabaseError) as refused:
            login.execute_simple(statement)
        assert refused.value.args[0]["C"] in {"42501", "42P01"}, statement


def test_the_public_figures_are_read_only(sql: Connection) -> None:
    assert contract.functions()["insights"].database == ["figures"]
    written = sql.execute_simple(
        "SELECT table_name FROM information_schema.role_column_grants"
        " WHERE grantee = 'blakjaks_figures' AND privilege_type <> 'SELECT'"
    ).rows
    assert written == []


def test_nobody_acts_with_the_owners_rights_but_whom_the_migrations_name(sql: Connection) -> None:
    """A function of the schema that may write with the owner's rights is not everybody's to call. `chip_week` locks the
    newest week and writes nothing.
    """
    for_everybody = sql.execute_simple(
        """
        SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        AND prosecdef AND provolatile = 'v' AND prorettype <> 'trigger'::regtype
        AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0)) ORDER BY proname
        """
    ).rows
    assert for_everybody == [["chip_week"]]


def test_each_table_is_written_by_some_login_or_says_why_not(sql: Connection) -> None:
    rows = sql.execute_simple("""
        SELECT DISTINCT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND NOT EXISTS (
              SELECT FROM pg_roles r
              WHERE r.rolname LIKE 'function\\_%'
                AND (has_any_column_privilege(r.oid, c.oid, 'INSERT')
                     OR has_any_column_privilege(r.oid, c.oid, 'UPDATE')))
    """).rows
    assert {name for (name,) in rows} == WRITTEN_BY_NOBODY


def test_the_roles_of_function_yaml_are_those_of_the_migrations(platform: Platform) -> None:
    assert platform
    made = set[str]()
    for migration in migrate.load():
        made |= set(re.findall(r"(?:TO|FROM) blakjaks_(\w+)", migration.sql))
    assert made - {"app"} == DATABASE_ROLES - {"owner"}


def test_the_page_makes_every_role_before_the_first_deployment() -> None:
    listed = re.search(r"string_to_array\('([^']*)'", (LOCAL.parent / "docs" / "cloud.md").read_text())
    assert listed
    assert set(listed[1].split()) == DATABASE_ROLES - {"owner"} | {"app"}
