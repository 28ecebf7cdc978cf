"""Tells admins how near the end of the affiliate program is: a notice in the app and a mail each."""

from datetime import datetime

from functions.affiliate_sunset import store
from shared.db import Tx
from shared.messages import mails, notifications
from shared.messages.mails import Letter
from shared.values.programs import STEPS


def of_step(tx: Tx, step: int, volume: int, now: datetime) -> None:
    """Tell everybody who watches the program that the volume has reached a step for the first time."""
    percent = str(100 * step // STEPS)
    for admin in store.watchers(tx):
        key = f"sunset-step:{step}:{admin.id}"
        data = {"step": step, "volume": volume}
        notifications.notify(
            tx, notifications.note(admin.id, "sunset_step", data, key, percent=percent, tins=volume), now
        )
        parameters = {"percent": percent, "volume": f"{volume:,}"}
        letter = Letter(admin.email, admin.full_name, "sunset_step", parameters, key, member_id=admin.id)
        mails.queue(tx, letter, now)


def of_close(tx: Tx, now: datetime) -> None:
    """Tell everybody who watches the program that it has closed."""
    for admin in store.watchers(tx):
        key = f"sunset:{admin.id}"
        notifications.notify(tx, notifications.note(admin.id, "program_closed", {}, key, at=now), now)
        at = f"{now:%Y-%m-%d %H:%M} UTC"
        letter = Letter(admin.email, admin.full_name, "program_closed", {"closed_at": at}, key, member_id=admin.id)
        mails.queue(tx, letter, now)
