"""The pages behind the link that ends campaigns, in the member's language. Pure."""

from collections.abc import Mapping
from html import escape
from string import Template

from shared.messages import texts
from shared.messages.wording import Language

ONE_CLICK: Mapping[str, str] = {"List-Unsubscribe": "One-Click"}  # RFC 8058, section 3.2
PAGE = Template(
    '<!doctype html><html lang="$language"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>BlakJaks</title></head>'
    '<body style="margin:48px auto;max-width:32rem;padding:0 16px;font:18px/1.5 system-ui,sans-serif">'
    "<h1>&#9824; BlakJaks</h1><p>$text</p>$form</body></html>"
)
FORM = Template(
    '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
    '<button style="font:inherit;padding:8px 24px">$button</button></form>'
)


def question(into: Language) -> str:
    """The page that asks whether the member wants no more campaigns."""
    form = FORM.substitute(button=escape(texts.line("campaign_unsubscribe", {}, into)))
    return _page("unsubscribe_question", form, into)


def confirmation(into: Language) -> str:
    """The page that says that no more campaigns come."""
    return _page("unsubscribed", "", into)


def _page(code: str, form: str, into: Language) -> str:
    return PAGE.substitute(language=into, text=escape(texts.line(code, {}, into)), form=form)
