"""Messages that Kintsugi sends by itself. They are read apart from `tax`, so that asking for a tax needs no secret of
the webhooks, and hearing them no key of the API.

KINTSUGI_WEBHOOK_SECRET. How Kintsugi signs is not documented yet: here it is done as the others do it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.ports import vendors

SIGNATURE = "Kintsugi-Signature"


@dataclass(frozen=True)
class TaxNotice:
    """A notice that something happened there; `transaction_id` is ours, if it is about one."""

    event_id: str
    kind: str
    transaction_id: UUID | None


def notice(headers: Mapping[str, str], raw: bytes) -> TaxNotice:
    """Read a notice. Raises SignatureNotValid, VendorMisconfigured."""
    vendors.check_timed_signature(headers, SIGNATURE, raw, os.environ["KINTSUGI_WEBHOOK_SECRET"])
    told = vendors.notice_object(raw)
    data = told.get("data")
    about = vendors.own_id(data.get("external_id")) if isinstance(data, dict) else None
    return TaxNotice(vendors.event_id(told, raw), vendors.slug(told.get("type")), about)
