"""Is Google's Firestore emulator found, started with its rules, and gone when it should be?"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from google.api_core import exceptions

from emulators.firestore import OfficialFirestore, OfficialInstallation, find_official
from emulators.process import accepts_connections, wait_until
from tests.contract.firestore_world import new_client, root

pytest_plugins = ["tests.contract.firestore_plugin"]

ROOT = Path(__file__).resolve().parents[2]
READ_ONLY_RULES = """rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents { match /{path=**} { allow read: if true; allow write: if false; } }
}
"""
STARTED_AND_LEFT = """
import sys, time
from pathlib import Path
from emulators.firestore import OfficialFirestore, find_official
server = OfficialFirestore(find_official(), Path(sys.argv[1]))
server.start()
print(server.host, flush=True)
time.sleep(60)
"""


def test_rules_bind_clients_and_not_the_functions(
    official_firestore_installation: OfficialInstallation, tmp_path: Path
) -> None:
    rules = tmp_path / "firestore.rules"
    rules.write_text(READ_ONLY_RULES)
    server = OfficialFirestore(official_firestore_installation, tmp_path / "log", rules)
    server.start()
    with new_client(server.host) as client:
        client.document("rooms/a").set({"by": "a function"})
        write = {"update": {"name": f"{root(client)}/rooms/a"}}
        with pytest.raises(exceptions.PermissionDenied):
            client._firestore_api.commit(request={"database": client._database_string, "writes": [write]}, metadata=())
        assert client.document("rooms/a").get().to_dict() == {"by": "a function"}
    server.stop()


def test_nothing_answers_after_its_stop(official_firestore_installation: OfficialInstallation, tmp_path: Path) -> None:
    server = OfficialFirestore(official_firestore_installation, tmp_path / "log")
    server.start()
    server.stop()
    assert not answers(server.host)
    server.stop()


def test_it_ends_when_its_starter_is_killed(
    official_firestore_installation: OfficialInstallation, tmp_path: Path
) -> None:
    assert official_firestore_installation.jar.exists()
    command = [sys.executable, "-c", STARTED_AND_LEFT, str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        host = starter.stdout.readline().strip()
        assert answers(host)
        starter.send_signal(signal.SIGKILL)
    wait_until(lambda: not answers(host), "the emulator's end", 10.0)


def test_it_tells_its_version(official_firestore_server: OfficialFirestore) -> None:
    assert [part.isdigit() for part in official_firestore_server.version.split(".")] == [True] * 3


def test_the_newest_of_the_firebase_downloads_is_found(machine: Path) -> None:
    for version in ("1.9.0", "1.19.8", "1.2.30"):
        (machine / f"cloud-firestore-emulator-v{version}.jar").touch()
    found = find_official()
    assert found is not None
    assert found.jar.name == "cloud-firestore-emulator-v1.19.8.jar"


def test_the_gcloud_component_is_found_first(machine: Path) -> None:
    component = machine / "sdk" / "platform" / "cloud-firestore-emulator" / "cloud-firestore-emulator.jar"
    component.parent.mkdir(parents=True)
    component.touch()
    executable(machine / "sdk" / "bin" / "gcloud")
    (machine / "gcloud").symlink_to(machine / "sdk" / "bin" / "gcloud")
    (machine / "cloud-firestore-emulator-v1.19.8.jar").touch()
    found = find_official()
    assert found is not None
    assert found.jar == component


def test_without_java_nothing_is_found(machine: Path) -> None:
    (machine / "cloud-firestore-emulator-v1.19.8.jar").touch()
    (machine / "java").unlink()
    assert find_official() is None


def test_without_a_jar_nothing_is_found(machine: Path) -> None:
    assert (machine / "java").exists()
    assert find_official() is None


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is a whole machine: home, PATH with a java, and the Firebase CLI's downloads."""
    executable(tmp_path / "java")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FIREBASE_EMULATORS_PATH", str(tmp_path))
    return tmp_path


def executable(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)


def answers(host: str) -> bool:
    try:
        return accepts_connections(int(host.rpartition(":")[2]))
    except OSError:
        return False
