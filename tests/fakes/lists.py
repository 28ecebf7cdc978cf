"""Every list of the contract: how it is filled, and what its filters find."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from shared.auth import Role
from tests.factories import Somebody
from tests.fakes import (
    chat_rows,
    desk_list_rows,
    hook_rows,
    list_rows,
    mail_list_rows,
    public_rows,
    shop_list_rows,
    stream_rows,
    support_rows,
    top_up_rows,
    vote_rows,
)

Item = Mapping[str, Any]
Make = Callable[[Somebody, datetime, int], str]


@dataclass(frozen=True)
class ListFilter:
    """A filter: `value` is one that finds the item (None if none does), `finds` says whether a value finds it."""

    value: Callable[[Item], str | None]
    finds: Callable[[Item, str], bool]


def same(name: str) -> ListFilter:
    """A filter that compares its value with the item's own field."""
    return ListFilter(lambda item: item[name], lambda item, value: item[name] == value)


def kind_of(order: Item) -> str:
    """The kind of an order, which its number tells."""
    return "wholesale" if order["order_number"].startswith("WO-") else "retail"


@dataclass(frozen=True)
class ListCase:
    """How to fill a list: `make` makes a row and returns the value that identifies it in the item's field `key`.

    `beside` makes rows that the list leaves out although they belong to the reader. `path` is given if the contract's
    path has parameters; `{owner}` in it is the reader's id. `ties` is False if no two rows can have the same time,
    `mine` is False if the rows belong to nobody. Every filter of the contract has its entry.
    """

    make: Make
    key: str = "id"
    role: Role | None = None
    beside: Make | None = None
    path: str = ""
    ties: bool = True
    mine: bool = True
    filters: Mapping[str, ListFilter] = field(default_factory=dict)


OPERATIONS, TREASURY = Role.OPERATIONS, Role.TREASURY
DIRECTIONS = {"in": "deposits", "out": "withdrawals"}

