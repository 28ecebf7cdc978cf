"""HTTP for owners and treasury admins: the company's accounts at banks (docs/treasury.md, "Accounts at banks")."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from flask import Request, Response
from pydantic import Field

from functions.admin_banks import rules, store
from functions.admin_banks.rules import AccountName
from functions.admin_banks.store import BankAccount, Enrolled
from shared import log
from shared.api import Api
from shared.auth import Admin, Claims, Role
from shared.banks import enrollments
from shared.credentials import totp, vault
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.ports import teller
from shared.ports.teller import Connected, EnrollmentDisconnected, TokenRefused
from shared.ports.vendors import SignatureNotValid, VendorFailure, VendorSilent
from shared.values import retry_after
from shared.values.banks import ListedAccount
from shared.values.fields import Body, Listing, Reply, Shape, SixDigits
from shared.values.problems import NotFound, Problem
from shared.values.states import BankState
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.quotas import Limit, Quota

Treasurer = Annotated[Admin, Role.TREASURY]
Owner = Annotated[Admin, Role.OWNER]
TellerId = Annotated[str, Shape(r"^[A-Za-z0-9_]{1,100}$", "an id that Teller has given")]
Signature = Annotated[str, Shape(r"^[A-Za-z0-9+/]{86}==$", "a signature in base64")]

CONNECT_PROBLEMS: tuple[type[Problem], ...] = (
    rules.BankServiceUnavailable,
    rules.BankProofNotValid,
    rules.BankNonceSpent,
    rules.TooManyBankTries,
    *SECOND_FACTOR,
)

api = Api("admin_banks")


def admin_banks(request: Request) -> Response:
    return api.handle(request)


class BankNonce(Reply):
    """A number that Teller Connect has to sign before `expires_at`."""

    nonce: UUID
    expires_at: datetime


class Bank(Reply):
    """A bank with the accounts that have names. `enrollment_id` is Teller's; `last_error` is why the last try told
    nothing.
    """

    id: UUID
    enrollment_id: str
    institution: str
    state: BankState
    state_at: datetime
    connected_at: datetime
    reconnected_at: datetime | None
    last_error: str | None
    last_tried_at: datetime | None
    last_synced_at: datetime | None
    accounts: list[BankAccount]


class NamedAccount(Body):
    """An account, by Teller's id, and the name that it gets."""

    account_id: TellerId
    name: AccountName


class BankSignIn(Body):
    """The result of Teller Connect for a nonce of ours, and a code of the owner's app."""

    nonce: UUID
    access_token: Annotated[str, Shape(r"^[A-Za-z0-9_]{1,200}$", "the token that Teller Connect has handed over")]
    user_id: TellerId
    enrollment_id: TellerId
    signatures: Annotated[list[Signature], Field(min_length=1, max_length=teller.SIGNATURES_MAX)]
    totp: SixDigits


class BankConnection(BankSignIn):
    """The same, and the names of accounts. None at all is answered with the list of the accounts."""

    accounts: Annotated[list[NamedAccount], Field(max_length=rules.ACCOUNTS_MAX)]


@dataclass(frozen=True)
class Listed:
    """The accounts that the token opens, or the problem to answer with."""

    accounts: Sequence[ListedAccount]
    problem: Problem | None = None


def limit_tries(claims: Claims) -> Limit:
    """Limit how often an owner connects and reconnects. Each try may ask Teller and is counted."""
    return Limit([Quota(f"banks:{claims.member_id}", rules.TRIES_PER_HOUR_MAX)], rules.TooManyBankTries)


def list_accounts(body: BankSignIn) -> Listed:
    """Check what Teller Connect has handed over, and list its accounts, before the transaction."""
    handed = Connected(body.access_token, body.user_id, body.enrollment_id, body.signatures)
    try:
        teller.check_connected(str(body.nonce), handed)
        accounts = teller.accounts(body.access_token)
    except (SignatureNotValid, EnrollmentDisconnected, TokenRefused) as fault:
        log.warning("what Teller Connect has handed over is not valid", reason=str(fault))
        return Listed([], rules.BankProofNotValid())
    except VendorSilent as silent:
        log.warning("Teller does not list accounts", reason=str(silent))
        return Listed([], _unavailable(silent.retry_after_seconds))
    except VendorFailure as fault:
        log.error("Teller cannot be asked", reason=str(fault))
        return Listed([], _unavailable(retry_after.MISCONFIGURED_SECONDS))
    return Listed(accounts, None if rules.is_of(accounts, body.enrollment_id) else rules.BankProofNotValid())


@api.get("/v1/admin/banks")
def list_banks(tx: Tx, admin: Treasurer) -> Listing[Bank]:
    """List all banks on one page, the newest first, also those that are disconnected."""
    accounts = store.accounts(tx, None)
    found = [_shown(row, accounts.get(row.id, [])) for row in store.banks(tx, None)]
    return Listing[Bank](items=found, next_cursor=None)


@api.post("/v1/admin/banks/nonces", status=201, limit=limit_tries, problems=(rules.TooManyBankTries,))
def create_bank_nonce(tx: Tx, admin: Owner, now: datetime) -> BankNonce:
    """Return a nonce for Teller Connect, which is good once and for an hour."""
    made = BankNonce(nonce=uuid4(), expires_at=now + rules.NONCE_LIFE)
    store.keep_nonce(tx, made.nonce, admin.id, made.expires_at)
    return made


