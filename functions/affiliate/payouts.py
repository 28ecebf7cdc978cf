"""HTTP: what an affiliate was paid, and out of which shares and earnings each payout is made up."""

from datetime import date, datetime
from uuid import UUID

from functions.affiliate import payouts_store, rules
from functions.affiliate.common import api
from functions.affiliate.payouts_store import Line, LineKind
from shared.affiliates import payouts_made
from shared.affiliates.payouts_made import MadePayout, PayoutShown
from shared.affiliates.program import AffiliateProgramClosed, require_affiliate
from shared.auth import Member
from shared.db import Tx
from shared.values.fields import Listing, Money, Page, Reply
from shared.values.polygon import transaction_page
from shared.values.problems import NotFound
from shared.web import paging
from shared.web.paging import Position

LINES_MAX = 1_000  # of a payout; more are summed up in `lines_left_out`


class AffiliatePayout(Reply):
    """A payment of everything that was owed when its week was approved, or, without a week, when a wallet was linked.
    `sent` is in the chain but not final, `paid` is; what a cancelled one was to pay is owed again.
    """

    id: UUID
    week_on: date | None
    amount: Money
    state: PayoutShown
    address: str
    made_at: datetime
    state_at: datetime
    transaction_hash: str | None
    explorer_url: str | None


class AffiliatePayoutLine(Reply):
    """A part of a payout. A `share` is of the week that it names, with its mark in that week's list; a `match` is of a
    comp that a referred member won; a `reversal` takes back an earning that was paid; `manual` was given by people.
    `formula` has the numbers that make the amount, null where there are none.
    """

    kind: LineKind
    amount: Money
    earned_at: datetime
    formula: str | None
    week_on: date | None
    mark: str | None
    earning_id: UUID | None
    username: str | None
    reverses_id: UUID | None


class AffiliatePayoutDetail(AffiliatePayout):
    """A payout with its parts: shares first, then earnings, oldest first, a thousand at most. `lines_left_out` are the
    parts beyond; all parts together sum to the amount.
    """

    lines: list[AffiliatePayoutLine]
    lines_left_out: int


@api.get("/v1/affiliate/payouts", problems=(AffiliateProgramClosed,))
def list_affiliate_payouts(tx: Tx, member: Member, page: Page) -> Listing[AffiliatePayout]:
    """List the member's payouts, newest first; a proposal that people have not approved is none."""
    require_affiliate(tx, member.id)
    rows = payouts_made.made(tx, member.id, None, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.made_at, row.id))
    items = [AffiliatePayout(**vars(row), explorer_url=_explorer_url(row)) for row in shown]
    return Listing[AffiliatePayout](items=items, next_cursor=cursor)


@api.get("/v1/affiliate/payouts/{payout_id}", problems=(AffiliateProgramClosed,))
def get_affiliate_payout(tx: Tx, member: Member, payout_id: UUID) -> AffiliatePayoutDetail:
    """Return one of the member's payouts, with its parts."""
    require_affiliate(tx, member.id)
    found = payouts_made.made(tx, member.id, payout_id, None, 1)
    if not found:
        raise NotFound
    lines = payouts_store.lines(tx, payout_id, LINES_MAX)
    left_out = payouts_store.count_lines(tx, payout_id) - len(lines)
    return AffiliatePayoutDetail(
        **vars(found[0]),
        explorer_url=_explorer_url(found[0]),
        lines=[_line(line) for line in lines],
        lines_left_out=left_out,
    )


def _explorer_url(row: MadePayout) -> str | None:
    return transaction_page(row.transaction_hash) if row.transaction_hash else None


def _line(row: Line) -> AffiliatePayoutLine:
    return AffiliatePayoutLine(
        kind=row.kind,
        amount=row.amount,
        earned_at=row.earned_at,
        formula=_formula(row),
        week_on=row.week_on,
        mark=row.mark,
        earning_id=row.earning_id,
        username=row.username,
        reverses_id=row.reverses_id,
    )


def _formula(row: Line) -> str | None:
    if row.pool is not None and row.chips is not None and row.all_chips is not None:
        return rules.share_formula(row.pool, row.chips, row.all_chips)
    if row.value is not None and row.percent is not None:
        return rules.match_formula(row.value, row.percent)
    return None
