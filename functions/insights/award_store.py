"""Numbers of the global count that could win a prize, as everybody may see them: what was decided, and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.values.money import Usdt
from shared.values.polygon import transaction_page
from shared.values.prizes import CompType
from shared.values.problems import NotFound
from shared.web import paging
from shared.web.paging import Rank

ORDER = "number"
TYPES = list(CompType)  # in the order of the type comp_type in the schema
FIRST = Rank(ORDER, paging.FIGURE_MAX, UUID(int=0))
NUMBER_DIGITS_MAX = 18


@dataclass(frozen=True)
class _Decided:
    id: str
    number: int
    prize: CompType
    awarded: bool
    reason: str
    code: str | None
    params: dict[str, Any]
    tins_per_month: int
    reached_at: datetime
    amount: Usdt | None
    state: Literal["pending", "paid", "cancelled"] | None
    paid_at: datetime | None
    transaction_hash: str | None

    def shown(self) -> "PublicAward":
        link = transaction_page(self.transaction_hash) if self.transaction_hash else None
        return PublicAward(**vars(self), explorer_url=link)


class PublicAward(Reply):
    """The decision about one prize for one scan number, without the member. `reason` is English; `code` and
    `params` say the same for apps in other languages. `tins_per_month` is the volume by which the prize was locked or
    not. `amount`, `state` and all that follows are those of the comp that was won, null without one.
    """

    id: str
    number: int
    prize: CompType
    awarded: bool
    reason: str
    code: str | None
    params: dict[str, Any]
    tins_per_month: int
    reached_at: datetime
    amount: Money | None
    state: Literal["pending", "paid", "cancelled"] | None
    paid_at: datetime | None
    transaction_hash: str | None
    explorer_url: str | None


class PublicAwards(Reply):
    """All that was decided about one scan number; `items` is empty if no prize fell on it, or if the count has not
    reached it.
    """

    number: int
    items: list[PublicAward]


def number_of(text: str) -> int:
    """The scan number in a path. Raises NotFound for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX and not text.startswith("0")):
        raise NotFound
    return int(text)


def position(cursor: str | None) -> Rank:
    """The place in the list that a cursor names; that before all decisions for the first page. Raises NotValid for a
    cursor that we did not make.
    """
    after = paging.after_rank(cursor, ORDER)
    if after is None:
        return FIRST
    if after.id.int >= len(TYPES):
        raise paging.not_ours()
    return after


def place(award: PublicAward) -> Rank:
    """The award's own place in the list."""
    return _rank(award.number, award.prize)


def newest(tx: Tx, after: Rank, limit: int) -> list[PublicAward]:
    """Decisions after a place in the list, the highest number first. A comp that people look at is pending to all."""
    rows = tx.all(
        _Decided,
        """
        SELECT m.scan_number || '-' || m.type AS id, m.scan_number AS number, m.type AS prize, m.awarded, m.reason,
               m.code, m.params, m.tins_per_month, m.reached_at, c.amount,
               CASE c.status WHEN 'in_review' THEN 'pending' ELSE c.status END AS state,
               c.paid_at, CAST(c.transaction_hash AS text) AS transaction_hash
        FROM milestones m LEFT JOIN comps c ON c.id = m.comp_id
        WHERE (m.scan_number, m.type) < (CAST(:number AS bigint), CAST(:type AS comp_type))
        ORDER BY m.scan_number DESC, m.type DESC LIMIT :limit
        """,
        number=after.figure,
        type=TYPES[after.id.int],
        limit=limit,
    )
    return [row.shown() for row in rows]


def of_number(tx: Tx, number: int) -> list[PublicAward]:
    """The decisions about one number, the rarest prize first; none if it could win nothing or was not reached."""
    found = newest(tx, _rank(number + 1, TYPES[0]), len(TYPES))
    return [award for award in found if award.number == number]


def _rank(number: int, prize: CompType) -> Rank:
    return Rank(ORDER, number, UUID(int=TYPES.index(prize)))
