"""Google's own Pub/Sub emulator, if this machine has it: a jar that comes with the Google Cloud SDK."""

import os
import re
import shutil
from pathlib import Path

from emulators.process import Child, accepts_connections, free_port

JAR = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*.jar"
START_SECONDS_MAX = 60.0


def find_official() -> Path | None:
    """The newest jar of any SDK here; None without one, or without Java to run it."""
    if shutil.which("java") is None:
        return None
    jars = [jar for place in _sdk_places() for jar in place.glob(JAR)]
    return max(jars, key=_version, default=None)


class OfficialPubSub:
    """One emulator process, from `start` to `stop`; it keeps nothing in between."""

    def __init__(self, jar: Path, log: Path) -> None:
        self.version = ".".join(map(str, _version(jar)))
        self._jar = jar
        self._log = log
        self._port = 0
        self._child: Child | None = None

    @property
    def host(self) -> str:
        """The emulator's address, for PUBSUB_EMULATOR_HOST."""
        return f"127.0.0.1:{self._port}"

    def start(self, port: int = 0) -> None:
        self._port = port or free_port()
        # One core and a small heap are enough; the defaults take a quarter of the machine's memory.
        options = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command = ["java", *options, "-jar", str(self._jar), "--host=127.0.0.1", f"--port={self._port}"]
        self._child = Child.start("official-pubsub", command, self._log)
        self._child.wait_until_ready(lambda: accepts_connections(self._port), START_SECONDS_MAX)

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()


def _sdk_places() -> list[Path]:
    """The places where the SDK may be: where it says, beside its gcloud, and where its installer puts it."""
    places = [Path.home() / "google-cloud-sdk"]
    if root := os.environ.get("CLOUDSDK_ROOT_DIR"):
        places.append(Path(root))
    if gcloud := shutil.which("gcloud"):
        places.append(Path(gcloud).resolve().parent.parent)
    return places


def _version(jar: Path) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", jar.name)
    return tuple(map(int, found.groups())) if found else ()
