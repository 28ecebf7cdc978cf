"""The embedded KMS's store: rings, keys, versions with their states and secrets, and operations with a secret.

Not thread-safe by itself: `emulators.kms` holds its lock around every call but `sign`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import grpc
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.cloud.kms_v1.types import resources

from emulators.grpc_server import Refusal

DIGEST_BYTES = 32
RSA_BITS = 2048
AES_BITS = 256
DESTROY_AFTER_DEFAULT = timedelta(days=30)
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

LOCATION = re.compile(r"projects/[^/]+/locations/[^/]+")
IDENTIFIER = re.compile(r"[a-zA-Z0-9_-]{1,63}")

Purpose = resources.CryptoKey.CryptoKeyPurpose
Algorithm = resources.CryptoKeyVersion.CryptoKeyVersionAlgorithm
State = resources.CryptoKeyVersion.CryptoKeyVersionState
Protection = resources.ProtectionLevel
Code = grpc.StatusCode
Secret = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | bytes

PURPOSE_OF: Mapping[int, int] = {
    Algorithm.EC_SIGN_SECP256K1_SHA256: Purpose.ASYMMETRIC_SIGN,
    Algorithm.EC_SIGN_P256_SHA256: Purpose.ASYMMETRIC_SIGN,
    Algorithm.RSA_SIGN_PKCS1_2048_SHA256: Purpose.ASYMMETRIC_SIGN,
    Algorithm.GOOGLE_SYMMETRIC_ENCRYPTION: Purpose.ENCRYPT_DECRYPT,
}

Message = TypeVar("Message", resources.KeyRing, resources.CryptoKey, resources.CryptoKeyVersion)


@dataclass
class Version:
    """One version and its secret, which is None once it is destroyed."""

    resource: resources.CryptoKeyVersion
    number: int
    secret: Secret | None


@dataclass
class Key:
    """One key; `versions` are by number, which starts at 1 and is never used again."""

    resource: resources.CryptoKey
    versions: dict[int, Version] = field(default_factory=dict)
    primary_number: int | None = None

    def shown(self) -> resources.CryptoKey:
        shown = copy_of(self.resource)
        if self.primary_number is not None:
            shown.primary = self.versions[self.primary_number].resource
        return shown


class KeyStore:
    """All resources by full name; a missing name is refused with NOT_FOUND, a taken one with ALREADY_EXISTS."""

    def __init__(self) -> None:
        self._rings: dict[str, resources.KeyRing] = {}
        self._keys: dict[str, Key] = {}

    def create_ring(self, parent: str, ring_id: str) -> resources.KeyRing:
        if not LOCATION.fullmatch(parent) or not IDENTIFIER.fullmatch(ring_id):
            raise Refusal(Code.INVALID_ARGUMENT, f"{parent}/keyRings/{ring_id} is no name of a KeyRing.")
        ring = resources.KeyRing(name=f"{parent}/keyRings/{ring_id}", create_time=datetime.now(UTC))
        if ring.name in self._rings:
            raise Refusal(Code.ALREADY_EXISTS, f"KeyRing {ring.name} already exists.")
        self._rings[ring.name] = ring
        return ring

    def ring(self, name: str) -> resources.KeyRing:
        if name not in self._rings:
            raise Refusal(Code.NOT_FOUND, f"KeyRing {name} not found.")
        return self._rings[name]

    def rings_in(self, location: str) -> list[resources.KeyRing]:
        return [self._rings[name] for name in sorted(self._rings) if name.startswith(f"{location}/keyRings/")]

    def create_key(
        self, ring: str, key_id: str, wanted: resources.CryptoKey, *, with_version: bool
    ) -> resources.CryptoKey:
        self.ring(ring)
        if not IDENTIFIER.fullmatch(key_id):
            raise Refusal(Code.INVALID_ARGUMENT, f"{key_id} is no id of a CryptoKey.")
        name = f"{ring}/cryptoKeys/{key_id}"
        if name in self._keys:
            raise Refusal(Code.ALREADY_EXISTS, f"CryptoKey {name} already exists.")
        key = Key(_completed(name, wanted))
        self._keys[name] = key
        if with_version:
            first = self.create_version(name)
            if key.resource.purpose == Purpose.ENCRYPT_DECRYPT:
                key.primary_number = first.number
        return key.shown()

    def key(self, name: str) -> resources.CryptoKey:
        return self._key(name).shown()

    def keys_in(self, ring: str) -> list[resources.CryptoKey]:
        self.ring(ring)
        return [self._keys[name].shown() for name in sorted(self._keys) if name.startswith(f"{ring}/cryptoKeys/")]

    def create_version(self, key_name: str) -> Version:
        key = self._key(key_name)
        number = len(key.versions) + 1
        template = key.resource.version_template
        resource = resources.CryptoKeyVersion(
            name=f"{key_name}/cryptoKeyVersions/{number}",
            state=State.ENABLED,
            protection_level=template.protection_level,
            algorithm=template.algorithm,
            create_time=datetime.now(UTC),
            generate_time=datetime.now(UTC),
        )
        key.versions[number] = Version(resource, number, _new_secret(template.algorithm))
        return key.versions[number]

    def version(self, name: str) -> Version:
        key_name, _, number = name.partition("/cryptoKeyVersions/")
        found = self._key(key_name).versions.get(int(number)) if number.isdecimal() else None
        if found is None:
            raise Refusal(Code.NOT_FOUND, f"CryptoKeyVersion {name} not found.")
        return found

    def versions_in(self, key_name: str) -> list[Version]:
        return list(self._key(key_name).versions.values())

    def enabled_version(self, name: str) -> Version:
        version = self.version(name)
        if version.resource.state != State.ENABLED or version.secret is None:
            state = State(version.resource.state).name
            raise Refusal(Code.FAILED_PRECONDITION, f"{name} is not enabled, current state is: {state}.")
        return version

    def version_to_encrypt_with(self, name: str) -> Version:
        """The version to encrypt with: `name` is a version, or a key, whose primary version is meant."""
        if "/cryptoKeyVersions/" in name:
            return self.enabled_version(name)
        key = self._key(name)
        if key.primary_number is None:
            raise Refusal(Code.FAILED_PRECONDITION, f"{name} has no primary version.")
        return self.enabled_version(key.versions[key.primary_number].resource.name)

    def version_to_decrypt_with(self, key_name: str, number: int) -> tuple[Version, bool]:
        """The version that a ciphertext names, and whether it is the primary one."""
        key = self._key(key_name)
        if number not in key.versions:
            raise undecipherable()
        return self.enabled_version(key.versions[number].resource.name), number == key.primary_number

    def set_primary(self, key_name: str, number: str) -> resources.CryptoKey:
        key = self._key(key_name)
        if key.resource.purpose != Purpose.ENCRYPT_DECRYPT:
            raise Refusal(Code.INVALID_ARGUMENT, "Only a key of purpose ENCRYPT_DECRYPT has a primary version.")
        key.primary_number = self.enabled_version(f"{key_name}/cryptoKeyVersions/{number}").number
        return key.shown()

    def set_state(self, name: str, state: int) -> resources.CryptoKeyVersion:
        version = self.version(name)
        if state not in (State.ENABLED, State.DISABLED):
            raise Refusal(Code.INVALID_ARGUMENT, "The state can be set to ENABLED or DISABLED only.")
        _demand_state(version, State.ENABLED, State.DISABLED)
        version.resource.state = State(state)
        return copy_of(version.resource)

    def schedule_destruction(self, name: str) -> resources.CryptoKeyVersion:
        version = self.version(name)
        _demand_state(version, State.ENABLED, State.DISABLED)
        version.resource.state = State(State.DESTROY_SCHEDULED)
        wait = self._key(name.partition("/cryptoKeyVersions/")[0]).resource.destroy_scheduled_duration
        version.resource.destroy_time = datetime.now(UTC) + wait
        return copy_of(version.resource)

    def restore(self, name: str) -> resources.CryptoKeyVersion:
        version = self.version(name)
        _demand_state(version, State.DESTROY_SCHEDULED)
        version.resource.state = State(State.DISABLED)
        del version.resource.destroy_time
        return copy_of(version.resource)

    def finish_destruction(self, name: str) -> None:
        version = self.version(name)
        _demand_state(version, State.DESTROY_SCHEDULED)
        version.resource.state = State(State.DESTROYED)
        version.resource.destroy_event_time = datetime.now(UTC)
        version.secret = None

    def _key(self, name: str) -> Key:
        if name not in self._keys:
            raise Refusal(Code.NOT_FOUND, f"CryptoKey {name} not found.")
        return self._keys[name]


def undecipherable() -> Refusal:
    return Refusal(
        Code.INVALID_ARGUMENT,
        "Decryption failed: verify that 'name' refers to the correct CryptoKey and that the ciphertext and its "
        "additional authenticated data are those of the encryption.",
    )


def copy_of(message: Message) -> Message:
    """A copy for an answer, because it is serialised later, when the state may have changed."""
    return type(message)(message)


def public_key_pem(version: Version) -> str:
    if isinstance(version.secret, bytes) or version.secret is None:
        raise Refusal(Code.INVALID_ARGUMENT, f"{version.resource.name} has no public key.")
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return version.secret.public_key().public_bytes(serialization.Encoding.PEM, spki).decode()


def sign(version: Version, digest: bytes, *, high_s_always: bool) -> bytes:
    """DER (r, s) with a fresh random nonce, or PKCS #1 v1.5; `digest` is 32 bytes of any hash function."""
    prehashed = Prehashed(hashes.SHA256())
    secret = version.secret
    if isinstance(secret, rsa.RSAPrivateKey):
        return secret.sign(digest, padding.PKCS1v15(), prehashed)
    if isinstance(secret, ec.EllipticCurvePrivateKey):
        signature = secret.sign(digest, ec.ECDSA(prehashed))
        return _with_high_s(signature, secret.curve) if high_s_always else signature
    raise Refusal(Code.INVALID_ARGUMENT, f"{version.resource.name} does not sign.")


