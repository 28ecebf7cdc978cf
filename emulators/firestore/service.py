"""Firestore's methods: each reads its request, asks the store, and writes its answer.

Reference: https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1#firestore
"""

import base64
import secrets
import string
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TypeVar

from emulators.firestore import messages
from emulators.firestore.access import Access, Metadata
from emulators.firestore.access import now as access_now
from emulators.firestore.aggregation import aggregated
from emulators.firestore.listen import ListenStream
from emulators.firestore.messages import Code, Message, Refused, invalid, microseconds, set_time
from emulators.firestore.names import (
    check_collection_id,
    check_document,
    check_parent,
    check_same_database,
    field_path,
    path_key,
)
from emulators.firestore.query import Query, compiled
from emulators.firestore.store import Store, View
from emulators.firestore.tree import Record
from emulators.firestore.values import masked
from emulators.firestore.writes import target

PAGE_MAX = 300
DOCUMENT_ID_LENGTH = 20
DOCUMENT_ID_LETTERS = string.ascii_letters + string.digits
ORDER_PARTS_MAX = 2  # "field" or "field desc"

Item = TypeVar("Item")


class Service:
    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access

    def admit(self, method: str, request: Message, metadata: Metadata) -> None:
        """Refuse a request that the caller may not make."""
        self._access.check(self._access.caller(metadata, access_now()), method, request, self._store.tree)

    # Documents:

    async def get_document(self, request: Message) -> Message:
        view = await self._view(request, [request.name])
        record = view.get(check_document(request.name))
        if record is None:
            raise Refused(Code.NOT_FOUND, f'Document "{request.name}" not found.')
        return _shown(record, request)

    async def batch_get_documents(self, request: Message) -> AsyncIterator[Message]:
        """Each document once, found or missing, however often it is asked for."""
        view = await self._view(request, request.documents)
        if request.HasField("new_transaction"):
            view, token = self._store.begin(request.new_transaction)
            yield messages.BatchGetDocumentsResponse(transaction=token)
        for name in dict.fromkeys(request.documents):
            check_same_database(check_document(name), request.database)
            response = messages.BatchGetDocumentsResponse()
            set_time(response.read_time, view.time)
            record = view.get(name)
            if record is None:
                response.missing = name
            else:
                response.found.CopyFrom(_shown(record, request))
            yield response

    async def list_documents(self, request: Message) -> Message:
        view = await self._view(request)
        structured = messages.StructuredQuery(order_by=_orders(request.order_by))
        structured.from_.add(collection_id=request.collection_id)
        records = view.run(compiled(request.parent, structured))
        documents = [_shown(record, request) for record in records]
        if request.show_missing and request.collection_id:
            if request.order_by:
                raise invalid("show_missing cannot be combined with order_by.")
            documents = _with_missing(documents, view.tree.missing(f"{request.parent}/{request.collection_id}"))
        page, token = _page(documents, [document.name for document in documents], request, by_name=not request.order_by)
        return messages.ListDocumentsResponse(documents=page, next_page_token=token)

    async def list_collection_ids(self, request: Message) -> Message:
        view = await self._view(request)
        ids = view.tree.collection_ids(check_parent(request.parent))
        page, token = _page(ids, ids, request)
        return messages.ListCollectionIdsResponse(collection_ids=page, next_page_token=token)

    async def create_document(self, request: Message) -> Message:
        check_parent(request.parent)
        check_collection_id(request.collection_id)
        document_id = request.document_id or _random_id()
        write = messages.Write()
        write.update.CopyFrom(request.document)
        write.update.name = f"{request.parent}/{request.collection_id}/{document_id}"
        write.current_document.exists = False
        return await self._write_one(write, request)

    async def update_document(self, request: Message) -> Message:
        write = messages.Write()
        write.update.CopyFrom(request.document)
        if request.HasField("update_mask"):
            write.update_mask.CopyFrom(request.update_mask)
        write.current_document.CopyFrom(request.current_document)
        return await self._write_one(write, request)

    async def delete_document(self, request: Message) -> None:
        write = messages.Write(delete=request.name)
        write.current_document.CopyFrom(request.current_document)
        await self._store.commit([write])

    async def _write_one(self, write: Message, request: Message) -> Message:
        staged = await self._store.commit([write])
        record = staged.after[write.update.name]
        assert record is not None, "an update leaves a document"
        return _shown(record, request)

    # Commits and transactions:

    async def commit(self, request: Message) -> Message:
        for write in request.writes:
            check_same_database(target(write), request.database)
        staged = await self._store.commit(request.writes, request.transaction)
        response = messages.CommitResponse(write_results=staged.results)
        set_time(response.commit_time, staged.time)
        return response

    async def batch_write(self, request: Message) -> Message:
        """Apply each write on its own: it is done or refused independently of the others."""
        names = [target(write) for write in request.writes]
        if len(set(names)) < len(names):
            raise invalid("the same document cannot be written more than once in a single request")
        response = messages.BatchWriteResponse()
        for name, write in zip(names, request.writes, strict=True):
            check_same_database(name, request.database)
            result, status = response.write_results.add(), response.status.add()
            try:
                staged = await self._store.commit([write])
                result.CopyFrom(staged.results[0])
            except Refused as refusal:
                status.code, status.message = refusal.code.value[0], refusal.message
        return response

    async def begin_transaction(self, request: Message) -> Message:
        return messages.BeginTransactionResponse(transaction=self._store.begin(request.options)[1])

    async def rollback(self, request: Message) -> None:
        self._store.transactions.close(request.transaction)

    # Queries:

    async def run_query(self, request: Message) -> AsyncIterator[Message]:
        query = compiled(request.parent, request.structured_query)
        _refuse_explain(request)
        view = await self._view(request)
        if request.HasField("new_transaction"):
            view, token = self._store.begin(request.new_transaction)
            yield messages.RunQueryResponse(transaction=token)
        for response in _query_responses(query, view.run(query), view.time):
            yield response

    async def run_aggregation_query(self, request: Message) -> AsyncIterator[Message]:
        _refuse_explain(request)
        view = await self._view(request)
        if request.HasField("new_transaction"):
            view, token = self._store.begin(request.new_transaction)
            yield messages.RunAggregationQueryResponse(transaction=token)
        result = aggregated(request.parent, request.structured_aggregation_query, view)
        response = messages.RunAggregationQueryResponse(result=result)
        set_time(response.read_time, view.time)
        yield response

    # Listening:

    async def listen(self, requests: AsyncIterator[Message], metadata: Metadata) -> AsyncIterator[Message]:
        caller = self._access.caller(metadata, access_now())
        async for response in ListenStream(self._store, self._access, caller).responses(requests):
            yield response

    async def _view(self, request: Message, names: Sequence[str] = ()) -> View:
        match request.WhichOneof("consistency_selector"):
            case "transaction":
                return await self._store.view(request.transaction, names)
            case "read_time":
                return self._store.view_at(microseconds(request.read_time))
            case _:
                return self._store.view_now()


