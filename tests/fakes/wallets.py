"""The simulated Polygon as functions that answer people see it."""

from shared.ports.polygon import wallets
from shared.ports.polygon.failures import ChainUnreachable
from shared.ports.polygon.transactions import transfer_data
from shared.ports.polygon.wallets import Balance, Outlook, SentTransaction, Wallets
from tests.fakes.chain import FakeChain

TIP_WEI = 30 * 10**9


class FakeWallets(Wallets):
    """Reads the head of a FakeChain; while `silent`, it does not answer."""

    def __init__(self, chain: FakeChain) -> None:
        super().__init__([])
        self.chain = chain
        self.silent = False

    def balance(self, token: str, address: str) -> Balance:
        self._answer()
        head = len(self.chain.blocks) - 1
        return Balance(self._held(token, address), head)

    def outlook(self, token: str, sender: str, recipient: str) -> Outlook:
        self._answer()
        address = sender.lower()
        pending = sum(key[0] == address for key in self.chain.pool)
        return Outlook(
            chain_id=self.chain.chain_id,
            block_number=len(self.chain.blocks) - 1,
            balance_micro=self._held(token, sender),
            gas_wei=self.chain.gas[address],
            next_nonce=self.chain.used_nonces(sender) + pending,
            base_fee_wei=self.chain.base_fee_wei,
            priority_fee_wei=TIP_WEI,
            sender_blocked=address in self.chain.blocked_addresses,
            recipient_blocked=recipient.lower() in self.chain.blocked_addresses,
        )

    def sent(self, transaction_hash: str) -> SentTransaction | None:
        """The transaction in the pool or in a block, unless the chain hides it."""
        self._answer()
        mined = [it.transfer for block in self.chain.blocks for it in block.included]
        for found in (*self.chain.pool.values(), *mined):
            if found.hash == transaction_hash and found.hash not in self.chain.hidden:
                data = b"" if found.is_noop else transfer_data(found.recipient, found.amount_micro)
                return SentTransaction(found.chain_id, found.sender, found.nonce, found.token, 0, data)
        return None

    def _held(self, token: str, address: str) -> int:
        known = token.lower() == self.chain.token
        return known * self.chain.balance(address, len(self.chain.blocks) - 1)

    def _answer(self) -> None:
        if self.silent:
            raise ChainUnreachable("the test says so")


def chain_of_port() -> FakeChain:
    """The simulated chain that is behind the port in this test."""
    nodes = wallets.connect()
    assert isinstance(nodes, FakeWallets)
    return nodes.chain
