"""The mails: a new one is an entry in SOURCES. Parameters are escaped where they meet HTML; each named one must come.

What others queue is looked for in the code by a contract test: a template that nobody knows fails there, not at night.
"""

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
class Source:
    """`shown` stands large in the middle: a code, an amount. `after` follows it; `why` says why this mail comes."""

    subject: str
    before: tuple[str, ...]
    shown: str = ""
    after: tuple[str, ...] = ()
    why: str = "You get this mail because you have a BlakJaks account."

    @property
    def parameters(self) -> frozenset[str]:
        """The names that it needs."""
        texts = (self.subject, *self.before, self.shown, *self.after, self.why)
        return frozenset(name for text in texts for name in Template(text).get_identifiers())


HELLO = "Hello $name,"
NOT_YOU = "If that was not you, ignore this mail: nothing changes without the code."
TAKE_CARE = "If that was not you, change your password now and write to support@blakjaks.com."
POLYGON = "Look it up on Polygon: https://polygonscan.com/tx/$transaction_hash"
OPTIONAL = "You get this mail because you have a BlakJaks account. You can switch such mails off in your settings."
STAFF = "You get this mail because you work for BlakJaks."

SOURCES: Mapping[str, Source] = {
    "verify_email": Source(
        "Your BlakJaks code is $code",
        (HELLO, "welcome! This code proves that the address is yours. It is good for fifteen minutes."),
        "$code",
        (NOT_YOU,),
    ),
    "reset_password": Source(
        "Your BlakJaks code is $code",
        (HELLO, "with this code you choose a new password. It is good for fifteen minutes."),
        "$code",
        (NOT_YOU,),
    ),
    "password_changed": Source(
        "Your password was changed",
        (HELLO, "the password of your account was changed, and you were signed out everywhere.", TAKE_CARE),
    ),
    "verify_new_email": Source(
        "Your BlakJaks code is $code",
        (HELLO, "with this code the address becomes that of your account. It is good for fifteen minutes."),
        "$code",
        (NOT_YOU,),
        "You get this mail because somebody entered this address in their BlakJaks profile.",
    ),
    "email_change_asked": Source(
        "Your e-mail address is about to change",
        (HELLO, "somebody who is signed in to your account asked for another e-mail address:"),
        "$email",
        ("It changes when the code that we mailed there comes back. Until then this one holds.", TAKE_CARE),
    ),
    "email_changed": Source(
        "Your e-mail address was changed",
        (HELLO, "from now on we write to another address:"),
        "$email",
        (TAKE_CARE,),
    ),
    "comp_awarded": Source(
        "You won $amount!",
        (HELLO, "one of your scans has won a comp:"),
        "$amount",
        ("It is on its way to your wallet. If you have not linked one yet, it waits until you do.",),
        OPTIONAL,
    ),
    "comp_paid": Source(
        "$amount USDT is in your wallet",
        (HELLO, "your comp has been paid, and the payment is final:"),
        "$amount USDT",
        (POLYGON,),
        OPTIONAL,
    ),
    "payout_paid": Source(
        "$amount USDT is in your wallet",
        (HELLO, "what you earned has been paid, and the payment is final:"),
        "$amount USDT",
        ("It is for: $reason.", POLYGON),
        OPTIONAL,
    ),
    "withdrawal_ended": Source(
        "$headline",
        (HELLO, "$headline."),
        "",
        ("$body", "It was to go to $to_address.", POLYGON, TAKE_CARE),
        OPTIONAL,
    ),
    "order_confirmed": Source(
        "Your order $order_number is confirmed",
        (HELLO, "thank you! We have your order, and it will be packed next."),
        "$total",
        ("Order $order_number: $items.",),
        OPTIONAL,
    ),
    "order_shipped": Source(
        "Your order $order_number is on its way",
        (HELLO, "your order has left our house. Its tracking number is:"),
        "$tracking_number",
        (),
        OPTIONAL,
    ),
    "casino_won": Source(
        "Your casino package is waiting",
        (HELLO, "you have won a casino package worth"),
        "about $value",
        (
            "What is in it: $package.",
            "The free play is paid to your wallet by itself.",
            "To book the rest, answer this mail with two dates that suit you, and name this number: $comp_id.",
        ),
    ),
    "trip_chosen": Source(
        "$name has chosen: $destination",
        ("$name ($member_id) has won a trip and chosen:",),
        "$destination",
        (
            "It is worth $value.",
            "Mail: $email. Phone: $phone. Number: $comp_id.",
            "Please call within two days, and note it in the admin portal.",
        ),
        STAFF,
    ),
    "export_ready": Source(
        "Your data is ready",
        (HELLO, "the file with everything we know about you is ready. You find it in your profile for seven days."),
    ),
    "account_deleted": Source(
        "Your account was deleted",
        (
            HELLO,
            "your account is closed, and what it knew about you is being removed.",
            "What we have to keep (payments, and how many codes were scanned) does not name you.",
            "This is the last mail that you get from us. Thank you for having been with us.",
        ),
        why="You get this mail because you had a BlakJaks account.",
    ),
    "treasury_notice": Source(
        "$subject", ("$what",), "", ("What to do: $remedy", "The runbook is docs/treasury.md."), STAFF
    ),
}


