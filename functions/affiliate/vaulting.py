"""HTTP: the member's chips and the vault (docs/affiliates.md, "Chips and the vault")."""

from datetime import datetime

from functions.affiliate import chip_records, chip_rules, chips
from functions.affiliate.common import api
from functions.affiliate.models import ChipCount, ChipEntry, Chips
from shared.affiliates.program import AffiliateWeekClosing, ChipsLocked
from shared.auth import Member
from shared.db import Tx
from shared.values.fields import Listing, Page
from shared.web import paging
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position


@api.get("/v1/affiliate/chips")
def get_chips(tx: Tx, member: Member, now: datetime) -> Chips:
    """Return the member's chips of the present week, and the vaulted ones with their expiry."""
    return chips.shown(tx, member.id, now)


@api.get("/v1/affiliate/chips/history")
def list_chip_history(tx: Tx, member: Member, page: Page) -> Listing[ChipEntry]:
    """List what happened to the member's chips, newest first."""
    after = paging.after(page.cursor) or chip_records.NEWEST
    rows = chip_records.history(tx, member.id, after, page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.at, row.id))
    return Listing[ChipEntry](items=list(shown), next_cursor=cursor)


@api.post(
    "/v1/affiliate/chips/vault",
    dry_run=True,
    problems=(AffiliateWeekClosing, ChipsLocked, chip_rules.ChipsNotEnough),
)
def vault_chips(tx: Tx, member: Member, key: IdempotencyKey, body: ChipCount, now: datetime) -> Chips:
    """Put chips of this week's scans into the vault, where they are good for 365 days."""
    chips.vault(tx, member.id, body.chips, now)
    return chips.shown(tx, member.id, now)


@api.post(
    "/v1/affiliate/chips/withdraw",
    dry_run=True,
    problems=(
        AffiliateWeekClosing,
        ChipsLocked,
        chip_rules.ChipsNotEnough,
        chip_rules.WeekCapReached,
    ),
)
def withdraw_chips(tx: Tx, member: Member, key: IdempotencyKey, body: ChipCount, now: datetime) -> Chips:
    """Take chips out of the vault for this week, those that expire first."""
    chips.withdraw(tx, member.id, body.chips, now)
    return chips.shown(tx, member.id, now)
