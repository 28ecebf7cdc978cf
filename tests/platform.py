"""A migrated database per test (equal to the template), and the clouds' emulators once per process.

A test that asks for `database` finds everything in its environment, as a function does; the environment is restored
afterwards.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pg8000.dbapi import Connection

from emulators import cloud
from emulators.identity import Identity
from emulators.kms import Kms
from emulators.mail import MailStandIn
from emulators.oobit import OobitStandIn
from emulators.postgres import Postgres
from emulators.pubsub import PubSub
from emulators.storage import Storage
from emulators.vendors import Vendors
from emulators.vision import VisionStandIn
from functions.insights import memory as insights
from functions.migrate import main as migrate
from shared import auth, config, db, events, settings
from shared.comps import award_inputs
from shared.config import service_name
from shared.ports import firestore, outcomes, pubsub, tasks, wallet_provider
from shared.ports.polygon import chain, nodes
from tests.client import FunctionClient
from tests.databases import Databases

TEMPLATE = "template_platform"
AUDIENCE = "https://functions.test/{service}"
WAKE_SECONDS_MAX = 10.0
DEADLOCK_SHOWN_MAX = 4_000
NO_NODE = "http://127.0.0.1:1"  # nothing listens there: a test that needs a chain brings its own
USDT = "0xc2132D05D31c914a87C6611C10748AEb04B58e8F"


@dataclass
class Platform:
    """The parts that live as long as the session."""

    postgres: Postgres
    identity: Identity = field(default_factory=Identity)
    kms: Kms = field(default_factory=Kms)
    mail: MailStandIn = field(default_factory=MailStandIn)
    oobit: OobitStandIn = field(default_factory=OobitStandIn)
    storage: Storage = field(default_factory=Storage)
    vendors: Vendors = field(default_factory=Vendors)
    vision: VisionStandIn = field(default_factory=VisionStandIn)
    pubsub: PubSub = field(init=False)
    databases: Databases = field(init=False)
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pubsub = PubSub(self.identity.mint)

    @property
    def edge_key(self) -> str:
        """The key that the load balancer shows."""
        return self.settings["EDGE_KEYS"]

    def gateway_token(self, function: str) -> str:
        """The token with which the gateway calls a function."""
        return self.identity.mint(cloud.GATEWAY_ACCOUNT, AUDIENCE.format(service=service_name(function)))

    def invoker_token(self, function: str) -> str:
        """The token with which queues, subscriptions and the scheduler call a function."""
        return self.identity.mint(cloud.INVOKER_ACCOUNT, AUDIENCE.format(service=service_name(function)))


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """All parts except a test's database."""
    log: Path = tmp_path_factory.mktemp("log") / "postgres.log"
    made = Platform(Postgres(durable=False, vacuums=False, log=log))
    logins = cloud.Logins()
    with ExitStack() as stop:
        vendors = (made.mail, made.vision, made.oobit, made.vendors)
        for part in (made.postgres, made.identity, made.kms, made.storage, made.pubsub, *vendors):
            part.start()
            stop.callback(part.stop)
        cloud.make_topics(made.pubsub.host)
        cloud.make_database(made.postgres, logins, TEMPLATE)
        made.settings = {
            **cloud.account_settings(made.identity.url, AUDIENCE),
            **cloud.database_settings(made.postgres, logins, TEMPLATE),
            **cloud.make_keys(made.kms.host),
            "KMS_EMULATOR_HOST": made.kms.host,
            **cloud.make_buckets(made.storage),
            "VISION_URL": made.vision.url,
            "PUBSUB_EMULATOR_HOST": made.pubsub.host,
            **made.mail.settings,
            "OOBIT_URL": made.oobit.url,
            "OOBIT_API_KEY": made.oobit.api_key,
            **made.vendors.settings,
            "HOOK_STAND_INS": "receiver.test=127.0.0.1:9",  # nobody is there, unless a test begins to listen
            "RPC_URLS": NO_NODE,
            "RPC_NODES_MIN": "1",
            "CHAIN_ID": "137",
            "USDT_ADDRESS": USDT,
            "THREADS": "64",
        }
        with environment(made.settings):
            migrate.apply(datetime.now(UTC))
        made.databases = Databases(made.postgres, TEMPLATE)
        yield made
        made.databases.close()


@pytest.fixture
def database(platform: Platform, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of the test's own; its name. The shop's vendors know nothing of former tests."""
    platform.vendors.clear()
    name = platform.databases.take()
    begins = platform.postgres.log.stat().st_size
    with environment({**platform.settings, "DATABASE_NAME": name}):
        yield name
    platform.databases.give_back(name)
    if request.node.get_closest_marker("makes_deadlocks") is None:
        refuse_deadlocks(platform.postgres.log, begins)


def refuse_deadlocks(log: Path, begins: int) -> None:
    """Fail if the test's part of the log (from `begins`) has a deadlock.

    No two transactions of the product may take locks in opposite orders: each deadlock costs a second
    (`deadlock_timeout`), and a busy row answers 503 in the end.
    """
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(begins)
        told = lines.read()
    found = told.find("deadlock detected")
    assert found < 0, f"Postgres ended a deadlock:\n{told[found : found + DEADLOCK_SHOWN_MAX]}"


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set these variables inside the block; caches made from other settings are emptied before and after."""
    before = dict(os.environ)
    os.environ |= values
    _forget()
    try:
        yield
    finally:
        assert events.wait_until_woken(WAKE_SECONDS_MAX)
        os.environ.clear()
        os.environ.update(before)
        _forget()


def _forget() -> None:
    for connected in (db, firestore, pubsub, tasks):
        connected.close()
    config.read.cache_clear()
    chain.connect.cache_clear()
    nodes.connect.cache_clear()
    settings.forget()
    insights.forget()
    award_inputs.forget()
    outcomes.take()
    auth.forget_keys()
    wallet_provider.forget_keys()


@pytest.fixture
def client(platform: Platform) -> Callable[..., FunctionClient]:
    """Makes clients: `client()` for a caller without a token, `client(somebody.token)` for a member."""

    def make(token: str | None = None, address: str = "203.0.113.7") -> FunctionClient:
        return FunctionClient(platform.gateway_token, token, address)

    return make


@pytest.fixture
def sql(platform: Platform, database: str) -> Iterator[Connection]:
    """A connection to the test's database as the superuser."""
    with cloud.superuser(platform.postgres, database) as connection:
        yield connection
