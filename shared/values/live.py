"""Live events as values: what the streaming service says of channels and clips, and when members are reminded. Pure."""

from datetime import timedelta
from enum import StrEnum

RETENTION = timedelta(days=7)  # for so long the service keeps a channel's files, of which clips can be made
REMINDED_BEFORE = timedelta(hours=1)
ORDERED_WITHIN = timedelta(days=29)  # a task can be ordered 30 days ahead


class ChannelState(StrEnum):
    """The states of a channel at the service (Channel.StreamingState)."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    AWAITING_INPUT = "AWAITING_INPUT"
    STREAMING = "STREAMING"
    STREAMING_ERROR = "STREAMING_ERROR"
    STREAMING_NO_INPUT = "STREAMING_NO_INPUT"
    STOPPING = "STOPPING"
    UNKNOWN = "UNKNOWN"


class ClipState(StrEnum):
    """How far a clip is (Clip.State)."""

    MAKING = "making"
    READY = "ready"
    FAILED = "failed"
