"""Decides which accounts of a bank get which names, and why a bank is not connected."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from shared.values.banks import ListedAccount
from shared.values.problems import Problem, TooManyRequests

AccountName = Literal["operating", "reserve", "comp_pool"]

NONCE_LIFE = timedelta(hours=1)
TRIES_PER_HOUR_MAX = 30
ACCOUNTS_MAX = 3


class TooManyBankTries(TooManyRequests):
    """The owner has tried to connect banks too often in this hour."""

    title = "You have tried this very often; wait a little."


class BankServiceUnavailable(Problem):
    """Teller cannot be asked at this moment. Nothing was done; wait `Retry-After` seconds and send it again."""

    status, title, passing = 409, "The banks' service cannot be reached at this moment.", True


class BankProofNotValid(Problem):
    """Teller Connect has not signed this together with this nonce, or its token opens nothing."""

    status, title = 409, "This does not come from Teller Connect as it was."


class BankNonceSpent(Problem):
    """The nonce is not the caller's, too old, or was used for another connection."""

    status, title = 409, "Ask for a new nonce and connect again."


class BankAccountsNotNamed(Problem):
    """Accounts have to be named by ids of the list in `accounts`, each once and under names of their own."""

    status, title = 409, "Say which of these accounts is which."


class BankAccountAlreadyConnected(Problem):
    """The account is connected: `bank_id` is the bank to reconnect, or whose end its bank has not confirmed yet."""

    status, title = 409, "This account is connected already."


class BankNameTaken(Problem):
    """Another account has the name in `name`; disconnect its bank first."""

    status, title = 409, "Another account has this name."


class BankEnrollmentDiffers(Problem):
    """The owner has signed in to another enrollment. Open Teller Connect with the bank's own `enrollment_id`."""

    status, title = 409, "This is another enrollment than the one to reconnect."


class BankDisconnected(Problem):
    """The bank was disconnected, which is for good: connect it anew."""

    status, title = 409, "This bank is disconnected."


def chosen(
    listed: Sequence[ListedAccount], names: Mapping[str, AccountName], given: int
) -> dict[AccountName, ListedAccount]:
    """The accounts by the names that they get; `names` are the wishes by account id, of which `given` were sent.

    Raises BankAccountsNotNamed.
    """
    by_id = {account.id: account for account in listed}
    found = {name: by_id[account_id] for account_id, name in names.items() if account_id in by_id}
    if not given or len(found) != given:
        raise BankAccountsNotNamed(accounts=[shown(account) for account in listed])
    return found


def shown(account: ListedAccount) -> dict[str, str]:
    """An account as an owner recognises it."""
    return {
        "account_id": account.id,
        "institution": account.institution,
        "last_four": account.last_four,
        "currency": account.currency,
        "kind": account.kind,
    }


def is_of(listed: Sequence[ListedAccount], enrollment_id: str) -> bool:
    """True if all these accounts are of the enrollment."""
    return all(account.enrollment_id == enrollment_id for account in listed)
