"""Prepares `.local/`: the virtual environment and the chain's node packages. Standard library only.

Each part leaves a stamp made of what it was built from, so that a second call costs nothing. A second set-up in the
same clone waits for the first. Downloads are kept in the caches that the tools have in the home folder, or in
`.local/cache` if that cannot be written to. Certificates are the system's, or those that the environment names for any
of the tools.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
VENV = LOCAL / "venv"
NODE = LOCAL / "node"
PINS = ROOT / "emulators" / "pins"
PYTHON_MINIMUM = (3, 11)
NPM_MAJOR_MINIMUM = 7  # the first that reads lockfileVersion 3
ANVIL_VERSION = "1.7.1"
COMPILED = ("gunicorn-h1c",)  # comes as C source for most machines; everything here also runs without it
CACHES = {"UV_CACHE_DIR": "uv", "UV_PYTHON_INSTALL_DIR": "python", "PIP_CACHE_DIR": "pip", "NPM_CONFIG_CACHE": "npm"}
BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def main() -> None:
    """Bring `.local` up to date; print what is being done only if something is."""
    if sys.version_info < PYTHON_MINIMUM:
        sys.exit("Python 3.11 or newer is needed; set PYTHON=/path/to/it.")
    lock = ROOT / "functions" / "constraints.txt"
    manifest = [ROOT / "emulators" / "chain" / name for name in ("package.json", "package-lock.json")]
    with _alone():
        _once(VENV, [lock], lambda: _install_packages(lock), "Python packages")
        _once(NODE, manifest, lambda: _install_node_packages(manifest), "chain node and contract compiler")


def lock() -> None:
    """Write every transitive version with its hashes to functions/constraints.txt; download addresses stay out."""
    wanted = sorted(
        {
            line
            for path in (ROOT / "functions").glob("*/requirements.txt")
            for line in path.read_text().splitlines()
            if line and not line.startswith("-")
        }
    )
    names = LOCAL / "requirements.in"
    names.write_text("\n".join(wanted) + "\n")
    target = ROOT / "functions" / "constraints.txt"
    _run(
        [*_uv(), "pip", "compile", "-q", "--universal", "--python-version", "3.11", "--generate-hashes", "--upgrade",
         "--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate",
         "--group", "pyproject.toml:dev", str(names), "-o", str(target)]
    )  # fmt: skip


def ensure_pin(name: str) -> None:
    """Install an optional pinned package set (`emulators/pins/<name>.txt`) into the environment."""
    with _alone():
        _install_pin(name)


def _install_pin(name: str) -> None:
    _run([*_uv(), "pip", "install", "-q", "--python", str(VENV / "bin" / "python"), "--require-hashes",
          "-r", str(PINS / f"{name}.txt")])  # fmt: skip


def tool(name: str) -> Path:
    """The path of a program that needs versions of its own, installed from its pins into its own environment."""
    home = LOCAL / name
    with _alone():
        _once(home, [PINS / f"{name}.txt"], lambda: _install_tool(home, PINS / f"{name}.txt"), name)
    return home / "bin" / name


def contract_tools() -> Path:
    """The folder of node packages that read openapi.yaml as other people's programs do; installed on first use."""
    folder = ROOT / "tests" / "contract" / "node"
    manifest = [folder / name for name in ("package.json", "package-lock.json")]
    home = LOCAL / "contract"
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:  # tests in several processes may need it at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        _once(home, manifest, lambda: _install_locked(home, manifest, _npm()), "linter, TypeScript and axe")
    return home


def node() -> list[str]:
    """The command that runs those packages: the machine's node if its npm is new enough, else PyPI's."""
    beside = Path(_npm()[0]).parent / "node"
    return [str(beside) if beside.exists() else "node"]


