"""The gRPC methods of the embedded Pub/Sub, implemented with the broker."""

import threading
import time
from collections.abc import Iterable, Iterator

import grpc
from google.protobuf import empty_pb2, field_mask_pb2
from google.pubsub_v1 import types

from emulators.grpc_server import Context, Method, Raw, Refusal, StreamMethod, copy_of, page_of
from emulators.pubsub import limits
from emulators.pubsub.backlog import Backlog
from emulators.pubsub.broker import Broker, Demand, Subscription, Topic
from emulators.pubsub.filter import parse
from emulators.pubsub.stream import Stream, change_deadlines, received

PULL_SECONDS_MAX = 30.0  # an empty answer comes after this, or earlier if the caller waits less
PULL_SHARE_OF_DEADLINE = 0.7  # so that the caller gets an empty answer and not a missed deadline
PULL_BATCH_MAX = 1000

Services = dict[str, dict[str, Method | StreamMethod]]


class PubSubService:
    """One method per RPC; all take and return bare protobuf messages."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def services(self) -> Services:
        """Both services by their full names, for `GrpcServer`."""
        return {
            "google.pubsub.v1.Publisher": {
                "CreateTopic": Method(types.Topic, self.create_topic),
                "UpdateTopic": Method(types.UpdateTopicRequest, self.update_topic),
                "GetTopic": Method(types.GetTopicRequest, self.get_topic),
                "ListTopics": Method(types.ListTopicsRequest, self.list_topics),
                "ListTopicSubscriptions": Method(types.ListTopicSubscriptionsRequest, self.list_topic_subscriptions),
                "DeleteTopic": Method(types.DeleteTopicRequest, self.delete_topic),
                "Publish": Method(types.PublishRequest, self.publish),
            },
            "google.pubsub.v1.Subscriber": {
                "CreateSubscription": Method(types.Subscription, self.create_subscription),
                "GetSubscription": Method(types.GetSubscriptionRequest, self.get_subscription),
                "UpdateSubscription": Method(types.UpdateSubscriptionRequest, self.update_subscription),
                "ListSubscriptions": Method(types.ListSubscriptionsRequest, self.list_subscriptions),
                "DeleteSubscription": Method(types.DeleteSubscriptionRequest, self.delete_subscription),
                "ModifyPushConfig": Method(types.ModifyPushConfigRequest, self.modify_push_config),
                "ModifyAckDeadline": Method(types.ModifyAckDeadlineRequest, self.modify_ack_deadline),
                "Acknowledge": Method(types.AcknowledgeRequest, self.acknowledge),
                "Pull": Method(types.PullRequest, self.pull),
                "StreamingPull": StreamMethod(types.StreamingPullRequest, self.streaming_pull),
            },
        }

    def create_topic(self, request: Raw, _: Context) -> Raw:
        limits.check_topic(request)
        with self._broker.lock:
            if request.name in self._broker.topics:
                raise _exists(request.name)
            self._broker.topics[request.name] = Topic(request)
        return request

    def update_topic(self, request: Raw, _: Context) -> Raw:
        with self._broker.lock:
            topic = self._broker.topic(request.topic.name)
            updated = _merged(topic.config, request.topic, request.update_mask, limits.TOPIC_FIELDS)
            limits.check_topic(updated)
            topic.config = updated
        return updated

    def get_topic(self, request: Raw, _: Context) -> Raw:
        return self._broker.topic(request.topic).config

    def list_topics(self, request: Raw, _: Context) -> Raw:
        with self._broker.lock:
            page, token = page_of(self._broker.topics, f"{request.project}/topics/", request)
            return types.ListTopicsResponse.pb()(topics=[topic.config for topic in page], next_page_token=token)

    def list_topic_subscriptions(self, request: Raw, _: Context) -> Raw:
        with self._broker.lock:
            listeners = {each.config.name: each for each in self._broker.topic(request.topic).subscriptions}
            page, token = page_of(listeners, "", request)
            names = [subscription.config.name for subscription in page]
            return types.ListTopicSubscriptionsResponse.pb()(subscriptions=names, next_page_token=token)

    def delete_topic(self, request: Raw, _: Context) -> Raw:
        self._broker.delete_topic(request.topic)
        return empty_pb2.Empty()

    def publish(self, request: Raw, _: Context) -> Raw:
        limits.check_publish(request)
        message_ids = self._broker.publish(request.topic, request.messages)
        return types.PublishResponse.pb()(message_ids=message_ids)

    def create_subscription(self, request: Raw, _: Context) -> Raw:
        limits.complete_subscription(request)
        with self._broker.lock:
            if request.name in self._broker.subscriptions:
                raise _exists(request.name)
            self._check_subscription(request)
            topic = self._broker.topic(request.topic)
            backlog = Backlog(request.name, ordered=request.enable_message_ordering)
            changed = threading.Condition(self._broker.lock)
            subscription = Subscription(request, parse(request.filter), backlog, changed)
            self._broker.subscriptions[request.name] = subscription
            topic.subscriptions.append(subscription)
        return request

    def get_subscription(self, request: Raw, _: Context) -> Raw:
        return self._broker.subscription(request.subscription).config

    def update_subscription(self, request: Raw, _: Context) -> Raw:
        with self._broker.lock:
            subscription = self._broker.subscription(request.subscription.name)
            given, mask = request.subscription, request.update_mask
            updated = _merged(subscription.config, given, mask, limits.SUBSCRIPTION_FIELDS)
            self._configure(subscription, updated)
        return updated

    def modify_push_config(self, request: Raw, _: Context) -> Raw:
        with self._broker.lock:
            subscription = self._broker.subscription(request.subscription)
            updated = copy_of(subscription.config)
            updated.push_config.CopyFrom(request.push_config)
            self._configure(subscription, updated)
        return empty_pb2.Empty()

    def list_subscriptions(self, request: Raw, _: Context) -> Raw:
        with self._broker.lock:
            page, token = page_of(self._broker.subscriptions, f"{request.project}/subscriptions/", request)
            configs = [subscription.config for subscription in page]
            return types.ListSubscriptionsResponse.pb()(subscriptions=configs, next_page_token=token)

    def delete_subscription(self, request: Raw, _: Context) -> Raw:
        self._broker.delete_subscription(request.subscription)
        return empty_pb2.Empty()

    def acknowledge(self, request: Raw, _: Context) -> Raw:
        self._broker.settle(self._pulled(request.subscription), request.ack_ids, acknowledged=True)
        return empty_pb2.Empty()

    def modify_ack_deadline(self, request: Raw, _: Context) -> Raw:
        subscription = self._pulled(request.subscription)
        changes = ((ack_id, request.ack_deadline_seconds) for ack_id in request.ack_ids)
        change_deadlines(self._broker, subscription, changes)
        return empty_pb2.Empty()

    def pull(self, request: Raw, context: Context) -> Raw:
        subscription = self._pulled(request.subscription)
        if request.max_messages < 1:
            raise limits.invalid("max_messages must be at least 1")
        remaining = context.time_remaining()
        patience = PULL_SECONDS_MAX if remaining is None else min(PULL_SECONDS_MAX, remaining * PULL_SHARE_OF_DEADLINE)
        waits_until = time.monotonic() + (0.0 if request.return_immediately else patience)
        context.add_callback(lambda: self._broker.notify(subscription))
        demand = Demand(min(request.max_messages, PULL_BATCH_MAX), subscription.config.ack_deadline_seconds)
        leases = self._broker.wait_and_take(subscription, demand, waits_until, context.is_active)
        return types.PullResponse.pb()(received_messages=received(subscription, leases))

    def streaming_pull(self, requests: Iterator[Raw], context: Context) -> Iterable[Raw]:
        first = next(requests, None)
        if first is None:
            return ()
        return Stream(self._broker, self._pulled(first.subscription), first).responses(requests, context)

    def _pulled(self, name: str) -> Subscription:
        subscription = self._broker.subscription(name)
        if subscription.endpoint:
            reason = "This method is not supported for this subscription type."
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, reason)
        return subscription

    def _configure(self, subscription: Subscription, config: Raw) -> None:
        limits.complete_subscription(config)
        self._check_subscription(config)
        subscription.config = config
        self._broker.notify(subscription)

    def _check_subscription(self, config: Raw) -> None:
        limits.check_subscription(config)
        if config.HasField("dead_letter_policy"):
            self._broker.topic(config.dead_letter_policy.dead_letter_topic)


def _merged(config: Raw, given: Raw, mask: Raw, changeable: frozenset[str]) -> Raw:
    """A copy of `config` with the masked fields taken from `given`."""
    if not mask.paths:
        raise limits.invalid("The update_mask must be set, and must contain a non-empty paths list.")
    fixed = [path for path in mask.paths if path.split(".")[0] not in changeable]
    if fixed or not mask.IsValidForDescriptor(config.DESCRIPTOR):
        raise limits.invalid(f"The update_mask names fields that cannot be updated: {', '.join(fixed or mask.paths)}.")
    updated = copy_of(config)
    field_mask_pb2.FieldMask(paths=mask.paths).MergeMessage(given, updated, True, True)
    return updated


def _exists(name: str) -> Refusal:
    message = f"Resource already exists in the project (resource={name.rpartition('/')[2]})."
    return Refusal(grpc.StatusCode.ALREADY_EXISTS, message)
