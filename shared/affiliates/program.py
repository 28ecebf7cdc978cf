"""The program of affiliates: open, or closed to members who sign up later (docs/affiliates.md, "Sunset")."""

from uuid import UUID

from shared.db import Tx
from shared.values.problems import Problem
from shared.values.programs import Program, ProgramState, Volume


class AffiliateProgramClosed(Problem):
    """Raised when a member signed up after the program had closed."""

    status, title = 409, "The affiliate program was closed before you joined."


class AffiliateWeekClosing(Problem):
    """The week that has ended is being closed; a few minutes after Sunday 00:00 UTC chips move again."""

    status, title, passing = 409, "The week is being closed. Try again in a few minutes.", True


class ChipsLocked(Problem):
    """The affiliate program has closed. What each affiliate had earned by then, vaulted or not, decides their share."""

    status, title = 409, "The affiliate program has closed: chips are moved no more."


def find(tx: Tx) -> Program:
    """The program as it is now."""
    return tx.one(Program, "SELECT state, step, full_on, full_days, sunset_at, weights FROM affiliate_program")


def require_open(tx: Tx) -> None:
    """Raises ChipsLocked once the program has closed."""
    if find(tx).state is not ProgramState.OPEN:
        raise ChipsLocked


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
