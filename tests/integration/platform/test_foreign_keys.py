"""Behind every foreign key there is an index: else removing a row of the one table reads all of the other."""

from collections.abc import Mapping

from pg8000.dbapi import Connection

from emulators.contract import ROOT

# Keys without an index, and why. Nobody ever removes what they refer to, which is tested as well.
WITHOUT: Mapping[tuple[str, str], tuple[str, str]] = {
    ("codes", "scanned_by"): ("members", "written by every scan; an account is emptied, its row stays"),
    ("comps", "scanned_at, scan_id"): ("scans", "written by every scan that wins; the public count has no gaps"),
    ("code_change_codes", "change_id"): ("code_changes", "written by the million; changes are append-only"),
    ("payouts", "treasury"): ("treasuries", "there are three, which stay; payouts have enough indexes to write"),
    ("scan_counter", "revision"): ("award_inputs", "one row, which every scan writes; revisions stay"),
    ("cart_items", "sku"): ("products", "a product is never removed, it goes off sale"),
    ("payment_findings", "resolved_by"): ("members", "written by people; an account is emptied, its row stays"),
    ("stock_moves", "counted_by"): ("members", "written by people; an account is emptied, its row stays"),
    ("stock_moves", "order_id, sku"): ("order_items", "lines of an order stay; promises and releases have an index"),
    ("wholesale_accounts", "decided_by"): ("members", "written by people; an account is emptied, its row stays"),
    ("wholesale_comps", "awarded_by"): ("members", "written by people; an account is emptied, its row stays"),
    ("resale_certificates", "recorded_by"): ("members", "written by people; an account is emptied, its row stays"),
    ("bank_transfers", "booked_by"): ("members", "written by people; an account is emptied, its row stays"),
    ("usdt_deposits", "transaction_hash, log_index, direction"): (
        "chain_transfers",
        "the primary key finds them, and transfers stay",
    ),
    ("signers", "treasury"): ("treasuries", "a handful of rows"),
}
KEYS = """
    SELECT k.conrelid::regclass::text, string_agg(a.attname, ', ' ORDER BY place), k.confrelid::regclass::text
    FROM pg_constraint k CROSS JOIN unnest(k.conkey) WITH ORDINALITY AS part (attnum, place)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = part.attnum
    WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = k.conrelid AND i.indisvalid
          AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
          AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%s IS NOT NULL)', (
               SELECT attname FROM pg_attribute WHERE attrelid = k.conrelid AND attnum = k.conkey[1]))))
    GROUP BY k.oid, k.conrelid, k.confrelid ORDER BY 1, 2
"""


def unindexed(sql: Connection) -> dict[tuple[str, str], str]:
    """Table and columns of each key without an index, and the table that it refers to."""
    return {(table, columns): target for table, columns, target in sql.execute_simple(KEYS).rows}


def test_every_foreign_key_has_an_index_or_a_reason(sql: Connection) -> None:
    assert unindexed(sql) == {key: target for key, (target, _) in WITHOUT.items()}


def test_nobody_removes_what_the_others_refer_to() -> None:
    code = "\n".join(path.read_text() for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.py"))

    assert [target for target, _ in WITHOUT.values() if f"DELETE FROM {target} " in code] == []


def test_a_key_that_is_new_and_has_no_index_is_noticed(sql: Connection) -> None:
    sql.execute_simple("CREATE TABLE visits (id int PRIMARY KEY, member_id uuid REFERENCES members (id), ended bool)")
    sql.execute_simple("CREATE INDEX visits_open ON visits (member_id) WHERE NOT ended")
    assert unindexed(sql).get(("visits", "member_id")) == "members"

    sql.execute_simple("CREATE INDEX visits_member ON visits (member_id) WHERE member_id IS NOT NULL")
    assert ("visits", "member_id") not in unindexed(sql)
