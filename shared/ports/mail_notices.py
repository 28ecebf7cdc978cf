"""Messages that Brevo sends when something becomes of a mail. Apart from `mail`, so that who listens needs no API key.

BREVO_WEBHOOK_TOKENS. Brevo signs nothing: it shows the token that we have given it with the webhook, as `Authorization:
Bearer` (https://developers.brevo.com/docs/secured-webhooks), which the gateway moves to X-Forwarded-Authorization.
Events: https://developers.brevo.com/docs/transactional-webhooks. Their `id` is the webhook's own, the same each time.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.ports import vendors

TOKEN = "X-Forwarded-Authorization"  # noqa: S105 - the name of a header
EMAIL_LENGTH_MAX = 254


@dataclass(frozen=True)
class MailNotice:
    """An event of a mail; `email` is its recipient, and None in a message that names none."""

    event_id: str
    kind: str
    email: str | None = field(repr=False)


def notice(headers: Mapping[str, str], raw: bytes) -> MailNotice:
    """Read a message. Raises SignatureNotValid, VendorMisconfigured."""
    vendors.check_bearer_token(headers, TOKEN, os.environ["BREVO_WEBHOOK_TOKENS"])
    told = vendors.notice_object(raw)
    email = told.get("email")
    is_address = isinstance(email, str) and "@" in email and len(email) <= EMAIL_LENGTH_MAX
    return MailNotice(vendors.event_id({}, raw), vendors.slug(told.get("event")), email if is_address else None)
