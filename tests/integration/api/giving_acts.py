"""Acts by which admins give something to somebody. Each is prepared for one person or wallet."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from shared import clock, settings
from shared.auth import Role
from shared.credentials import totp
from shared.values.prizes import CompType
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes import comp_records, order_rows, usdt_rows, wholesale_order_rows
from tests.fakes.payout_rows import PayoutRows
from tests.fakes.ring_rows import Rings
from tests.fakes.wholesale_rows import wholesale_account
from tests.operations import admin_orders
from tests.operations.scene import Scene as Operations

Client = Callable[..., FunctionClient]

WALLET = "0x52908400098527886E0F7030069857D2E4169EE7"
ANOTHER = "0x8617E340B3D1FA5F11F306F4090FD50E238070CD"


@dataclass
class Scene:
    """An admin of the role that the operation takes, and the world around."""

    client: Client
    admin: Somebody
    rows: PayoutRows
    sql: Connection

    def ask(self, method: str, path: str, body: Mapping[str, object], *, proved: bool = False) -> Answer:
        """As the admin, with a code of their app when the operation wants one."""
        said = {**body, "totp": code(self.admin, self.sql)} if proved else body
        who = self.client(self.admin.token)
        return who.put(path, said) if method == "PUT" else who.post(path, said, **{"Idempotency-Key": str(uuid4())})

    def link(self, who: Somebody, address: str) -> None:
        self.sql.execute_unnamed("UPDATE members SET wallet_address = $1 WHERE id = $2", (address, who.id))

    def held(self, member: Somebody | None, **terms: object) -> UUID:
        """A payout to WALLET that waits for two people."""
        payout = self.rows.payout(
            "REQUESTED", member_id=member.id if member else None, recipient_address=WALLET, **terms
        )
        self.rows.run(
            """
            UPDATE payouts SET state = 'HELD', hold_reason = 'review', approvals_needed = 2, state_at = :now
            WHERE id = :payout
            """,
            payout=payout,
        )
        return payout


def code(who: Somebody, sql: Connection) -> str:
    """A new code of an app that is set up when they have none."""
    sql.execute_unnamed("DELETE FROM second_factors WHERE member_id = $1", (who.id,))
    return totp.code(factories.second_factor(who), totp.step_of(clock.now()))


# Each prepares something in favour of `about`, and gives what the admin then does about it.

Act = Callable[[], Answer]


def award_comp(scene: Scene, about: Somebody) -> Act:
    body = {"member_id": str(about.id), "amount": 5, "reason": "An apology"}
    return partial(scene.ask, "POST", "/v1/admin/comps/award", body)


def approve_comp(scene: Scene, about: Somebody) -> Act:
    other = scene.client(factories.member(role=Role.OPERATIONS).token)
    body = {"member_id": str(about.id), "type": "trip", "reason": "An apology"}
    made = other.post("/v1/admin/comps/award", body, **{"Idempotency-Key": str(uuid4())}).body["id"]
    return partial(scene.ask, "POST", f"/v1/admin/comps/{made}/approve", {"note": "looked at it"}, proved=True)


def retry_comp(scene: Scene, about: Somebody) -> Act:
    comp = comp_records.award_comp(about, kind=CompType.CRYPTO_100)
    return partial(scene.ask, "POST", f"/v1/admin/comps/retry/{comp}", {})


def decide_guarantee_review(scene: Scene, about: Somebody) -> Act:
    review, before = uuid4(), factories.member()
    scene.sql.execute_unnamed(
        "INSERT INTO guarantee_reviews (id, member_id, score, signals, asked_at) VALUES ($1, $2, 60, $3, now())",
        (review, about.id, json.dumps([{"kind": "device", "member_id": str(before.id), "points": 60}])),
    )
    body = {"decision": "grant", "note": "two people with one phone"}
    return partial(scene.ask, "POST", f"/v1/admin/guarantees/reviews/{review}/decide", body)


def decide_referral_review(scene: Scene, about: Somebody) -> Act:
    review = Rings(scene.sql).review_between(factories.member().id, about.id)
    body = {"verdict": "cleared", "note": "two people with one phone"}
    return partial(scene.ask, "POST", f"/v1/admin/affiliates/reviews/{review}/decide", body)


def override_tier(scene: Scene, about: Somebody) -> Act:
    body = {"scope": "permanent", "tier": "whale", "reason": "An apology"}
    return partial(scene.ask, "PUT", f"/v1/admin/members/{about.id}/tier", body)


def activate_member(scene: Scene, about: Somebody) -> Act:
    scene.sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (about.id,))
    return partial(scene.ask, "POST", f"/v1/admin/members/{about.id}/activate", {"reason": "all is well"})


def decide_flagged_scan(scene: Scene, about: Somebody) -> Act:
    body = {"decision": "clear", "note": "nothing is wrong"}
    return partial(scene.ask, "POST", f"/v1/admin/scans/flagged/{factories.flagged_scan(about)}/decide", body)


def decide_flagged_scans(scene: Scene, about: Somebody) -> Act:
    body = {"decision": "clear", "note": "nothing is wrong", "scan_ids": [str(factories.flagged_scan(about))]}
    return partial(scene.ask, "POST", "/v1/admin/scans/flagged/decide", body)


def decide_wholesale_application(scene: Scene, about: Somebody) -> Act:
    body = {"decision": "approve", "reason": "The register knows it"}
    return partial(scene.ask, "PUT", f"/v1/admin/wholesale/{wholesale_account(member=about)}/approve", body)


def activate_wholesale_account(scene: Scene, about: Somebody) -> Act:
    account = wholesale_account("approved", "suspended", member=about)
    return partial(scene.ask, "POST", f"/v1/admin/wholesale/{account}/activate", {"reason": "all is well"})


def change_order(scene: Scene, about: Somebody) -> Act:
    body = {"status": "cancelled", "reason": "The buyer has called"}
    return partial(scene.ask, "PUT", f"/v1/admin/orders/{admin_orders.paid_order(about)}", body)


def resend_order(scene: Scene, about: Somebody) -> Act:
    order = admin_orders.refused_order(scene.sql, about)
    return partial(scene.ask, "POST", f"/v1/admin/orders/{order}/resend", {"reason": "It is there again"})


def ship_order(scene: Scene, about: Somebody) -> Act:
    order = admin_orders.refused_order(scene.sql, about)
    body = {"carrier": "UPS", "tracking_number": "1Z999AA10123456784", "reason": "The warehouse has none"}
    return partial(scene.ask, "POST", f"/v1/admin/orders/{order}/ship", body)


def record_parcel_outcome(scene: Scene, about: Somebody) -> Act:
    order = admin_orders.refused_order(scene.sql, about)
    parcel = admin_orders.parcel_by_hand(Operations(scene.client, scene.sql), order)
    body = {"outcome": "delivered", "reason": "The carrier says so"}
    return partial(scene.ask, "POST", f"/v1/admin/orders/{order}/parcels/{parcel}/outcome", body)


def refund_order(scene: Scene, about: Somebody) -> Act:
    body = {"kind": "amount", "amount": 1, "reason": "goodwill", "note": "It came late"}
    return partial(scene.ask, "POST", f"/v1/admin/orders/{admin_orders.paid_order(about)}/refunds", body)


def approve_refund(scene: Scene, about: Somebody) -> Act:
    order = admin_orders.paid_order(about, tins=40)
    refund = admin_orders.waiting_refund(Operations(scene.client, scene.sql), order)
    path = f"/v1/admin/orders/{order}/refunds/{refund}/approve"
    return partial(scene.ask, "POST", path, {"note": "The picture shows it"}, proved=True)


def resolve_payment(scene: Scene, about: Somebody) -> Act:
    order = admin_orders.paid_order(about)
    operation = admin_orders.refused_refund(scene.sql, order)
    body = {"outcome": "paid_elsewhere", "reference": "Check 1042", "evidence": "The card is closed"}
    return partial(scene.ask, "POST", f"/v1/admin/orders/{order}/payments/{operation}/resolve", body, proved=True)


def record_resale_certificate(scene: Scene, about: Somebody) -> Act:
    body = {"state": "NV", "number": "RS-1", "valid_until": "2027-12-31", "reason": "The register knows it"}
    account = wholesale_account("approved", member=about)
    return partial(scene.ask, "POST", f"/v1/admin/wholesale/{account}/certificates", body)


def book_invoice_paid(scene: Scene, about: Somebody) -> Act:
    order_rows.counted(1000)
    path = f"/v1/admin/wholesale/orders/{wholesale_order_rows.awaited(about)}/paid"
    body = {"bank_reference": "FT-1", "amount": 210, "reason": "On the statement"}
    return partial(scene.ask, "POST", path, body, proved=True)


def book_invoice_refunded(scene: Scene, about: Somebody) -> Act:
    order_rows.counted(1000)
    path = f"/v1/admin/wholesale/refunds/{wholesale_order_rows.refunding(about)}/paid"
    body = {"bank_reference": "FT-1", "amount": 210, "reason": "On the statement"}
    return partial(scene.ask, "POST", path, body, proved=True)


def award_wholesale_comp(scene: Scene, about: Somebody) -> Act:
    scene.link(about, WALLET)
    account = wholesale_account("approved", member=about)
    body = {"amount": 100, "reason": "A good year"}
    return partial(scene.ask, "POST", f"/v1/admin/wholesale/{account}/comps", body, proved=True)


def award_affiliate(scene: Scene, about: Somebody) -> Act:
    body = {"amount": 5, "reason": "A prize draw"}
    return partial(scene.ask, "POST", f"/v1/admin/affiliates/{about.id}/award", body, proved=True)


def agree_to_affiliate_award(scene: Scene, about: Somebody) -> Act:
    other = replace(scene, admin=factories.member(role=Role.TREASURY))
    scene.sql.execute_simple(
        "UPDATE settings SET value = jsonb_set(value, '{award_alone_max}', '\"1.00\"') WHERE name = 'affiliate_week'"
    )
    settings.forget()
    made = award_affiliate(other, about)()
    assert made.body["status"] == "in_review", made.body
    path = f"/v1/admin/affiliates/earnings/{made.body['id']}/agree"
    return partial(scene.ask, "POST", path, {"reason": "So do I"}, proved=True)


def grant_chips(scene: Scene, about: Somebody) -> Act:
    path = f"/v1/admin/affiliates/{about.id}/chips"
    return partial(scene.ask, "POST", path, {"chips": 5, "reason": "A prize draw"})


def contact_winner(scene: Scene, about: Somebody) -> Act:
    comp = factories.trip(about, chosen=True)
    return partial(scene.ask, "POST", f"/v1/admin/trips/{comp}/concierge-contacted", {})


def mail_chip(scene: Scene, about: Somebody) -> Act:
    comp = factories.trip(about, chosen=True)
    scene.sql.execute_simple("UPDATE trips SET state = 'concierge_contacted', concierge_contacted_at = now()")
    return partial(scene.ask, "POST", f"/v1/admin/trips/{comp}/chip-mailed", {"tracking_number": "1Z999"})


def approve_payout(scene: Scene, about: Somebody) -> Act:
    payout = scene.held(about)
    return partial(
        scene.ask, "POST", f"/v1/admin/treasury/payouts/{payout}/approve", {"note": "it is fine"}, proved=True
    )


def approve_payouts(scene: Scene, about: Somebody) -> Act:
    body = {"note": "they are fine", "payout_ids": [str(scene.held(about))]}
    return partial(scene.ask, "POST", "/v1/admin/treasury/payouts/approve", body, proved=True)


def send_from_treasury(scene: Scene, about: Somebody) -> Act:
    del about
    body = {"pool": "member", "to_address": WALLET, "amount": 25, "reason": "to the exchange"}
    return partial(scene.ask, "POST", "/v1/admin/treasury/send", body, proved=True)


def assign_deposit(scene: Scene, about: Somebody) -> Act:
    order_rows.counted(100)
    body = {"order_id": str(usdt_rows.waiting(about)), "reason": "the buyer has shown the receipt"}
    return partial(scene.ask, "POST", f"/v1/admin/deposits/{usdt_rows.deposit()}/assign", body)


def return_deposit(scene: Scene, about: Somebody) -> Act:
    del about
    usdt_rows.fund()
    body = {"to_address": WALLET, "reason": "the sender has asked for it"}
    return partial(scene.ask, "POST", f"/v1/admin/deposits/{usdt_rows.deposit()}/return", body, proved=True)


def approve_treasury_transfer(scene: Scene, about: Somebody) -> Act:
    del about
    other = factories.member(role=Role.TREASURY)
    body = {"pool": "member", "to_address": WALLET, "amount": 25, "reason": "to the exchange"}
    asked = scene.client(other.token).post(
        "/v1/admin/treasury/send", body | {"totp": code(other, scene.sql)}, **{"Idempotency-Key": str(uuid4())}
    )
    path = f"/v1/admin/treasury/transfers/{asked.body['id']}/approve"
    return partial(scene.ask, "POST", path, {"note": "read back by phone"}, proved=True)


def resolve_finding(scene: Scene, about: Somebody) -> Act:
    del about
    made = uuid4()
    scene.sql.execute_unnamed(
        "INSERT INTO reconciliations (id, requested_by, requested_at) VALUES ($1, $2, now())", (made, scene.admin.id)
    )
    scene.sql.execute_unnamed(
        """
        INSERT INTO reconciliation_findings
            (id, reconciliation_id, treasury, kind, ref, counterparty, expected, found, found_at)
        VALUES ($1, $1, 'member', 'unknown_transfer', $2, $3, 0, 10000, now())
        """,
        (made, str(made), WALLET),
    )
    body = {"explanation": "a payment by hand"}
    return partial(scene.ask, "POST", f"/v1/admin/treasury/findings/{made}/resolve", body, proved=True)


TO_A_MEMBER = (award_comp, approve_comp, retry_comp, decide_guarantee_review, override_tier, decide_flagged_scan,
               decide_flagged_scans, decide_wholesale_application, activate_wholesale_account, contact_winner,
               mail_chip, approve_payout, approve_payouts, change_order, resend_order, ship_order,
               record_parcel_outcome, refund_order, approve_refund, resolve_payment, record_resale_certificate,
               book_invoice_paid, book_invoice_refunded, award_wholesale_comp, assign_deposit,
               award_affiliate, agree_to_affiliate_award, grant_chips, decide_referral_review)  # fmt: skip
TO_A_WALLET = (send_from_treasury, return_deposit, approve_treasury_transfer, resolve_finding)
OF_OTHERS = (activate_member,)  # of their own they cannot: who is suspended does nothing
GIVES = {act.__name__: act for act in (*TO_A_MEMBER, *TO_A_WALLET, *OF_OTHERS)}