LISTS: Mapping[str, ListCase] = {
    "list_tier_history": ListCase(list_rows.tier_change),
    "list_sanctions": ListCase(support_rows.sanction, beside=support_rows.lift),
    "list_comps": ListCase(
        list_rows.comp,
        filters={
            "filter": ListFilter(
                lambda item: "trips" if item["type"] == "trip" else "crypto",
                lambda item, value: (item["type"] == "trip") == (value == "trips"),
            )
        },
    ),
    "list_comps?filter=gold_chips": ListCase(list_rows.chips, beside=list_rows.comp),
    "list_chip_history": ListCase(list_rows.chip_entry),
    "list_withdrawals": ListCase(list_rows.withdrawal),
    "list_orders": ListCase(shop_list_rows.order, beside=shop_list_rows.wholesale_order),
    "list_wholesale_orders": ListCase(shop_list_rows.wholesale_order, beside=shop_list_rows.order),
    "list_wholesale_chips": ListCase(shop_list_rows.wholesale_chips),
    "list_account_webhook_deliveries": ListCase(
        hook_rows.account_delivery, path="/v1/wholesale/webhooks/{owner}/deliveries"
    ),
    "list_webhook_deliveries": ListCase(
        hook_rows.owners_delivery, role=Role.OWNER, path="/v1/admin/webhooks/{owner}/deliveries"
    ),
    "list_api_keys": ListCase(hook_rows.api_key, role=Role.OWNER),
    "list_awaited_transfers": ListCase(shop_list_rows.awaited_transfer, "operation_id", role=TREASURY),
    "list_referrals": ListCase(list_rows.referral, filters={name: same(name) for name in ("tier", "state")}),
    "list_affiliate_payouts": ListCase(list_rows.affiliate_payout),
    "list_affiliates": ListCase(list_rows.affiliate_figures, role=TREASURY),
    "list_affiliates?sort=downline": ListCase(list_rows.affiliate_figures, role=TREASURY),
    "list_affiliates?sort=chips": ListCase(list_rows.affiliate_figures, role=TREASURY),
    "list_affiliate_weeks": ListCase(list_rows.affiliate_week, "week_on", role=TREASURY, ties=False, mine=False),
    "list_transactions": ListCase(
        list_rows.movement,
        filters={
            "filter": ListFilter(
                lambda item: DIRECTIONS[item["direction"]], lambda item, value: DIRECTIONS[item["direction"]] == value
            )
        },
    ),
    "list_recent": ListCase(list_rows.scan),
    "list_notifications": ListCase(list_rows.notification, filters={"type": same("type")}),
    "list_feed": ListCase(list_rows.feed_line, mine=False, filters={"kind": same("kind")}),
    "list_awards": ListCase(public_rows.decision, ties=False, mine=False),
    "list_scan_periods": ListCase(
        partial(list_rows.period, "hour"), "starts_at", beside=partial(list_rows.period, "day"), ties=False, mine=False
    ),
    "list_scan_periods?period=day": ListCase(
        partial(list_rows.period, "day"), "starts_at", beside=partial(list_rows.period, "hour"), ties=False, mine=False
    ),
    "list_notifications?type=order": ListCase(
        partial(list_rows.notification, kind="order"), beside=list_rows.notification
    ),
    "list_batches": ListCase(list_rows.batch, role=OPERATIONS, filters={"status": same("status")}),
    "list_honey_trials": ListCase(list_rows.honey_trial, "device_id", role=OPERATIONS),
    "list_broadcasts": ListCase(list_rows.broadcast, role=OPERATIONS),
    "list_mail_templates": ListCase(mail_list_rows.mail_template, role=OPERATIONS),
    "list_mail_versions": ListCase(
        mail_list_rows.mail_version,
        role=OPERATIONS,
        beside=mail_list_rows.mail_version_beside,
        path=f"/v1/admin/mails/templates/{mail_list_rows.MAIL_TEMPLATE}/versions",
    ),
    "list_votes": ListCase(vote_rows.opened, beside=vote_rows.draft, mine=False, filters={"status": same("status")}),
    "list_proposals": ListCase(vote_rows.proposal),
    "list_admin_votes": ListCase(vote_rows.draft, role=OPERATIONS, filters={"status": same("status")}),
    "list_admin_proposals": ListCase(vote_rows.proposal, role=OPERATIONS, filters={"status": same("status")}),
    "list_campaigns": ListCase(mail_list_rows.campaign, role=OPERATIONS),
    "list_comp_rule_changes": ListCase(
        partial(list_rows.rule_change, "crypto_100"),
        role=OPERATIONS,
        beside=partial(list_rows.rule_change, "crypto_1k"),
        path="/v1/admin/comp-rules/crypto_100/history",
    ),
    "search_comps": ListCase(
        list_rows.comp,
        role=OPERATIONS,
        filters={
            "status": same("status"),
            "type": same("type"),
            "member_id": ListFilter(
                lambda item: item["member"]["id"], lambda item, value: item["member"]["id"] == value
            ),
            "awarded_from": ListFilter(
                lambda item: item["awarded_at"], lambda item, value: item["awarded_at"] >= value
            ),
            "awarded_to": ListFilter(lambda item: item["awarded_at"], lambda item, value: item["awarded_at"] < value),
        },
    ),
    "list_guarantee_reviews": ListCase(list_rows.guarantee_review, role=OPERATIONS, filters={"status": same("status")}),
    "list_referral_reviews": ListCase(list_rows.referral_review, role=TREASURY, filters={"status": same("status")}),
    "list_reconciliations": ListCase(list_rows.reconciliation, role=TREASURY),
    "list_findings": ListCase(
        list_rows.finding,
        role=TREASURY,
        filters={
            "pool": same("pool"),
            "state": ListFilter(
                lambda item: "resolved" if item["resolved_at"] else "open",
                lambda item, value: bool(item["resolved_at"]) == (value == "resolved"),
            ),
        },
    ),
    "list_payment_findings": ListCase(
        shop_list_rows.payment_finding,
        role=TREASURY,
        filters={
            "state": ListFilter(
                lambda item: "resolved" if item["resolved_at"] else "open",
                lambda item, value: bool(item["resolved_at"]) == (value == "resolved"),
            ),
        },
    ),
    "list_disputes": ListCase(shop_list_rows.dispute, role=TREASURY, filters={"state": same("state")}),
    "list_treasury_payouts": ListCase(
        partial(list_rows.payout, ""),
        role=TREASURY,
        filters={name: same(name) for name in ("pool", "status", "source_kind", "hold_reason")},
    ),
    "list_treasury_transfers": ListCase(
        partial(list_rows.payout, "manual"),
        role=TREASURY,
        beside=partial(list_rows.payout, "test"),
        filters={name: same(name) for name in ("pool", "status")},
    ),
    "list_top_ups": ListCase(
        top_up_rows.top_up, role=TREASURY, filters={name: same(name) for name in ("pool", "state")}
    ),
    "list_deposits": ListCase(list_rows.deposit, role=TREASURY),
    "list_flagged_scans": ListCase(
        list_rows.flagged,
        "scan_id",
        role=OPERATIONS,
        beside=list_rows.scan,
        filters={
            "status": same("status"),
            "flag": ListFilter(lambda item: item["flags"][0], lambda item, value: value in item["flags"]),
            "member_id": ListFilter(lambda item: item["member_uuid"], lambda item, value: item["member_uuid"] == value),
        },
    ),
    "list_wholesale_applications": ListCase(
        list_rows.wholesale,
        role=OPERATIONS,
        beside=partial(list_rows.wholesale, emptied=True),
        filters={name: same(name) for name in ("status", "member_id")},
    ),
    "list_admin_wholesale_orders": ListCase(
        shop_list_rows.admins_wholesale_order,
        role=OPERATIONS,
        beside=shop_list_rows.order,
        filters={name: same(name) for name in ("account_id", "status", "payment")},
    ),
    "list_admin_orders": ListCase(
        shop_list_rows.admins_order,
        role=OPERATIONS,
        filters={
            "status": same("status"),
            "payment": same("payment"),
            "kind": ListFilter(kind_of, lambda item, value: kind_of(item) == value),
            "placed_from": ListFilter(lambda item: item["placed_at"], lambda item, value: item["placed_at"] >= value),
            "placed_to": ListFilter(lambda item: item["placed_at"], lambda item, value: item["placed_at"] < value),
            "number": ListFilter(lambda item: item["order_number"], lambda item, value: item["order_number"] == value),
            "email": same("email"),
        },
    ),
    "list_refund_requests": ListCase(
        shop_list_rows.refund_request, role=OPERATIONS, filters={"status": same("status")}
    ),
    "list_blocks": ListCase(chat_rows.block, "member_id"),
    "list_chat_cases": ListCase(
        chat_rows.case, role=Role.SUPPORT, ties=False, mine=False, filters={"state": same("state")}
    ),
    "list_archived_streams": ListCase(stream_rows.archived, beside=stream_rows.not_archived, mine=False),
    "list_admin_streams": ListCase(stream_rows.of_admin, role=OPERATIONS, filters={"status": same("status")}),
    "list_admin_trips": ListCase(
        list_rows.trip_won,
        "comp_id",
        role=OPERATIONS,
        beside=lambda *given: list_rows.comp(*given, kind="casino"),
        filters={"state": same("state")},
    ),
    "list_users?q=listed_": ListCase(
        desk_list_rows.user,
        role=OPERATIONS,
        mine=False,
        filters={
            "email": same("email"),
            "username": same("username"),
            "wallet": same("wallet_address"),
            "member_id": same("member_id"),
        },
    ),
    "list_user_timeline": ListCase(
        desk_list_rows.timeline_entry,
        role=OPERATIONS,
        path="/v1/admin/users/{owner}/timeline",
        filters={"kind": same("kind")},
    ),
    "list_audit_log": ListCase(
        desk_list_rows.audit_line,
        role=TREASURY,
        mine=False,
        filters={
            "actor": same("actor_id"),
            **{name: same(name) for name in ("action", "resource_type", "resource_id")},
            "recorded_from": ListFilter(
                lambda item: item["recorded_at"], lambda item, value: item["recorded_at"] >= value
            ),
            "recorded_to": ListFilter(
                lambda item: item["recorded_at"], lambda item, value: item["recorded_at"] < value
            ),
        },
    ),
    "list_critical_events": ListCase(
        desk_list_rows.critical_event,
        role=OPERATIONS,
        mine=False,
        filters={
            "state": ListFilter(
                lambda item: "ended" if item["ended_at"] else "open",
                lambda item, value: (item["ended_at"] is None) == (value == "open"),
            )
        },
    ),
    "list_setting_changes": ListCase(
        partial(desk_list_rows.setting_change, "stock_low"),
        role=Role.OWNER,
        beside=partial(desk_list_rows.setting_change, "rules_notice"),
        path="/v1/admin/settings/stock_low/history",
    ),
}
