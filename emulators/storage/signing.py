"""Signed URLs as Cloud Storage checks them, and the key that IAM's signBlob signs them with.

The scheme: https://cloud.google.com/storage/docs/authentication/canonical-requests
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from urllib.parse import parse_qsl, quote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from emulators.storage.objects import StorageRefusal

ALGORITHM = "GOOG4-RSA-SHA256"
EXPIRES_SECONDS_MAX = 7 * 24 * 3600
KEY_BITS = 2048
SAFE = "-_.~"
REQUIRED = ("X-Goog-Credential", "X-Goog-Date", "X-Goog-Expires", "X-Goog-SignedHeaders", "X-Goog-Signature")


class UrlSigner:
    """Signs and checks with one throwaway key for every service account."""

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)

    def sign(self, blob: bytes) -> bytes:
        return self._key.sign(blob, padding.PKCS1v15(), hashes.SHA256())

    def check(self, method: str, target: str, headers: Mapping[str, str], now: datetime) -> None:
        """Refuse a request whose signature does not fit, or that has expired. `target` is as sent, not decoded."""
        path, _, query_string = target.partition("?")
        query = dict(parse_qsl(query_string, keep_blank_values=True))
        if query.get("X-Goog-Algorithm") != ALGORITHM or any(name not in query for name in REQUIRED):
            raise _malformed("The signature's parameters are incomplete.")
        if not query["X-Goog-Expires"].isdecimal() or int(query["X-Goog-Expires"]) > EXPIRES_SECONDS_MAX:
            raise _malformed("X-Goog-Expires must be a number of seconds, at most seven days.")
        signed = _string_to_sign(method, path, query, headers)
        try:
            signature = bytes.fromhex(query["X-Goog-Signature"])
            self._key.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            message = "The request signature we calculated does not match the signature you provided."
            raise StorageRefusal(HTTPStatus.FORBIDDEN, "forbidden", "SignatureDoesNotMatch", message) from None
        signed_at = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if now > signed_at + timedelta(seconds=int(query["X-Goog-Expires"])):
            raise StorageRefusal(HTTPStatus.BAD_REQUEST, "invalid", "ExpiredToken", "The provided token has expired.")


def _string_to_sign(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
    names = query["X-Goog-SignedHeaders"].split(";")
    sent = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    parameters = sorted((quote(name, SAFE), quote(value, SAFE)) for name, value in query.items())
    canonical = [
        method,
        path,
        "&".join(f"{name}={value}" for name, value in parameters if name != "X-Goog-Signature"),
        "".join(f"{name}:{sent.get(name, '')}\n" for name in names),
        ";".join(names),
        sent.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD") if "x-goog-content-sha256" in names
        else "UNSIGNED-PAYLOAD",
    ]  # fmt: skip
    scope = query["X-Goog-Credential"].partition("/")[2]
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    return "\n".join([ALGORITHM, query["X-Goog-Date"], scope, digest]).encode()


def _malformed(message: str) -> StorageRefusal:
    return StorageRefusal(HTTPStatus.BAD_REQUEST, "invalid", "AuthorizationQueryParametersError", message)
