"""Admins change what can be won: for later scans only, one at a time, and nothing of it is forgotten."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared.auth import Role
from shared.values.tiers import Tier
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes.comp_records import CompRecords, in_parallel
from tests.fakes.payout_rows import Login, functions_login, owner_login, rule_of
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]
Edit = dict[str, Any]

CODES = ("second_factors",)  # a code that was right is spent, whatever becomes of the request

DEFAULTS: dict[str, Edit] = {
    "crypto_100": {"interval": 500, "tier": "vip", "amount": 100, "unlock_volume": 0},
    "crypto_1k": {"interval": 7_500, "tier": "high_roller", "amount": 1_000, "unlock_volume": 2_500},
    "crypto_10k": {"interval": 125_000, "tier": "whale", "amount": 10_000, "unlock_volume": 50_000},
    "trip": {"interval": 500_000, "tier": "whale", "amount": 0, "unlock_volume": 500_000},
    "casino": {"interval": 25_000, "tier": "whale", "amount": 1_000, "unlock_volume": 10_000},
    "new_member_guarantee": {
        "interval": None,
        "tier": "standard",
        "amount": 5,
        "unlock_volume": 0,
        "awards_per_member": 10,
    },
}


@pytest.fixture
def comp_records(sql: Connection) -> CompRecords:
    return CompRecords(sql)


@pytest.fixture
def admin(client: Client) -> TreasuryAdmin:
    return treasury_admin(client, Role.OPERATIONS)


@pytest.fixture
def app() -> Iterator[Login]:
    with functions_login() as login:
        yield login


def edit_of(kind: str, **other: object) -> Edit:
    common = {"revision": 1, "enabled": True, "unlocked_by_admin": False, "reason": "For Christmas"}
    return DEFAULTS[kind] | common | other


def change(admin: TreasuryAdmin, kind: str, **other: object) -> Answer:
    return admin.client.put(f"/v1/admin/comp-rules/{kind}", edit_of(kind, **{"totp": admin.code()} | other))


def scan(client: Client, number: int, member: Somebody) -> Any:
    """The receipt of the scan that takes that number."""
    factories.set_scan_counter(number - 1)
    (code,) = factories.manufactured_codes(1)
    return client(member.token).post("/v1/scans/submit", {"code": code}).body


def test_every_rule_is_listed_as_the_plan_has_it(admin: TreasuryAdmin) -> None:
    listed = admin.client.get("/v1/admin/comp-rules").body
    assert listed["next_cursor"] is None
    found = {rule["type"]: rule for rule in listed["items"]}
    assert list(found) == list(DEFAULTS)
    for kind, terms in DEFAULTS.items():
        assert {name: found[kind][name] for name in terms} == terms
        assert (found[kind]["revision"], found[kind]["enabled"], found[kind]["unlocked_by_admin"]) == (1, True, False)


def test_a_change_is_kept_with_who_when_what_and_why(admin: TreasuryAdmin, comp_records: CompRecords) -> None:
    somebody = admin.somebody
    changed = change(admin, "crypto_100", amount=90.5, interval=600)
    assert changed.status == 200
    assert (changed.body["amount"], changed.body["interval"], changed.body["revision"]) == (90.5, 600, 2)

    (line,) = admin.client.get("/v1/admin/comp-rules/crypto_100/history").body["items"]

    assert (line["revision"], line["reason"], line["changed_at"]) == (2, "For Christmas", changed.body["updated_at"])
    assert (line["admin_id"], line["admin_username"]) == (str(somebody.id), somebody.email.partition("@")[0])
    assert (line["before"]["amount"], line["before"]["interval"]) == (100, 500)
    assert (line["after"]["amount"], line["after"]["interval"]) == (90.5, 600)
    assert comp_records.rows("SELECT actor_id, action, resource_id, changes ->> 'reason' FROM audit_logs") == [
        [somebody.id, "comp_rule.change", "crypto_100", "For Christmas"]
    ]


def test_the_history_is_paged_newest_first_and_of_one_rule(admin: TreasuryAdmin) -> None:
    change(admin, "trip", enabled=False)
    for revision in range(1, 6):
        assert change(admin, "crypto_100", revision=revision, amount=100 - revision).status == 200
    path = "/v1/admin/comp-rules/crypto_100/history?limit=2"
    pages = [admin.client.get(path).body]
    while cursor := pages[-1]["next_cursor"]:
        pages.append(admin.client.get(f"{path}&cursor={cursor}").body)
    assert [[line["revision"] for line in page["items"]] for page in pages] == [[6, 5], [4, 3], [2]]


def test_a_change_is_for_later_scans_only(client: Client, admin: TreasuryAdmin, comp_records: CompRecords) -> None:
    winner = factories.member(permanent_tier=Tier.VIP)
    first = scan(client, 500, winner)

    assert change(admin, "crypto_100", amount=80, interval=600).body["holds_from"] == 1_001

    assert scan(client, 1_000, winner)["usdt_earned"] == 100
    assert scan(client, 1_200, winner)["usdt_earned"] == 80
    assert scan(client, 1_500, winner)["usdt_earned"] == 0
    earlier = admin.client.get(f"/v1/admin/comps/{first['comp_earned']['comp_id']}").body
    assert (earlier["amount"], earlier["why"]["interval"]) == (100, 500)
    comp_records.assert_consistent()


def test_a_dry_run_says_which_prize_opens_or_closes_and_how_often_it_is_won(
    admin: TreasuryAdmin, comp_records: CompRecords
) -> None:
    today = "date_trunc('day', now(), 'UTC')"
    for back, scans in ((0, 1_000_000), (1, 30_000), (30, 15_000), (31, 1_000_000)):
        comp_records.rows(
            "INSERT INTO scan_rollups (period, starts_at, scans, peak_scans, peak_at, processing_ms, histogram) VALUES "
            f"('day', {today} - interval '{back} days', {scans}, 1, {today}, 0, '{{}}') RETURNING 1"
        )

    def tried(kind: str, **other: object) -> Edit:
        body = json.dumps(edit_of(kind, totp=admin.code(), **other)).encode()
        headers = {"Content-Type": "application/json", "Dry-Run": "true"}
        answer = admin.client.send("PUT", f"/v1/admin/comp-rules/{kind}", body, headers)
        assert answer.status == 200, answer.body
        return {"holds_from": answer.body["holds_from"], **answer.body["effect"]}

    opened = tried("crypto_1k", unlocked_by_admin=True)
    closed = tried("crypto_100", unlock_volume=5)
    rarer = tried("crypto_100", interval=1_000)
    guarantee = tried("new_member_guarantee", amount=6)

    assert opened == {"holds_from": None, "was_open": False, "is_open": True, "comps_per_month_before": 0,
                      "comps_per_month": 6}  # fmt: skip
    assert closed == {"holds_from": 501, "was_open": True, "is_open": False, "comps_per_month_before": 90,
                      "comps_per_month": 0}  # fmt: skip
    assert rarer == {"holds_from": 501, "was_open": True, "is_open": True, "comps_per_month_before": 90,
                     "comps_per_month": 45}  # fmt: skip
    assert (guarantee["comps_per_month_before"], guarantee["comps_per_month"]) == (None, None)
    assert comp_records.rows("SELECT max(revision) FROM comp_rules") == [[1]]

    assert change(admin, "crypto_100", interval=1_000).body["holds_from"] == 501
    often = tried("crypto_100", revision=2, interval=500)
    assert (often["comps_per_month_before"], often["comps_per_month"]) == (90, 90)  # the change has not come yet


def test_earlier_terms_come_back_as_a_new_revision(admin: TreasuryAdmin, comp_records: CompRecords) -> None:
    def revert(to_revision: int, revision: int) -> Answer:
        body = {"revision": revision, "to_revision": to_revision, "reason": "Over", "totp": admin.code()}
        return admin.client.post("/v1/admin/comp-rules/crypto_100/revert", body)

    assert revert(1, 1).problem == "not-found", "it is the only one"
    change(admin, "crypto_100", amount=90)
    change(admin, "crypto_100", revision=2, amount=80.5, interval=600)

    assert revert(2, 2).body["revision"] == 3
    assert (revert(1, 3).body["amount"], revert(2, 4).body["amount"], revert(3, 5).body["amount"]) == (100, 90, 80.5)
    assert revert(7, 6).problem == "not-found"
    rules = admin.client.get("/v1/admin/comp-rules").body["items"]
    (rule,) = [found for found in rules if found["type"] == "crypto_100"]
    assert (rule["revision"], rule["amount"], rule["interval"]) == (6, 80.5, 600)
    assert comp_records.rows("SELECT count(*) FROM audit_logs WHERE action = 'comp_rule.change'") == [[5]]


def test_a_prize_that_is_switched_off_is_not_won(client: Client, admin: TreasuryAdmin) -> None:
    change(admin, "crypto_100", enabled=False)
    whale = factories.member(permanent_tier=Tier.WHALE)
    assert scan(client, 500, whale)["usdt_earned"] == 100  # it was promised when the scan before was made
    assert scan(client, 1_000, whale)["milestone_hit"] is None


def test_a_prize_is_unlocked_by_an_admin(client: Client, admin: TreasuryAdmin) -> None:
    winner = factories.member(permanent_tier=Tier.HIGH_ROLLER)
    assert scan(client, 7_500, winner)["usdt_earned"] == 100
    change(admin, "crypto_1k", unlocked_by_admin=True)
    assert scan(client, 15_000, winner)["usdt_earned"] == 1_000


def test_the_guarantee_is_a_rule_as_well(admin: TreasuryAdmin, comp_records: CompRecords) -> None:
    assert change(admin, "new_member_guarantee", amount=6, awards_per_member=9).status == 200
    query = "SELECT amount, awards_per_member FROM comp_rules WHERE type = 'new_member_guarantee'"
    assert comp_records.rows(query) == [[6_000_000, 9]]


def test_of_admins_who_have_read_the_same_one_wins_and_the_others_are_told(
    client: Client, comp_records: CompRecords
) -> None:
    admins = [treasury_admin(client, Role.OPERATIONS) for _ in range(8)]

    answers = in_parallel(
        *(lambda who=who, n=n: change(who, "crypto_100", amount=50 + n) for n, who in enumerate(admins))
    )

    assert sorted(answer.status for answer in answers) == [200] + [409] * 7
    refused = [answer.body for answer in answers if answer.status == 409]
    assert {(body["type"], body["revision"]) for body in refused} == {("/problems/rule-changed", 2)}
    assert comp_records.rows("SELECT count(*) FROM comp_rule_changes") == [[1]]
    (winner,) = [answer.body for answer in answers if answer.status == 200]
    assert comp_records.rows("SELECT amount FROM comp_rules WHERE type = 'crypto_100'") == [
        [winner["amount"] * 1_000_000]
    ]


def test_two_changes_that_only_fit_alone_are_not_both_made(client: Client, comp_records: CompRecords) -> None:
    """Each leaves the prizes in order beside the rules as they were, both together do not."""
    first, second = (treasury_admin(client, Role.OPERATIONS) for _ in range(2))

    answers = in_parallel(
        lambda: change(first, "crypto_100", amount=900, interval=5_000),
        lambda: change(second, "crypto_1k", amount=800, interval=7_500),
    )

    assert sorted(answer.status for answer in answers) == [200, 422]
    amounts = comp_records.rows("SELECT amount FROM comp_rules WHERE type IN ('crypto_100', 'crypto_1k') ORDER BY type")
    assert amounts[0] < amounts[1]


def test_a_change_that_was_read_too_long_ago_changes_nothing(admin: TreasuryAdmin, sql: Connection) -> None:
    change(admin, "casino", amount=900)
    before = rows_of_all_tables(sql, without=CODES)
    refused = change(admin, "casino", amount=800)
    assert (refused.status, refused.problem, refused.body["revision"]) == (409, "rule-changed", 2)
    assert change(admin, "casino", revision=3).problem == "rule-changed"
    assert rows_of_all_tables(sql, without=CODES) == before


def test_a_token_alone_changes_no_rule(client: Client, admin: TreasuryAdmin, sql: Connection) -> None:
    """A thief with an admin's token cannot raise a prize before a friend scans."""
    without_app = client(factories.member(role=Role.OPERATIONS).token)
    spent = admin.code()
    assert change(admin, "crypto_1k", totp=spent).status == 200
    before = rows_of_all_tables(sql, without=CODES)

    path, edit = "/v1/admin/comp-rules/crypto_100", edit_of("crypto_100", amount=500)
    assert admin.client.put(path, edit).problem == "not-valid"
    assert admin.client.put(path, edit | {"totp": spent}).problem == "second-factor-used"
    assert change(admin, "crypto_100", amount=500, totp="000000").problem == "second-factor-wrong"
    assert without_app.put(path, edit | {"totp": spent}).problem == "second-factor-not-set-up"
    assert rows_of_all_tables(sql, without=CODES) == before


