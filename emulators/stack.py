"""The whole platform on this machine: every part started, connected and stopped together.

Everything listens on loopback and keeps its state in memory, in temporary folders or under its own folder in
`.local/`; nothing outlives the process that started it.
"""

import json
import os
import secrets
import shutil
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Literal, Protocol, cast, get_args

from emulators import cloud, contract, firestore, scheduler
from emulators.chain.node import CHAIN_ID, ChainNode
from emulators.firestore import Firestore, OfficialFirestore
from emulators.identity import Identity
from emulators.kms import Kms
from emulators.mail import MailStandIn
from emulators.oobit import OobitStandIn
from emulators.postgres import Postgres
from emulators.process import Child, accepts_connections, free_port
from emulators.pubsub import PubSub
from emulators.pubsub import official as pubsub_official
from emulators.pubsub.bridge import BridgedPubSub
from emulators.push import PushStandIn
from emulators.scheduler import Entry, Scheduler
from emulators.storage import Storage
from emulators.tasks import CloudTasks
from emulators.vision import VisionStandIn
from shared.config import service_name

ROOT = contract.ROOT
LOCAL = ROOT / ".local"
GATEWAY_WISH = 8080
SERVE_THREADS = 64
TREASURY_MICRO = 1_000_000_000_000  # a million USDT each
TREASURY_GAS_WEI = 10**21
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")
FUNCTION_START_SECONDS_MAX = 60.0
FUNCTION_STOP_SECONDS = 1.0  # functions may die anywhere: a job that runs for a minute is not waited for
GUNICORN_QUICKLY = signal.SIGINT  # it would wait for idle connections otherwise

Choice = Literal["official", "embedded", "auto"]


class Part(Protocol):
    """Whatever can be stopped."""

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Options:
    """How the stack is to be. `folder` keeps logs and the test clock."""

    folder: Path = LOCAL / "run"
    gateway_port: int = GATEWAY_WISH
    isolated: bool = False
    firestore: Choice = "auto"
    pubsub: Choice = "auto"
    postgres: Literal["any", "machine", "embedded"] = "any"
    durable: bool = True
    block_seconds: float | None = 0.25
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_environment(cls) -> "Options":
        """STACK_FOLDER, ISOLATED=1, EMULATOR (or EMULATOR_FIRESTORE, _PUBSUB, _POSTGRES) = official, embedded, auto."""
        return cls(
            folder=Path(os.environ.get("STACK_FOLDER") or LOCAL / "run"),
            isolated=os.environ.get("ISOLATED") == "1",
            firestore=_asked_for("FIRESTORE"),
            pubsub=_asked_for("PUBSUB"),
            postgres="embedded" if _asked_for("POSTGRES") == "embedded" else "any",
        )


def _asked_for(service: str) -> Choice:
    asked = os.environ.get(f"EMULATOR_{service}") or os.environ.get("EMULATOR") or "auto"
    if asked not in get_args(Choice):
        raise SystemExit(f"the emulator for {service} is to be {asked}: choose one of {', '.join(get_args(Choice))}")
    return cast("Choice", asked)


