"""The scopes and reasons for which an address gets no mails any more, as the schema lists them (mail_suppressions)."""

from typing import Literal

SuppressionScope = Literal["marketing", "all"]
SuppressionReason = Literal["bounce", "complaint", "unsubscribed"]
