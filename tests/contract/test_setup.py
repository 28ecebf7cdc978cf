"""Set-up with nothing but git, make, Python and coreutils, wherever the home folder and the certificates are."""

import http.server
import os
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from emulators import bootstrap, contract, firestore
from emulators.bootstrap import BUNDLES, CACHES, LOCAL, PINS, VENV, tool_environment
from emulators.pubsub import official as pubsub_official

# Programs that the stack asks the machine for, and what it takes where there are none.
FALLBACKS = {
    "npm": PINS / "node.txt",
    "pg_config": PINS / "postgres.txt",
    "java": contract.ROOT / "emulators" / "firestore",
    "gcloud": contract.ROOT / "emulators" / "pubsub",
}
LOOKED_UP = re.compile(r"""which\(\s*["']([\w-]+)["']""")


@pytest.mark.parametrize("home", [None, "", "/dev/null/none", "/proc/self"])
def test_without_a_home_to_write_to_caches_are_in_the_clone(home: str | None) -> None:
    given = {} if home is None else {"HOME": home}

    made = tool_environment(given)

    assert {name: made[name] for name in CACHES} == {name: f"{LOCAL}/cache/{tool}" for name, tool in CACHES.items()}


def test_a_home_and_settings_that_are_there_count(tmp_path: Path) -> None:
    assert not CACHES.keys() & tool_environment({"HOME": str(tmp_path)}).keys()
    assert tool_environment({"UV_CACHE_DIR": "/somewhere"})["UV_CACHE_DIR"] == "/somewhere"


@pytest.mark.parametrize("name", BUNDLES)
def test_certificates_that_are_named_for_one_tool_count_for_all(name: str) -> None:
    made = tool_environment({name: "/the/bundle", "PIP_CERT": "/the/bundle"})

    assert {made[bundle] for bundle in BUNDLES} == {"/the/bundle"}


def test_the_systems_certificates_count_when_none_are_named() -> None:
    made = tool_environment({})

    system = ssl.get_default_verify_paths().cafile
    assert (made["UV_SYSTEM_CERTS"], made.get("PIP_CERT"), made.get("NODE_EXTRA_CA_CERTS")) == ("1", system, system)


def test_every_program_that_is_looked_up_has_a_fallback() -> None:
    """A change that asks for another program has to say in FALLBACKS what happens where it is missing."""
    sources = [path.read_text() for path in (contract.ROOT / "emulators").rglob("*.py")]
    asked = {name for text in sources for name in LOOKED_UP.findall(text)}

    assert asked == FALLBACKS.keys()
    assert all(path.exists() for path in FALLBACKS.values())


def test_without_java_nobody_asks_where_the_home_folder_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A container's user may have neither a name nor a home: Python cannot tell one then."""

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert firestore.find_official() is None
    assert pubsub_official.find_official() is None


def test_without_a_compiler_what_needs_one_is_left_out(tmp_path: Path) -> None:
    lock = (contract.ROOT / "functions" / "constraints.txt").read_text()
    lean = bootstrap.without(lock, bootstrap.COMPILED)
    gone = [line.partition("==")[0] for line in lock.splitlines() if "==" in line and line not in lean.splitlines()]

    assert not bootstrap.can_compile({"PATH": str(tmp_path)})
    assert gone == list(bootstrap.COMPILED)
    assert lean.count("--hash=") == lock.count("--hash=") - 2


def test_a_second_set_up_waits_for_the_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootstrap, "LOCAL", tmp_path)
    order: list[str] = []

    def second() -> None:
        with bootstrap._alone():
            order.append("second")

    with bootstrap._alone():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()

    assert order == ["first", "second"]


@dataclass
class Index:
    """A package index behind a certificate of its own authority; `bundle` is the authority's."""

    bundle: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(tmp_path / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(made.bundle, tmp_path / "server.pem"))

    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Keep the requests out of the test's output."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that trusts nobody hangs up
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("name", ["PIP_CERT", "NODE_EXTRA_CA_CERTS"])
def test_the_package_tools_trust_what_any_of_them_is_told_to(name: str, index: Index, tmp_path: Path) -> None:
    npm = shutil.which("npm") or str(VENV / "bin" / "npm")
    commands = {
        "uv": [*bootstrap._uv(), "pip", "install", "--no-config", "--dry-run", "--target", str(tmp_path / "t"),
               "--default-index", f"{index.url}/simple", "nothing-here"],
        "npm": [npm, "view", "nothing-here-either", "--registry", index.url, "--fetch-retries=0"],
    }  # fmt: skip
    untold = {"PATH": os.environ["PATH"], "HOME": "/dev/null/none"}
    told = untold | {name: str(index.bundle)}

    for tool, command in commands.items():
        if Path(command[0]).exists():
            for given, trusts in ((untold, False), (told, True)):
                index.asked.clear()
                environment = tool_environment(given) | {cache: str(tmp_path / cache) for cache in CACHES}
                subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
                assert bool(index.asked) is trusts, (tool, trusts)


def _certificate(authority: Path, server: Path) -> Path:
    """Writes the authority's certificate, and the server's with its key; returns the latter's place."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of a company's own")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    root = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
        key, hashes.SHA256()
    )
    authority.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    own = ec.generate_private_key(ec.SECP256R1())
    leaf = x509.CertificateBuilder().issuer_name(name).public_key(own.public_key()).serial_number(2)
    leaf = leaf.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an index")]))
    leaf = leaf.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = leaf.add_extension(address, critical=False).sign(key, hashes.SHA256())
    private = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return server
