"""Makes a mail's HTML and plain text of its blocks, with the variables not filled in yet.

The HTML is made by way of MJML, which mail programs of all kinds show alike. MJML passes scripts and unknown tags on,
and the library ends the process for input that is nested too deeply: only MJML that is written here reaches it, with
every text escaped and at most two levels of blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from string import Template

from functions.admin_mails.blocks import AnyBlock, Block, MailContent, Span
from shared.messages import built_in_mails, texts
from shared.messages.wording import Language
from shared.messages.written_mails import POSTAL_ADDRESS, UNSUBSCRIBE

FONT = "-apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"
MARKS = ".,;:!?)"  # no blank precedes them
PAGE = Template(
    '<mjml lang="$language"><mj-head><mj-title>$subject</mj-title><mj-preview>$preheader</mj-preview><mj-attributes>'
    f'<mj-all font-family="{FONT}" /><mj-text font-size="16px" line-height="24px" color="#24242b" />'
    '<mj-button background-color="#c9a227" color="#14141a" font-weight="700" border-radius="8px" />'
    '</mj-attributes></mj-head><mj-body background-color="#e9e6df">'
    '<mj-section background-color="#14141a"><mj-column><mj-text font-size="20px" font-weight="700" color="#ffffff">'
    "&#9824; BlakJaks</mj-text></mj-column></mj-section>"
    "$blocks"
    '<mj-section background-color="#ffffff"><mj-column><mj-text font-size="13px" line-height="19px" color="#6b6b76">'
    "$foot</mj-text></mj-column></mj-section></mj-body></mjml>"
)
# A locked phone shows the beginning of a mail: after a preheader with this it does not come to a code.
UNSEEN = "&#847;&#8204;&#160;" * 120
SECTION = Template('<mj-section background-color="#ffffff" padding="0">$columns</mj-section>')
COLUMN = Template("<mj-column>$blocks</mj-column>")


@dataclass(frozen=True)
class Layout:
    """The bodies of a version, or of a part of it."""

    html: str
    text: str


def layout(content: MailContent, language: Language, key: str | None = None) -> Layout:
    """The version's HTML and text. Both end with why the mail was sent; those of campaigns also with the link that ends
    such mails, and the sender's postal address. `key` is that of the mail of the code that the version replaces. No
    font is fetched from anybody.
    """
    from mjml import mjml2html

    foot = _foot_of_campaigns(language) if key is None else _foot_of_replacements(key, language)
    mail = built_in_mails.replaceable(key) if key else None
    page = PAGE.substitute(
        language=language,
        subject=escape(content.subject),
        preheader=escape(content.preheader) + (UNSEEN if mail and mail.is_secret else ""),
        blocks="".join(_section(block) for block in content.blocks),
        foot=foot.html,
    )
    parts = [part for block in content.blocks for part in _text(block)]
    return Layout(mjml2html(page, fonts={}), "\n\n".join([*parts, f"--\n{foot.text}"]))


def _foot_of_campaigns(language: Language) -> Layout:
    why, unsubscribe = (texts.line(code, {}, language) for code in ("campaign_why", "campaign_unsubscribe"))
    link = f'<a href="{{{UNSUBSCRIBE}}}">{escape(unsubscribe)}</a>'
    return Layout(
        html=f"{escape(why)} {link}<br />{{{POSTAL_ADDRESS}}}",
        text=f"{why}\n{unsubscribe}: {{{UNSUBSCRIBE}}}\n\n{{{POSTAL_ADDRESS}}}",
    )


def _foot_of_replacements(key: str, language: Language) -> Layout:
    why = built_in_mails.reason_for(key, language)
    return Layout(html=escape(why), text=why)


def _section(block: Block) -> str:
    columns: list[Sequence[AnyBlock]] = [block.left or (), block.right or ()] if block.type == "columns" else [[block]]
    return SECTION.substitute(columns="".join(_column(blocks) for blocks in columns))


def _column(blocks: Sequence[AnyBlock]) -> str:
    return COLUMN.substitute(blocks="".join(_leaf(block) for block in blocks))


def _leaf(block: AnyBlock) -> str:
    spans, text, link = _spans(block.spans or ()), escape(block.text or ""), escape(block.link or "")
    there = f' href="{link}"' if link else ""
    made = {
        "heading": f'<mj-text font-size="26px" line-height="32px" font-weight="700">{text}</mj-text>',
        "text": f"<mj-text>{spans}</mj-text>",
        "button": f'<mj-button href="{link}">{text}</mj-button>',
        "image": f'<mj-image src="{escape(block.image or "")}" alt="{text}"{there} />',
        "box": f'<mj-text container-background-color="#f4f1ea" align="center">{spans}</mj-text>',
        "divider": '<mj-divider border-width="1px" border-color="#e9e6df" />',
        "spacer": f'<mj-spacer height="{block.height}px" />',
    }
    return made[block.type]


def _spans(spans: Sequence[Span]) -> str:
    return _joined([(span.text, _span(span)) for span in spans])


def _joined(spans: Sequence[tuple[str, str]]) -> str:
    """Spans with a blank between each two, but none before a mark such as a full stop; each as its own text and as it
    is written. Texts have no blanks at their ends.
    """
    return "".join(made if number == 0 or text[0] in MARKS else f" {made}" for number, (text, made) in enumerate(spans))


def _span(span: Span) -> str:
    made = escape(span.text).replace("\n", "<br />")
    for wanted, tag in ((span.bold, "b"), (span.italic, "i")):
        made = f"<{tag}>{made}</{tag}>" if wanted else made
    return f'<a href="{escape(span.link)}">{made}</a>' if span.link else made


def _text(block: AnyBlock) -> list[str]:
    """The paragraphs of the plain text that a block gives."""
    if isinstance(block, Block) and block.type == "columns":
        return [part for leaf in (*(block.left or ()), *(block.right or ())) for part in _text(leaf)]
    if block.spans:
        return [_joined([(s.text, f"{s.text} ({s.link})" if s.link else s.text) for s in block.spans])]
    if block.type == "button":
        return [f"{block.text}: {block.link}"]
    return [block.text] if block.text else []
