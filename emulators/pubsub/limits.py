"""Requests that the real Pub/Sub refuses (https://cloud.google.com/pubsub/quotas#resource_limits, RPC reference)."""

import re

import grpc

from emulators.grpc_server import Raw, Refusal
from emulators.pubsub.filter import FilterInvalid, parse

MESSAGES_MAX = 1000
REQUEST_BYTES_MAX = 10_000_000
ATTRIBUTES_MAX = 100
ATTRIBUTE_KEY_BYTES_MAX = 256
ATTRIBUTE_VALUE_BYTES_MAX = 1024
ORDERING_KEY_BYTES_MAX = 1024
ACK_DEADLINE_SECONDS = (10, 600)
ACK_DEADLINE_SECONDS_DEFAULT = 10
EXTENSION_SECONDS = (0, 600)
BACKOFF_SECONDS = (0, 600)
DELIVERY_ATTEMPTS = (5, 100)
DELIVERY_ATTEMPTS_DEFAULT = 5
RETENTION_SECONDS = (600, 31 * 86_400)
RETENTION_SECONDS_DEFAULT = 7 * 86_400
EXPIRATION_SECONDS_DEFAULT = 31 * 86_400
TOPIC_FIELDS = frozenset({"labels", "message_retention_duration", "message_storage_policy"})
SUBSCRIPTION_FIELDS = frozenset(
    {
        "ack_deadline_seconds",
        "dead_letter_policy",
        "expiration_policy",
        "labels",
        "message_retention_duration",
        "push_config",
        "retain_acked_messages",
        "retry_policy",
    }
)
TOPIC_FIELDS_MISSING = ("ingestion_data_source_settings", "kms_key_name", "message_transforms", "schema_settings")
SUBSCRIPTION_FIELDS_MISSING = (
    "bigquery_config",
    "bigtable_config",
    "cloud_storage_config",
    "enable_exactly_once_delivery",
    "message_transforms",
    "push_config.no_wrapper",
)
NAME = re.compile(r"projects/[^/]+/(topics|subscriptions)/(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
ENDPOINT = re.compile(r"https?://[^/\s]+(/\S*)?")


def invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


def check_range(name: str, value: float, bounds: tuple[float, float]) -> None:
    least, most = bounds
    if not least <= value <= most:
        size, bound = ("small", f"minimum value is {least}") if value < least else ("large", f"maximum value is {most}")
        message = f"The value for {name} is too {size}. You passed {value} in the request, but the {bound}."
        raise Refusal(grpc.StatusCode.OUT_OF_RANGE, message)


def check_topic(topic: Raw) -> None:
    _check_name("topics", topic.name)
    _refuse_missing(topic, TOPIC_FIELDS_MISSING)


def complete_subscription(subscription: Raw) -> None:
    """Write the service's defaults into the fields that the caller left out."""
    subscription.ack_deadline_seconds = subscription.ack_deadline_seconds or ACK_DEADLINE_SECONDS_DEFAULT
    if not subscription.HasField("message_retention_duration"):
        subscription.message_retention_duration.seconds = RETENTION_SECONDS_DEFAULT
    if not subscription.HasField("expiration_policy"):
        subscription.expiration_policy.ttl.seconds = EXPIRATION_SECONDS_DEFAULT
    if subscription.HasField("dead_letter_policy"):
        policy = subscription.dead_letter_policy
        policy.max_delivery_attempts = policy.max_delivery_attempts or DELIVERY_ATTEMPTS_DEFAULT
    subscription.state = type(subscription).ACTIVE


def check_subscription(subscription: Raw) -> None:
    _check_name("subscriptions", subscription.name)
    _refuse_missing(subscription, SUBSCRIPTION_FIELDS_MISSING)
    check_range("ack_deadline_seconds", subscription.ack_deadline_seconds, ACK_DEADLINE_SECONDS)
    check_range("message_retention_duration", subscription.message_retention_duration.seconds, RETENTION_SECONDS)
    endpoint = subscription.push_config.push_endpoint
    if endpoint and not ENDPOINT.fullmatch(endpoint):
        raise invalid(f"Invalid push endpoint given (endpoint={endpoint}).")
    if subscription.HasField("dead_letter_policy"):
        attempts = subscription.dead_letter_policy.max_delivery_attempts
        check_range("max_delivery_attempts", attempts, DELIVERY_ATTEMPTS)
    _check_retry_policy(subscription.retry_policy)
    try:
        parse(subscription.filter)
    except FilterInvalid as fault:
        raise invalid(f"Invalid filter: {fault}") from None


def check_publish(request: Raw) -> None:
    messages = request.messages
    if not 1 <= len(messages) <= MESSAGES_MAX:
        raise invalid(f"A publish request holds 1 to {MESSAGES_MAX} messages, not {len(messages)}.")
    if request.ByteSize() > REQUEST_BYTES_MAX:
        raise invalid(f"Request payload size exceeds the limit: {REQUEST_BYTES_MAX} bytes.")
    if len({message.ordering_key for message in messages}) > 1:
        rule = "all messages must have no ordering key or they must all have the same ordering key"
        raise invalid(f"In a single publish request, {rule}.")
    if len(messages[0].ordering_key.encode()) > ORDERING_KEY_BYTES_MAX:
        raise invalid(f"An ordering key is longer than {ORDERING_KEY_BYTES_MAX} bytes.")
    for message in messages:
        if not message.data and not message.attributes:
            raise invalid("Some messages are empty: a message needs data or an attribute.")
        _check_attributes(message)


def _check_attributes(message: Raw) -> None:
    if len(message.attributes) > ATTRIBUTES_MAX:
        raise invalid(f"A message has more than {ATTRIBUTES_MAX} attributes.")
    for key, value in message.attributes.items():
        if not key or len(key.encode()) > ATTRIBUTE_KEY_BYTES_MAX:
            raise invalid(f"An attribute's key is not of 1 to {ATTRIBUTE_KEY_BYTES_MAX} bytes.")
        if key.startswith("goog"):
            raise invalid(f"The attribute key {key} starts with the reserved prefix goog.")
        if len(value.encode()) > ATTRIBUTE_VALUE_BYTES_MAX:
            raise invalid(f"The value of attribute {key} is longer than {ATTRIBUTE_VALUE_BYTES_MAX} bytes.")


def _check_retry_policy(policy: Raw) -> None:
    for name in ("minimum_backoff", "maximum_backoff"):
        if policy.HasField(name):
            check_range(name, getattr(policy, name).ToMilliseconds() / 1000, BACKOFF_SECONDS)
    both = policy.HasField("minimum_backoff") and policy.HasField("maximum_backoff")
    if both and policy.minimum_backoff.ToNanoseconds() > policy.maximum_backoff.ToNanoseconds():
        raise invalid("minimum_backoff must not be greater than maximum_backoff.")


def _check_name(collection: str, name: str) -> None:
    found = NAME.fullmatch(name)
    if not found or found[1] != collection:
        raise invalid(f"Invalid [{collection}] name: (name={name})")


def _refuse_missing(config: Raw, fields: tuple[str, ...]) -> None:
    """Refuse settings that the emulator would otherwise ignore."""
    present = {field.name for field, _ in config.ListFields()}
    if config.DESCRIPTOR.name == "Subscription" and config.push_config.HasField("no_wrapper"):
        present.add("push_config.no_wrapper")
    for name in fields:
        if name in present:
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, f"{name} is not available in the embedded Pub/Sub")
