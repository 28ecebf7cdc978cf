"""Renders mails: fills the sources' parameters, escaped in HTML. Every named parameter must be given.

A contract test compares the templates that other code queues with these, so that an unknown one fails there and not in
production.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from string import Template

from shared.messages import texts
from shared.messages.built_in_mails import SOURCES
from shared.messages.mail_sources import Source
from shared.messages.wording import DEFAULT, LANGUAGES, Language


class TemplateUnknown(Exception):
    """No template has this name, or a parameter is missing."""


@dataclass(frozen=True)
class Rendered:
    """A mail's subject, bodies and further headers, ready to be sent."""

    subject: str
    html: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Texts:
    """A source in one language, its parameters not yet filled in."""

    language: Language
    subject: str
    before: tuple[str, ...]
    shown: str
    after: tuple[str, ...]
    why: str
    is_secret: bool

    @classmethod
    def of(cls, source: Source, into: Language) -> "_Texts":
        language = DEFAULT if source.is_english_only else into
        place = LANGUAGES.index(language)
        before, after = (tuple(text[place] for text in texts) for texts in (source.before, source.after))
        return cls(
            language,
            source.subject[place],
            before,
            source.shown[place],
            after,
            why=source.why[place],
            is_secret=source.is_secret,
        )


def render(template: str, parameters: Mapping[str, str], into: Language) -> Rendered:
    """Render the mail in a language; mails to staff are English. Raises TemplateUnknown."""
    try:
        source = _Texts.of(SOURCES[template], into)
        values = {name: texts.written(name, value, source.language) for name, value in parameters.items()}
        parts = (*source.before, *((source.shown,) if source.shown else ()), *source.after)
        return Rendered(
            subject=Template(source.subject).substitute(values),
            html=_page(source, {name: escape(value) for name, value in values.items()}),
            text="\n\n".join(Template(part).substitute(values) for part in (*parts, f"--\n{source.why}")),
        )
    except (KeyError, ValueError) as error:
        raise TemplateUnknown(f"{template}: {error}") from error


# Mail programs support tables and inline styles, and little else.
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_PARAGRAPH = (
    f'<p style="margin:0 0 16px;{_FONT};font-size:16px;line-height:24px;color:#24242b;word-break:break-word">$text</p>'
)
_SHOWN = (
    '<p style="margin:8px 0 24px;padding:20px;background:#f4f1ea;border-radius:10px;text-align:center;'
    f'{_FONT};font-size:28px;line-height:34px;font-weight:700;color:#14141a;word-break:break-word">$text</p>'
)
_PAGE = (
    '<!doctype html><html lang="$language"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>$subject</title></head>'
    '<body style="margin:0;padding:0;background:#e9e6df">$preview'
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


# A locked phone shows the beginning of a mail. For a mail with a code it shows this text instead, followed by blanks.
_PREVIEW = (
    '<span style="display:none;max-height:0;overflow:hidden;opacity:0">$text' + "&#847;&zwnj;&nbsp;" * 120 + "</span>"
)


def _page(source: _Texts, escaped: Mapping[str, str]) -> str:
    content = "".join(_filled(_PARAGRAPH, text, escaped) for text in source.before)
    if source.shown:
        content += _filled(_SHOWN, source.shown, escaped)
    content += "".join(_filled(_PARAGRAPH, text, escaped) for text in source.after)
    subject, why = Template(source.subject).substitute(escaped), Template(source.why).substitute(escaped)
    preview = _filled(_PREVIEW, source.why, escaped) if source.is_secret else ""
    return Template(_PAGE).substitute(
        language=source.language, subject=subject, content=content, why=why, preview=preview
    )


def _filled(frame: str, text: str, escaped: Mapping[str, str]) -> str:
    return Template(frame).substitute(text=Template(text).substitute(escaped))
