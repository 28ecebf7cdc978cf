"""The part that every web page has: routes, the language, the headers that keep a page safe, and errors as pages."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Request, Response, current_app, has_app_context
from flask import request as current_request

from shared import log
from shared.messages.wording import DEFAULT, LANGUAGES, Language, language
from shared.values.problems import NotThroughTheGateway, Problem
from shared.web import attacks, edge
from shared.web.http import HTML, problem_response, with_etag

METHODS = ("GET", "HEAD")
JSON = "application/json"
NEVER_KEPT = "no-store"

# A page may load what lies on its own host, and nothing else; a script or style in its text is not run.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class NoSuchPage(Exception):
    """Raised by a view when its address names nothing."""


@dataclass(frozen=True)
class View:
    """A view of the pages: it takes the request and what its pattern found in the path."""

    pattern: re.Pattern[str]
    make: Callable[..., Response]


class Site:
    """The pages of one function. `failed(language, status)` makes the page of an error."""

    def __init__(self, function: str, failed: Callable[[Language, int], Response]) -> None:
        self.function = function
        self.views: list[View] = []
        self._failed = failed
        if has_app_context():  # functions-framework imports us inside its app, whose own 404 is a page of its own
            current_app.register_error_handler(404, self.nothing_there)

    def view(self, pattern: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
        """Register a view for the paths that a regular expression matches as a whole; its groups are arguments."""

        def register(make: Callable[..., Response]) -> Callable[..., Response]:
            self.views.append(View(re.compile(pattern), make))
            return make

        return register

    def handle(self, request: Request) -> Response:
        """Answer a request; every failure becomes a page too."""
        started = time.perf_counter()
        with log.bound(function=self.function, method=request.method):
            name, response = self._answer(request)
            for header, value in PAGE_HEADERS.items():
                response.headers.setdefault(header, value)
            response.headers.setdefault("Cache-Control", NEVER_KEPT)
            log.info(
                "request",
                operation=name,
                status=response.status_code,
                milliseconds=round((time.perf_counter() - started) * 1000, 1),
            )
        return response

    def nothing_there(self, _: Exception) -> Response:
        """Answer 404 for a path that functions-framework itself does not find."""
        response = self._failed(language_of(current_request), 404)
        response.headers.update(PAGE_HEADERS)
        response.headers.setdefault("Cache-Control", NEVER_KEPT)
        return response

    def _answer(self, request: Request) -> tuple[str, Response]:
        """The view's name and its response."""
        try:
            edge.require(request)
            if request.method not in METHODS:
                response = self._failed(language_of(request), 405)
                response.headers["Allow"] = ", ".join(METHODS)
                return "", response
            return self._viewed(request)
        except NoSuchPage:
            return "", self._failed(language_of(request), 404)
        except NotThroughTheGateway as problem:
            attacks.note(problem.slug())
            return "", problem_response(problem)
        except Problem as problem:
            return "", problem_response(problem)
        except Exception:  # noqa: BLE001 - the last stand: logged once with its trace, shown to nobody
            log.error("unexpected error")
            return "", self._failed(language_of(request), 500)

    def _viewed(self, request: Request) -> tuple[str, Response]:
        for view in self.views:
            if found := view.pattern.fullmatch(request.path):
                response = view.make(request, **found.groupdict())
                if response.status_code == 200:  # noqa: PLR2004 - only a whole answer has a version
                    response = with_etag(request, response)
                return view.make.__name__, response
        raise NoSuchPage


def page(html: str, cache: str, status: int = 200) -> Response:
    """A page with how long others may keep it."""
    return Response(html, status, content_type=HTML, headers={"Cache-Control": cache})


def redirect(location: str, *, depends_on_language: bool = False) -> Response:
    """A redirection on this host. One that depends on the browser's languages is kept by nobody."""
    headers = {"Location": location, "Cache-Control": NEVER_KEPT if depends_on_language else "public, max-age=300"}
    if depends_on_language:
        headers["Vary"] = "Accept-Language"
    return Response(status=302 if depends_on_language else 301, headers=headers)


def language_of(request: Request) -> Language:
    """The language in the path; without one, that which the browser prefers among ours."""
    first = request.path.split("/")[1] if "/" in request.path else ""
    if first in LANGUAGES:
        return language(first)
    return language(request.accept_languages.best_match(LANGUAGES, DEFAULT) or DEFAULT)
