"""A migrated database per test (as a template is), and the clouds' emulators once per process.

A test that asks for `database` finds everything in its environment, as a function does, and leaves nothing there.
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
from emulators.vision import VisionStandIn
from functions.insights import store as insights
from functions.migrate import main as migrate
from shared import auth, config, db, events, settings
from shared.config import service_name
from shared.ports import chain, firestore, nodes, pubsub, tasks
from tests.client import FunctionClient
from tests.databases import Databases

TEMPLATE = "template_platform"
AUDIENCE = "https://functions.test/{service}"
WAKE_SECONDS_MAX = 10.0
NO_NODE = "http://127.0.0.1:1"  # nothing listens there: a test that needs a chain brings one
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
    vision: VisionStandIn = field(default_factory=VisionStandIn)
    pubsub: PubSub = field(init=False)
    databases: Databases = field(init=False)
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pubsub = PubSub(self.identity.mint)

    def gateway_token(self, function: str) -> str:
        """What the gateway calls a function with."""
        return self.identity.mint(cloud.GATEWAY_ACCOUNT, AUDIENCE.format(service=service_name(function)))

    def invoker_token(self, function: str) -> str:
        """What queues, subscriptions and the scheduler call a function with."""
        return self.identity.mint(cloud.INVOKER_ACCOUNT, AUDIENCE.format(service=service_name(function)))


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Everything but the database of a test."""
    log: Path = tmp_path_factory.mktemp("log") / "postgres.log"
    made = Platform(Postgres(durable=False, log=log))
    logins = cloud.Logins()
    with ExitStack() as stop:
        vendors = (made.mail, made.vision, made.oobit)
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
            "BREVO_URL": made.mail.url,
            "BREVO_API_KEY": made.mail.api_key,
            "OOBIT_URL": made.oobit.url,
            "OOBIT_API_KEY": made.oobit.api_key,
            "RPC_URLS": NO_NODE,
            "CHAIN_ID": "137",
            "USDT_ADDRESS": USDT,
            "THREADS": "64",
        }
        with environment(made.settings):
            migrate.apply(datetime.now(UTC))
        made.databases = Databases(made.postgres, TEMPLATE)
        yield made


@pytest.fixture
def database(platform: Platform) -> Iterator[str]:
    """A database of the test's own; its name."""
    name = platform.databases.take()
    with environment({**platform.settings, "DATABASE_NAME": name}):
        yield name
    platform.databases.give_back(name)


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """These settings for a while; nothing that was made of others is remembered, before or after."""
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
    auth.forget_keys()


@pytest.fixture
def client(platform: Platform) -> Callable[..., FunctionClient]:
    """Makes a client: `client()` for nobody, `client(somebody.token)` for a member."""

    def make(token: str | None = None, address: str = "203.0.113.7") -> FunctionClient:
        return FunctionClient(platform.gateway_token, token, address)

    return make


@pytest.fixture
def sql(platform: Platform, database: str) -> Iterator[Connection]:
    """A look behind the scenes, as the superuser."""
    with cloud.superuser(platform.postgres, database) as connection:
        yield connection
