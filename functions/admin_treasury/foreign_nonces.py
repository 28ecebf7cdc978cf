"""Nonces of the treasuries' keys used by transactions that are not ours: listed with their evidence, explained by two
people.
"""

import re
from datetime import datetime
from uuid import UUID

from functions.admin_treasury import rules
from functions.admin_treasury.common import Treasurer, api
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.payouts import explanations as payout_explanations
from shared.payouts import machine
from shared.payouts.explanations import Foreign
from shared.payouts.recovery import NoEvidence
from shared.values.fields import Body, Listing, Reason, Reply, SixDigits
from shared.values.problems import NotFound
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client

LISTED_MAX = 100
NONCE = re.compile(r"[0-9]{1,18}")


class NonceExplanation(Body):
    """The payout that the transaction has paid, or null if it is none of ours, and the evidence for it, which
    is kept.
    """

    payout_id: UUID | None
    explanation: Reason
    totp: SixDigits


class ForeignTransfer(Reply):
    """A transfer that the transaction made. `amount` is in the smallest unit of that token."""

    token_address: str
    to_address: str
    amount: str


class ExplanationGiven(Reply):
    """One person's explanation; without a payout it says that the transaction is none of ours."""

    person_id: UUID
    username: str
    payout_id: UUID | None
    explanation: str
    explained_at: datetime


class ForeignNonce(Reply):
    """A nonce of a treasury's key that a foreign transaction used, its transfers, and the explanations given so far."""

    pool: str
    signer: str
    nonce: int
    found_at: datetime
    transaction_hash: str
    transfers: list[ForeignTransfer]
    explanations: list[ExplanationGiven]


class NonceExplained(ForeignNonce):
    """The nonce after an explanation: how many people agree and how many must. The last one needed settles it."""

    approvals_given: int
    approvals_needed: int


@api.get("/v1/admin/treasury/foreign-nonces")
def list_foreign_nonces(tx: Tx, admin: Treasurer) -> Listing[ForeignNonce]:
    """List the nonces that match no payout and are not explained yet, by key and nonce."""
    rows = payout_explanations.unexplained(tx, LISTED_MAX)
    return Listing[ForeignNonce](items=[ForeignNonce(**_shown(tx, row)) for row in rows], next_cursor=None)


@api.post(
    "/v1/admin/treasury/foreign-nonces/{signer}/{nonce}/explain",
    problems=(
        rules.ApprovalOfOwnRequest,
        rules.ExplanationUnfit,
        rules.NonceExplainedBefore,
        rules.NonceNotInQuestion,
        *SECOND_FACTOR,
    ),
)
def explain_foreign_nonce(
    tx: Tx, admin: Treasurer, signer: str, nonce: str, body: NonceExplanation, client: Client, now: datetime
) -> NonceExplained:
    """Explain what a foreign transaction was. It is settled once a second person gives the same explanation."""
    totp.spend(tx, admin.id, body.totp, now)
    found = payout_explanations.foreign(tx, signer, int(nonce)) if NONCE.fullmatch(nonce) else None
    if found is None:
        raise NotFound
    agreed = _explain(tx, found, admin.id, body, now)
    changes = body.model_dump(mode="json", exclude={"totp"}) | {"agreed": f"{agreed.given} of {agreed.needed}"}
    audit.record(tx, admin, client, Action("nonce.explain", "nonce", f"{found.signer} {found.nonce}", changes), now)
    return NonceExplained(**_shown(tx, found), approvals_given=agreed.given, approvals_needed=agreed.needed)


def _explain(
    tx: Tx, found: Foreign, person_id: UUID, body: NonceExplanation, now: datetime
) -> payout_explanations.Explained:
    try:
        return payout_explanations.explain(
            tx, found.signer, found.nonce, body.payout_id, person_id, why=body.explanation, now=now
        )
    except payout_explanations.ExplainedBefore:
        raise rules.NonceExplainedBefore from None
    except machine.OwnPayout:
        raise rules.ApprovalOfOwnRequest from None
    except machine.NotWaiting:
        raise rules.NonceNotInQuestion from None
    except NoEvidence:
        raise rules.ExplanationUnfit from None


def _shown(tx: Tx, row: Foreign) -> dict[str, object]:
    moved = [
        ForeignTransfer(token_address=it.token_address, to_address=it.recipient_address, amount=it.amount)
        for it in payout_explanations.transfers(tx, row)
    ]
    said = [
        ExplanationGiven(
            person_id=it.person_id,
            username=it.username,
            payout_id=it.payout_id,
            explanation=it.why,
            explained_at=it.explained_at,
        )
        for it in payout_explanations.said(tx, row)
    ]
    return {
        "pool": row.treasury,
        "signer": row.signer,
        "nonce": row.nonce,
        "found_at": row.found_at,
        "transaction_hash": row.transaction_hash,
        "transfers": moved,
        "explanations": said,
    }
