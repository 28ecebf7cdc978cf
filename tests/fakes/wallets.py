"""The simulated Polygon as functions that answer people see it."""

from shared.ports.wallets import Balance, NodesSilent, Outlook, Wallets
from tests.fakes.chain import FakeChain

TIP_WEI = 30 * 10**9


class FakeWallets(Wallets):
    """The head of a FakeChain; nothing while `silent`."""

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

    def _held(self, token: str, address: str) -> int:
        known = token.lower() == self.chain.token
        return known * self.chain.balance(address, len(self.chain.blocks) - 1)

    def _answer(self) -> None:
        if self.silent:
            raise NodesSilent("the test says so")
