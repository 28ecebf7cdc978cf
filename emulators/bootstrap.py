"""Prepare `.local/`: the virtual environment and the chain's node packages. Standard library only.

Each part leaves a stamp made of what it was built from, so that a second call costs nothing.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
VENV = LOCAL / "venv"
NODE = LOCAL / "node"
PINS = ROOT / "emulators" / "pins"
PYTHON_MINIMUM = (3, 11)
NPM_MAJOR_MINIMUM = 7  # reads lockfileVersion 3
ANVIL_VERSION = "1.7.1"


def main() -> None:
    """Bring `.local` up to date; say what is being done only when something is."""
    if sys.version_info < PYTHON_MINIMUM:
        sys.exit("Python 3.11 or newer is needed; set PYTHON=/path/to/it.")
    LOCAL.mkdir(exist_ok=True)
    lock = ROOT / "functions" / "constraints.txt"
    _once(VENV, [lock], lambda: _install_packages(lock), "Python packages")
    manifest = [ROOT / "emulators" / "chain" / name for name in ("package.json", "package-lock.json")]
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
    _run([*_uv(), "pip", "install", "-q", "--python", str(VENV / "bin" / "python"), "--require-hashes",
          "-r", str(PINS / f"{name}.txt")])  # fmt: skip


def tool(name: str) -> Path:
    """A program that needs versions of its own, installed from its pins into its own environment."""
    home = LOCAL / name
    LOCAL.mkdir(exist_ok=True)
    _once(home, [PINS / f"{name}.txt"], lambda: _install_tool(home, PINS / f"{name}.txt"), name)
    return home / "bin" / name


def anvil() -> Path:
    """The chain node's own binary."""
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
    _run([*uv, "pip", "sync", "-q", "--compile-bytecode", "--python", python, "--require-hashes", str(lock)])


def _uv() -> list[str]:
    """The pinned uv, installed beside the environment with whatever pip this Python has."""
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
    for path in manifest:
        shutil.copy(path, NODE / path.name)
    npm = _npm()
    _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=NODE)
    if not any(NODE.glob("node_modules/@foundry-rs/anvil-*")):
        _install_unlocked_anvil(npm)


def _install_unlocked_anvil(npm: list[str]) -> None:
    """The lock holds the 64-bit Linux node; other machines take the same version for their platform."""
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
    ensure_pin("node")
    return [str(VENV / "bin" / "npm")]


def _run(command: list[str], cwd: Path = ROOT) -> None:
    environment = os.environ | {"PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=environment, check=False)
    if done.returncode:
        sys.exit(f"set-up failed: {' '.join(command)} (exit {done.returncode})")


if __name__ == "__main__":
    main()
    if "--lock" in sys.argv[1:]:
        lock()
