"""Top-ups as plain SQL."""

from datetime import datetime
from uuid import uuid4

from tests.factories import Somebody
from tests.fakes.bridge import ROUTE, WALLET
from tests.fakes.list_rows import TREASURIES, insert, run


def top_up(owner: Somebody, at: datetime, number: int) -> str:
    """A top-up that somebody has asked for; the second one of three is cancelled."""
    made = uuid4()
    insert(
        "top_ups",
        id=made,
        treasury=TREASURIES[number % 3],
        to_address=WALLET,
        source_chain_id=ROUTE.stargate_chain_id,
        source_contract=ROUTE.stargate_contract,
        source_token=ROUTE.stargate_usdt,
        source_address=WALLET,
        source_eid=ROUTE.stargate_eid,
        home_eid=ROUTE.stargate_home_eid,
        home_contract=ROUTE.stargate_home_contract,
        amount=1_000_000 + number,
        quoted=999_000,
        minimum=990_000,
        fee_wei=1,
        reason="two weeks are left",
        requested_by=owner.id,
        requested_at=at,
        state="requested",
        state_at=at,
        read_to=0,
    )
    if number % 3 == 1:
        run("UPDATE top_ups SET state = 'cancelled' WHERE id = :id", id=made)
    return str(made)
