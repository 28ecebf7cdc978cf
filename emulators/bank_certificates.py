"""An authority on this machine with certificates for the local Teller and for its clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import ExtensionType, Name

DAYS = 365


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, in PEM."""

    certificate: str
    private_key: str


class Authority:
    """Signs certificates that begin yesterday by the real clock; two authorities do not know each other's."""

    def __init__(self) -> None:
        self._key, self._name = _new_key(), _name("local bank authority")
        self.certificate = self._signed(self._name, self._key, DAYS, is_authority=True)

    def server(self, *names: str) -> Pair:
        """The certificate of a server on this machine, which may have names as well."""
        key = _new_key()
        return Pair(self._signed(_name("127.0.0.1"), key, DAYS, is_server=True, names=names), _pem(key))

    def client(self, days: int = DAYS) -> Pair:
        """The certificate of a client, which ends after so many days; a negative number of them has passed."""
        key = _new_key()
        return Pair(self._signed(_name("local platform"), key, days), _pem(key))

    def _signed(
        self,
        subject: "Name",
        key: "EllipticCurvePrivateKey",
        days: int,
        *,
        is_authority: bool = False,
        is_server: bool = False,
        names: Sequence[str] = (),
    ) -> str:
        from cryptography import x509
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509.oid import ExtendedKeyUsageOID

        ends_at = datetime.now(UTC) + timedelta(days=days)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
        extensions: list[tuple[ExtensionType, bool]] = [(x509.BasicConstraints(is_authority, None), True)]
        if not is_authority:
            extensions.append((x509.ExtendedKeyUsage([usage]), False))
        if is_server:
            own = x509.IPAddress(IPv4Address("127.0.0.1"))
            extensions.append((x509.SubjectAlternativeName([own, *map(x509.DNSName, names)]), False))
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(datetime.now(UTC), ends_at) - timedelta(days=1))
            .not_valid_after(ends_at)
        )
        for extension, is_critical in extensions:
            made = made.add_extension(extension, critical=is_critical)
        return made.sign(self._key, SHA256()).public_bytes(Encoding.PEM).decode()


def _new_key() -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    return generate_private_key(SECP256R1())


def _name(common: str) -> "Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(key: "EllipticCurvePrivateKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
