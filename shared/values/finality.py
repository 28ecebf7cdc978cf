"""Decides which blocks of Polygon are final: finalized by a milestone that follows the head, and ten blocks deep."""

DEPTH_BLOCKS_MIN = 10
LAG_SECONDS_MAX = 60  # between the finalized block and the head; when it is longer, milestones have stalled
NO_BLOCK = -1


def is_stalled(lag_seconds: int) -> bool:
    """True while milestones have stalled: the finalized block is too far behind the head to be trusted."""
    return lag_seconds > LAG_SECONDS_MAX


def final_block(latest: int, finalized: int, lag_seconds: int) -> int:
    """The number of the newest final block; NO_BLOCK while milestones have stalled."""
    return NO_BLOCK if is_stalled(lag_seconds) else min(finalized, latest - DEPTH_BLOCKS_MIN)
