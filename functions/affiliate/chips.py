"""The member's chips: those of the present week, and the vault (docs/affiliates.md, "Chips and the vault")."""

from datetime import datetime
from uuid import UUID

from functions.affiliate import chip_rules, chip_store
from functions.affiliate.models import Chips, VaultLot
from shared import settings
from shared.affiliates import chips as held_chips
from shared.db import Tx


def shown(tx: Tx, member_id: UUID, now: datetime) -> Chips:
    """The member's chips as they are now."""
    found = held_chips.standing(tx, member_id, now)
    uncounted = held_chips.uncounted(tx, member_id)
    return Chips(
        week_on=found.week_on,
        active=uncounted.active,
        counted_max=settings.load(tx).affiliates.chips_max,
        vaultable=uncounted.vaultable,
        room=_room(tx, uncounted.active),
        waiting=found.waiting,
        vaulted=found.vaulted,
        next_expiry_at=found.next_expiry_at,
        lots=[VaultLot.model_validate(vars(lot)) for lot in chip_store.lots(tx, member_id, now)],
        moves_open=found.moves_open,
        as_of=now,
    )


def vault(tx: Tx, member_id: UUID, chips: int, now: datetime) -> None:
    """Vault chips of the present week's scans. Raises AffiliateWeekClosing, ChipsLocked, ChipsNotEnough."""
    week_on = chip_store.lock(tx, member_id, now)
    available = held_chips.uncounted(tx, member_id, week_on).vaultable
    if chips > available:
        raise chip_rules.ChipsNotEnough(available=available)
    chip_store.vault(tx, member_id, week_on, chips, now)


def withdraw(tx: Tx, member_id: UUID, chips: int, now: datetime) -> None:
    """Bring vaulted chips to the present week. Raises AffiliateWeekClosing, ChipsLocked, ChipsNotEnough,
    WeekCapReached.
    """
    week_on = chip_store.lock(tx, member_id, now)
    held = chip_store.lock_lots(tx, member_id, now)
    available = sum(lot.left for lot in held)
    if chips > available:
        raise chip_rules.ChipsNotEnough(available=available)
    room = _room(tx, held_chips.uncounted(tx, member_id, week_on).active)
    if chips > room:
        raise chip_rules.WeekCapReached(room=room)
    chip_store.withdraw(tx, member_id, chip_rules.taken(held, chips), now)


def _room(tx: Tx, active: int) -> int:
    """How many more chips count in the week."""
    return max(settings.load(tx).affiliates.chips_max - active, 0)
