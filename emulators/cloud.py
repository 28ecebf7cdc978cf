"""Does for one local stack what Terraform does in the cloud: logins, keys, buckets, topics, queues and settings."""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from google import pubsub_v1
from google.cloud import kms_v1, tasks_v2
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1.types import DeadLetterPolicy, PushConfig, RetryPolicy, Subscription
from pg8000.dbapi import Connection
from pg8000.native import identifier, literal

from emulators import contract
from emulators.postgres import Postgres
from emulators.storage import Storage
from shared.config import service_name
from terraform.functions import DATABASE_ROLES

PROJECT = "blakjaks-local"
LOCATION = "us-central1"
GATEWAY_ACCOUNT = f"gateway@{PROJECT}.iam.gserviceaccount.com"
INVOKER_ACCOUNT = f"invoker@{PROJECT}.iam.gserviceaccount.com"
FIREBASE_ACCOUNT = f"firebase@{PROJECT}.iam.gserviceaccount.com"
FILES_ACCOUNT = f"files@{PROJECT}.iam.gserviceaccount.com"
CODES_BUCKET = "blakjaks-codes"
REPORTS_BUCKET = "blakjaks-reports"
AVATARS_BUCKET = "blakjaks-user-avatars"
DOCUMENTS_BUCKET = "blakjaks-user-documents"
DATABASE = "blakjaks"
DEAD_LETTERS = "dead-letters"
OWNER_LOGIN = "owner"
APP_LOGIN = "functions"
FUNCTION_ROLE = "function_{function}"
TREASURIES = ("member", "affiliate", "wholesale", "shop")
ACK_SECONDS = 60
RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 10
DELIVERIES_MAX = 20


@dataclass(frozen=True)
class Logins:
    """The passwords of the schema's owner and of the functions' login, new for each server."""

    owner: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    functions: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