def _shown(record: Record, request: Message) -> Message:
    if not request.HasField("mask"):
        return record.document
    return masked(record.document, map(field_path, request.mask.field_paths))


def _with_missing(documents: Iterable[Message], missing: Iterable[str]) -> list[Message]:
    everything = [*documents, *(messages.Document(name=name) for name in missing)]
    return sorted(everything, key=lambda document: path_key(document.name))


def _orders(order_by: str) -> list[Message]:
    """The orders of a StructuredQuery from text such as `priority desc, __name__`."""
    orders = []
    for part in order_by.split(",") if order_by else []:
        words = part.split()
        if not 0 < len(words) <= ORDER_PARTS_MAX or words[1:] not in ([], ["asc"], ["desc"]):
            raise invalid(f'Invalid order_by "{order_by}".')
        order = messages.StructuredQuery.Order()
        order.field.field_path = words[0]
        order.direction = messages.Direction.DESCENDING if words[1:] == ["desc"] else messages.Direction.ASCENDING
        orders.append(order)
    return orders


def _page(
    items: Sequence[Item], keys: Sequence[str], request: Message, *, by_name: bool = True
) -> tuple[list[Item], str]:
    """The page after the key in the request's token, and the token for the next page."""
    if request.page_size < 0:
        raise invalid("Page size must be nonnegative.")
    start = _start(keys, _key(request.page_token), by_name=by_name) if request.page_token else 0
    end = start + min(request.page_size or PAGE_MAX, PAGE_MAX)
    return list(items[start:end]), _token(keys[end - 1]) if end < len(items) else ""


def _start(keys: Sequence[str], last: str, *, by_name: bool) -> int:
    """The index after the last key. Sorted by name it is known even if the page's documents were deleted since."""
    if by_name:
        return bisect_right(keys, path_key(last), key=path_key)
    if last not in keys:
        raise invalid("invalid page token")
    return keys.index(last) + 1


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _key(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise invalid("invalid page token") from error


def _refuse_explain(request: Message) -> None:
    if request.HasField("explain_options"):
        raise Refused(Code.UNIMPLEMENTED, "Query explain needs the real service.")


def _random_id() -> str:
    return "".join(secrets.choice(DOCUMENT_ID_LETTERS) for _ in range(DOCUMENT_ID_LENGTH))


def _query_responses(query: Query, records: Sequence[Record], read_time: int) -> Iterable[Message]:
    for record in records:
        response = messages.RunQueryResponse(document=query.shown(record))
        set_time(response.read_time, read_time)
        if record is records[0]:
            response.skipped_results = query.offset
        if record is records[-1]:
            response.done = True
        yield response
    if not records:
        response = messages.RunQueryResponse(done=True)
        set_time(response.read_time, read_time)
        yield response
