"""Each staged folder boots under functions-framework with its own requirements and nothing else, and answers.

Functions with the same requirements share an environment, made from what `make setup` has left in uv's cache. A
process starts with an empty environment; the settings that a request needs arrive when gunicorn forks its worker, after
everything was imported.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import Request, urlopen

import pytest

from emulators import bootstrap, cloud
from emulators.identity import Identity
from emulators.process import Child, accepts_connections, free_port
from shared.auth import SIGNATURE_REMOVED
from shared.web import edge
from terraform import stage
from terraform.functions import Function, functions

AUDIENCE = "https://functions.test/{service}"
EDGE_KEY = "0123456789abcdef0123456789abcdef"
SETTINGS = {
    "K_SERVICE": "booted",  # on Cloud Run, where the platform has checked the caller's token
    "OIDC_AUDIENCE": AUDIENCE,
    "GATEWAY_SERVICE_ACCOUNT": cloud.GATEWAY_ACCOUNT,
    "INVOKER_SERVICE_ACCOUNT": cloud.INVOKER_ACCOUNT,
    "EDGE_KEYS": EDGE_KEY,
}
SETTINGS_COME_LATE = f"import os; os.register_at_fork(after_in_child=lambda: os.environ.update({SETTINGS!r}))\n"
NO_FIRESTORE = {"GOOGLE_CLOUD_PROJECT": "staged", "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}  # nothing listens there
AT_ONCE = 3
START_SECONDS_MAX = 60.0
UV = str(bootstrap.LOCAL / "uv" / "bin" / "uv")

SITE = next(name for name, function in functions().items() if function.site)
EVERY_PAGE = (
    "/",
    "/awards",
    "/awards/500",
    "/nothing",
    "/live.json",
)  # where the crawl begins; others are named on them
NAMED = re.compile(r"""(?:href|src|action)="(/[^"#]*)"|from "(\./[a-z]+\.js)"|fetch\("(/[^"]+)""")

each_function = pytest.mark.parametrize("name", sorted(functions()))


@dataclass(frozen=True)
class Answer:
    """To `GET /` by whoever may call the function. Of the web site: the statuses of all addresses on its pages."""

    status: int
    problem: Mapping[str, object]
    log: str
    addresses: Mapping[str, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    stage.build(folder=folder)
    return folder / "staged"


@pytest.fixture(scope="module")
def answers(staged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Answer]]:
    """The answers of all functions, several of them booted at a time."""
    sets: dict[str, list[Function]] = defaultdict(list)
    for function in functions().values():
        sets[(staged / function.name / "requirements.txt").read_text()].append(function)
    identity = Identity()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        environments = list(pool.map(lambda _: tmp_path_factory.mktemp("environment"), sets))
        list(pool.map(_install, environments, (staged / group[0].name for group in sets.values())))
        pairs = [(at, function) for at, group in zip(environments, sets.values(), strict=True) for function in group]
        given = pool.map(lambda pair: _boot(identity, pair[0], pair[1], staged / pair[1].name), pairs)
        yield {function.name: answer for (_, function), answer in zip(pairs, given, strict=True)}


def _install(environment: Path, folder: Path) -> None:
    """The packages of requirements.txt, which must be complete, and the settings that are read late."""
    python = str(environment / "bin" / "python")
    subprocess.run([UV, "venv", "-q", "--clear", "--python", sys.executable, str(environment)], check=True)
    sync = [UV, "pip", "sync", "-q", "--require-hashes", "--python", python, str(folder / "requirements.txt")]
    if subprocess.run([*sync, "--offline"], check=False).returncode:  # somebody has emptied the cache
        subprocess.run(sync, check=True)
    subprocess.run([UV, "pip", "check", "-q", "--python", python], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "sitecustomize.py").write_text(SETTINGS_COME_LATE)


def _crawled(port: int, headers: Mapping[str, str], log: Path) -> Answer:
    """Ask for the first pages, and for every address of this host that an answer names."""
    todo, statuses = list(EVERY_PAGE), dict[str, int]()
    while todo:
        address = todo.pop()
        if address in statuses or address.startswith("/v1/"):
            continue
        request = Request(f"http://127.0.0.1:{port}{address}", headers=dict(headers))
        try:
            with urlopen(request, timeout=START_SECONDS_MAX) as answer:  # noqa: S310 - its own address
                status, at, text = answer.status, answer.url, answer.read().decode()
        except HTTPError as refused:
            with refused:
                status, at, text = refused.code, refused.url, refused.read().decode()
        statuses[address] = status
        todo += [urlsplit(urljoin(at, named)).path for found in NAMED.findall(text) for named in found if named]
    return Answer(404, {"type": "/problems/not-found"}, log.read_text(), statuses)


def _boot(identity: Identity, environment: Path, function: Function, folder: Path) -> Answer:
    port = free_port()
    command = [str(environment / "bin" / "functions-framework"), "--target", function.name,
               "--source", str(folder / "main.py"), "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
    log = environment / f"{function.name}.log"
    child = Child.start(function.name, command, log, NO_FIRESTORE if function.site else {})
    try:
        child.wait_until_ready(lambda: accepts_connections(port), START_SECONDS_MAX)
        account = cloud.GATEWAY_ACCOUNT if function.gateway else cloud.INVOKER_ACCOUNT
        token = identity.mint(account, AUDIENCE.format(service=function.service)).rpartition(".")[0]
        headers = {
            "Authorization": f"Bearer {token}.{SIGNATURE_REMOVED}",
            edge.ADDRESS_HEADER: "203.0.113.7",
            edge.KEY_HEADER: EDGE_KEY,
        }
        if function.site:
            return _crawled(port, headers, log)
        request = Request(f"http://127.0.0.1:{port}/", headers=headers)
        with pytest.raises(HTTPError) as refused:
            urlopen(request, timeout=START_SECONDS_MAX)  # noqa: S310 - its own address
        with refused.value as answer:
            return Answer(answer.code, json.loads(answer.read()), log.read_text())
    finally:
        child.kill()


def test_the_pages_answer_every_address_that_they_name(answers: Mapping[str, Answer]) -> None:
    """And they are there while Firestore does not answer: only the figures are not."""
    addresses = answers[SITE].addresses
    refused = {address: status for address, status in addresses.items() if status != 200}
    assert refused == {"/nothing": 404, "/live.json": 503}, answers[SITE].log
    for needed in ("/en", "/es/awards", "/pt/awards/500", "style.css", "words.js", "icon.svg"):
        assert any(address.endswith(needed) for address in addresses), needed


@each_function
def test_it_boots_and_answers_that_there_is_nothing_here(name: str, answers: Mapping[str, Answer]) -> None:
    answer = answers[name]
    wanted = (404, "/problems/not-found") if functions()[name].is_http else (405, "/problems/method-not-allowed")
    assert (answer.status, answer.problem["type"]) == wanted, answer.log


@each_function
def test_its_log_has_no_error(name: str, answers: Mapping[str, Answer]) -> None:
    log = answers[name].log
    assert "Traceback" not in log
    assert '"severity": "ERROR"' not in log
