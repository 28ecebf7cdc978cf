"""Does the embedded KMS answer the official client, and our port, as the service does?"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import google_crc32c
import grpc
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.api_core import exceptions
from google.cloud import kms_v1

from emulators.kms import Kms
from emulators.process import wait_until
from shared.ports import kms as port

DIGEST = bytes(range(32))
LOCATION = "projects/local/locations/us-central1"
RING = f"{LOCATION}/keyRings/treasury-keys"
SIGN = kms_v1.CryptoKey.CryptoKeyPurpose.ASYMMETRIC_SIGN
ENCRYPT = kms_v1.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT
ALGORITHM = kms_v1.CryptoKeyVersion.CryptoKeyVersionAlgorithm
STATE = kms_v1.CryptoKeyVersion.CryptoKeyVersionState
HSM = kms_v1.ProtectionLevel.HSM
SOFTWARE = kms_v1.ProtectionLevel.SOFTWARE
HALF_ORDER = port.SECP256K1_ORDER // 2
SIGNATURES_ENOUGH = 64  # all on one side of the half order by chance: once in 2^63

Client = kms_v1.KeyManagementServiceClient


@pytest.fixture(scope="module")
def kms() -> Iterator[Kms]:
    server = Kms()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(kms: Kms) -> Iterator[Client]:
    with grpc.insecure_channel(kms.host) as channel:
        made = Client(transport=Client.get_transport_class("grpc")(channel=channel))
        made.create_key_ring(request={"parent": LOCATION, "key_ring_id": "treasury-keys"})
        yield made


@pytest.fixture(autouse=True)
def _chosen_by_the_port(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KMS_EMULATOR_HOST", kms.host)


def create(
    client: Client, key_id: str, algorithm: int, purpose: int = SIGN, level: int = HSM, **more: object
) -> kms_v1.CryptoKey:
    template = {"algorithm": algorithm, "protection_level": level}
    key = {"purpose": purpose, "version_template": template}
    return client.create_crypto_key(request={"parent": RING, "crypto_key_id": key_id, "crypto_key": key, **more})


def first_version(key: kms_v1.CryptoKey) -> str:
    return f"{key.name}/cryptoKeyVersions/1"


def signed(client: Client, name: str) -> bytes:
    return bytes(client.asymmetric_sign(request={"name": name, "digest": {"sha256": DIGEST}}).signature)


@pytest.fixture(scope="module")
def treasury(client: Client) -> str:
    return first_version(create(client, "member-treasury-key", ALGORITHM.EC_SIGN_SECP256K1_SHA256))


@pytest.fixture(scope="module")
def vault(client: Client) -> str:
    return create(client, "vault", ALGORITHM.GOOGLE_SYMMETRIC_ENCRYPTION, ENCRYPT).name


# Rings, keys and versions


def test_a_key_is_found_by_name_and_in_its_ring(client: Client, treasury: str) -> None:
    key = treasury.partition("/cryptoKeyVersions/")[0]
    assert client.get_crypto_key(name=key).purpose == SIGN
    assert key in [found.name for found in client.list_crypto_keys(parent=RING)]
    assert [ring.name for ring in client.list_key_rings(parent=LOCATION)] == [RING]


def test_an_absent_key_is_not_found(client: Client) -> None:
    with pytest.raises(exceptions.NotFound):
        client.get_crypto_key(name=f"{RING}/cryptoKeys/absent")


def test_a_taken_name_already_exists(client: Client, treasury: str) -> None:
    assert treasury
    with pytest.raises(exceptions.AlreadyExists):
        create(client, "member-treasury-key", ALGORITHM.EC_SIGN_SECP256K1_SHA256)


def test_versions_are_listed_page_by_page(client: Client) -> None:
    key = create(client, "paged", ALGORITHM.EC_SIGN_P256_SHA256)
    for _ in range(4):
        client.create_crypto_key_version(parent=key.name)
    pages = client.list_crypto_key_versions(request={"parent": key.name, "page_size": 2}).pages
    assert [len(page.crypto_key_versions) for page in pages] == [2, 2, 1]


def test_secp256k1_exists_in_the_hsm_only(client: Client) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        create(client, "soft", ALGORITHM.EC_SIGN_SECP256K1_SHA256, level=SOFTWARE)


def test_an_algorithm_that_does_not_fit_the_purpose_is_refused(client: Client) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        create(client, "mixed", ALGORITHM.EC_SIGN_P256_SHA256, ENCRYPT)


def test_a_disabled_version_does_not_sign_until_it_is_enabled_again(client: Client) -> None:
    name = first_version(create(client, "switched", ALGORITHM.EC_SIGN_SECP256K1_SHA256))
    set_state(client, name, STATE.DISABLED)
    with pytest.raises(exceptions.FailedPrecondition, match="DISABLED"):
        signed(client, name)
    set_state(client, name, STATE.ENABLED)
    assert signed(client, name)


def set_state(client: Client, name: str, state: int) -> None:
    client.update_crypto_key_version(
        request={"crypto_key_version": {"name": name, "state": state}, "update_mask": {"paths": ["state"]}}
    )


def test_destruction_is_scheduled_and_can_be_taken_back(client: Client) -> None:
    name = first_version(create(client, "rescued", ALGORITHM.EC_SIGN_P256_SHA256))
    scheduled = client.destroy_crypto_key_version(name=name)
    assert scheduled.state == STATE.DESTROY_SCHEDULED
    assert scheduled.destroy_time
    restored = client.restore_crypto_key_version(name=name)
    assert restored.state == STATE.DISABLED
    assert not restored.destroy_time


def test_a_destroyed_version_never_comes_back(client: Client, kms: Kms) -> None:
    name = first_version(create(client, "gone", ALGORITHM.EC_SIGN_P256_SHA256))
    client.destroy_crypto_key_version(name=name)
    kms.finish_destruction(name)
    with pytest.raises(exceptions.FailedPrecondition, match="DESTROYED"):
        client.restore_crypto_key_version(name=name)
    with pytest.raises(exceptions.FailedPrecondition, match="DESTROYED"):
        signed(client, name)


# Signing through the official client


@pytest.mark.parametrize("level", [HSM, SOFTWARE])
def test_a_p256_signature_verifies(client: Client, level: int) -> None:
    name = first_version(create(client, f"p256-{level}", ALGORITHM.EC_SIGN_P256_SHA256, level=level))
    public = load_pem_public_key(client.get_public_key(name=name).pem.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    signature = signed(client, name)
    public.verify(signature, DIGEST, ec.ECDSA(Prehashed(hashes.SHA256())))


def test_an_rsa_signature_verifies(client: Client) -> None:
    name = first_version(create(client, "jwt", ALGORITHM.RSA_SIGN_PKCS1_2048_SHA256))
    public = load_pem_public_key(client.get_public_key(name=name).pem.encode())
    assert isinstance(public, rsa.RSAPublicKey)
    signature = signed(client, name)
    public.verify(signature, DIGEST, padding.PKCS1v15(), Prehashed(hashes.SHA256()))


def test_signing_again_gives_another_signature(client: Client, treasury: str) -> None:
    first, second = (signed(client, treasury) for _ in range(2))
    assert first != second


def test_both_low_and_high_s_occur(client: Client, treasury: str) -> None:
    found = {decode_dss_signature(signed(client, treasury))[1] > HALF_ORDER for _ in range(SIGNATURES_ENOUGH)}
    assert found == {True, False}


def test_checksums_go_both_ways(client: Client, treasury: str) -> None:
    checksum = google_crc32c.value(DIGEST)
    answer = client.asymmetric_sign(request={"name": treasury, "digest": {"sha256": DIGEST}, "digest_crc32c": checksum})
    assert answer.verified_digest_crc32c
    assert answer.signature_crc32c == google_crc32c.value(answer.signature)
    public = client.get_public_key(name=treasury)
    assert public.pem_crc32c == google_crc32c.value(public.pem.encode())


def test_a_digest_without_checksum_is_not_called_verified(client: Client, treasury: str) -> None:
    answer = client.asymmetric_sign(request={"name": treasury, "digest": {"sha256": DIGEST}})
    assert not answer.verified_digest_crc32c


def test_a_damaged_digest_is_refused(client: Client, treasury: str) -> None:
    wrong = google_crc32c.value(DIGEST) ^ 1
    with pytest.raises(exceptions.InvalidArgument, match="digest_crc32c"):
        client.asymmetric_sign(request={"name": treasury, "digest": {"sha256": DIGEST}, "digest_crc32c": wrong})


def test_a_digest_of_another_length_is_refused(client: Client, treasury: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        client.asymmetric_sign(request={"name": treasury, "digest": {"sha256": DIGEST[:31]}})


def test_an_encryption_key_neither_signs_nor_shows_a_public_key(client: Client, vault: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        signed(client, f"{vault}/cryptoKeyVersions/1")
    with pytest.raises(exceptions.InvalidArgument):
        client.get_public_key(name=f"{vault}/cryptoKeyVersions/1")


# Encryption through the official client


def test_rotation_decrypts_what_the_old_version_encrypted(client: Client) -> None:
    key = create(client, "rotated", ALGORITHM.GOOGLE_SYMMETRIC_ENCRYPTION, ENCRYPT).name
    old = client.encrypt(name=key, plaintext=b"old").ciphertext
    client.create_crypto_key_version(parent=key)
    primary = client.update_crypto_key_primary_version(name=key, crypto_key_version_id="2").primary
    assert primary.name == f"{key}/cryptoKeyVersions/2"
    assert client.encrypt(name=key, plaintext=b"new").name == primary.name
    answer = client.decrypt(name=key, ciphertext=old)
    assert answer.plaintext == b"old"
    assert not answer.used_primary


def test_a_disabled_primary_does_not_encrypt(client: Client) -> None:
    key = create(client, "paused", ALGORITHM.GOOGLE_SYMMETRIC_ENCRYPTION, ENCRYPT).name
    set_state(client, f"{key}/cryptoKeyVersions/1", STATE.DISABLED)
    with pytest.raises(exceptions.FailedPrecondition):
        client.encrypt(name=key, plaintext=b"x")


def test_the_hsm_takes_8_kib_of_plaintext_and_additional_data_together(client: Client, vault: str) -> None:
    extra = b"a" * 4096
    assert client.encrypt(request=encryption(vault, b"p" * 4096, extra)).ciphertext
    with pytest.raises(exceptions.InvalidArgument):
        client.encrypt(request=encryption(vault, b"p" * 4097, extra))


def test_software_takes_64_kib_of_each(client: Client) -> None:
    key = create(client, "soft-vault", ALGORITHM.GOOGLE_SYMMETRIC_ENCRYPTION, ENCRYPT, SOFTWARE).name
    extra = b"a" * 65536
    assert client.encrypt(request=encryption(key, b"p" * 65536, extra)).ciphertext
    with pytest.raises(exceptions.InvalidArgument):
        client.encrypt(request=encryption(key, b"p" * 65537, extra))


def encryption(key: str, plaintext: bytes, extra: bytes) -> dict[str, object]:
    return {"name": key, "plaintext": plaintext, "additional_authenticated_data": extra}


def test_damaged_plaintext_is_refused(client: Client, vault: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="plaintext_crc32c"):
        client.encrypt(request={"name": vault, "plaintext": b"x", "plaintext_crc32c": 1})


# The port


@pytest.mark.parametrize("always_high", [True, False])
def test_the_port_signs_for_its_address_with_a_low_s(kms: Kms, treasury: str, *, always_high: bool) -> None:
    from eth_keys.datatypes import Signature

    address = port.ethereum_address(treasury)
    kms.sign_with_high_s(always=always_high)
    found = port.sign_ethereum(treasury, DIGEST, address)
    kms.sign_with_high_s(always=False)
    assert found.s <= HALF_ORDER
    recovered = Signature(vrs=(found.y_parity, found.r, found.s)).recover_public_key_from_msg_hash(DIGEST)
    assert recovered.to_checksum_address() == address


def test_high_s_on_request_is_high_every_time(kms: Kms, client: Client, treasury: str) -> None:
    kms.sign_with_high_s(always=True)
    found = [signed(client, treasury) for _ in range(8)]
    kms.sign_with_high_s(always=False)
    assert min(decode_dss_signature(signature)[1] for signature in found) > HALF_ORDER


def test_the_port_refuses_a_signature_of_another_address(treasury: str) -> None:
    with pytest.raises(port.WrongSigner):
        port.sign_ethereum(treasury, DIGEST, "0x000000000000000000000000000000000000dEaD")


@pytest.mark.parametrize(
    "damage",
    [{"verified_digest_crc32c": False}, {"signature_crc32c": 7}, {"signature": b"x"}, {"name": "another/1"}],
    ids=lambda damage: next(iter(damage)),
)
def test_the_port_takes_no_signature_that_was_damaged_on_the_way(
    treasury: str, monkeypatch: pytest.MonkeyPatch, damage: dict[str, object]
) -> None:
    known = port._client()

    def damaged(*given: Any, **named: Any) -> Any:
        answer = known.asymmetric_sign(*given, **named)
        for name, value in damage.items():
            setattr(answer, name, value)
        return answer

    monkeypatch.setattr(port, "_client", lambda: SimpleNamespace(asymmetric_sign=damaged))
    with pytest.raises(port.KmsUnavailable, match="damaged on the way"):
        port.sign_digest(treasury, DIGEST)


def test_the_port_signs_a_transaction_that_the_library_attributes_to_its_address(treasury: str) -> None:
    from eth_account import Account
    from eth_account.typed_transactions.typed_transaction import TypedTransaction

    address = port.ethereum_address(treasury)
    fields = {"type": 2, "chainId": 137, "nonce": 0, "to": address, "value": 1, "gas": 21000, "data": "0x"}
    fees = {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 3 * 10**10}
    digest = bytes(TypedTransaction.from_dict({**fields, **fees}).hash())
    found = port.sign_ethereum(treasury, digest, address)
    signature = {"v": found.y_parity, "r": found.r, "s": found.s}
    raw = TypedTransaction.from_dict({**fields, **fees, **signature}).encode()
    assert Account.recover_transaction(raw) == address


def test_the_port_decrypts_what_it_encrypted(vault: str) -> None:
    assert port.decrypt(vault, port.encrypt(vault, b"secret", b"member 7"), b"member 7") == b"secret"


def test_the_port_round_trips_nothing_at_all(vault: str) -> None:
    assert port.decrypt(vault, port.encrypt(vault, b"", b""), b"") == b""


def test_other_additional_data_is_refused(vault: str) -> None:
    with pytest.raises(port.KmsRefused):
        port.decrypt(vault, port.encrypt(vault, b"secret", b"member 7"), b"member 8")


def test_a_cut_ciphertext_is_refused(vault: str) -> None:
    with pytest.raises(port.KmsRefused):
        port.decrypt(vault, port.encrypt(vault, b"secret", b"")[:10], b"")


def test_a_disabled_key_is_refused_by_the_port(client: Client) -> None:
    name = first_version(create(client, "halted", ALGORITHM.EC_SIGN_SECP256K1_SHA256))
    set_state(client, name, STATE.DISABLED)
    with pytest.raises(port.KmsRefused):
        port.sign_digest(name, DIGEST)


def test_a_p256_key_has_no_ethereum_address(client: Client) -> None:
    name = first_version(create(client, "not-ours", ALGORITHM.EC_SIGN_P256_SHA256))
    with pytest.raises(port.KmsRefused):
        port.ethereum_address(name)


@pytest.mark.parametrize("code", [grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_a_passing_failure_passes(kms: Kms, treasury: str, code: grpc.StatusCode) -> None:
    kms.fail_next_signs(1, code)
    with pytest.raises(port.KmsUnavailable):
        port.sign_digest(treasury, DIGEST)
    assert port.sign_digest(treasury, DIGEST)


def test_an_unavailable_service_is_asked_again_at_once(kms: Kms, treasury: str) -> None:
    kms.fail_next_signs(1, grpc.StatusCode.UNAVAILABLE)
    assert port.sign_digest(treasury, DIGEST)


def test_a_slow_signature_is_given_up_at_the_deadline(kms: Kms, treasury: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "CALL_SECONDS_MAX", 0.2)
    kms.sign_slowly(30.0)
    began = time.monotonic()
    with pytest.raises(port.KmsUnavailable):
        port.sign_digest(treasury, DIGEST)
    kms.sign_slowly(0.0)
    assert time.monotonic() - began < 5.0


def test_stopping_does_not_wait_for_a_slow_signature() -> None:
    server = Kms()
    server.start()
    with grpc.insecure_channel(server.host) as channel:
        client = Client(transport=Client.get_transport_class("grpc")(channel=channel))
        client.create_key_ring(request={"parent": LOCATION, "key_ring_id": "treasury-keys"})
        name = first_version(create(client, "slow", ALGORITHM.EC_SIGN_SECP256K1_SHA256))
        server.sign_slowly(60.0)
        waiting = threading.Thread(target=sign_in_vain, args=(client, name), daemon=True)
        waiting.start()
        wait_until(lambda: server.signs_held == 1, "the signature")
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 5.0
        waiting.join(5.0)
        assert not waiting.is_alive()


def sign_in_vain(client: Client, name: str) -> None:
    request = kms_v1.AsymmetricSignRequest(name=name, digest={"sha256": DIGEST})
    with contextlib.suppress(exceptions.GoogleAPIError):
        client.asymmetric_sign(request=request, retry=None, timeout=60.0)


def test_the_port_loads_no_vendor_package_before_it_is_used() -> None:
    vendors = {"google.api_core", "google.cloud.kms_v1", "grpc", "cryptography", "eth_keys"}
    script = f"import sys, shared.ports.kms; print(sorted(sys.modules.keys() & {vendors!r}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


FORKING = """
import os, sys
from shared.ports import kms
child = os.fork()
signature = kms.sign_digest(sys.argv[1], bytes(32))
if child == 0:
    os._exit(0 if signature else 1)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_parent_and_child_of_a_fork_both_sign(kms: Kms, treasury: str) -> None:
    environment = os.environ | {"KMS_EMULATOR_HOST": kms.host}
    command = [sys.executable, "-c", FORKING, treasury]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