def make_database(postgres: Postgres, logins: Logins, name: str = DATABASE) -> None:
    """Create a database whose owner may change the schema and whose other login may only use it.

    In the cloud each function has a login. Here one login serves all: it may take each function's role; without one (in
    tests and `make payouts`) it acts as blakjaks_app.
    """
    owner, app = identifier(OWNER_LOGIN), identifier(APP_LOGIN)
    with superuser(postgres) as connection:
        connection.execute_simple(f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD {literal(logins.owner)}")
        connection.execute_simple("CREATE ROLE blakjaks_app NOLOGIN")
        connection.execute_simple(f"CREATE ROLE {app} LOGIN PASSWORD {literal(logins.functions)} IN ROLE blakjaks_app")
        for concern in sorted(DATABASE_ROLES - {"owner"}):
            connection.execute_simple(f"CREATE ROLE {database_role(concern)} NOLOGIN")
        for function in contract.functions().values():
            if not function.database:
                continue
            concerns = ", ".join(database_role(concern) for concern in function.database if concern != "owner")
            role = identifier(FUNCTION_ROLE.format(function=function.name))
            connection.execute_simple(f"CREATE ROLE {role} NOLOGIN IN ROLE {concerns}; GRANT {role} TO {app}")
        connection.execute_simple(f"CREATE DATABASE {identifier(name)} OWNER {owner}")
    with superuser(postgres, name) as connection:
        connection.execute_simple(f"ALTER SCHEMA public OWNER TO {owner}")


def database_role(concern: str) -> str:
    """The Postgres name of a role that function.yaml lists under `database`."""
    return str(identifier(f"blakjaks_{concern}"))


@contextmanager
def superuser(postgres: Postgres, name: str | None = None) -> Iterator[Connection]:
    """A connection that may do everything, without transactions."""
    access = postgres.access
    connection = Connection(
        access.user,
        host=access.host,
        port=access.port,
        database=name or access.database,
        password=access.password,
        ssl_context=False,
    )
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()


def serve_states(connection: Connection, states: Sequence[str]) -> None:
    """Have the shop ship to these states: nobody has judged any until a person enters it in the settings."""
    connection.execute_unnamed(
        "UPDATE settings SET value = CAST($1 AS jsonb) WHERE name = 'shop_destinations'",
        (json.dumps({state: {} for state in states}),),
    )


def database_settings(postgres: Postgres, logins: Logins, name: str = DATABASE) -> dict[str, str]:
    """The settings with which the functions and the migrations find their database."""
    return {
        "DATABASE_HOST": postgres.access.host,
        "DATABASE_PORT": str(postgres.access.port),
        "DATABASE_NAME": name,
        "DATABASE_USER": APP_LOGIN,
        "DATABASE_PASSWORD": logins.functions,
        "DATABASE_ROLE": FUNCTION_ROLE,
        "OWNER_USER": OWNER_LOGIN,
        "OWNER_PASSWORD": logins.owner,
    }


def account_settings(identity_url: str, audience: str) -> dict[str, str]:
    """The settings of accounts and tokens; `audience` is a function's address with {service} for its name."""
    return {
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "CLOUD_TASKS_LOCATION": LOCATION,
        "IAM_CREDENTIALS_URL": identity_url,
        "OIDC_JWKS_URL": f"{identity_url}/oauth2/v3/certs",
        "OIDC_AUDIENCE": audience,
        "FUNCTION_URL": audience,
        "GATEWAY_SERVICE_ACCOUNT": GATEWAY_ACCOUNT,
        "INVOKER_SERVICE_ACCOUNT": INVOKER_ACCOUNT,
        "TASKS_SERVICE_ACCOUNT": INVOKER_ACCOUNT,
        "FIREBASE_SERVICE_ACCOUNT": FIREBASE_ACCOUNT,
        "FILES_SERVICE_ACCOUNT": FILES_ACCOUNT,
        "CODES_BUCKET": CODES_BUCKET,
        "AVATARS_BUCKET": AVATARS_BUCKET,
        "DOCUMENTS_BUCKET": DOCUMENTS_BUCKET,
        "REPORTS_BUCKET": REPORTS_BUCKET,
        "CODE_MAC_KEY": secrets.token_hex(32),
        "MAILED_CODE_KEY": secrets.token_hex(32),
        "FINGERPRINT_KEY": secrets.token_hex(32),
        "EDGE_KEYS": secrets.token_hex(32),
        "UNSUBSCRIBE_KEYS": f"1:{secrets.token_hex(32)}",
    }


def make_buckets(storage: Storage) -> dict[str, str]:
    """Create the buckets, one of them public; returns the settings for reading them."""
    storage.create_bucket(CODES_BUCKET)
    storage.create_bucket(DOCUMENTS_BUCKET)
    storage.create_bucket(REPORTS_BUCKET)
    storage.create_bucket(AVATARS_BUCKET, public=True)
    return {"STORAGE_EMULATOR_HOST": storage.host, "AVATARS_URL": f"{storage.host}/{AVATARS_BUCKET}"}


def make_keys(kms_host: str) -> dict[str, str]:
    """Create the keys; returns the settings that name their versions. Private keys never leave the KMS."""
    transport = kms_v1.KeyManagementServiceClient.get_transport_class("grpc")
    client = kms_v1.KeyManagementServiceClient(transport=transport(channel=grpc.insecure_channel(kms_host)))
    algorithm = kms_v1.CryptoKeyVersion.CryptoKeyVersionAlgorithm
    parent = f"projects/{PROJECT}/locations/{LOCATION}"
    rings = {
        name: client.create_key_ring(parent=parent, key_ring_id=name, key_ring=kms_v1.KeyRing()).name
        for name in ("treasury-keys", "access-tokens", "secrets-at-rest")
    }

    def key(ring: str, name: str, kind: int, level: int) -> str:
        template = kms_v1.CryptoKeyVersionTemplate(algorithm=kind, protection_level=level)
        purpose = kms_v1.CryptoKey.CryptoKeyPurpose.ASYMMETRIC_SIGN
        made = client.create_crypto_key(
            parent=rings[ring],
            crypto_key_id=name,
            crypto_key=kms_v1.CryptoKey(purpose=purpose, version_template=template),
        )
        return f"{made.name}/cryptoKeyVersions/1"

    hsm, software = kms_v1.ProtectionLevel.HSM, kms_v1.ProtectionLevel.SOFTWARE
    made = {
        f"TREASURY_KEY_VERSION_{name.upper()}": key(
            "treasury-keys", f"{name}-treasury-key", algorithm.EC_SIGN_SECP256K1_SHA256, hsm
        )
        for name in TREASURIES
    }
    rsa = algorithm.RSA_SIGN_PKCS1_2048_SHA256
    wrapping = client.create_crypto_key(
        parent=rings["secrets-at-rest"],
        crypto_key_id="data-key",
        crypto_key=kms_v1.CryptoKey(purpose=kms_v1.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT),
    )
    return made | {
        "ACCESS_TOKEN_KEY_VERSION": key("access-tokens", "access-token-key", rsa, software),
        "DATA_KEY_KMS_KEY": wrapping.name,
    }


def make_topics(pubsub_host: str) -> list[tuple[str, str]]:
    """Create all topics of the functions, and the dead letters, which are pulled.

    Returns the (topic, function) pairs to be connected.
    """
    channel = grpc.insecure_channel(pubsub_host)
    publisher = pubsub_v1.PublisherClient(
        transport=pubsub_v1.PublisherClient.get_transport_class("grpc")(channel=channel)
    )
    wanted = [(topic, name) for name, function in contract.functions().items() for topic in function.topics]
    for topic in sorted({topic for topic, _ in wanted} | {DEAD_LETTERS}):
        publisher.create_topic(name=f"projects/{PROJECT}/topics/{topic}")
    _subscriber(pubsub_host).create_subscription(
        name=f"projects/{PROJECT}/subscriptions/{DEAD_LETTERS}", topic=f"projects/{PROJECT}/topics/{DEAD_LETTERS}"
    )
    return wanted


def _subscriber(pubsub_host: str) -> pubsub_v1.SubscriberClient:
    channel = grpc.insecure_channel(pubsub_host)
    return pubsub_v1.SubscriberClient(transport=pubsub_v1.SubscriberClient.get_transport_class("grpc")(channel=channel))


def subscribe(pubsub_host: str, topic: str, function: str, url: str | None) -> str:
    """Have a topic's messages pushed to a function, and undeliverable ones sent to the dead letters.

    Without `url` the messages wait to be pulled. Returns the subscription's name.
    """
    name = f"projects/{PROJECT}/subscriptions/{service_name(function)}.{topic}"
    token = PushConfig.OidcToken(service_account_email=INVOKER_ACCOUNT, audience=url)
    _subscriber(pubsub_host).create_subscription(
        request=Subscription(
            name=name,
            topic=f"projects/{PROJECT}/topics/{topic}",
            push_config=PushConfig(push_endpoint=url, oidc_token=token) if url else None,
            ack_deadline_seconds=ACK_SECONDS,
            retry_policy=RetryPolicy(
                minimum_backoff=_seconds(RETRY_SECONDS_MIN), maximum_backoff=_seconds(RETRY_SECONDS_MAX)
            ),
            dead_letter_policy=DeadLetterPolicy(
                dead_letter_topic=f"projects/{PROJECT}/topics/{DEAD_LETTERS}", max_delivery_attempts=DELIVERIES_MAX
            ),
        )
    )
    return name


def make_queues(tasks_host: str) -> None:
    """Create the queues of function.yaml with their pace."""
    channel = grpc.insecure_channel(tasks_host)
    client = tasks_v2.CloudTasksClient(transport=tasks_v2.CloudTasksClient.get_transport_class("grpc")(channel=channel))
    parent = f"projects/{PROJECT}/locations/{LOCATION}"
    for function in contract.functions().values():
        for queue in function.queues:
            limits = tasks_v2.RateLimits(
                max_dispatches_per_second=queue.dispatches_per_second_max,
                max_concurrent_dispatches=queue.concurrent_dispatches_max,
            )
            retry = tasks_v2.RetryConfig(
                max_attempts=-1, min_backoff=_seconds(RETRY_SECONDS_MIN), max_backoff=_seconds(RETRY_SECONDS_MAX)
            )
            name = f"{parent}/queues/{queue.name}"
            client.create_queue(parent=parent, queue=tasks_v2.Queue(name=name, rate_limits=limits, retry_config=retry))


def _seconds(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))
