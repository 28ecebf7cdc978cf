"""Messages that the card's processor sends by itself. They are read apart from `card`, so that the function that hears
them needs no key that moves money.

CARD_WEBHOOK_SECRET.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.ports import vendors

SIGNATURE = "Card-Signature"


@dataclass(frozen=True)
class CardNotice:
    """A notice that something changed; `key` is None when it is about no operation of ours, as a deposit. `dispute` is
    the processor's name of the dispute that it is about.
    """

    event_id: str
    key: UUID | None
    kind: str
    dispute: str | None = None


def notice(headers: Mapping[str, str], raw: bytes) -> CardNotice:
    """Read a notice of the processor. Raises SignatureNotValid, VendorMisconfigured."""
    vendors.check_timed_signature(headers, SIGNATURE, raw, os.environ["CARD_WEBHOOK_SECRET"])
    told = vendors.notice_object(raw)
    data = told.get("data")
    about = data if isinstance(data, dict) else {}
    return CardNotice(
        vendors.event_id(told, raw), vendors.own_id(about.get("key")), vendors.slug(told.get("type")), _dispute(about)
    )


def _dispute(about: Mapping[str, object]) -> str | None:
    try:
        return vendors.identifier(about.get("dispute"))
    except ValueError:
        return None
