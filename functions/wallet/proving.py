"""Reads the wallet provider's ID token before the transaction, so that no transaction waits for the provider's keys."""

from dataclasses import dataclass
from datetime import datetime

from functions.wallet import rules
from functions.wallet.models import WalletLink
from shared import log
from shared.auth import Claims
from shared.ports import wallet_provider
from shared.ports.vendors import VendorMisconfigured, VendorSilent
from shared.ports.wallet_provider import IdTokenNotValid, IdTokenTooOld, IdTokenWithoutKey, ProvedWallet
from shared.values import retry_after


@dataclass(frozen=True)
class IdTokenRead:
    """The wallet that the body's ID token proves; None if the body has a signed challenge instead."""

    wallet: ProvedWallet | None


def by_id_token(claims: Claims, body: WalletLink, now: datetime) -> IdTokenRead:
    """Read the ID token of the body, if it has one.

    Raises WalletTokenNotValid, WalletTokenTooOld, WalletKeyMissing, WalletProviderUnavailable.
    """
    if body.id_token is None:
        return IdTokenRead(None)
    try:
        proved = wallet_provider.read(body.id_token, claims.member_id, now)
    except IdTokenNotValid:
        raise rules.WalletTokenNotValid from None
    except IdTokenTooOld:
        raise rules.WalletTokenTooOld from None
    except IdTokenWithoutKey:
        raise rules.WalletKeyMissing from None
    except VendorMisconfigured as fault:
        log.error("the wallet provider is not set up", reason=str(fault))
        raise _unavailable(retry_after.MISCONFIGURED_SECONDS) from None
    except VendorSilent as silence:
        log.warning("the wallet provider does not answer", reason=str(silence))
        raise _unavailable(silence.retry_after_seconds) from None
    if old := wallet_provider.old_keys():
        log.warning("the wallet provider's keys are old", reason=old.reason, seconds=old.seconds)
    return IdTokenRead(proved)


def _unavailable(seconds: int) -> rules.WalletProviderUnavailable:
    return rules.WalletProviderUnavailable(headers={"Retry-After": str(seconds)})
