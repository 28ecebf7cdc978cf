"""Cloud KMS with real secp256k1 keys and the faults of a service; it replaces the client of `shared/ports/kms.py`.

Signing the same digest again gives other bytes, as with an HSM, but the same in every run of a seed.
"""

import hashlib
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import coincurve
import google_crc32c
from coincurve._libsecp256k1 import ffi  # type: ignore[import-not-found] # it is compiled
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from eth_keys.datatypes import PrivateKey
from google.api_core import exceptions

if TYPE_CHECKING:
    from tests.fault.simulation.world import World

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SIGN_SECONDS = 0.05
TIMEOUT_SECONDS = 5.0


@dataclass
class Key:
    """A private key, its resource name and address (lower case)."""

    name: str
    private: coincurve.PrivateKey
    address: str
    checksummed: str
    disabled: bool = False


@dataclass
class Keys:
    """The client: `asymmetric_sign` as in google.cloud.kms_v1."""

    world: "World"
    by_name: dict[str, Key] = field(default_factory=dict)
    signed: int = 0

    def make(self, name: str, secret: bytes) -> Key:
        public = PrivateKey(secret).public_key
        made = Key(name, coincurve.PrivateKey(secret), public.to_address(), public.to_checksum_address())
        self.by_name[name] = made
        return made

    def sign(self, key: Key, digest: bytes) -> tuple[int, int, int]:
        """Sign; returns r, s and the parity, with s in the lower half."""
        self.signed += 1
        salt = ffi.new("unsigned char [32]", hashlib.sha256(b"nonce" + self.signed.to_bytes(8, "big")).digest())
        made = key.private.sign_recoverable(digest, hasher=None, custom_nonce=(ffi.NULL, salt))
        return int.from_bytes(made[:32], "big"), int.from_bytes(made[32:64], "big"), made[64]

    def asymmetric_sign(self, request: dict[str, Any], timeout: float, retry: object) -> SimpleNamespace:
        del timeout, retry  # the simulation decides about both
        world, plan, name = self.world, self.world.plan, str(request["name"])
        world.yield_point("kms.sign", SIGN_SECONDS)
        if world.draw(plan.kms_timeout, "kms times out"):
            world.pass_time(TIMEOUT_SECONDS)
            raise exceptions.DeadlineExceeded("deadline exceeded")  # type: ignore[no-untyped-call]
        if world.draw(plan.kms_quota, "kms says 429"):
            raise exceptions.TooManyRequests("quota exceeded")  # type: ignore[no-untyped-call]
        if world.draw(plan.kms_outage, "kms is unavailable"):
            raise exceptions.ServiceUnavailable("unavailable")  # type: ignore[no-untyped-call]
        if self.by_name[name].disabled:
            raise exceptions.FailedPrecondition("the key version is disabled")  # type: ignore[no-untyped-call]
        key = self.by_name[name]
        if world.draw(plan.kms_wrong_key, "kms signs with another key"):
            key = next(other for other in self.by_name.values() if other is not key)
        world.sees_digest(request["digest"]["sha256"])
        r, s, _ = self.sign(key, request["digest"]["sha256"])
        if world.chance.random() < 0.5:
            s = SECP256K1_ORDER - s
        signature = encode_dss_signature(r, s)
        damaged = world.draw(plan.kms_damaged, "kms's answer is damaged")
        world.note("kms", f"signs for {key.address[:8]}")
        world.yield_point("kms.signed", 0.0)
        return SimpleNamespace(
            name=name,
            signature=signature[:-1] + b"\0" if damaged else signature,
            signature_crc32c=google_crc32c.value(signature),
            verified_digest_crc32c=True,
        )
