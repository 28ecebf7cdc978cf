"""The main job once more, by a client that was generated from openapi.yaml: what it says is enough to do it."""

import io
from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.request import urlopen
from uuid import UUID, uuid4

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from emulators import people
from emulators.main_job import Played
from emulators.process import wait_until
from emulators.stack import Stack
from tests.generated import GeneratedClient, python_client

PASSWORD = "Correct-Horse-Battery7"
SECONDS_MAX = 90.0


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GeneratedClient]:
    with python_client(tmp_path_factory.mktemp("generated")) as made:
        yield made


@pytest.mark.parametrize("stack", ["one process"], indirect=True)
def test_a_scan_becomes_a_paid_comp_for_whoever_has_only_the_contract(
    stack: Stack, played: Played, generated: GeneratedClient
) -> None:
    """`played` comes first: it counts on the first numbers of the global count."""
    member = signed_in(generated, stack, "grace@example.com")
    wallet = linked(generated, member)
    (code, *_) = manufactured(generated, generated.client(stack.url, played.admin.client.token or ""))

    body = generated.model("ScanSubmission", code=code)
    receipt = generated.call("submit", member, body=body, idempotency_key=str(uuid4()))
    again = generated.call("list_recent", member)
    assert receipt.scan_number > len(played.receipts)
    assert [scan.id for scan in again.items] == [receipt.scan_id]

    def comps() -> list[Any]:
        return list(generated.call("list_comps", member, limit=100).items)

    wait_until(lambda: [comp.status for comp in comps()] == ["paid"], "the guarantee", SECONDS_MAX)
    (comp,) = comps()
    assert (str(comp.type_), comp.amount) == ("new_member_guarantee", 5)
    assert stack.chain.balance_of(wallet) == 5_000_000
    assert comp.transaction_hash in {move.transaction_hash for move in stack.chain.transfers()}


def signed_in(generated: GeneratedClient, stack: Stack, email: str) -> Any:
    """A client of somebody who has signed up, verified the address, and signed in."""
    anyone = generated.client(stack.url)
    born = date(1990, 6, 15)
    sign_up = generated.model("Signup", email=email, password=PASSWORD, full_name="Grace Hopper", date_of_birth=born)
    generated.call("signup", anyone, body=sign_up)
    code = people.mailed_code(stack, email)
    generated.call("verify_email", anyone, body=generated.model("EmailVerification", email=email, code=code))
    tokens = generated.call("login", anyone, body=generated.model("Login", email=email, password=PASSWORD))
    return generated.client(stack.url, tokens.access_token)


def linked(generated: GeneratedClient, member: Any) -> str:
    """The address of a new wallet that its owner has proved."""
    wallet = Account.create()
    asked = generated.call("challenge", member, body=generated.model("WalletAddress", address=wallet.address))
    signature = wallet.sign_message(encode_defunct(text=asked.message)).signature.to_0x_hex()
    answer = generated.model("WalletLink", challenge_id=asked.challenge_id, signature=signature)
    return str(generated.call("link", member, body=answer).wallet_address)


def manufactured(generated: GeneratedClient, admin: Any) -> list[str]:
    """Two codes that can be scanned: ordered, exported, and uploaded as the manufacturer's."""
    order = generated.model("BatchOrder", name="By contract", product_sku="MINTICE-6", quantity=2)
    batch: UUID = generated.call("generate", admin, body=order).id
    wait_until(
        lambda: str(generated.call("get_batch", admin, batch_id=batch).status) == "generated", "the batch", SECONDS_MAX
    )
    link = generated.call("export", admin, body=generated.model("ExportOrder", batch_id=batch)).download_url
    with urlopen(link, timeout=SECONDS_MAX) as file:  # noqa: S310 - the storage emulator
        csv = file.read()
    imported = generated.call("import_feedback", admin, body=generated.file(io.BytesIO(csv)))
    assert imported.manufactured == 2
    return [line.split(",")[0] for line in csv.decode().splitlines()[1:]]
