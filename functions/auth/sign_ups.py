"""Sign-ups with an unproved address: each belongs to the ticket that it came with, and can be started again.

A new sign-up with the same ticket, or again without one, deletes the earlier sign-up and everything chosen in it.
Sign-ups with other tickets are left alone, so that a stranger who knows the address can delete nobody's. The first
sign-up whose mailed code comes back proves the address, and the others are deleted.
"""

from datetime import datetime
from uuid import UUID

from functions.auth import rules, sign_up_store, store
from shared.credentials import sign_ups
from shared.db import ConstraintViolated, Tx


def start_anew(tx: Tx, email: str, ticket: bytes | None, now: datetime) -> None:
    """Delete earlier sign-ups with this address and ticket. Raises EmailAlreadyRegistered when the address is proved,
    or an earlier account must stay.
    """
    sign_ups.lock_address(tx, email)
    if store.email_is_proved(tx, email):
        raise rules.EmailAlreadyRegistered
    for earlier in sign_up_store.of_ticket(tx, email, ticket):
        if not sign_ups.forget(tx, earlier, now):
            raise rules.EmailAlreadyRegistered


def prove(tx: Tx, member_id: UUID, email: str, now: datetime) -> None:
    """Make the address this member's and delete the other sign-ups with it. The address is locked by the caller.

    Raises VerificationCodeNotValid when another member has taken the address meanwhile.
    """
    for other in sign_up_store.others(tx, email, member_id):
        sign_ups.forget(tx, other, now)
    try:
        store.verify_email(tx, member_id, now)
    except ConstraintViolated as refused:
        if refused.constraint == "members_email":
            raise rules.VerificationCodeNotValid from None
        raise
