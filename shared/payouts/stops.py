"""Pauses a treasury because of a finding, and wakes people."""

from datetime import datetime

from shared import log
from shared.db import Tx
from shared.payouts import machine, treasuries
from shared.payouts.treasuries import TreasuryNotice


def stop(tx: Tx, treasury: str, reason: str, remedy: str, now: datetime) -> None:
    """Pause the treasury until a person resumes it, log the error that raises an alert, and mail the treasury's admins.

    Does nothing when the treasury is paused already.
    """
    if not machine.pause(tx, treasury, reason, now):
        return
    log.error("the treasury is paused", treasury=treasury, reason=reason)
    notice = TreasuryNotice(
        subject=f"The {treasury} treasury is paused: {reason}",
        what=f"Nothing more is signed for the {treasury} treasury: {reason}.",
        remedy=remedy,
        dedupe_key=f"treasury-stopped:{treasury}:{now.isoformat()}",
    )
    treasuries.tell_admins(tx, notice, now)
