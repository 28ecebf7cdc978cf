"""The whole platform on this machine: every part started, connected and stopped together.

Everything listens on loopback and keeps its state in memory, in temporary folders or under its own folder in `.local/`;
nothing outlives the process that started it.
"""

import json
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from emulators import cloud, contract, firestore, oobit, running, scheduler, settings, settled, tax
from emulators.advancing import Advance
from emulators.chain.node import CHAIN_ID, ChainNode
from emulators.clock_server import ClockServer, Rules
from emulators.firestore import Firestore, OfficialFirestore
from emulators.identity import Identity
from emulators.kms import Kms
from emulators.mail import MailStandIn
from emulators.postgres import Postgres
from emulators.process import Child, accepts_connections, answers, free_port, listening
from emulators.pubsub import PubSub
from emulators.pubsub import official as pubsub_official
from emulators.pubsub.bridge import BridgedPubSub
from emulators.push import PushStandIn
from emulators.running import Lock, refuse
from emulators.scheduler import Entry, Scheduler
from emulators.settings import Choice, Source
from emulators.stack_clock import StackClock
from emulators.storage import Storage
from emulators.tasks import CloudTasks
from emulators.vendors import Vendors
from emulators.vision import VisionStandIn
from emulators.watch import Watch
from shared.config import service_name

ROOT = contract.ROOT
LOCAL = ROOT / ".local"
SERVE_THREADS = 64
TREASURY_MICRO = 1_000_000_000_000  # a million USDT each
TREASURY_GAS_WEI = 10**21
TINS = 10_000  # of each product, in the warehouse
SHIP_AFTER_SECONDS = 10.0
FINAL_BLOCKS = 12  # a transaction is final in ten, two more than its own have to follow
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")
FUNCTION_START_SECONDS_MAX = 60.0
FUNCTION_STOP_SECONDS = 1.0  # functions may die anywhere, so a job that runs for a minute is not waited for
GUNICORN_QUICKLY = signal.SIGINT  # otherwise it would wait for idle connections


class Part(Protocol):
    """A part of the stack that can be stopped."""

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Options:
    """The stack's options. `folder` keeps logs and the test clock.

    A gateway port that is not a must may be replaced by another one; 0 means any.
    """

    folder: Path = running.FOLDER
    gateway_port: int = settings.GATEWAY_PORT
    gateway_port_must: bool = False
    isolated: bool = False
    firestore: Choice = "auto"
    pubsub: Choice = "auto"
    postgres: Source = "any"
    durable: bool = True
    block_seconds: float | None = 0.25
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_environment(cls) -> "Options":
        """The options from STACK_FOLDER, GATEWAY_PORT, ISOLATED=1, EMULATOR and EMULATOR_FIRESTORE, _PUBSUB, _POSTGRES.

        Exits on a value that is not allowed.
        """
        settings.refuse_unknown()
        port, must = settings.gateway_port()
        return cls(
            folder=running.folder(),
            gateway_port=port,
            gateway_port_must=must,
            isolated=settings.isolated(),
            firestore=settings.emulator("FIRESTORE"),
            pubsub=settings.emulator("PUBSUB"),
            postgres=settings.database(),
            durable=False,  # a stack that ends removes its cluster, so that no later one reads what a disk would keep
        )