@api.post(
    "/v1/admin/banks/connect",
    status=201,
    limit=limit_tries,
    before=list_accounts,
    problems=(
        rules.BankAccountsNotNamed,
        rules.BankAccountAlreadyConnected,
        rules.BankNameTaken,
        *CONNECT_PROBLEMS,
    ),
)
def connect_bank(tx: Tx, admin: Owner, body: BankConnection, listed: Listed, client: Client, now: datetime) -> Bank:
    """Connect a bank and name its accounts. Their balances are read at once, and every six hours from then on."""
    _prove(tx, admin, body, listed, now)
    names = {each.account_id: each.name for each in body.accounts}
    chosen = rules.chosen(listed.accounts, names, len(body.accounts))
    bank_id, institution = uuid4(), next(iter(chosen.values())).institution
    sealed = vault.seal(tx, body.access_token.encode(), enrollments.row_of(bank_id))
    if not store.insert_bank(tx, bank_id, body.enrollment_id, institution, sealed, now=now):
        raise rules.BankAccountAlreadyConnected(bank_id=store.bank_of_enrollment(tx, body.enrollment_id))
    for name, account in sorted(chosen.items()):
        _place(tx, bank_id, name, account)
    enrollments.tell(tx, bank_id, institution, BankState.ACTIVE, now, now=now)
    enrollments.sync_soon(tx, bank_id, now)
    named = {name: account.last_four for name, account in chosen.items()}
    changes = {"institution": institution, "accounts": named}
    audit.record(tx, admin, client, Action("bank.connect", "bank", bank_id, changes), now)
    return _bank(tx, bank_id)


@api.post(
    "/v1/admin/banks/{bank_id}/reconnect",
    limit=limit_tries,
    before=list_accounts,
    problems=(rules.BankEnrollmentDiffers, rules.BankDisconnected, *CONNECT_PROBLEMS),
)
def reconnect_bank(
    tx: Tx, admin: Owner, bank_id: UUID, body: BankSignIn, listed: Listed, client: Client, now: datetime
) -> Bank:
    """Give a bank a new token after its owner has signed in again. Its accounts and their history stay."""
    _prove(tx, admin, body, listed, now)
    found = store.lock(tx, bank_id)
    if found is None:
        raise NotFound
    if found.state == BankState.DISCONNECTED:
        raise rules.BankDisconnected
    if found.enrollment_id != body.enrollment_id:
        raise rules.BankEnrollmentDiffers
    was_active = found.state == BankState.ACTIVE
    state_at = found.state_at if was_active else now
    sealed = vault.seal(tx, body.access_token.encode(), enrollments.row_of(bank_id))
    store.reconnect(tx, bank_id, sealed, state_at, now)
    if not was_active:
        enrollments.tell(tx, bank_id, found.institution, BankState.ACTIVE, state_at, now=now)
    enrollments.sync_soon(tx, bank_id, now)
    audit.record(tx, admin, client, Action("bank.reconnect", "bank", bank_id, {"was": found.state}), now)
    return _bank(tx, bank_id)


@api.delete("/v1/admin/banks/{bank_id}")
def disconnect_bank(tx: Tx, admin: Owner, bank_id: UUID, client: Client, now: datetime) -> Bank:
    """Disconnect a bank for good, here at once and at the bank soon after. Its balances stay. Harmless twice."""
    found = store.lock(tx, bank_id)
    if found is None:
        raise NotFound
    if found.state != BankState.DISCONNECTED:
        store.disconnect(tx, bank_id, now)
        enrollments.tell(tx, bank_id, found.institution, BankState.DISCONNECTED, now, now=now)
        enrollments.sync_soon(tx, bank_id, now)
        audit.record(tx, admin, client, Action("bank.disconnect", "bank", bank_id, {"was": found.state}), now)
    return _bank(tx, bank_id)


def _unavailable(seconds: int) -> Problem:
    return rules.BankServiceUnavailable(headers={"Retry-After": str(seconds)})


def _prove(tx: Tx, admin: Admin, body: BankSignIn, listed: Listed, now: datetime) -> None:
    """Use up the owner's code and the nonce. Raises CONNECT_PROBLEMS."""
    totp.spend(tx, admin.id, body.totp, now)
    if listed.problem:
        raise listed.problem
    if not store.spend_nonce(tx, body.nonce, admin.id, now):
        raise rules.BankNonceSpent


def _place(tx: Tx, bank_id: UUID, name: AccountName, account: ListedAccount) -> None:
    """Add an account. Raises BankAccountAlreadyConnected, BankNameTaken."""
    if store.insert_account(tx, uuid4(), bank_id, name, account):
        return
    of = store.bank_of_account(tx, account)
    if of is None or of == bank_id:
        raise rules.BankNameTaken(name=name)
    raise rules.BankAccountAlreadyConnected(bank_id=of)


def _bank(tx: Tx, bank_id: UUID) -> Bank:
    (row,) = store.banks(tx, bank_id)
    return _shown(row, store.accounts(tx, bank_id).get(bank_id, []))


def _shown(row: Enrolled, accounts: list[BankAccount]) -> Bank:
    return Bank(**vars(row), accounts=accounts)
