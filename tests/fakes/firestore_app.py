"""A Firestore client as in an app: it exchanges its realtime token, and reads and listens with the result."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.api_core import exceptions
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport

from emulators.cloud import PROJECT
from emulators.identity import Identity

DATABASE = f"projects/{PROJECT}/databases/(default)"
DOCUMENTS = f"{DATABASE}/documents"
LISTEN_SECONDS_MAX = 10.0
Kind = types.TargetChange.TargetChangeType


@dataclass
class AppClient:
    """An app's client. `host` is Firestore's; `identity` provides Firebase Authentication."""

    host: str
    identity: Identity
    id_token: str = ""
    refresh_token: str = ""

    def sign_in(self, custom_token: str) -> None:
        """Exchange a custom token for ID and refresh tokens. Raises InvalidCustomToken."""
        given = self.identity.firebase.exchange(custom_token)
        self.id_token, self.refresh_token = given["idToken"], given["refreshToken"]

    def renew(self) -> None:
        """Get another ID token of the same sign-in, as Firebase's client does each hour."""
        self.id_token = self.identity.firebase.refresh(self.refresh_token)["id_token"]

    def reads(self, path: str) -> bool:
        with self._api() as api:
            try:
                api.get_document({"name": f"{DOCUMENTS}/{path}"}, metadata=self._metadata(), retry=None, timeout=10)
            except exceptions.PermissionDenied:
                return False
            return True

    @contextmanager
    def listening(self, path: str) -> Iterator["DocumentListener"]:
        """Listen to a document until the end of the block."""
        requests: queue.SimpleQueue[types.ListenRequest | None] = queue.SimpleQueue()
        target = {"documents": {"documents": [f"{DOCUMENTS}/{path}"]}, "target_id": 2}
        requests.put(types.ListenRequest(database=DATABASE, add_target=target))
        with self._api() as api:
            listen: Any = api._transport.listen  # the client leaves it half typed
            call = listen(iter(requests.get, None), metadata=self._metadata(), timeout=LISTEN_SECONDS_MAX)
            yield DocumentListener(call)
            requests.put(None)
            call.cancel()

    def _metadata(self) -> list[tuple[str, str]]:
        prefix = ("google-cloud-resource-prefix", DATABASE)
        return [prefix, ("authorization", f"Bearer {self.id_token}")] if self.id_token else [prefix]

    @contextmanager
    def _api(self) -> Iterator[FirestoreClient]:
        with grpc.insecure_channel(self.host) as channel:
            yield FirestoreClient(transport=FirestoreGrpcTransport(channel=channel))


@dataclass
class DocumentListener:
    """Returns what a listener receives, one version after the other."""

    call: Any

    def next_version(self) -> types.Document | None:
        """The next version of the document; None when the listener was ended because it lacks permission."""
        for message in self.call:
            if message.document_change.document.name:
                document: types.Document = message.document_change.document
                return document
            change = message.target_change
            if change.target_change_type == Kind.REMOVE:
                assert change.cause.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
                return None
        raise AssertionError("the stream ended")
