"""Resale certificates: with a valid one of the state where the goods go, an account is charged no sales tax."""

from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import AfterValidator, StringConstraints

from functions.admin_wholesale import certificate_records, rules, store
from functions.admin_wholesale.certificate_records import ResaleCertificate
from functions.admin_wholesale.common import Operations, api
from shared.db import ConstraintViolated, Tx
from shared.payouts import interests
from shared.values import typed
from shared.values.fields import LINE, Body, Day, Listing, Reason
from shared.values.problems import NotFound
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client


class CertificateGrant(Body):
    """A certificate that somebody has checked: the state, its number there, and its last day (UTC). A day that is over
    ends the state's certificate of before. The reason says how it was checked.
    """

    state: Annotated[str, StringConstraints(max_length=typed.TYPED_MAX), AfterValidator(typed.state_code)]
    number: Annotated[str, StringConstraints(min_length=1, max_length=50), LINE]
    valid_until: Day
    reason: Reason


@api.get("/v1/admin/wholesale/{account_id}/certificates")
def list_resale_certificates(tx: Tx, admin: Operations, account_id: UUID) -> Listing[ResaleCertificate]:
    """List the certificates that count on one page: of each state the newest, valid or not."""
    if store.account(tx, account_id) is None:
        raise NotFound
    return Listing[ResaleCertificate](items=certificate_records.newest(tx, account_id), next_cursor=None)


@api.post(
    "/v1/admin/wholesale/{account_id}/certificates",
    status=201,
    problems=(rules.AccountNeverApproved, interests.OwnInterest),
)
def record_resale_certificate(
    tx: Tx, admin: Operations, account_id: UUID, body: CertificateGrant, client: Client, now: datetime
) -> ResaleCertificate:
    """Record a certificate, which rules the orders that are placed from now on."""
    account = store.account(tx, account_id)
    if account is None:
        raise NotFound
    interests.require_none_in_member(tx, admin.id, account.member_id)
    made = ResaleCertificate(
        id=uuid4(),
        state=body.state,
        number=body.number,
        valid_until=body.valid_until,
        recorded_by=admin.id,
        reason=body.reason,
        recorded_at=now,
    )
    try:
        with tx.savepoint():
            certificate_records.insert(tx, account_id, made)
    except ConstraintViolated as refused:
        if refused.constraint != "certificate_account":
            raise
        raise rules.AccountNeverApproved(account_status=account.status) from None
    changes = {"state": made.state, "number": made.number, "valid_until": f"{made.valid_until}", "reason": made.reason}
    audit.record(tx, admin, client, Action("wholesale.certificate", "wholesale_account", account_id, changes), now)
    return made
