"""AgeChecker's callbacks. Apart from `ages`, so that who listens needs no key with which checks are begun.

AGECHECKER_SECRET (of our account). A callback has no time in it and can be replayed: it only says where to look.
"""

import os
import re
from collections.abc import Mapping

from shared.ports import vendors
from shared.ports.vendors import SignatureNotValid

SIGNATURE = "X-AgeChecker-Signature"
REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,100}")


def notice(headers: Mapping[str, str], raw: bytes) -> str:
    """Read a callback: the reference to look at. Raises SignatureNotValid, VendorMisconfigured."""
    vendors.check_sha1_signature(headers, SIGNATURE, raw, os.environ["AGECHECKER_SECRET"])
    try:
        return reference(vendors.notice_object(raw)["uuid"])
    except (KeyError, ValueError):
        raise SignatureNotValid("no reference") from None


def reference(said: object) -> str:
    """The vendor's reference. Raises ValueError unless it can stand in an address."""
    if not isinstance(said, str) or not REFERENCE.fullmatch(said):
        raise ValueError("not a reference")
    return said
