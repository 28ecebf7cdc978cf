"""Each run of a schedule leaves when it has ended and how long it took, or when it has failed."""

from collections.abc import Callable
from datetime import datetime

import pytest
from flask import Request
from pg8000.dbapi import Connection
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from shared.job import ComeAgain, Job
from tests.platform import Platform

FUNCTION, SCHEDULE = "outbox_relay", "sweep"


@pytest.fixture
def run(platform: Platform, database: str) -> Callable[[Callable[[datetime], None]], int]:
    """Runs this as a schedule of a job; the answer's status."""
    assert database
    token = platform.invoker_token(FUNCTION)

    def handle(work: Callable[[datetime], None]) -> int:
        job = Job(FUNCTION)
        job.schedule(SCHEDULE)(work)
        headers = Headers({"Authorization": f"Bearer {token}"})
        built = EnvironBuilder(method="POST", json={"schedule": SCHEDULE}, headers=headers)
        return job.handle(Request(built.get_environ())).status_code

    return handle


def well(now: datetime) -> None:
    assert now


def badly(now: datetime) -> None:
    raise RuntimeError(f"broken at {now}")


def later(now: datetime) -> None:
    raise ComeAgain(f"busy at {now}")


def rows(sql: Connection) -> list[list[object]]:
    return list(
        sql.execute_simple(
            "SELECT job, schedule, ended_at IS NOT NULL, milliseconds >= 0, failed_at IS NOT NULL FROM job_runs"
        ).rows
    )


def test_a_run_that_did_its_work_has_ended(run: Callable[..., int], sql: Connection) -> None:
    assert run(well) == 204
    assert run(well) == 204
    assert rows(sql) == [[FUNCTION, SCHEDULE, True, True, False]]


def test_a_run_that_failed_is_tried_again_and_leaves_when_it_failed(run: Callable[..., int], sql: Connection) -> None:
    assert run(badly) == 500
    assert rows(sql) == [[FUNCTION, SCHEDULE, False, None, True]]
    assert run(well) == 204
    assert rows(sql) == [[FUNCTION, SCHEDULE, True, True, True]]


def test_a_run_that_only_has_to_come_again_leaves_nothing(run: Callable[..., int], sql: Connection) -> None:
    assert run(later) == 503
    assert rows(sql) == []


def test_a_later_end_is_never_replaced_by_an_earlier_one(run: Callable[..., int], sql: Connection) -> None:
    run(well)
    sql.execute_simple("UPDATE job_runs SET ended_at = ended_at + interval '1 hour'")
    ((before,),) = sql.execute_simple("SELECT ended_at FROM job_runs").rows
    run(well)
    assert sql.execute_simple("SELECT ended_at FROM job_runs").rows == [[before]]


def test_a_run_whose_end_cannot_be_stored_has_ended_all_the_same(run: Callable[..., int], sql: Connection) -> None:
    sql.execute_simple("ALTER TABLE job_runs RENAME TO gone")
    assert run(well) == 204
