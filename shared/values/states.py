"""The states that rows are in, by table, where code compares them. The schema has the same lists; a test compares both.

A member equals the text that a query gives: `row.status == MemberStatus.ACTIVE`.
"""

from enum import StrEnum
from typing import Literal

OperationKind = Literal["authorize", "capture", "void", "refund"]  # payment_operations.kind
PaymentStatus = Literal["pending", "authorized", "captured", "failed", "refunded"]  # how an order's payments are told


class MemberStatus(StrEnum):
    """The values of `members.status`."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


class CompStatus(StrEnum):
    """The values of `comps.status`."""

    PENDING = "pending"
    IN_REVIEW = "in_review"
    PAID = "paid"
    CANCELLED = "cancelled"


class SignerStatus(StrEnum):
    """`signers.status`: of a treasury's key."""

    ACTIVE = "active"
    DRAINING = "draining"
    RETIRED = "retired"


class BatchStatus(StrEnum):
    """The values of `code_batches.status`."""

    GENERATING = "generating"
    GENERATED = "generated"
    RECALLED = "recalled"


class ImportStatus(StrEnum):
    """The values of `code_imports.status`."""

    WAITING = "waiting"
    CHECKING = "checking"
    IMPORTING = "importing"
    IMPORTED = "imported"
    REFUSED = "refused"


class MailStatus(StrEnum):
    """The values of `mails.status`."""

    QUEUED = "queued"
    SENT = "sent"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    SUPPRESSED = "suppressed"


class CampaignState(StrEnum):
    """The values of `campaigns.state`."""

    DRAFT = "draft"
    APPROVED = "approved"
    SENDING = "sending"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class HookState(StrEnum):
    """The values of `hook_endpoints.state`."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    FAILING = "failing"
    GONE = "gone"


class HookDeliveryState(StrEnum):
    """The values of `hook_deliveries.state`."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class ExportStatus(StrEnum):
    """The values of `data_exports.status`."""

    MAKING = "making"
    READY = "ready"
    EXPIRED = "expired"


class ReportState(StrEnum):
    """The values of `report_exports.state`."""

    MAKING = "making"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"


class ImageStatus(StrEnum):
    """The values of `social_images.status`."""

    WAITING = "waiting"
    LIVE = "live"
    REFUSED = "refused"
    REMOVED = "removed"


class AvatarStatus(StrEnum):
    """The values of `avatars.status`."""

    WAITING = "waiting"
    LIVE = "live"
    REFUSED = "refused"
    REPLACED = "replaced"


class ReviewStatus(StrEnum):
    """The values of `guarantee_reviews.status`."""

    WAITING = "waiting"
    GRANTED = "granted"
    REFUSED = "refused"


class ReferralReviewStatus(StrEnum):
    """The values of `referral_reviews.status`."""

    OPEN = "open"
    CLEARED = "cleared"
    CONFIRMED = "confirmed"


class FlagStatus(StrEnum):
    """The values of `flagged_scans.status`."""

    OPEN = "open"
    CLEARED = "cleared"
    CONFIRMED = "confirmed"


class PaymentProvider(StrEnum):
    """The values of `payments.provider`: how an order is paid."""

    CARD = "card"
    USDT = "usdt"
    INVOICE = "invoice"


class PaymentState(StrEnum):
    """The values of `payments.state`."""

    PENDING = "pending"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    FAILED = "failed"
    VOIDED = "voided"


class OperationStatus(StrEnum):
    """The values of `payment_operations.status`."""

    RECORDED = "recorded"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RefundRequestStatus(StrEnum):
    """The values of `refund_requests.status`."""

    WAITING = "waiting"
    RECORDED = "recorded"
    REJECTED = "rejected"


class FulfilmentStatus(StrEnum):
    """The values of `fulfilments.status`."""

    RECORDED = "recorded"
    SENT = "sent"
    ACCEPTED = "accepted"
    PACKED = "packed"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"
    REFUSED = "refused"


FULFILMENT_ENDS = frozenset({FulfilmentStatus.SHIPPED, FulfilmentStatus.CANCELLED, FulfilmentStatus.REFUSED})


class ParcelStatus(StrEnum):
    """The values of `parcels.status`."""

    SHIPPED = "shipped"
    IN_TRANSIT = "in_transit"
    LOST = "lost"
    DELIVERED = "delivered"
    RETURNED = "returned"


class DisputeState(StrEnum):
    """The values of `disputes.state`."""

    INQUIRY = "inquiry"
    OPEN = "open"
    WON = "won"
    LOST = "lost"


class TaxReportStatus(StrEnum):
    """The values of `tax_reports.status`."""

    RECORDED = "recorded"
    SENT = "sent"
    DONE = "done"


class AgeCheckStatus(StrEnum):
    """The values of `age_checks.status`."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DENIED = "denied"


class WholesaleStatus(StrEnum):
    """The values of `wholesale_accounts.status`."""

    PENDING = "pending"
    APPROVED = "approved"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REJECTED = "rejected"


class WeekState(StrEnum):
    """The values of `affiliate_weeks.state`."""

    OPENED = "opened"
    COUNTED = "counted"
    READY = "ready"
    APPROVED = "approved"
    REQUESTED = "requested"
    TOLD = "told"
    COMPLETED = "completed"


class EarningStatus(StrEnum):
    """The values of `affiliate_earnings.status`."""

    IN_REVIEW = "in_review"
    PENDING = "pending"
    PAID = "paid"
    CANCELLED = "cancelled"


class BankState(StrEnum):
    """The values of `teller_enrollments.state`."""

    ACTIVE = "active"
    NEEDS_REAUTH = "needs_reauth"
    DISCONNECTED = "disconnected"


class TopUpState(StrEnum):
    """The values of `top_ups.state`. `sent` waits for its block to be final, `bridging` for what it sent to arrive."""

    REQUESTED = "requested"
    PREPARED = "prepared"
    SENT = "sent"
    BRIDGING = "bridging"
    ARRIVED = "arrived"
    REVERTED = "reverted"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class VoteStatus(StrEnum):
    """`governance_votes.status`: of a vote of the members."""

    DRAFT = "draft"
    OPENING = "opening"
    ACTIVE = "active"
    CLOSING = "closing"
    CLOSED = "closed"
    DISCARDED = "discarded"


class ProposalStatus(StrEnum):
    """`governance_proposals.status`: of what a whale proposes."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class StreamStatus(StrEnum):
    """The values of `live_streams.status`."""

    SCHEDULED = "scheduled"
    PREPARING = "preparing"
    READY = "ready"
    LIVE = "live"
    ENDING = "ending"
    ENDED = "ended"
    CANCELLED = "cancelled"
    FAILED = "failed"


class RecordingState(StrEnum):
    """`live_streams.vod_state`: of the recording of a stream."""

    NONE = "none"
    MAKING = "making"
    READY = "ready"
    FAILED = "failed"
