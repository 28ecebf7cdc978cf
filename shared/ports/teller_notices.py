"""Messages that Teller sends by itself. They are read apart from `teller`, so that hearing them needs no certificate.

TELLER_WEBHOOK_SECRET, or two with a comma between while it is rotated. Reference: https://teller.io/docs/api/webhooks
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.ports import vendors

SIGNATURE = "Teller-Signature"
AGE_SECONDS_MAX = 180
AHEAD_SECONDS_MAX = 30
ENROLLMENT = re.compile(r"[A-Za-z0-9_]{1,100}", re.ASCII)


@dataclass(frozen=True)
class BankNotice:
    """A notice that something happened there; `enrollment_id` is Teller's id of the enrollment, if it is about one."""

    event_id: str
    kind: str
    enrollment_id: str | None


def notice(headers: Mapping[str, str], raw: bytes) -> BankNotice:
    """Read a notice, at most three minutes old. Raises SignatureNotValid, VendorMisconfigured."""
    vendors.check_timed_signature(
        headers,
        SIGNATURE,
        raw,
        os.environ["TELLER_WEBHOOK_SECRET"],
        age_seconds_max=AGE_SECONDS_MAX,
        ahead_seconds_max=AHEAD_SECONDS_MAX,
    )
    told = vendors.notice_object(raw)
    payload = told.get("payload")
    about = payload.get("enrollment_id") if isinstance(payload, dict) else None
    known = about if isinstance(about, str) and ENROLLMENT.fullmatch(about) else None
    return BankNotice(vendors.event_id(told, raw), vendors.slug(told.get("type")), known)
