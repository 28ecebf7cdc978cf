"""The history of a member's chips has everything that happened to them, once, however its pages are cut."""

from datetime import timedelta

import pytest
from pg8000.dbapi import Connection

from functions.affiliate import chip_records
from shared import db
from shared.auth import Role
from shared.values.money import Usdt
from shared.web.paging import Position
from tests import factories
from tests.factories import Somebody
from tests.fakes.vault_rows import MONDAY, Vaults
from tests.fakes.week_rows import AFTER, CUT, SUNDAY, WEEK

DAY = timedelta(days=1)
Entry = tuple[str, int]


def history(who: Somebody, limit: int) -> list[Entry]:
    """All pages of this size."""
    after = chip_records.NEWEST
    found: list[Entry] = []
    while page := db.atomically(chip_records.history, who.id, after, limit):
        found += [(entry.kind, entry.chips) for entry in page]
        after = Position(page[-1].at, page[-1].id)
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_everything_is_there_once_newest_first(limit: int, sql: Connection) -> None:
    vaults = Vaults(sql)
    somebody, other = factories.member(), factories.member()
    vaults.begin(chips_max=3)
    vaults.scan(somebody, 4, MONDAY)
    vaults.scan(somebody, 3, MONDAY + 2 * DAY)
    vaults.scan(other, 9, MONDAY)
    (number,) = vaults.scan(somebody, 1, MONDAY + 2 * DAY)
    vaults.flag(number)
    vaults.vault(somebody, 2, MONDAY)
    vaults.vault(other, 2, MONDAY)
    vaults.fill(Usdt.of(9), MONDAY)
    vaults.run(AFTER + WEEK)
    vaults.agree(factories.member(role=Role.TREASURY), week_on=SUNDAY + WEEK)
    vaults.run(AFTER + WEEK)
    vaults.judge(number, "cleared")
    vaults.run(AFTER + WEEK + DAY)
    vaults.scan(somebody, 1, CUT + WEEK)  # at the moment of the overflow
    vaults.withdraw(somebody, 1, MONDAY + WEEK + DAY)
    vaults.run(MONDAY + timedelta(days=365))  # weeks without a pool carry their chips on
    vaults.keep(MONDAY + timedelta(days=365))

    entries = history(somebody, limit)

    assert [entry for entry in entries if entry[0] not in ("carried", "bonus")] == [
        ("expire", 1),
        ("withdraw", 1),
        ("cleared", 1),
        ("count", 3),
        ("overflow", 2),
        ("earn", 1),
        ("earn", 4),
        ("vault", 2),
        ("earn", 4),
    ]
    assert len(entries) == len(history(somebody, 50))
