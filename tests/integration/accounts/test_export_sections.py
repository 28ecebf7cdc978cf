"""Each section of the export has every row of the member's, once, in the order of its keys, and none of others."""

import itertools

import pytest
from pg8000.dbapi import Connection

from functions.member_export import records
from functions.member_export.records import Row
from shared import db
from tests import factories
from tests.factories import Somebody
from tests.fakes.member_rows import MANY, ONE, insert_rows
from tests.fakes.plain_rows import unchecked, without_indexes

PAGE_ROWS, ROWS_MAX = 2, 20


@pytest.fixture(autouse=True)
def _no_order_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    without_indexes(monkeypatch)


def read(section: str, somebody: Somebody) -> list[Row]:
    """Read the rows page after page."""
    found = page = section_of(section, somebody, "", PAGE_ROWS)
    while len(page) == PAGE_ROWS:
        page = section_of(section, somebody, found[-1].key, PAGE_ROWS)
        found = [*found, *page]
        assert len(found) < ROWS_MAX
    return found


def section_of(section: str, somebody: Somebody, after: str, limit: int) -> list[Row]:
    return db.atomically(records.rows, section, somebody.id, after, limit)


def test_every_section_is_tried_here() -> None:
    assert set(records.SECTIONS) == set(MANY | ONE)


@pytest.mark.parametrize("section", sorted(MANY | ONE))
def test_a_section_has_the_members_own_rows_once_in_order(section: str, sql: Connection) -> None:
    somebody, others = factories.member(), [factories.member() for _ in range(2)]
    with unchecked(sql):
        for one in (others[0], somebody, others[1]):
            insert_rows(sql, section, one)

    found = read(section, somebody)

    keys = [row.key for row in found]
    assert all(first < second for first, second in itertools.pairwise(keys))
    expected = 4 if section in ("quarters", "notification_preferences") else 1 if section in ONE else 5
    assert len(keys) == expected + (section == "sessions")  # the one that a member has
    assert section_of(section, somebody, "", ROWS_MAX) == found
    assert not any(str(other.id) in row.document + row.key for other in others for row in found)
