"""The names of a stream's input, channel and folders at Live Stream, and of the row that its key is sealed for.

Pure.
"""

from uuid import UUID


def channel_name(stream_id: UUID, generation: int) -> str:
    """The name of both: a new key makes another generation."""
    return f"s-{stream_id.hex}-{generation}"


def live_folder(playback_id: str) -> str:
    """The channel's own folder of the bucket: the service deletes its files with the channel."""
    return f"live/{playback_id}/"


def recording_folder(playback_id: str) -> str:
    """The folder of the recording, where nobody deletes files."""
    return f"vod/{playback_id}/"


def generation_of(name: str) -> tuple[str, str]:
    """The stream's id in hexadecimal, and the generation; empty texts for a name that is not ours."""
    begin, _, rest = name.partition("-")
    stream, _, generation = rest.partition("-")
    return (stream, generation) if begin == "s" else ("", "")


def row_of(stream_id: UUID) -> str:
    """The name of the row that a stream's sealed key is bound to."""
    return f"live_stream_inputs:{stream_id}"
