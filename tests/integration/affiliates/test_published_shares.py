"""Everybody may read a week's list of shares, and its SHA-256 is the digest that people have agreed to."""

import hashlib
from collections.abc import Callable, Mapping

import pytest
from pg8000.dbapi import Connection

from functions.affiliate_week import recount_store
from shared import db
from shared.affiliates import published
from shared.auth import Role
from shared.values.money import Usdt
from tests import factories
from tests.client import Answer, FunctionClient
from tests.fakes.week_rows import SUNDAY, WEEK, Weeks

Client = Callable[..., FunctionClient]
PATH = f"/v1/affiliate/weeks/{SUNDAY}/shares"


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


@pytest.fixture
def approved(weeks: Weeks) -> Weeks:
    """A week that people have approved: a hundred for five affiliates."""
    for chips in (3, 1, 4, 1, 5):
        weeks.scan(factories.member(), chips)
    weeks.fill(Usdt.of(100))
    weeks.run()
    weeks.agree(factories.member(role=Role.TREASURY))
    weeks.run()
    return weeks


def read(client: FunctionClient, path: str = PATH, headers: Mapping[str, str] | None = None) -> Answer:
    return client.send("GET", path, headers=headers)


def parts(client: FunctionClient) -> list[str]:
    """The parts of the list, as a stranger reads them: each after the last mark of the one before."""
    made = [read(client).body]
    while part := read(client, f"{PATH}?after={made[-1].splitlines()[-1].split(',')[0]}").body:
        made.append(part)
    return made


@pytest.mark.parametrize("at_once", [1, 2, 5, 20_000])
def test_the_parts_together_have_the_digest_of_the_week(
    client: Client, approved: Weeks, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(published, "LINES_AT_ONCE", at_once)
    found = parts(client())
    assert len(found) == -(-5 // at_once)
    text = "".join(found)
    assert text == "".join(db.atomically(lambda tx: list(recount_store.published(tx, recount_store.read(tx, SUNDAY)))))
    assert "\\x" + hashlib.sha256(text.encode()).hexdigest() == approved.week()["digest"]
    head, *lines = text.splitlines()
    assert head == f"{SUNDAY},1,14,100000000,14"
    assert sum(int(line.split(",")[2]) for line in lines) == 100_000_000


@pytest.mark.usefixtures("approved")
def test_it_may_be_cached_for_good(client: Client, weeks: Weeks) -> None:
    answer = read(client())
    tag = answer.headers["ETag"]
    assert tag == f'"{weeks.week()["digest"].removeprefix(chr(92) + "x")}"'
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    for given in (tag, f'"other", {tag}', "*", f"W/{tag}"):
        again = read(client(), headers={"If-None-Match": given})
        assert (again.status, again.body, again.headers["ETag"]) == (304, None, tag), given
    assert read(client(), headers={"If-None-Match": '"other"'}).status == 200
    assert read(client(), f"{PATH}?after={'f' * 64}", headers={"If-None-Match": tag}).status == 304


def test_it_is_published_by_the_approval_and_not_before(client: Client, weeks: Weeks) -> None:
    weeks.scan(factories.member(), 2)
    weeks.fill(Usdt.of(100))
    assert read(client()).status == 404
    weeks.run()
    assert weeks.week()["state"] == "ready"
    answer = read(client(), headers={"If-None-Match": "*"})
    assert (answer.status, answer.headers["Cache-Control"]) == (404, "no-store")
    weeks.agree(factories.member(role=Role.TREASURY))
    weeks.run()
    assert read(client()).status == 200


def test_a_week_without_a_pool_or_chips_has_no_list(client: Client, weeks: Weeks) -> None:
    weeks.run()
    assert weeks.week()["state"] == "completed"
    assert read(client()).status == 404


@pytest.mark.usefixtures("approved")
@pytest.mark.parametrize(
    "day",
    [str(SUNDAY + WEEK), "2026-11-23", "2026-02-30", "20261122", "today", "2026-W47-7", "%00", "9999-12-31"],
)
def test_a_day_on_which_no_week_has_ended_is_not_found(client: Client, day: str) -> None:
    assert read(client(), f"/v1/affiliate/weeks/{day}/shares").status == 404


@pytest.mark.usefixtures("approved")
@pytest.mark.parametrize("query", ["after=", "after=ff", "after=" + "F" * 64, "after=" + "g" * 64, "page=2", "limit=1"])
def test_a_part_after_something_that_is_no_mark_is_refused(client: Client, query: str) -> None:
    answer = read(client(), f"{PATH}?{query}")
    assert (answer.status, answer.problem) == (422, "not-valid")
