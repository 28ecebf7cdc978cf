"""The shop's treasury on a chain of its own: a key that signs, two nodes, and blocks that the schedule mines."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import coincurve
import google_crc32c
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from eth_keys.datatypes import PrivateKey

from functions.deposit_watch import main as deposit_watch
from functions.payout_confirm import main as payout_confirm
from functions.payout_send import main as payout_send
from shared import db
from shared.events import ConfirmPayouts, SendPayout, WatchDeposits
from shared.ports import kms
from shared.ports.polygon import chain as chains
from shared.ports.polygon import nodes
from shared.ports.polygon.nodes import Movement
from tests.fakes.chain import CHAIN_ID, FakeChain
from tests.fakes.nodes import FakeNodes
from tests.fault.orders.world import BEGIN, World
from tests.fault.simulation.people import WINNERS

TOKEN = "0x" + "c2132d05" * 5
VERSION = "projects/p/locations/l/keyRings/t/cryptoKeys/shop/cryptoKeyVersions/1"
SECRET = b"\x11" * 32
BLOCKS_BEFORE = 12
REORGANISED_MAX = 4
WALLETS = {person: f"0x{place:040d}" for place, person in enumerate(WINNERS, 71)}


class Signer:
    """KMS with one key that is always there; its failures are played by `make faults`."""

    def __init__(self) -> None:
        self.key = coincurve.PrivateKey(SECRET)
        self.address = PrivateKey(SECRET).public_key.to_checksum_address()

    def asymmetric_sign(self, request: dict[str, Any], timeout: float, retry: object) -> SimpleNamespace:
        del timeout, retry
        made = self.key.sign_recoverable(request["digest"]["sha256"], hasher=None)
        signature = encode_dss_signature(int.from_bytes(made[:32], "big"), int.from_bytes(made[32:64], "big"))
        return SimpleNamespace(
            name=request["name"],
            signature=signature,
            signature_crc32c=google_crc32c.value(signature),
            verified_digest_crc32c=True,
        )


@dataclass
class Treasury:
    """The shop's key, its chain, and the nodes that tell of it."""

    address: str
    chain: FakeChain
    nodes: FakeNodes

    def mine(self, blocks: int) -> None:
        self.chain.mine(blocks)

    def stall(self) -> None:
        """Finality stands still until it goes on."""
        self.chain.finalized = self.chain.heads().finalized if self.chain.finalized is None else None

    def reorganise(self, depth: int, *, comes_again: bool) -> None:
        """The newest blocks are replaced, unless they are final; what had come in them comes again, or never does."""
        depth = min(depth, len(self.chain.blocks) - 1 - self.chain.heads().finalized)
        if depth < 1:
            return
        self.chain.reorganise(depth)
        first = len(self.chain.blocks) - depth
        gone = [it for it in self.nodes.deposits if it.block_number >= first]
        self.nodes.deposits[:] = [it for it in self.nodes.deposits if it.block_number < first]
        self.chain.mine()
        for it in gone:
            if comes_again:
                again = (it.transaction_hash, it.log_index, len(self.chain.blocks) - 1)
                self.nodes.deposits.append(Movement(*again, it.sender, it.recipient, it.amount_micro))
            else:
                self.chain.minted[it.recipient] -= it.amount_micro

    def calm(self) -> None:
        """Everything answers, and the chain goes on until all of it is final."""
        self.chain.finalized = None
        self.nodes.one.silent = self.nodes.other.silent = False
        self.chain.mine(BLOCKS_BEFORE)


@contextmanager
def opened(world: World) -> Iterator[Treasury]:
    """A chain with the shop's treasury, which the jobs reach, and members with a wallet each."""
    signer = Signer()
    with pytest.MonkeyPatch.context() as patched:
        chain = FakeChain(TOKEN)
        chain.mine(BLOCKS_BEFORE)
        made = Treasury(signer.address, chain, FakeNodes(chain))
        patched.setattr(chains, "connect", lambda: chain)
        patched.setattr(nodes, "connect", lambda: made.nodes.port)
        patched.setattr(kms, "_client", lambda: signer)
        world.database.run(
            f"INSERT INTO treasuries (name, chain_id, token_address) VALUES ('shop', {CHAIN_ID}, '{TOKEN}');"
            "INSERT INTO signers (address, treasury, kms_version, created_at) "
            f"VALUES ('{signer.address}', 'shop', '{VERSION}', '{BEGIN}')"
        )
        for person, wallet in WALLETS.items():
            world.database.run(f"UPDATE members SET wallet_address = '{wallet}' WHERE id = '{person}'")
        world.jobs += (deposit_watch, payout_confirm)
        world.tasks |= {
            "deposit_watch": (WatchDeposits, deposit_watch.watch),
            "payout_send": (SendPayout, payout_send.send),
            "payout_confirm": (ConfirmPayouts, payout_confirm.confirm),
        }
        world.calls += ((FakeChain, "send"), (kms, "sign_ethereum"), (nodes.Nodes, "movements"))
        world.treasury = made
        with db.acting_for("deposit_watch"):
            deposit_watch.sweep(world.time)  # nobody is asked for USDT before somebody has read the chain
        yield made


def treasury_of(world: World) -> Treasury:
    """The shop's treasury of a world in which it was opened."""
    assert isinstance(world.treasury, Treasury)
    return world.treasury
