"""Cloud KMS: signs and encrypts with keys that never leave it.

`key_version` and `key` are full resource names (`projects/…/cryptoKeyVersions/1`, `projects/…/cryptoKeys/…`).
KMS_EMULATOR_HOST ("host:port") chooses an emulator. Each call raises KmsUnavailable for what may pass by itself,
KmsRefused for everything else. Checksums are compared both ways on every call:
https://cloud.google.com/kms/docs/data-integrity-guidelines
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from shared.ports.outage import Outage

if TYPE_CHECKING:
    from google.cloud.kms_v1 import KeyManagementServiceClient

CALL_SECONDS_MAX = 5.0
TOTAL_SECONDS_MAX = 12.0  # including the repetitions of calls that found the service unavailable
REPEAT_SECONDS_FIRST = 0.1
REPEAT_SECONDS_MAX = 1.0
DIGEST_BYTES = 32
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

Answer = TypeVar("Answer")


class KmsFailure(Exception):
    """The base class of this port's exceptions; no failed call leaves anything half done."""


class KmsUnavailable(KmsFailure, Outage):
    """Raised for a temporary failure (deadline, quota, outage, damage in transit): the same call may succeed later."""


class KmsRefused(KmsFailure):
    """Raised when the call will be refused until a person changes the key, its state, the rights or the arguments."""


class WrongSigner(KmsRefused):
    """Raised when the key signed but is not the key of the expected address: its signatures must not be used."""


@dataclass(frozen=True)
class EthereumSignature:
    """The signature that a typed transaction carries; s is in the lower half of the order (EIP-2)."""

    r: int
    s: int
    y_parity: int


def public_key_pem(key_version: str) -> str:
    answer = _call(_client().get_public_key, {"name": key_version})
    _demand(answer.pem_crc32c == _crc32c(answer.pem.encode()) and answer.name == key_version)
    return str(answer.pem)


def create_version(key: str) -> None:
    """Request a new version of a signing key; KMS may need a while to create it."""
    _call(_client().create_crypto_key_version, {"parent": key, "crypto_key_version": {}})


def enabled_versions(key: str) -> list[str]:
    """The names of a key's enabled versions, oldest first."""
    versions = _call(_client().list_crypto_key_versions, {"parent": key, "filter": "state=ENABLED"})
    enabled = [version for version in versions if version.state.name == "ENABLED"]
    return [str(version.name) for version in sorted(enabled, key=lambda version: version.create_time)]


def disable_version(key_version: str) -> None:
    """Disable a key version: it signs no more until a person enables it again."""
    request = {"crypto_key_version": {"name": key_version, "state": "DISABLED"}, "update_mask": {"paths": ["state"]}}
    _call(_client().update_crypto_key_version, request)


def sign_digest(key_version: str, digest: bytes) -> bytes:
    """The raw signature: DER (r, s) for an elliptic curve, PKCS #1 for RSA.

    An elliptic curve key signs the same digest differently each time: store what you signed.
    """
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"a digest has {DIGEST_BYTES} bytes, not {len(digest)}")
    request = {"name": key_version, "digest": {"sha256": digest}, "digest_crc32c": _crc32c(digest)}
    answer = _call(_client().asymmetric_sign, request)
    signature = bytes(answer.signature)
    _demand(answer.verified_digest_crc32c and answer.signature_crc32c == _crc32c(signature))
    _demand(answer.name == key_version)
    return signature


