"""HTTP: the public web pages, and live.json, from which they show figures as they change (docs/pages.md)."""

from datetime import datetime

from flask import Request, Response

from functions.pages import assets, gallery, live
from functions.pages.rendering import PagesConfig, render
from functions.pages.site import JSON, NEVER_KEPT, NoSuchPage, Site, language_of, page, redirect
from functions.pages.views import Writer
from shared import clock
from shared.config import read
from shared.messages.wording import Language
from shared.values import encoding
from shared.values.problems import Overloaded
from shared.web.http import problem_response

LIVE_CACHE = "public, max-age=2"
PAGE_CACHE = "public, max-age=5, stale-while-revalidate=60"
FOREVER = "public, max-age=31536000, immutable"
ASKED_AGAIN = "public, no-cache"
RETRY_SECONDS = "5"
IN_LANGUAGE = "/(?P<language>en|es|pt)"
AGEING = frozenset({"count", "feed"})  # once one of these is old, the whole page is
NUMBER = "[1-9][0-9]{0,17}"


def failed(language: Language, status: int) -> Response:
    """The page of an error."""
    html = render("problem.html", language, "", status=status)
    return page(html, NEVER_KEPT, status)


site = Site("pages", failed)


def pages(request: Request) -> Response:
    return site.handle(request)


@site.view("/live.json")
def live_json(request: Request) -> Response:
    """The figures; 503 if they were never read and cannot be read now."""
    found = live.figures()
    if found is None:
        return problem_response(Overloaded("The figures cannot be read now.", headers={"Retry-After": RETRY_SECONDS}))
    body = encoding.dump({"at": clock.now(), **found})
    return Response(body, content_type=JSON, headers={"Cache-Control": LIVE_CACHE})


@site.view("/a/(?P<version>[0-9a-f]+)/(?P<name>[a-z0-9.-]+)")
def asset(request: Request, version: str, name: str) -> Response:
    """A file of the pages. Under the address of another release the present one is given, and not kept: a page that
    was loaded before a release goes on working.
    """
    found = assets.assets().get(name)
    if found is None:
        raise NoSuchPage
    cache = FOREVER if version == assets.version() else ASKED_AGAIN
    return Response(found.content, content_type=found.content_type, headers={"Cache-Control": cache})


@site.view(f"(?P<path>/?|/awards|/awards/{NUMBER}|/gallery)")
def in_own_language(request: Request, path: str) -> Response:
    """A redirection to the page in the language that the browser prefers."""
    return redirect(f"/{language_of(request)}{path.rstrip('/')}", depends_on_language=True)


@site.view(f"(?P<path>{IN_LANGUAGE}(/awards|/awards/{NUMBER}|/gallery)?)/")
def without_slash(request: Request, path: str, language: str) -> Response:
    """A redirection to the address without the slash at its end."""
    return redirect(path)


@site.view(IN_LANGUAGE)
def home(request: Request, language: Language) -> Response:
    """The first page: count, wins, milestones, treasuries."""
    found = live.figures()
    old = _old(found["moments"]) if found else []
    shown = Writer(language).home(found)
    html = render("home.html", language, "", figures=found, shown=shown, old=old, is_old=bool(AGEING & set(old)))
    return page(html, PAGE_CACHE if found else NEVER_KEPT)


@site.view(f"{IN_LANGUAGE}/awards")
def awards(request: Request, language: Language) -> Response:
    """Every number that could win, and whether it did."""
    return page(render("awards.html", language, "/awards"), PAGE_CACHE)


@site.view(f"{IN_LANGUAGE}/awards/(?P<number>{NUMBER})")
def award(request: Request, language: Language, number: str) -> Response:
    """One number, and why it won or did not."""
    return page(render("award.html", language, f"/awards/{number}", number=int(number)), PAGE_CACHE)


@site.view(f"{IN_LANGUAGE}/gallery")
def states(request: Request, language: Language) -> Response:
    """Each part of the pages in each of its states, for the people who build them; not there for anybody else."""
    if not read(PagesConfig).pages_gallery:
        raise NoSuchPage
    html = render("gallery.html", language, "/gallery", states=gallery.states(Writer(language)))
    return page(html, NEVER_KEPT)


def _old(moments: dict[str, dict[str, str]]) -> list[str]:
    """The parts that are older than they should be."""
    return [name for name, each in moments.items() if datetime.fromisoformat(each["old_from"]) <= clock.now()]
