"""Cloud KMS on a laptop: key rings, keys, versions and their states, signing, and symmetric encryption over gRPC.

Serves `google.cloud.kms.v1.KeyManagementService` on the message classes of google-cloud-kms, for the official client:
`KeyManagementServiceClient(transport=get_transport_class("grpc")(channel=grpc.insecure_channel(host)))`.
Keys are random at each start and live in memory only: a new start is a new treasury address.
Reference: https://cloud.google.com/kms/docs/reference/rpc/google.cloud.kms.v1

Differs from the service:
- Callers are not authenticated and there is no IAM: any caller may use any key.
- An asymmetric version is ENABLED at once (the service shows PENDING_GENERATION first); versions carry no attestation.
- A version scheduled for destruction is destroyed only by `finish_destruction`, never by the passing of time.
- Served algorithms: EC_SIGN_SECP256K1_SHA256 (HSM only, as in the service), EC_SIGN_P256_SHA256,
  RSA_SIGN_PKCS1_2048_SHA256, GOOGLE_SYMMETRIC_ENCRYPTION. Signing takes a SHA-256 sized digest, not `data`.
- List calls know pages, not `filter` or `order_by`; rotation schedules are stored but have no effect.
- No quotas (https://cloud.google.com/kms/quotas: a number of operations a minute with HSM keys of a project and region,
  RESOURCE_EXHAUSTED above it). `fail_next_signs` and `sign_slowly` stand in for a loaded or distant service.
"""

import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import google_crc32c
import grpc
from cryptography.exceptions import InvalidTag
from google.cloud.kms_v1.types import resources, service

from emulators.grpc_server import Context, GrpcServer, Method, Raw, Refusal
from emulators.kms.keys import DIGEST_BYTES, KeyStore, Version, cipher, copy_of, public_key_pem, sign, undecipherable

SERVICE = "google.cloud.kms.v1.KeyManagementService"
PAGE_DEFAULT = 1000
HSM_BYTES_MAX = 8 * 1024  # plaintext and additional data together
SOFTWARE_BYTES_MAX = 64 * 1024  # each of the two
NONCE_BYTES = 12
VERSION_BYTES = 4  # a ciphertext starts with the number of the version that made it

Item = TypeVar("Item")