class Stack:
    """`start()` returns when every part answers; `stop()` ends all of them, whatever state they are in."""

    def __init__(self, options: Options | None = None, ended: Callable[[Child], None] = lambda _: None) -> None:
        """`ended` is called, in a thread of the stack, with each process that ends without being asked to."""
        self.options = options or Options()
        self._ended = ended
        self._lock: Lock | None = None
        self._parts: list[Part] = []
        self._slow: list[Future[None]] = []
        self._sockets: tempfile.TemporaryDirectory[str] | None = None
        # It lives on, because children die with the thread that started them.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="stack")
        self.secret = secrets.token_urlsafe(32)
        self.clock = StackClock(self.options.folder / running.CLOCK)
        self.now = self.clock.now
        self.kinds: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        self.identity = Identity(self.secret, self.now)
        self.kms = Kms()
        self.pubsub = self._pubsub()
        self.tasks = CloudTasks(self.identity.mint, self.now)
        self.storage = Storage(self.now)
        self.mail = MailStandIn()
        self.push = PushStandIn()
        self.vision = VisionStandIn()
        self.oobit = oobit.OobitStandIn()
        self.vendors = Vendors(self.now, ship_after=SHIP_AFTER_SECONDS)
        self.postgres = Postgres(source=self.options.postgres, durable=self.options.durable, log=self.log("postgres"))
        self.chain = ChainNode(block_time_seconds=self.options.block_seconds, log=self.log("chain"))
        self._database = settled.Database(lambda: self.environment)
        self._listening: list[socket.socket] = []  # the gateway's and the router's, until the functions have them
        self.gateway_port = self.router_port = 0
        self.firestore_host = ""

    @property
    def url(self) -> str:
        """The gateway's base URL."""
        return f"http://127.0.0.1:{self.gateway_port}"

    def log(self, name: str) -> Path:
        """The path of a part's log."""
        return self.options.folder / running.LOGS / f"{name}.log"

    def set_clock(self, moment: datetime, *, advancing: bool = False) -> None:
        """Move the time of all parts. `advancing` says that somebody waits for what is due then (shared/clock.py)."""
        self.clock.set(moment, advancing=advancing)
        self.tasks.wake()

    def start(self) -> None:
        """Start everything; on failure nothing is left running."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what was started, last first; functions all at the same time."""
        wait(self._slow)  # a part that is half started cannot be stopped
        self.break_off()
        while self._parts:
            self._parts.pop().stop()
        self._database.close()
        self._threads.shutdown()
        self._hang_up()
        if self._sockets:
            self._sockets.cleanup()
        if self._lock:
            self._lock.release()
        self._sockets = self._lock = None

    def break_off(self) -> None:
        """End the functions without waiting for them: clients that wait for an answer notice at once."""
        for part in list(self._parts):
            if isinstance(part, Child):
                part.ask_to_stop()

    def token(self, function: str) -> str:
        """The OIDC token with which queues, subscriptions and the scheduler call a function."""
        return self.identity.mint(cloud.INVOKER_ACCOUNT, self.function_url(function))

    def function_url(self, function: str) -> str:
        """The function's URL at the router."""
        return f"http://127.0.0.1:{self.router_port}/{service_name(function)}"

    def _start(self) -> None:
        self._lock = Lock.take(self.options.folder)
        self.log("any").parent.mkdir()
        self._listen()
        self._lock.tell(self.url)
        self._slow = [
            self._threads.submit(start) for start in (self._start_postgres, self._start_chain, self._start_firestore)
        ]
        self._start_embedded()
        for future in self._slow:
            future.result()
        watch = Watch(self.log("any").parent, self.clock.file, self.tasks.wake, self._ended)
        watch.start()
        self._parts.append(watch)
        self.environment = self._prepare()
        schedules = Scheduler(self._schedules(), self._scheduler_token, self.now)
        test_clock = self._test_clock(schedules)
        self._start_functions(test_clock.url)
        self._migrate()
        self._connect()
        for part in (schedules, test_clock):
            part.start()
            self._parts.append(part)

    def _test_clock(self, schedules: Scheduler) -> ClockServer:
        pubsub = self.pubsub

        def settle(seconds_max: float) -> None:
            assert isinstance(pubsub, PubSub), "the rules refuse the other one"
            settled.wait(self._database.outbox, pubsub, self.tasks, seconds_max)

        advance = Advance(
            scheduler=schedules,
            now=self.now,
            move=lambda moment: self.set_clock(moment, advancing=True),
            rest=lambda: self.set_clock(self.now()),
            settle=settle,
            next_task=self.tasks.next_due,
            mine=lambda: self.chain.mine(FINAL_BLOCKS),
        )
        return ClockServer(advance, Rules(self._database.project, can_wait=isinstance(pubsub, PubSub)))

    def _listen(self) -> None:
        """Listen on both ports before either is announced, so that no other process can take them meanwhile."""
        wished = self.options.gateway_port
        try:
            self._listening.append(listening(wished))
        except OSError as error:
            if self.options.gateway_port_must:
                refuse(f"port {wished} cannot be had ({error.strerror}): choose another GATEWAY_PORT, or none")
            self._listening.append(listening())
        self._listening.append(listening())
        self.gateway_port, self.router_port = (it.getsockname()[1] for it in self._listening)

    def _start_postgres(self) -> None:
        try:
            self.postgres.start()
        except FileNotFoundError as missing:
            refuse(str(missing))
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
            refuse("Google's Firestore emulator was asked for, and it (or Java) is not on this machine")
        if installation:
            official = OfficialFirestore(installation, self.log("firestore"), ROOT / "terraform" / "firestore.rules")
            official.start()
            self._parts.append(official)
            self.firestore_host = official.host
            self.kinds["Firestore"] = f"Google's emulator {official.version}"
        else:
            embedded = Firestore(ROOT / "terraform" / "firestore.rules", self.identity.key_set)
            embedded.start()
            self._parts.append(embedded)
            self.firestore_host = embedded.host
            self.kinds["Firestore"] = f"embedded ({firestore.NOTICE})"

    def _pubsub(self) -> PubSub | BridgedPubSub:
        """The Pub/Sub server: Google's emulator only when asked for, since the embedded one does more
        of the service.
        """
        self.kinds["Pub/Sub"] = "embedded"
        if self.options.pubsub != "official":
            return PubSub(self.identity.mint)
        jar = pubsub_official.find_official()
        if jar is None:
            refuse("Google's Pub/Sub emulator was asked for, and it (or Java) is not on this machine")
        bridged = BridgedPubSub(jar, self.log("pubsub"), self.identity.mint)
        self.kinds["Pub/Sub"] = f"Google's emulator {bridged.version}"
        return bridged

    def _start_embedded(self) -> None:
        vendors = (self.mail, self.push, self.vision, self.oobit, self.vendors)
        for part in (self.identity, self.kms, self.pubsub, self.tasks, self.storage, *vendors):
            part.start()
            self._parts.append(part)
        self.vendors.tell(self.url)
        self.mail.webhooks.url = f"{self.url}/v1/webhooks/brevo"
        self.kinds |= dict.fromkeys(("KMS", "Cloud Tasks", "Cloud Storage", "Scheduler", "IAM"), "embedded")
        self.kinds["Mail"] = f"Brevo stand-in, mails at {self.mail.url}"
        self.kinds["Vision"] = "stand-in: a picture is refused when its middle is magenta or yellow"
        self.kinds["Shop"] = (
            f"card, age check, tax and warehouse stand-ins; parcels at {self.vendors.warehouse.url}/orders"
        )
        self.kinds["Bank"] = f"Teller stand-in with mutual TLS, Teller Connect at {self.vendors.bank.url}/connect"
        self.kinds["Chat"] = "moderation and translation stand-ins: a text with hate=0.97 in it is judged so"
        self.kinds["Wallets"] = "a stand-in for MetaMask Embedded Wallets makes them"
        self.kinds["Push"] = f"APNs and FCM stand-ins, pushes at {self.push.fcm_url}/pushes"

    def _prepare(self) -> dict[str, str]:
        """Create what the functions need at their start; returns their environment."""
        logins = cloud.Logins()
        cloud.make_database(self.postgres, logins)
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "GRPC_VERBOSITY": "NONE",
            "CLOCK_FILE": str(self.clock.file),
            **cloud.account_settings(self.identity.url, self.function_url("{service}")),
            **cloud.database_settings(self.postgres, logins),
            **cloud.make_keys(self.kms.host),
            "PUBSUB_EMULATOR_HOST": self.pubsub.host,
            "FIRESTORE_EMULATOR_HOST": self.firestore_host,
            **cloud.make_buckets(self.storage),
            "KMS_EMULATOR_HOST": self.kms.host,
            "CLOUD_TASKS_EMULATOR_HOST": self.tasks.host,
            "RPC_URLS": self.chain.url,
            "RPC_NODES_MIN": "1",
            "CHAIN_ID": str(CHAIN_ID),
            "USDT_ADDRESS": self.chain.usdt,
            **self.mail.settings,
            "API_URL": self.url,
            **self.push.settings,
            "VISION_URL": self.vision.url,
            "OOBIT_URL": self.oobit.url,
            "OOBIT_API_KEY": self.oobit.api_key,
            "OOBIT_ADDRESSES": oobit.ADDRESS,
            **self.vendors.settings,
            "CONFIRM_POLL_SECONDS": "1",
            "PAGES_GALLERY": "true",
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
            signers = [
                (str(address), str(treasury))
                for address, treasury in connection.execute_simple("SELECT address, treasury FROM signers").rows
            ]
            skus = [str(sku) for (sku,) in connection.execute_simple("SELECT sku FROM products").rows]
            cloud.serve_states(connection, sorted(tax.RATES))
        self.vendors.warehouse.set_counts(dict.fromkeys(skus, TINS))
        for address, treasury in signers:
            if treasury != "shop":  # buyers fill it: what comes from elsewhere would be a deposit of nobody's
                self.chain.mint(address, TREASURY_MICRO)
            self.chain.fund_gas(address, TREASURY_GAS_WEI)

    def _start_functions(self, test_clock: str) -> None:
        """Start the functions: all in one process behind the gateway, or each under its own functions-framework."""
        environment = {**self.environment, "IDENTITY_URL": self.identity.url, "IDENTITY_SECRET": self.secret}
        addresses = self._start_each(environment) if self.options.isolated else {}
        handed_on = [it.fileno() for it in self._listening]
        environment |= {
            "GATEWAY_SOCKET": str(handed_on[0]),
            "ROUTER_SOCKET": str(handed_on[1]),
            "FUNCTION_ADDRESSES": json.dumps(addresses),
            "THREADS": str(SERVE_THREADS),
            "TEST_CLOCK_URL": test_clock,
        }
        child = Child.start(
            "functions",
            [_python(), "-m", "emulators.serve"],
            self.log("functions"),
            environment,
            stop_signal=GUNICORN_QUICKLY,
            stop_seconds=FUNCTION_STOP_SECONDS,
            handed_on=handed_on,
        )
        self._parts.append(child)
        self._hang_up()  # from now on only the child has the ports, which close with it
        child.wait_until_ready(lambda: answers(self.gateway_port), FUNCTION_START_SECONDS_MAX)
        self.kinds["Functions"] = "a process each" if self.options.isolated else "one process"

    def _hang_up(self) -> None:
        for part in self._listening:
            part.close()

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
                {**environment, "THREADS": str(function.concurrency), "XDG_RUNTIME_DIR": self._own_folder(name)},
                stop_signal=GUNICORN_QUICKLY,
                stop_seconds=FUNCTION_STOP_SECONDS,
            )  # fmt: skip
            self._parts.append(child)
            children.append((child, port))
            addresses[name] = f"http://127.0.0.1:{port}"
        for child, port in children:
            child.wait_until_ready(partial(accepts_connections, port), FUNCTION_START_SECONDS_MAX)
        return addresses

    def _own_folder(self, function: str) -> str:
        """A folder for the function's gunicorn control socket, which would otherwise lie in the home folder."""
        if self._sockets is None:
            self._sockets = tempfile.TemporaryDirectory(prefix="functions-")
        own = Path(self._sockets.name) / function
        own.mkdir()
        return str(own)

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
