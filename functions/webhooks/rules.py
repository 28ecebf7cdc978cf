"""Decides which deliveries of a vendor's message wake somebody, and under which name. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.values.mail_addresses import SuppressionReason, SuppressionScope
from shared.values.problems import Problem

Source = Literal["card", "agechecker", "kintsugi", "selery", "teller", "brevo"]

# What becomes of an address after an event of the mail provider (developers.brevo.com/docs/transactional-webhooks).
SUPPRESSED_BY: Mapping[str, tuple[SuppressionScope, SuppressionReason]] = {
    "hard_bounce": ("all", "bounce"),
    "invalid_email": ("all", "bounce"),
    "spam": ("marketing", "complaint"),
    "unsubscribed": ("marketing", "unsubscribed"),
}
MESSAGE_BYTES_MAX = 256 * 1024
BANK_MESSAGE_BYTES_MAX = 64 * 1024
COPIES_ARE_ONE_FOR = timedelta(minutes=1)


class SignatureNotValid(Problem):
    """The message is not signed by the vendor as it came, or too long ago. Nothing of it was read or kept."""

    status, title = 401, "This message has no valid signature."


@dataclass(frozen=True)
class Message:
    """A vendor's message: the name that the vendor gives it, and what it is about, as far as that was understood."""

    source: Source
    event_id: str
    subject: str


def wake_up(message: Message, first_at: datetime, now: datetime, *, is_first: bool) -> str | None:
    """The name of the wake-up that this delivery causes; None if one of a moment ago is enough.

    The first delivery and its task are in one commit, so that a copy that comes soon after it needs none. A later one
    has a task again, in case the vendor tells twice because something was missed; all copies of a minute are one task.
    """
    if not is_first and now - first_at < COPIES_ARE_ONE_FOR:
        return None
    minute = int(now.timestamp() // COPIES_ARE_ONE_FOR.total_seconds())
    return hashlib.sha256(f"{message.source} {message.event_id} {minute}".encode()).hexdigest()