@pytest.mark.parametrize(
    ("kind", "other", "fields"),
    [
        ("crypto_100", {"interval": None}, ["/interval"]),
        ("crypto_100", {"amount": 0}, ["/amount"]),
        ("crypto_100", {"amount": 0.009999}, ["/amount"]),
        ("crypto_100", {"amount": 500.000001}, ["/amount"]),
        ("crypto_100", {"awards_per_member": 3}, ["/awards_per_member"]),
        ("crypto_100", {"interval": 7_500}, ["/interval"]),
        ("crypto_100", {"amount": 1_000, "interval": 1_000}, ["/amount"]),
        ("crypto_1k", {"interval": 500}, ["/amount", "/interval"]),
        ("crypto_1k", {"interval": 125_001}, ["/interval"]),
        ("crypto_10k", {"amount": 1_000}, ["/amount"]),
        ("trip", {"amount": 1}, ["/amount"]),
        ("casino", {"amount": 0}, ["/amount"]),
        ("new_member_guarantee", {"interval": 500}, ["/interval"]),
        ("new_member_guarantee", {"awards_per_member": None}, ["/awards_per_member"]),
        ("new_member_guarantee", {"tier": "vip", "unlock_volume": 1}, ["/tier", "/unlock_volume"]),
    ],
)
def test_what_does_not_fit_the_prize_is_named_and_nothing_changes(
    kind: str, other: Edit, fields: list[str], admin: TreasuryAdmin, sql: Connection
) -> None:
    before = rows_of_all_tables(sql, without=CODES)
    refused = change(admin, kind, **other)
    assert (refused.status, refused.problem) == (422, "not-valid")
    assert sorted({error["field"] for error in refused.body["errors"]}) == fields
    assert rows_of_all_tables(sql, without=CODES) == before


def test_there_are_no_rules_for_other_names(admin: TreasuryAdmin) -> None:
    for name in ("manual", "crypto_5", "CRYPTO_100", "crypto_100%00", "%20", str(UUID(int=0))):
        edit = edit_of("crypto_100", totp=admin.code())
        assert admin.client.put(f"/v1/admin/comp-rules/{name}", edit).problem == "not-found"
    assert admin.client.get("/v1/admin/comp-rules/crypto_5/history").problem == "not-found"


def test_nobody_rewrites_the_history(admin: TreasuryAdmin, app: Login) -> None:
    change(admin, "trip", enabled=False)
    with owner_login() as owner:
        assert rule_of(lambda: owner.run("UPDATE comp_rule_changes SET reason = 'none'")) == "append_only"
        assert rule_of(lambda: owner.run("DELETE FROM comp_rule_changes")) == "append_only"
    assert rule_of(lambda: app.run("DELETE FROM comp_rule_changes")) == "42501"
