"""Texts about votes for the chat's channels, in three languages, a line each. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.messages.wording import LANGUAGES, Language
from shared.social.votes import VoteOutcome

OPENED: Mapping[Language, str] = {
    "en": "A vote is open until {until} UTC: {title}",
    "es": "Hay una votación abierta hasta el {until} UTC: {title}",
    "pt": "Há uma votação aberta até {until} UTC: {title}",
}
WON: Mapping[Language, str] = {
    "en": "The vote “{title}” is closed. “{label}” has won with {most} of {ballots} ballots.",
    "es": "La votación «{title}» se cerró. Ganó «{label}» con {most} de {ballots} votos.",
    "pt": "A votação “{title}” foi encerrada. “{label}” venceu com {most} de {ballots} votos.",
}
TIED: Mapping[Language, str] = {
    "en": "The vote “{title}” is closed. Several options share the most ballots: there is no winner.",
    "es": "La votación «{title}» se cerró. Varias opciones empataron: no hay ganador.",
    "pt": "A votação “{title}” foi encerrada. Houve empate entre opções: não há vencedor.",
}
TOO_FEW: Mapping[Language, str] = {
    "en": "The vote “{title}” is closed. Too few members have voted: there is no winner.",
    "es": "La votación «{title}» se cerró. Votaron muy pocos miembros: no hay ganador.",
    "pt": "A votação “{title}” foi encerrada. Poucos membros votaram: não há vencedor.",
}
NOBODY: Mapping[Language, str] = {
    "en": "The vote “{title}” is closed. Nobody has voted: there is no winner.",
    "es": "La votación «{title}» se cerró. Nadie votó: no hay ganador.",
    "pt": "A votação “{title}” foi encerrada. Ninguém votou: não há vencedor.",
}
EARLY: Mapping[Language, str] = {
    "en": "It was closed before its time.",
    "es": "Se cerró antes de tiempo.",
    "pt": "Ela foi encerrada antes do prazo.",
}


def opened(title: str, closes_at: datetime) -> str:
    """The text that tells of an opened vote."""
    until = closes_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    return "\n".join(OPENED[language].format(until=until, title=title) for language in LANGUAGES)


def closed(title: str, outcome: VoteOutcome, labels: Mapping[int, str], *, early: bool) -> str:
    """The text that tells of a closed vote; `labels` are those of its options."""
    totals = {total.option: total.ballots for total in outcome.totals}
    words = {"title": title, "ballots": outcome.ballots}
    if outcome.winner is not None:
        said = WON
        words |= {"label": labels[outcome.winner], "most": totals[outcome.winner]}
    elif not outcome.ballots:
        said = NOBODY
    elif outcome.tie and outcome.quorum_met:
        said = TIED
    else:
        said = TOO_FEW
    lines = [said[language].format(**words) for language in LANGUAGES]
    if early:
        lines = [f"{line} {EARLY[language]}" for language, line in zip(LANGUAGES, lines, strict=True)]
    return "\n".join(lines)