def ethereum_address(key_version: str) -> str:
    """The checksummed address of a secp256k1 key. Raises KmsRefused for any other key."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from eth_keys.datatypes import PublicKey

    public = load_pem_public_key(public_key_pem(key_version).encode())
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256K1):
        raise KmsRefused(f"{key_version} is no secp256k1 key")
    point = public.public_numbers()
    return PublicKey(point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")).to_checksum_address()


def sign_ethereum(key_version: str, digest: bytes, address: str) -> EthereumSignature:
    """Sign a transaction's 32-byte hash as `address`. Raises WrongSigner when this key is not that address's.

    KMS returns no recovery bit, and s may be high: s is moved into the lower half, and the bit is the one under which
    the signature recovers to `address`.
    """
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    r, high_or_low_s = decode_dss_signature(sign_digest(key_version, digest))
    s = min(high_or_low_s, SECP256K1_ORDER - high_or_low_s)
    for y_parity in (0, 1):
        if _signer(digest, r, s, y_parity).lower() == address.lower():
            return EthereumSignature(r, s, y_parity)
    raise WrongSigner(f"{key_version} does not sign for {address}")


def encrypt(key: str, plaintext: bytes, aad: bytes) -> bytes:
    """Encrypt; the same `aad` (a row's id, say) is needed to decrypt. An HSM key takes 8 KiB of both together."""
    request = {
        "name": key,
        "plaintext": plaintext,
        "plaintext_crc32c": _crc32c(plaintext),
        "additional_authenticated_data": aad,
        "additional_authenticated_data_crc32c": _crc32c(aad),
    }
    answer = _call(_client().encrypt, request)
    ciphertext = bytes(answer.ciphertext)
    _demand(answer.verified_plaintext_crc32c and answer.verified_additional_authenticated_data_crc32c)
    _demand(answer.ciphertext_crc32c == _crc32c(ciphertext))
    return ciphertext


def decrypt(key: str, ciphertext: bytes, aad: bytes) -> bytes:
    """Decrypt. Raises KmsRefused when ciphertext and `aad` are not what `encrypt` had under this key."""
    request = {
        "name": key,
        "ciphertext": ciphertext,
        "ciphertext_crc32c": _crc32c(ciphertext),
        "additional_authenticated_data": aad,
        "additional_authenticated_data_crc32c": _crc32c(aad),
    }
    answer = _call(_client().decrypt, request)
    plaintext = bytes(answer.plaintext)
    _demand(answer.plaintext_crc32c == _crc32c(plaintext))
    return plaintext


def _signer(digest: bytes, r: int, s: int, y_parity: int) -> str:
    """The address that a signature recovers to; "" when it recovers to no point."""
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature

    try:
        return Signature(vrs=(y_parity, r, s)).recover_public_key_from_msg_hash(digest).to_checksum_address()
    except BadSignature:
        return ""


def _call(method: Callable[..., Answer], request: dict[str, Any]) -> Answer:
    """Make one call within TOTAL_SECONDS_MAX, repeated only when the service is unavailable. Raises KmsUnavailable for
    what may pass by itself, KmsRefused for everything else.
    """
    from google.api_core import exceptions
    from google.api_core.retry import Retry, if_exception_type

    repeat = Retry(
        predicate=if_exception_type(exceptions.ServiceUnavailable),
        initial=REPEAT_SECONDS_FIRST,
        maximum=REPEAT_SECONDS_MAX,
        timeout=TOTAL_SECONDS_MAX - CALL_SECONDS_MAX,  # no attempt begins later than this
    )
    try:
        return method(request=request, timeout=CALL_SECONDS_MAX, retry=repeat)
    except exceptions.GoogleAPIError as error:
        passing = (
            *(exceptions.ServerError, exceptions.TooManyRequests, exceptions.Aborted),
            *(exceptions.Cancelled, exceptions.RetryError),
        )
        unavailable = isinstance(error, passing) and not isinstance(error, exceptions.MethodNotImplemented)
        raise (KmsUnavailable if unavailable else KmsRefused)(str(error)) from error


def _demand(intact: object) -> None:
    if not intact:
        raise KmsUnavailable("a checksum did not match: the request or its answer was damaged on the way")


def _crc32c(data: bytes) -> int:
    import google_crc32c

    checksum: int = google_crc32c.value(data)
    return checksum


def _client() -> "KeyManagementServiceClient":
    return _client_of(os.getpid(), os.environ.get("KMS_EMULATOR_HOST", ""))


@lru_cache
def _client_of(process_id: int, emulator: str) -> "KeyManagementServiceClient":
    """One client per process, made on first use: a gRPC channel does not survive a fork.

    A forked child has another process id and makes its own client. A parent that has used gRPC itself must not fork.
    """
    from google.cloud.kms_v1 import KeyManagementServiceClient

    del process_id
    if not emulator:
        return KeyManagementServiceClient()
    import grpc

    transport = KeyManagementServiceClient.get_transport_class("grpc")
    return KeyManagementServiceClient(transport=transport(channel=grpc.insecure_channel(emulator)))
