"""The notices about live events: titles and bodies in English, Spanish and Portuguese (see `notices`)."""

from collections.abc import Mapping

Texts = tuple[str, str, str]

STREAMS: Mapping[str, tuple[Texts, Texts]] = {
    "stream_soon": (
        ("Live soon: $stream", "Pronto en vivo: $stream", "Em breve ao vivo: $stream"),
        (
            "It begins in $minutes minutes.",
            "Empieza en $minutes minutos.",
            "Começa em $minutes minutos.",
        ),
    ),
    "stream_moved": (
        ("$stream was moved", "$stream cambió de fecha", "$stream mudou de data"),
        ("It begins on $at.", "Empieza el $at.", "Começa em $at."),
    ),
    "stream_cancelled": (
        ("$stream was cancelled", "$stream fue cancelado", "$stream foi cancelado"),
        ("It does not take place.", "No tendrá lugar.", "Não vai acontecer."),
    ),
}