def cipher(version: Version) -> AESGCM:
    if not isinstance(version.secret, bytes):
        raise Refusal(Code.INVALID_ARGUMENT, f"{version.resource.name} does not encrypt.")
    return AESGCM(version.secret)


def _with_high_s(signature: bytes, curve: ec.EllipticCurve) -> bytes:
    order = SECP256K1_ORDER if isinstance(curve, ec.SECP256K1) else P256_ORDER
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, max(s, order - s))


def _completed(name: str, wanted: resources.CryptoKey) -> resources.CryptoKey:
    """The key as it is stored: defaults filled in, impossible combinations refused."""
    key = copy_of(wanted)
    key.name = name
    key.create_time = datetime.now(UTC)
    template = key.version_template
    if key.purpose == Purpose.ENCRYPT_DECRYPT and not template.algorithm:
        template.algorithm = Algorithm.GOOGLE_SYMMETRIC_ENCRYPTION
    template.protection_level = template.protection_level or Protection.SOFTWARE
    if template.protection_level not in (Protection.SOFTWARE, Protection.HSM):
        raise Refusal(Code.UNIMPLEMENTED, "Only SOFTWARE and HSM are emulated.")
    if template.algorithm not in PURPOSE_OF:
        raise Refusal(Code.INVALID_ARGUMENT, f"{Algorithm(template.algorithm).name} is not emulated.")
    if PURPOSE_OF[template.algorithm] != key.purpose:
        raise Refusal(Code.INVALID_ARGUMENT, "The algorithm does not fit the purpose.")
    if template.algorithm == Algorithm.EC_SIGN_SECP256K1_SHA256 and template.protection_level != Protection.HSM:
        raise Refusal(Code.INVALID_ARGUMENT, "EC_SIGN_SECP256K1_SHA256 is offered at protection level HSM only.")
    if not key.destroy_scheduled_duration:
        key.destroy_scheduled_duration = DESTROY_AFTER_DEFAULT
    return key


def _new_secret(algorithm: int) -> Secret:
    if algorithm == Algorithm.EC_SIGN_SECP256K1_SHA256:
        return ec.generate_private_key(ec.SECP256K1())
    if algorithm == Algorithm.EC_SIGN_P256_SHA256:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == Algorithm.RSA_SIGN_PKCS1_2048_SHA256:
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return AESGCM.generate_key(AES_BITS)


def _demand_state(version: Version, *allowed: int) -> None:
    if version.resource.state not in allowed:
        state = State(version.resource.state).name
        raise Refusal(Code.FAILED_PRECONDITION, f"{version.resource.name} is in state {state}.")
