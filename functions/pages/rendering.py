"""Templates with what every page needs: its language, the addresses of its files, and its other languages."""

from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from functions.pages import assets, words
from functions.pages.views import Writer
from shared.config import Config, read
from shared.messages.wording import LANGUAGES, Language


class PagesConfig(Config):
    """Where the pages are known by others, and whether the gallery of states is shown."""

    site_domain: str = "blakjaks.com"
    pages_gallery: bool = False


def render(template: str, language: Language, path: str, **values: Any) -> str:
    """A page. `path` is its address without the language: "/awards"."""
    writer = Writer(language)
    return (
        _environment()
        .get_template(template)
        .render(
            language=language,
            path=path,
            say=writer.say,
            moment=writer.moment,
            languages={each: words.NAMES[each] for each in LANGUAGES},
            origin=f"https://{read(PagesConfig).site_domain}",
            words=words.for_browsers(language),
            **values,
        )
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(assets.FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["asset"] = assets.address
    return made
