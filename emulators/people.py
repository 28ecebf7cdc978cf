"""The people of the local platform: members and admins who sign up as anybody would."""

import base64
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Protocol
from urllib.request import urlopen

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

from emulators import cloud
from emulators.client import Client
from emulators.process import wait_until
from emulators.stack import Stack
from shared.credentials import totp

MAIL_SECONDS_MAX = 30.0
FETCH_SECONDS_MAX = 5.0


class HasUrl(Protocol):
    """A part that is served at a URL."""

    @property
    def url(self) -> str: ...


class Place(HasUrl, Protocol):
    """The stack where people sign up, of this process or running elsewhere."""

    @property
    def mail(self) -> HasUrl: ...


@dataclass
class Person:
    """A person with an account, a client that is signed in, and (once linked) a wallet of their own."""

    email: str
    password: str = field(repr=False)
    name: str
    client: Client
    member_id: str = ""
    id: str = ""
    wallet: str = ""
    key: LocalAccount | None = field(default=None, repr=False)  # of the wallet
    totp_secret: str = field(default="", repr=False)  # base32, as authenticator apps take it by hand


def join(stack: Place, name: str, *, source: str = "127.0.0.1", url: str | None = None) -> Person:
    """Sign up, read the code in the mail, verify the address, and sign in."""
    email = f"{re.sub(r'[^a-z]+', '.', name.lower())}@example.com"
    person = Person(email, f"Pouch-{secrets.token_urlsafe(9)}7!", name, Client(url or stack.url, source=source))
    signed_up = person.client.must(
        "POST",
        "/v1/auth/signup",
        {"email": email, "password": person.password, "full_name": name, "date_of_birth": "1990-06-15"},
    )
    person.id, person.member_id = signed_up["id"], signed_up["member_id"]
    code = mailed_code(stack, email)
    person.client.must("POST", "/v1/auth/verify-email", {"email": email, "code": code})
    sign_in(person)
    return person


def sign_in(person: Person) -> None:
    """Sign in again, which begins a new session."""
    body = {"email": person.email, "password": person.password, "device": {"kind": "desktop"}}
    person.client.token = person.client.must("POST", "/v1/auth/login", body)["access_token"]


def mailed_code(stack: Place, email: str) -> str:
    """The verification code from the newest mail to the address, as the mail page shows it."""
    found: list[str] = []

    def arrived() -> bool:
        for mail in mails_to(stack, email):
            if match := re.search(r"^(\d{6})$", mail["text"], re.MULTILINE):
                found.append(match.group(1))
                return True
        return False

    wait_until(arrived, f"a code mailed to {email}", MAIL_SECONDS_MAX)
    return found[0]


def mails_to(stack: Place, email: str) -> list[dict[str, str]]:
    """The mails that the stand-in has accepted for an address, newest first."""
    with urlopen(f"{stack.mail.url}/mails?to={email}", timeout=FETCH_SECONDS_MAX) as answer:  # noqa: S310 - loopback
        mails: list[dict[str, str]] = json.loads(answer.read())
        return mails


def link_wallet(person: Person, wallet: LocalAccount | None = None) -> None:
    """Link a wallet (a new one unless it is given) by signing the challenge with its key (EIP-191)."""
    wallet = wallet or Account.create()
    asked = person.client.must("POST", "/v1/wallet/challenge", {"address": wallet.address})
    signature = wallet.sign_message(encode_defunct(text=asked["message"])).signature.to_0x_hex()
    body = {"challenge_id": asked["challenge_id"], "signature": signature}
    person.wallet = person.client.must("POST", "/v1/wallet/link", body)["wallet_address"]
    person.key = wallet


def open_wallet(stack: Stack, person: Person) -> None:
    """Have the wallet provider make the person's wallet, as an app does after sign-up, and link it by its ID token."""
    token = person.client.must("POST", "/v1/wallet/token")["token"]
    body = {"id_token": stack.vendors.wallets.connect(token)}
    person.wallet = person.client.must("POST", "/v1/wallet/link", body)["wallet_address"]
    person.key = stack.vendors.wallets.wallet_of(person.id)


def make_admin(stack: Stack, person: Person, role: str) -> None:
    """Give somebody a role, as the platform's owner does by hand for the first admin; set up their second factor."""
    with cloud.superuser(stack.postgres, cloud.DATABASE) as connection:
        connection.execute_unnamed(
            "UPDATE members SET role = CAST($1 AS admin_role) WHERE id = CAST($2 AS uuid)", (role, person.id)
        )
    enrol(stack, person)


def enrol(stack: Stack, person: Person) -> None:
    """Set up an authenticator app; its first code proves the second factor for the person's session."""
    person.totp_secret = person.client.must("POST", "/v1/auth/2fa/setup", {"password": person.password})["secret"]
    code = totp.code(base64.b32decode(person.totp_secret), totp.step_of(stack.now()))
    person.client.must("POST", "/v1/auth/2fa/enable", {"code": code})
