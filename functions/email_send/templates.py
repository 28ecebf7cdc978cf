"""The mails: subject, HTML and plain text of each template. Parameters are escaped where they meet HTML."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from string import Template


class TemplateUnknown(Exception):
    """No template has this name, or a parameter is missing."""


@dataclass(frozen=True)
class Rendered:
    """Ready to be sent."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class _Source:
    subject: str
    paragraphs: tuple[str, ...]


_SOURCES: Mapping[str, _Source] = {
    "verify_email": _Source(
        "Your BlakJaks code is $code",
        ("Hello $name,", "your verification code is $code.", "It is good for fifteen minutes."),
    ),
    "reset_password": _Source(
        "$code resets your BlakJaks password",
        (
            "Hello $name,",
            "the code to set a new password is $code.",
            "It is good for fifteen minutes. If you did not ask for it, there is nothing to do.",
        ),
    ),
    "password_changed": _Source(
        "Your BlakJaks password was changed",
        (
            "Hello $name,",
            "your password was changed, and you were signed out everywhere.",
            "If this was not you, reset your password now and write to us.",
        ),
    ),
    "casino_won": _Source(
        "Your casino package is waiting",
        (
            "Hello $name,",
            "you have won a casino package worth about $value: $package.",
            "The free play is paid to your wallet by itself.",
            "To book the rest, answer this mail with two dates that suit you, and name this number: $comp_id.",
        ),
    ),
    "trip_chosen": _Source(
        "$name has chosen: $destination",
        (
            "$name ($member_id) has won a trip and chosen $destination, worth $value.",
            "Mail: $email. Phone: $phone. Number: $comp_id.",
            "Please call within two days, and note it in the admin portal.",
        ),
    ),
    "comp_paid": _Source(
        "$amount USDT is in your wallet",
        (
            "Hello $name,",
            "$amount USDT has been paid to your wallet, and the payment is final.",
            "Look it up on Polygon: $transaction_hash",
        ),
    ),
}


def render(template: str, parameters: Mapping[str, str]) -> Rendered:
    """Raises TemplateUnknown."""
    try:
        source = _SOURCES[template]
        escaped = {name: escape(value) for name, value in parameters.items()}
        return Rendered(
            subject=Template(source.subject).substitute(parameters),
            html=_page("".join(f"<p>{Template(text).substitute(escaped)}</p>" for text in source.paragraphs)),
            text="\n\n".join(Template(text).substitute(parameters) for text in source.paragraphs),
        )
    except (KeyError, ValueError) as error:
        raise TemplateUnknown(f"{template}: {error}") from error


def _page(content: str) -> str:
    return (
        '<!doctype html><html><body style="font-family:sans-serif;max-width:36em;margin:2em auto">'
        f"<h1>BlakJaks</h1>{content}</body></html>"
    )
