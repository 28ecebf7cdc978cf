"""Messages that Selery sends by itself. They are read apart from `warehouse`, so that asking the warehouse needs no
secret of the webhooks, and hearing it no key of the API.

SELERY_WEBHOOK_SECRET.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.ports import vendors

SIGNATURE = "Selery-Signature"


@dataclass(frozen=True)
class WarehouseNotice:
    """A notice that something changed; `fulfilment_id` is None when it is about no order of ours: new counts, say."""

    event_id: str
    kind: str
    fulfilment_id: UUID | None


def notice(headers: Mapping[str, str], raw: bytes) -> WarehouseNotice:
    """Read a notice. Raises SignatureNotValid, VendorMisconfigured."""
    vendors.check_timed_signature(headers, SIGNATURE, raw, os.environ["SELERY_WEBHOOK_SECRET"])
    told = vendors.notice_object(raw)
    data = told.get("data")
    about = vendors.own_id(data.get("external_id")) if isinstance(data, dict) else None
    return WarehouseNotice(vendors.event_id(told, raw), vendors.slug(told.get("type")), about)