class Stack:
    """`start()` returns when every part answers; `stop()` ends all of them, whatever state they are in."""

    def __init__(self, options: Options | None = None, tell: Callable[[str], None] = lambda _: None) -> None:
        self.options = options or Options()
        self._tell = tell
        self._parts: list[Part] = []
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="stack")  # lives on: children die with their thread
        self.secret = secrets.token_urlsafe(32)
        self.kinds: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        self.identity = Identity(self.secret)
        self.kms = Kms()
        self.pubsub = self._pubsub()
        self.tasks = CloudTasks(self.identity.mint, self.now)
        self.storage = Storage(self.now)
        self.mail = MailStandIn()
        self.push = PushStandIn()
        self.vision = VisionStandIn()
        self.oobit = OobitStandIn()
        self.postgres = Postgres(source=self.options.postgres, durable=self.options.durable, log=self.log("postgres"))
        self.chain = ChainNode(block_time_seconds=self.options.block_seconds, log=self.log("chain"))
        self.gateway_port = self.router_port = 0
        self.firestore_host = ""

    @property
    def url(self) -> str:
        """The gateway's base URL."""
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def clock_file(self) -> Path:
        """The offset of the test clock, in seconds."""
        return self.options.folder / "clock"

    def log(self, name: str) -> Path:
        """Where a part writes."""
        return self.options.folder / "log" / f"{name}.log"

    def now(self) -> datetime:
        """The test clock's time, which all functions share."""
        try:
            offset = float(self.clock_file.read_text() or 0)
        except FileNotFoundError:
            offset = 0.0
        return datetime.now(UTC) + timedelta(seconds=offset)

    def set_clock(self, moment: datetime) -> None:
        """Move the time for everybody."""
        self.clock_file.write_text(str((moment - datetime.now(UTC)).total_seconds()))
        self.tasks.wake()

    def start(self) -> None:
        """Start everything; on failure nothing is left running."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End what was started, last first; functions all at the same time."""
        for part in self._parts:
            if isinstance(part, Child):
                part.ask_to_stop()
        while self._parts:
            self._parts.pop().stop()
        self._threads.shutdown()

    def token(self, function: str) -> str:
        """The OIDC token with which queues, subscriptions and the scheduler call a function."""
        return self.identity.mint(cloud.INVOKER_ACCOUNT, self.function_url(function))

    def function_url(self, function: str) -> str:
        """Where the router has it."""
        return f"http://127.0.0.1:{self.router_port}/{service_name(function)}"

    def _start(self) -> None:
        shutil.rmtree(self.options.folder, ignore_errors=True)
        self.options.folder.mkdir(parents=True)
        slow = [
            self._threads.submit(start) for start in (self._start_postgres, self._start_chain, self._start_firestore)
        ]
        self._start_embedded()
        for future in slow:
            future.result()
        self.gateway_port = free_port(self.options.gateway_port)
        self.router_port = free_port()
        self.environment = self._prepare()
        self._start_functions()
        self._migrate()
        self._connect()
        schedules = Scheduler(self._schedules(), self._scheduler_token, self.now)
        schedules.start()
        self._parts.append(schedules)

    def _start_postgres(self) -> None:
        self.postgres.start()
        self._parts.append(self.postgres)
        self.kinds["Postgres"] = f"{self.postgres.version}"

    def _start_chain(self) -> None:
        self.chain.start()
        self._parts.append(self.chain)
        self.chain.deploy_usdt()
        self.kinds["Polygon"] = f"anvil, chain id 137, a block each {self.options.block_seconds} s"

    def _start_firestore(self) -> None:
        installation = None if self.options.firestore == "embedded" else firestore.find_official()
        if self.options.firestore == "official" and installation is None:
            raise SystemExit("Google's Firestore emulator (and Java) was asked for and is not here")
        if installation:
            official = OfficialFirestore(installation, self.log("firestore"), ROOT / "terraform" / "firestore.rules")
            official.start()
            self._parts.append(official)
            self.firestore_host = official.host
            self.kinds["Firestore"] = f"Google's emulator {official.version}"
        else:
            embedded = Firestore()
            embedded.start()
            self._parts.append(embedded)
            self.firestore_host = embedded.host
            self.kinds["Firestore"] = f"embedded ({firestore.NOTICE})"

    def _pubsub(self) -> PubSub | BridgedPubSub:
        """Google's emulator only when asked for: the embedded one does more of what the real service does."""
        self.kinds["Pub/Sub"] = "embedded"
        if self.options.pubsub != "official":
            return PubSub(self.identity.mint)
        jar = pubsub_official.find_official()
        if jar is None:
            raise SystemExit("Google's Pub/Sub emulator (and Java) was asked for and is not here")
        bridged = BridgedPubSub(jar, self.log("pubsub"), self.identity.mint)
        self.kinds["Pub/Sub"] = f"Google's emulator {bridged.version}"
        return bridged

    def _start_embedded(self) -> None:
        vendors = (self.mail, self.push, self.vision, self.oobit)
        for part in (self.identity, self.kms, self.pubsub, self.tasks, self.storage, *vendors):
            part.start()
            self._parts.append(part)
        self.kinds |= dict.fromkeys(("KMS", "Cloud Tasks", "Cloud Storage", "Scheduler", "IAM"), "embedded")
        self.kinds["Mail"] = f"Brevo stand-in, mails at {self.mail.url}"
        self.kinds["Vision"] = "stand-in: a picture is refused when its middle is magenta or yellow"
        self.kinds["Push"] = f"APNs and FCM stand-ins, pushes at {self.push.fcm_url}/pushes"

    def _prepare(self) -> dict[str, str]:
        """Make what the functions find at their start; their environment."""
        logins = cloud.Logins()
        cloud.make_database(self.postgres, logins)
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "GRPC_VERBOSITY": "NONE",
            "CLOCK_FILE": str(self.clock_file),
            **cloud.account_settings(self.identity.url, self.function_url("{service}")),
            **cloud.database_settings(self.postgres, logins),
            **cloud.make_keys(self.kms.host),
            "PUBSUB_EMULATOR_HOST": self.pubsub.host,
            "FIRESTORE_EMULATOR_HOST": self.firestore_host,
            **cloud.make_buckets(self.storage),
            "KMS_EMULATOR_HOST": self.kms.host,
            "CLOUD_TASKS_EMULATOR_HOST": self.tasks.host,
            "RPC_URLS": self.chain.url,
            "CHAIN_ID": str(CHAIN_ID),
            "USDT_ADDRESS": self.chain.usdt,
            "BREVO_URL": self.mail.url,
            "BREVO_API_KEY": self.mail.api_key,
            **self.push.settings,
            "VISION_URL": self.vision.url,
            "OOBIT_URL": self.oobit.url,
            "OOBIT_API_KEY": self.oobit.api_key,
            "CONFIRM_POLL_SECONDS": "1",
            **self.options.settings,
        }

    def _migrate(self) -> None:
        for job in contract.functions()["migrate"].on_deploy:
            status = scheduler.call(self.function_url("migrate"), job, self.token("migrate"))
            if status != HTTPStatus.NO_CONTENT:
                raise RuntimeError(f"migrate answered {status}; see {self.log('functions')}")

    def _connect(self) -> None:
        """Connect topics, queues and treasuries with the functions that are running now."""
        for topic, function in cloud.make_topics(self.pubsub.host):
            url = self.function_url(function)
            if isinstance(self.pubsub, BridgedPubSub):
                self.pubsub.bridge(cloud.subscribe(self.pubsub.host, topic, function, None), url, cloud.INVOKER_ACCOUNT)
            else:
                cloud.subscribe(self.pubsub.host, topic, function, url)
        cloud.make_queues(self.tasks.host)
        with cloud.superuser(self.postgres, cloud.DATABASE) as connection:
            signers = [str(address) for (address,) in connection.execute_simple("SELECT address FROM signers").rows]
        for address in signers:
            self.chain.mint(address, TREASURY_MICRO)
            self.chain.fund_gas(address, TREASURY_GAS_WEI)

    def _start_functions(self) -> None:
        """All in one process behind the gateway, or each under its own functions-framework."""
        environment = {**self.environment, "IDENTITY_URL": self.identity.url, "IDENTITY_SECRET": self.secret}
        addresses = self._start_each(environment) if self.options.isolated else {}
        environment |= {
            "GATEWAY_PORT": str(self.gateway_port),
            "ROUTER_PORT": str(self.router_port),
            "FUNCTION_ADDRESSES": json.dumps(addresses),
            "THREADS": str(SERVE_THREADS),
        }
        child = Child.start(
            "functions",
            [_python(), "-m", "emulators.serve"],
            self.log("functions"),
            environment,
            stop_signal=GUNICORN_QUICKLY,
            stop_seconds=FUNCTION_STOP_SECONDS,
        )
        self._parts.append(child)
        child.wait_until_ready(lambda: accepts_connections(self.gateway_port), FUNCTION_START_SECONDS_MAX)
        self.kinds["Functions"] = "a process each" if self.options.isolated else "one process"

    def _start_each(self, environment: Mapping[str, str]) -> dict[str, str]:
        children: list[tuple[Child, int]] = []
        addresses: dict[str, str] = {}
        for name, function in contract.functions().items():
            port = free_port()
            child = Child.start(
                name,
                [_python(), "-m", "functions_framework", "--target", name, "--host", "127.0.0.1", "--port", str(port),
                 "--source", str(contract.FUNCTIONS / name / "main.py")],
                self.log(name),
                {**environment, "THREADS": str(function.concurrency)},
                stop_signal=GUNICORN_QUICKLY,
                stop_seconds=FUNCTION_STOP_SECONDS,
            )  # fmt: skip
            self._parts.append(child)
            children.append((child, port))
            addresses[name] = f"http://127.0.0.1:{port}"
        for child, port in children:
            child.wait_until_ready(partial(accepts_connections, port), FUNCTION_START_SECONDS_MAX)
        return addresses

    def _schedules(self) -> list[Entry]:
        return [
            Entry(schedule.name, schedule.cron, self.function_url(name), self.function_url(name))
            for name, function in contract.functions().items()
            for schedule in function.schedules
        ]

    def _scheduler_token(self, audience: str) -> str:
        return self.identity.mint(cloud.INVOKER_ACCOUNT, audience)


def _python() -> str:
    return str(LOCAL / "venv" / "bin" / "python")