def render(template: str, parameters: Mapping[str, str]) -> Rendered:
    """Raises TemplateUnknown."""
    try:
        source = SOURCES[template]
        escaped = {name: escape(value) for name, value in parameters.items()}
        parts = (*source.before, *((source.shown,) if source.shown else ()), *source.after)
        return Rendered(
            subject=Template(source.subject).substitute(parameters),
            html=_page(source, escaped),
            text="\n\n".join(Template(part).substitute(parameters) for part in (*parts, f"--\n{source.why}")),
        )
    except (KeyError, ValueError) as error:
        raise TemplateUnknown(f"{template}: {error}") from error


# Mail programs know tables and inline styles, and little else.
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_PARAGRAPH = (
    f'<p style="margin:0 0 16px;{_FONT};font-size:16px;line-height:24px;color:#24242b;word-break:break-word">$text</p>'
)
_SHOWN = (
    '<p style="margin:8px 0 24px;padding:20px;background:#f4f1ea;border-radius:10px;text-align:center;'
    f'{_FONT};font-size:28px;line-height:34px;font-weight:700;color:#14141a;word-break:break-word">$text</p>'
)
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>$subject</title></head>'
    '<body style="margin:0;padding:0;background:#e9e6df">'
    '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#e9e6df"><tr>'
    '<td align="center" style="padding:32px 12px">'
    '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" '
    'style="table-layout:fixed;max-width:560px;background:#ffffff;border-radius:14px;overflow:hidden">'
    '<tr><td style="background:#14141a;padding:20px 32px;'
    f'{_FONT};font-size:20px;font-weight:700;letter-spacing:1px;color:#ffffff">'
    '<span style="color:#c9a227">&#9824;</span>&nbsp; BlakJaks</td></tr>'
    '<tr><td style="padding:32px 32px 16px">$content</td></tr>'
    f'<tr><td style="padding:16px 32px 28px;{_FONT};font-size:13px;line-height:19px;color:#6b6b76">$why</td></tr>'
    "</table></td></tr></table></body></html>"
)


def _page(source: Source, escaped: Mapping[str, str]) -> str:
    content = "".join(_filled(_PARAGRAPH, text, escaped) for text in source.before)
    if source.shown:
        content += _filled(_SHOWN, source.shown, escaped)
    content += "".join(_filled(_PARAGRAPH, text, escaped) for text in source.after)
    subject, why = Template(source.subject).substitute(escaped), Template(source.why).substitute(escaped)
    return Template(_PAGE).substitute(subject=subject, content=content, why=why)


def _filled(frame: str, text: str, escaped: Mapping[str, str]) -> str:
    return Template(frame).substitute(text=Template(text).substitute(escaped))
