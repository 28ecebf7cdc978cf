"""The vendors of shop, banks, chat, streams, wallets and support: started, stopped, and pointed at the platform."""

from collections.abc import Callable, Mapping
from datetime import datetime

from emulators.ages import AgeStandIn
from emulators.bank import BankStandIn
from emulators.card import CardStandIn
from emulators.live_stream import LiveStreamStandIn
from emulators.moderation import ModerationStandIn
from emulators.support import SupportStandIn
from emulators.tax import TaxStandIn
from emulators.translation import TranslationStandIn
from emulators.wallet_provider import WalletProviderStandIn
from emulators.warehouse import WarehouseStandIn
from shared import clock


class Vendors:
    """The stand-ins; `now` is their clock, `stock` the tins that lie in the warehouse by sku."""

    def __init__(
        self,
        now: Callable[[], datetime] = clock.now,
        stock: Mapping[str, int] | None = None,
        ship_after: float | None = None,
    ) -> None:
        self.card = CardStandIn(now)
        self.ages = AgeStandIn(now)
        self.tax = TaxStandIn(now)
        self.warehouse = WarehouseStandIn(now, stock, ship_after)
        self.bank = BankStandIn(now)
        self.moderation = ModerationStandIn()
        self.translation = TranslationStandIn()
        self.live_stream = LiveStreamStandIn()
        self.wallets = WalletProviderStandIn(now)
        self.support = SupportStandIn(now)
        shop = (self.card, self.ages, self.tax, self.warehouse)
        chat = (self.moderation, self.translation, self.live_stream)
        self._all = (*shop, *chat, self.bank, self.wallets, self.support)

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which the ports find them."""
        return {name: value for part in self._all for name, value in part.settings.items()}

    def start(self) -> None:
        for part in self._all:
            part.start()

    def stop(self) -> None:
        for part in self._all:
            part.stop()

    def clear(self) -> None:
        """Forget everything that was done, and all faults."""
        for part in self._all:
            part.clear()

    def tell(self, base: str) -> None:
        """Send webhooks to the platform with this base URL, and trust its keys."""
        self.wallets.trust(base)
        self.card.webhooks.url = f"{base}/v1/webhooks/payments/card"
        self.ages.webhooks.url = f"{base}/v1/webhooks/agechecker"
        self.tax.webhooks.url = f"{base}/v1/webhooks/kintsugi"
        self.warehouse.webhooks.url = f"{base}/v1/webhooks/selery"
        self.bank.webhooks.url = f"{base}/v1/webhooks/teller"
