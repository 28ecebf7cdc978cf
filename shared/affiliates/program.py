"""The program of affiliates: open, or closed to members who sign up later (docs/affiliates.md, "Sunset")."""

from uuid import UUID

from shared.db import Tx
from shared.values.problems import Problem
from shared.values.programs import Program, Volume


class AffiliateProgramClosed(Problem):
    """Raised when a member signed up after the program had closed."""

    status, title = 409, "The affiliate program was closed before you joined."


def find(tx: Tx) -> Program:
    """The program as it is now."""
    return tx.one(Program, "SELECT state, step, full_on, full_days, sunset_at, weights FROM affiliate_program")


def volume(tx: Tx) -> Volume:
    """The volume that unlock_refresh has summed up last."""
    return tx.one(Volume, "SELECT tins_per_month, as_of FROM sales_volume")


def is_affiliate(tx: Tx, member_id: UUID) -> bool:
    """True if the member signed up while the program was open."""
    return tx.scalar(bool, "SELECT is_affiliate(created_at) AS is_affiliate FROM members WHERE id = :id", id=member_id)


def require_affiliate(tx: Tx, member_id: UUID) -> None:
    """Raises AffiliateProgramClosed for a member who is no affiliate."""
    if not is_affiliate(tx, member_id):
        raise AffiliateProgramClosed