class Kms:
    """The server and its faults. `host` ("127.0.0.1:port") is what KMS_EMULATOR_HOST takes."""

    def __init__(self) -> None:
        self.host = ""
        self.signs_held = 0  # AsymmetricSign calls that `sign_slowly` is holding
        self._keys = KeyStore()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._failures: list[grpc.StatusCode] = []
        self._sign_seconds = 0.0
        self._high_s_always = False
        self._server: GrpcServer | None = None

    def start(self, port: int = 0) -> None:
        """Listen on a port; keys from an earlier start of this object are still there."""
        self._stopping.clear()
        self._server = GrpcServer("kms", {SERVICE: self._methods()})
        self.host = self._server.start(port)

    def stop(self) -> None:
        """Stop within a bound, slow calls included."""
        self._stopping.set()
        if self._server is not None:
            self._server.stop()
            self._server = None

    # Faults that tests ask for:

    def fail_next_signs(self, count: int, code: grpc.StatusCode = grpc.StatusCode.DEADLINE_EXCEEDED) -> None:
        """Answer the next `count` AsymmetricSign calls with a gRPC status instead of a signature."""
        with self._lock:
            self._failures = [code] * count

    def sign_slowly(self, seconds: float) -> None:
        """Hold every AsymmetricSign for this time before it is answered; 0 ends it."""
        self._sign_seconds = seconds

    def sign_with_high_s(self, *, always: bool) -> None:
        """Make ECDSA signatures whose s is above half the order: always, or half of the time, as chance has it."""
        self._high_s_always = always

    def finish_destruction(self, name: str) -> None:
        """End the waiting time of a version in DESTROY_SCHEDULED: its secret is gone for good."""
        with self._lock:
            self._keys.finish_destruction(name)

    # The served methods, one per RPC:

    def _create_key_ring(self, request: service.CreateKeyRingRequest) -> resources.KeyRing:
        return self._keys.create_ring(request.parent, request.key_ring_id)

    def _get_key_ring(self, request: service.GetKeyRingRequest) -> resources.KeyRing:
        return self._keys.ring(request.name)

    def _list_key_rings(self, request: service.ListKeyRingsRequest) -> service.ListKeyRingsResponse:
        found = self._keys.rings_in(request.parent)
        page, token = _page(found, request)
        return service.ListKeyRingsResponse(key_rings=page, next_page_token=token, total_size=len(found))

    def _create_crypto_key(self, request: service.CreateCryptoKeyRequest) -> resources.CryptoKey:
        return self._keys.create_key(
            request.parent,
            request.crypto_key_id,
            request.crypto_key,
            with_version=not request.skip_initial_version_creation,
        )

    def _get_crypto_key(self, request: service.GetCryptoKeyRequest) -> resources.CryptoKey:
        return self._keys.key(request.name)

    def _list_crypto_keys(self, request: service.ListCryptoKeysRequest) -> service.ListCryptoKeysResponse:
        found = self._keys.keys_in(request.parent)
        page, token = _page(found, request)
        return service.ListCryptoKeysResponse(crypto_keys=page, next_page_token=token, total_size=len(found))

    def _create_version(self, request: service.CreateCryptoKeyVersionRequest) -> resources.CryptoKeyVersion:
        return self._keys.create_version(request.parent).resource

    def _get_version(self, request: service.GetCryptoKeyVersionRequest) -> resources.CryptoKeyVersion:
        return copy_of(self._keys.version(request.name).resource)

    def _list_versions(self, request: service.ListCryptoKeyVersionsRequest) -> service.ListCryptoKeyVersionsResponse:
        found = [copy_of(version.resource) for version in self._keys.versions_in(request.parent)]
        page, token = _page(found, request)
        return service.ListCryptoKeyVersionsResponse(
            crypto_key_versions=page, next_page_token=token, total_size=len(found)
        )

    def _update_version(self, request: service.UpdateCryptoKeyVersionRequest) -> resources.CryptoKeyVersion:
        if list(request.update_mask.paths) != ["state"]:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "update_mask must name `state` and nothing else.")
        return self._keys.set_state(request.crypto_key_version.name, request.crypto_key_version.state)

    def _update_primary(self, request: service.UpdateCryptoKeyPrimaryVersionRequest) -> resources.CryptoKey:
        return self._keys.set_primary(request.name, request.crypto_key_version_id)

    def _destroy_version(self, request: service.DestroyCryptoKeyVersionRequest) -> resources.CryptoKeyVersion:
        return self._keys.schedule_destruction(request.name)

    def _restore_version(self, request: service.RestoreCryptoKeyVersionRequest) -> resources.CryptoKeyVersion:
        return self._keys.restore(request.name)

    def _get_public_key(self, request: service.GetPublicKeyRequest) -> resources.PublicKey:
        formats = resources.PublicKey.PublicKeyFormat
        if request.public_key_format not in (formats.PUBLIC_KEY_FORMAT_UNSPECIFIED, formats.PEM):
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, "Only PEM is emulated.")
        version = self._keys.enabled_version(request.name)
        pem = public_key_pem(version)
        return resources.PublicKey(
            pem=pem,
            pem_crc32c=_crc32c(pem.encode()),
            algorithm=version.resource.algorithm,
            name=request.name,
            protection_level=version.resource.protection_level,
            public_key_format=formats.PEM,
        )

    def _asymmetric_sign(self, request: service.AsymmetricSignRequest) -> service.AsymmetricSignResponse:
        if request.data:
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, "Only `digest` is emulated.")
        digest = request.digest.sha256
        if len(digest) != DIGEST_BYTES:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"The digest must be {DIGEST_BYTES} bytes of `sha256`.")
        verified = _check("digest", digest, request)
        with self._lock:
            version = self._keys.enabled_version(request.name)
            failure = self._failures.pop(0) if self._failures else None
            self.signs_held += 1
        self._stopping.wait(self._sign_seconds)
        with self._lock:
            self.signs_held -= 1
        if failure is not None:
            raise Refusal(failure, "A fault was asked for.")
        signature = sign(version, digest, high_s_always=self._high_s_always)
        return service.AsymmetricSignResponse(
            signature=signature,
            signature_crc32c=_crc32c(signature),
            verified_digest_crc32c=verified,
            name=request.name,
            protection_level=version.resource.protection_level,
        )

    def _encrypt(self, request: service.EncryptRequest) -> service.EncryptResponse:
        version = self._keys.version_to_encrypt_with(request.name)
        plaintext, extra = request.plaintext, request.additional_authenticated_data
        _check_size(version, plaintext, extra)
        verified = _check("plaintext", plaintext, request)
        verified_extra = _check("additional_authenticated_data", extra, request)
        nonce = secrets.token_bytes(NONCE_BYTES)
        head = version.number.to_bytes(VERSION_BYTES, "big") + nonce
        ciphertext = head + cipher(version).encrypt(nonce, plaintext, extra)
        return service.EncryptResponse(
            name=version.resource.name,
            ciphertext=ciphertext,
            ciphertext_crc32c=_crc32c(ciphertext),
            verified_plaintext_crc32c=verified,
            verified_additional_authenticated_data_crc32c=verified_extra,
            protection_level=version.resource.protection_level,
        )

    def _decrypt(self, request: service.DecryptRequest) -> service.DecryptResponse:
        ciphertext, extra = request.ciphertext, request.additional_authenticated_data
        _check("ciphertext", ciphertext, request)
        _check("additional_authenticated_data", extra, request)
        number = int.from_bytes(ciphertext[:VERSION_BYTES], "big")
        version, used_primary = self._keys.version_to_decrypt_with(request.name, number)
        nonce, sealed = (
            ciphertext[VERSION_BYTES : VERSION_BYTES + NONCE_BYTES],
            ciphertext[VERSION_BYTES + NONCE_BYTES :],
        )
        try:
            plaintext = cipher(version).decrypt(nonce, sealed, extra)
        except (InvalidTag, ValueError):
            raise undecipherable() from None
        return service.DecryptResponse(
            plaintext=plaintext,
            plaintext_crc32c=_crc32c(plaintext),
            used_primary=used_primary,
            protection_level=version.resource.protection_level,
        )

    def _methods(self) -> dict[str, Method]:
        """The methods by RPC name. An RPC's request class is named after it."""
        served: dict[str, tuple[Callable[[Any], Any], Any]] = {
            "CreateKeyRing": (self._create_key_ring, resources.KeyRing),
            "GetKeyRing": (self._get_key_ring, resources.KeyRing),
            "ListKeyRings": (self._list_key_rings, service.ListKeyRingsResponse),
            "CreateCryptoKey": (self._create_crypto_key, resources.CryptoKey),
            "GetCryptoKey": (self._get_crypto_key, resources.CryptoKey),
            "ListCryptoKeys": (self._list_crypto_keys, service.ListCryptoKeysResponse),
            "CreateCryptoKeyVersion": (self._create_version, resources.CryptoKeyVersion),
            "GetCryptoKeyVersion": (self._get_version, resources.CryptoKeyVersion),
            "ListCryptoKeyVersions": (self._list_versions, service.ListCryptoKeyVersionsResponse),
            "UpdateCryptoKeyVersion": (self._update_version, resources.CryptoKeyVersion),
            "UpdateCryptoKeyPrimaryVersion": (self._update_primary, resources.CryptoKey),
            "DestroyCryptoKeyVersion": (self._destroy_version, resources.CryptoKeyVersion),
            "RestoreCryptoKeyVersion": (self._restore_version, resources.CryptoKeyVersion),
            "GetPublicKey": (self._get_public_key, resources.PublicKey),
            "AsymmetricSign": (self._asymmetric_sign, service.AsymmetricSignResponse),
            "Encrypt": (self._encrypt, service.EncryptResponse),
            "Decrypt": (self._decrypt, service.DecryptResponse),
        }
        return {rpc: self._method(getattr(service, f"{rpc}Request"), *found) for rpc, found in served.items()}

    def _method(self, request_class: Any, call: Callable[[Any], Any], answer_class: Any) -> Method:
        """The method for an RPC. Signing takes the lock itself, so that slow signs do not queue;
        others run under it.
        """
        lock = nullcontext() if call == self._asymmetric_sign else self._lock

        def answer(request: Raw, context: Context) -> Raw:
            del context
            with lock:
                return answer_class.pb(call(request_class.wrap(request)))

        return Method(request_class, answer)


def _crc32c(data: bytes) -> int:
    checksum: int = google_crc32c.value(data)
    return checksum


def _check(what: str, data: bytes, request: Any) -> bool:
    """True when the caller sent a checksum of `data`; a checksum that differs is refused."""
    field = f"{what}_crc32c"
    if field not in request:
        return False
    if getattr(request, field) != _crc32c(data):
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"The {what} does not match {field}.")
    return True


def _check_size(version: Version, plaintext: bytes, extra: bytes) -> None:
    hsm = version.resource.protection_level == resources.ProtectionLevel.HSM
    too_large = (
        len(plaintext) + len(extra) > HSM_BYTES_MAX if hsm else max(len(plaintext), len(extra)) > SOFTWARE_BYTES_MAX
    )
    if too_large:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "The plaintext or its additional data is too large.")


def _page(items: Sequence[Item], request: Any) -> tuple[Sequence[Item], str]:
    """The requested page and the token of the next one, which is the index that it starts at."""
    start = int(request.page_token or 0)
    end = start + (request.page_size or PAGE_DEFAULT)
    return items[start:end], str(end) if end < len(items) else ""
