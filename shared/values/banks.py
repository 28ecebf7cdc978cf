"""Accounts at banks, as values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ListedAccount:
    """An account at a bank, as Teller lists it. `institution` is the bank's name, `currency` has three letters."""

    id: str
    enrollment_id: str
    institution: str
    last_four: str
    currency: str
    kind: str