def anvil() -> Path:
    """The path of the chain node's own binary."""
    found = sorted(NODE.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"))
    if found:
        return found[0]
    sys.exit(f"no anvil for {platform.system()} {platform.machine()}: install Foundry {ANVIL_VERSION}'s anvil")


def _once(folder: Path, inputs: list[Path], build: Callable[[], None], what: str) -> None:
    stamp = folder / ".built-from"
    made_of = hashlib.sha256(b"".join(path.read_bytes() for path in inputs) + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == made_of:
        return
    print(f"setting up: {what}", flush=True)
    build()
    stamp.write_text(made_of)


def _install_tool(home: Path, pins: Path) -> None:
    _run([*_uv(), "venv", "-q", "--clear", "--python", sys.executable, str(home)])
    _run([*_uv(), "pip", "sync", "-q", "--python", str(home / "bin" / "python"), "--require-hashes", str(pins)])


def _install_packages(lock: Path) -> None:
    uv = _uv()
    if not (VENV / "bin" / "python").exists():
        _run([*uv, "venv", "-q", "--python", sys.executable, str(VENV)])
    python = str(VENV / "bin" / "python")
    wanted = lock if can_compile(os.environ) else _without_compiler(lock)
    _run([*uv, "pip", "sync", "-q", "--compile-bytecode", "--python", python, "--require-hashes", str(wanted)])


def can_compile(given: Mapping[str, str]) -> bool:
    """True if packages that come as C source can be built: there are a compiler and Python's headers."""
    compiler = given.get("CC") or sysconfig.get_config_var("CC") or "cc"
    there = shutil.which(compiler.split()[0], path=given.get("PATH", os.defpath))
    return bool(there) and (Path(sysconfig.get_path("include")) / "Python.h").exists()


def _without_compiler(lock: Path) -> Path:
    """The lock without packages that must be compiled; gunicorn then reads requests in Python, which is slower."""
    print(f"no C compiler, or no headers of Python: {', '.join(COMPILED)} is left out (it only makes things faster)")
    lean = LOCAL / "constraints.txt"
    lean.write_text(without(lock.read_text(), COMPILED))
    return lean


def without(lock: str, names: Collection[str]) -> str:
    """The text of a lock without some packages, each of which is a line followed by the lines of its hashes."""
    kept, leaving = [], False
    for line in lock.splitlines(keepends=True):
        if not line.startswith((" ", "#")):
            leaving = line.partition("==")[0] in names
        if not leaving:
            kept.append(line)
    return "".join(kept)


def _uv() -> list[str]:
    """The pinned uv, installed beside the environment with the pip that this Python has."""
    home = LOCAL / "uv"
    binary = home / "bin" / "uv"
    if not binary.exists():
        wanted = ["install", "-q", "--disable-pip-version-check", "--require-hashes", "--target", str(home),
                  "-r", str(PINS / "uv.txt")]  # fmt: skip
        if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
            _run([sys.executable, "-m", "venv", str(LOCAL / "pip")])
            _run([str(LOCAL / "pip" / "bin" / "python"), "-m", "pip", *wanted])
        else:
            _run([sys.executable, "-m", "pip", *wanted])
    return [str(binary), "--no-progress"]


def _install_node_packages(manifest: list[Path]) -> None:
    NODE.mkdir(exist_ok=True)
    npm = _npm()
    _install_locked(NODE, manifest, npm)
    if not any(NODE.glob("node_modules/@foundry-rs/anvil-*")):
        _install_unlocked_anvil(npm)


def _install_locked(folder: Path, manifest: list[Path], npm: list[str]) -> None:
    """Install exactly what the lock file names, without running any package's own script."""
    for path in manifest:
        shutil.copy(path, folder / path.name)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    _run([*npm, "ci", *options], cwd=folder)


def _install_unlocked_anvil(npm: list[str]) -> None:
    """Install anvil for another machine: the lock holds the 64-bit Linux node; others take the same version."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"@foundry-rs/anvil-{platform.system().lower()}-{machine}@{ANVIL_VERSION}"
    _run([*npm, "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", package], cwd=NODE)


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found:
        answer = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        major = answer.stdout.strip().split(".")[0]
        if answer.returncode == 0 and major.isdigit() and int(major) >= NPM_MAJOR_MINIMUM:
            return [found]
    _install_pin("node")
    return [str(VENV / "bin" / "npm")]


def _run(command: list[str], cwd: Path = ROOT) -> None:
    environment = tool_environment(os.environ)
    done = subprocess.run(command, cwd=cwd, env=environment, check=False)
    if done.returncode:
        sys.exit(f"set-up failed: {' '.join(command)} (exit {done.returncode})")


def tool_environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv, pip and npm: `given`, with writable caches and the certificates that
    the machine trusts.
    """
    path = f"{VENV / 'bin'}{os.pathsep}{given.get('PATH', os.defpath)}"
    return {**_caches(given), **_certificates(given), "NODE_DISABLE_COMPILE_CACHE": "1", **given, "PATH": path}


def _caches(given: Mapping[str, str]) -> dict[str, str]:
    home = given.get("HOME", "")
    if home and Path(home).is_dir() and os.access(home, os.W_OK | os.X_OK):
        return {}
    return {name: str(LOCAL / "cache" / tool) for name, tool in CACHES.items()}


def _certificates(given: Mapping[str, str]) -> dict[str, str]:
    """The certificate settings: a bundle that the environment names for one tool counts for all, else the system's."""
    named = next((given[name] for name in BUNDLES if given.get(name)), None)
    if named:
        return dict.fromkeys((*BUNDLES, "NPM_CONFIG_CAFILE"), named)  # npm's own files may name another one
    system = ssl.get_default_verify_paths().cafile
    return {"UV_SYSTEM_CERTS": "1", **(dict.fromkeys(("PIP_CERT", "NODE_EXTRA_CA_CERTS"), system) if system else {})}


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process sets up this clone, and keep others waiting inside the block."""
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / "setup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another set-up of this clone is at work: waiting for it", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    main()
    if "--lock" in sys.argv[1:]:
        lock()
