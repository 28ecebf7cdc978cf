"""Checks whether people would profit from what they are about to decide. The schema's triggers do the same.

An account counts as a person's own when it is theirs, or when it has ever linked a wallet that their account has linked
too. What is given to a member also brings a match to the person who referred the member.
"""

from collections.abc import Sequence
from uuid import UUID

from shared.db import Tx
from shared.values.problems import NotAllowed


class OwnInterest(NotAllowed):
    """Raised when an admin would receive what is decided, earn its match, has ever linked its wallet, or has requested
    it.
    """

    title = "Somebody else must do this: you would profit from it."


def is_same_person(tx: Tx, one: UUID, other: UUID) -> bool:
    """True if both accounts are one person's."""
    return tx.scalar(bool, "SELECT is_same_person(:one, :other) AS same", one=one, other=other)


def profits_from_member(tx: Tx, person: UUID, winner: UUID) -> bool:
    """True if what is given to the winner also profits this person."""
    return tx.scalar(bool, "SELECT profits_from_member(:person, :winner) AS profits", person=person, winner=winner)


def profits_from_wallet(tx: Tx, person: UUID, address: str) -> bool:
    """True if the wallet is or was linked to this person's account."""
    return tx.scalar(bool, "SELECT profits_from_wallet(:person, :address) AS profits", person=person, address=address)


def profits_from_payout(tx: Tx, person: UUID, payout_id: UUID) -> bool:
    """True if the payout's member or wallet is this person's, or the same person requested it."""
    return tx.scalar(
        bool,
        """
        SELECT profits_from_payout(:person, payouts) OR is_same_person(:person, requested_by) AS profits
        FROM payouts WHERE id = :payout_id
        """,
        person=person,
        payout_id=payout_id,
    )


def require_none_in_member(tx: Tx, person: UUID, winner: UUID) -> None:
    """Check that the person does not profit from what the member is given. Raises OwnInterest."""
    if profits_from_member(tx, person, winner):
        raise OwnInterest


def require_none_in_wallet(tx: Tx, person: UUID, address: str) -> None:
    """Check that the wallet is not and never was the person's. Raises OwnInterest."""
    if profits_from_wallet(tx, person, address):
        raise OwnInterest


def require_none_in_payout(tx: Tx, person: UUID, payout_id: UUID) -> None:
    """Check that the person does not profit from the payout and has not requested it. Raises OwnInterest."""
    if profits_from_payout(tx, person, payout_id):
        raise OwnInterest


def may_explain(tx: Tx, people: Sequence[UUID], signer: str, nonce: int, payout_id: UUID | None) -> frozenset[UUID]:
    """The people among `people` who may say what a foreign transaction was.

    They are active treasury admins and owners who profit neither from it nor from the payout that it is said to have
    paid, and who have not requested that payout.
    """
    return frozenset(
        tx.column(
            UUID,
            """
        SELECT id FROM members
        WHERE id = ANY(CAST(:people AS uuid[])) AND status = 'active' AND role IN ('treasury', 'owner')
          AND NOT EXISTS (SELECT FROM foreign_transfers moved WHERE moved.signer = :signer AND moved.nonce = :nonce
                                                                AND profits_from_wallet(members.id, recipient_address))
          AND NOT EXISTS (SELECT FROM payouts WHERE payouts.id = CAST(:payout_id AS uuid)
                                                AND (profits_from_payout(members.id, payouts)
                                                     OR is_same_person(members.id, requested_by)))
        """,
            people=list(people),
            signer=signer,
            nonce=nonce,
            payout_id=payout_id,
        )
    )
