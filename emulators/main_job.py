"""Plays the platform's main job once: a scan becomes a paid comp, and all who should know are notified."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.request import urlopen

from emulators import chat_job, people, scheduler, shop_job
from emulators.chat_job import Heard
from emulators.client import Client
from emulators.listener import Listener
from emulators.people import Person
from emulators.process import wait_until
from emulators.shop_job import Bought
from emulators.stack import Stack

MEMBERS = 15  # some 33 scans each: enough for a whale, and too few to look like a burst
SCANS = 500
SPARE = 20  # codes left for a person who wants to try
SCANNERS = 8  # members who scan at the same time
PRIZE = Decimal(100)
GUARANTEE = Decimal(5)  # each new member's first comp
MICRO_PER_USDT = 1_000_000
PAYOUT_SECONDS_MAX = 90.0
DOCUMENT_SECONDS_MAX = 30.0
FETCH_SECONDS_MAX = 10.0
FIGURE_JOBS = (  # what the figures of a first look are made of; their schedules call them later
    *(("treasury_snapshot", "hourly"), ("reconciliation", "daily"), ("unlock_refresh", "unlock")),
    *(("figure_rollup", "days"), ("figure_rollup", "count")),
)

Tell = Callable[[str], None]


@dataclass
class Played:
    """The people who took part, and the results."""

    admin: Person
    members: list[Person] = field(default_factory=list)
    winner: Person | None = None
    receipts: list[dict[str, Any]] = field(default_factory=list)
    comp: dict[str, Any] = field(default_factory=dict)
    balance: Decimal = Decimal(0)
    spare_codes: list[str] = field(default_factory=list)
    bought: Bought = field(default_factory=Bought)
    bought_in_usdt: dict[str, Any] = field(default_factory=dict)
    heard: Heard | None = None

    def hang_up(self) -> None:
        """Close the connections of all people."""
        for person in (self.admin, *self.members):
            person.client.close()


def play(stack: Stack, tell: Tell = print) -> Played:
    """Play the job through the gateway; raises when anything is not as it should be."""
    with _step(tell, f"{MEMBERS} members and an admin sign up, verify their e-mail addresses and sign in"):
        with ThreadPoolExecutor(SCANNERS) as threads:
            names = [f"Member {chr(ord('A') + number)}" for number in range(MEMBERS)]
            joined = list(threads.map(lambda name: people.join(stack, name), ["Olive Admin", *names]))
        played = Played(admin=joined[0], members=joined[1:])
        people.make_admin(stack, played.admin, "operations")
    with _step(tell, "the wallet provider makes a wallet for every member, which its ID token links"):
        for member in played.members:
            people.open_wallet(stack, member)
    with _step(tell, f"the admin orders {SCANS + SPARE} codes, exports them, and uploads them as manufactured"):
        played.spare_codes = manufacture(played.admin, SCANS + SPARE)
        codes = [played.spare_codes.pop() for _ in range(SCANS)]
    with Listener(stack, tell) as listener:
        for member in played.members:
            listener.follow(member)
        with _step(tell, f"the members scan; number {SCANS} of the global count wins ${PRIZE}"):
            _scan(played, codes)
        winner, number = played.winner, SCANS
        assert winner
        tell(f"  {winner.name} ({winner.member_id}) won with scan number {number}")
        with _step(tell, "every payout is signed in KMS, sent, and final: finalized and ten blocks deep"):
            _wait_for_payments(played)
        with _step(tell, "the winner's USDT on the chain, read with balanceOf"):
            played.balance = Decimal(stack.chain.balance_of(winner.wallet)) / MICRO_PER_USDT
            _check(played.balance == PRIZE + GUARANTEE, f"{winner.wallet} holds {played.balance} USDT")
        tell(f"  {winner.wallet} holds {played.balance} USDT: ${GUARANTEE} for a new member, ${PRIZE} for the scan, "
             f"paid by {played.comp['transaction_hash']}")  # fmt: skip
        with _step(tell, "notification, unread count, activity feed and live counter are Firestore documents"):
            listener.wait_for(winner, SCANS, DOCUMENT_SECONDS_MAX)
    with _step(
        tell, f"a member orders {shop_job.TINS} tins, proves their age, pays with the test card, and gets a parcel"
    ):
        played.bought = shop_job.buy(stack, played.admin, played.members[0])
    shares = ", ".join(f"${amount} to the {pool} pool" for pool, amount in played.bought.shares.items())
    tell(f"  order {played.bought.order['order_number']} of ${played.bought.order['total']:.2f} is confirmed; "
         f"its profit gave {shares}")  # fmt: skip
    parcel = played.bought.order["parcels"][0]
    tell(f"  the warehouse has sent it with {parcel['carrier']} {parcel['tracking_number']}; "
         f"{played.bought.tins_sold} tins are sold")  # fmt: skip
    with _step(tell, f"another one orders {shop_job.USDT_TINS} tins and pays in USDT from the wallet, on the chain"):
        played.bought_in_usdt = shop_job.buy_in_usdt(stack, next(it for it in played.members if it is not winner))
    tell(f"  order {played.bought_in_usdt['order_number']} of ${played.bought_in_usdt['total']:.2f} is confirmed")
    with _step(tell, "a whale writes in the chat, and another one's app listens there with its own token"):
        heard = played.heard = chat_job.talk(stack, played.members[1], played.members[2])
    tell(f"  {heard.author} in {heard.channel}: {heard.text} (at the listener after {1000 * heard.seconds:.0f} ms)")
    with _step(tell, "the figures are worked out, and members and everybody read them"):
        said = _figures(stack, winner)
    tell(f"  {said}")
    return played


def _figures(stack: Stack, member: Person) -> str:
    """A line of the figures, after the job that works them out has run."""
    for job, schedule in FIGURE_JOBS:
        scheduler.call(stack.function_url(job), schedule, stack.token(job))
    counted = {part["type"]: part for part in member.client.must("GET", "/v1/insights/treasury")["payout_ledger"]}
    won, guaranteed = counted["crypto_100"], counted["new_member_guarantee"]
    _check(won["count"] == 1, f"the payout ledger says {won}")
    with closing(Client(member.client.url)) as nobody:
        public = nobody.must("GET", "/v1/insights/public")
    _check(public["global_scan_count"] == SCANS, f"the public page says {public['global_scan_count']}")
    near = next(one for one in public["milestone_progress"] if one["prize"] == "crypto_100")
    paid = (
        f"{won['count']} prize of ${won['amount']:.0f}, {guaranteed['count']} guarantees of ${guaranteed['amount']:.0f}"
    )
    return f"{public['global_scan_count']} scans, {near['remaining']} until the next $100; paid: {paid} together"


def manufacture(admin: Person, quantity: int) -> list[str]:
    """Order codes, export them, and report all of them as manufactured."""
    order = {"name": "Self-check", "product_sku": "MINTICE-6", "quantity": quantity}
    batch = admin.client.must("POST", "/v1/admin/qr/generate", order)
    address = f"/v1/admin/qr/batches/{batch['id']}"
    wait_until(lambda: admin.client.must("GET", address)["status"] == "generated", "the batch", DOCUMENT_SECONDS_MAX)
    export = admin.client.must("POST", "/v1/admin/qr/export", {"batch_id": batch["id"]})
    with urlopen(export["download_url"], timeout=FETCH_SECONDS_MAX) as file:  # noqa: S310 - the storage emulator
        csv = file.read()
    headers = {"Content-Type": "text/csv"}
    imported = admin.client.send("POST", "/v1/admin/qr/import-feedback", csv, headers)
    _check(imported.body["manufactured"] == quantity, f"the import says {imported.body}")
    return [line.split(",")[0] for line in csv.decode().splitlines()[1:]]


def _scan(played: Played, codes: list[str]) -> None:
    """Members scan in parallel; each of their clients is used by one thread."""
    shares = {member.email: codes[position::MEMBERS] for position, member in enumerate(played.members)}

    def scan_all(member: Person) -> list[dict[str, Any]]:
        receipts = []
        for code in shares[member.email]:
            receipt = member.client.must("POST", "/v1/scans/submit", {"code": code})
            receipts.append(receipt)
            if receipt["comp_earned"]:
                played.winner, played.comp = member, receipt["comp_earned"]
                member.member_id = receipt["member_id"]
        return receipts

    with ThreadPoolExecutor(SCANNERS) as threads:
        for receipts in threads.map(scan_all, played.members):
            played.receipts.extend(receipts)
    numbers = sorted(receipt["scan_number"] for receipt in played.receipts)
    _check(numbers == list(range(1, SCANS + 1)), f"scan numbers have gaps: {len(numbers)} up to {numbers[-1]}")
    _check(played.winner is not None, "nobody won")


def _wait_for_payments(played: Played) -> None:
    """Wait until all comps of all members are paid, the winner's prize among them."""
    winner = played.winner
    assert winner
    for member in played.members:
        wait_until(partial(_is_paid, member), f"the payouts of {member.name}", PAYOUT_SECONDS_MAX)
    (played.comp,) = [comp for comp in _comps(winner) if comp["type"] != "new_member_guarantee"]


def _is_paid(member: Person) -> bool:
    return all(comp["status"] == "paid" for comp in _comps(member))


def _comps(member: Person) -> list[dict[str, Any]]:
    return list(member.client.must("GET", "/v1/users/me/comps")["items"])


def _check(fine: object, otherwise: str) -> None:
    if not fine:
        raise AssertionError(otherwise)


@contextmanager
def _step(tell: Tell, what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    tell(f"{time.monotonic() - started:6.1f} s  {what}")
