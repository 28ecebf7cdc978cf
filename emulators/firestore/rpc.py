"""Connects methods with the messages that they take and return, and turns refusals into gRPC statuses."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc

from emulators.firestore import messages
from emulators.firestore.messages import SERVICE, Message, Refused
from emulators.firestore.service import Service

Context = Any  # grpc.aio.ServicerContext: grpcio ships no types


def handlers(service: Service) -> Any:
    """The handler with which a grpc.aio server serves it; a method that is not listed here answers UNIMPLEMENTED."""
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            **{
                name: _unary(service, name, method, request)
                for name, method, request in (
                    ("GetDocument", service.get_document, messages.GetDocumentRequest),
                    ("ListDocuments", service.list_documents, messages.ListDocumentsRequest),
                    ("ListCollectionIds", service.list_collection_ids, messages.ListCollectionIdsRequest),
                    ("CreateDocument", service.create_document, messages.CreateDocumentRequest),
                    ("UpdateDocument", service.update_document, messages.UpdateDocumentRequest),
                    ("DeleteDocument", service.delete_document, messages.DeleteDocumentRequest),
                    ("Commit", service.commit, messages.CommitRequest),
                    ("BatchWrite", service.batch_write, messages.BatchWriteRequest),
                    ("BeginTransaction", service.begin_transaction, messages.BeginTransactionRequest),
                    ("Rollback", service.rollback, messages.RollbackRequest),
                )
            },
            **{
                name: _stream(service, name, method, request)
                for name, method, request in (
                    ("BatchGetDocuments", service.batch_get_documents, messages.BatchGetDocumentsRequest),
                    ("RunQuery", service.run_query, messages.RunQueryRequest),
                    ("RunAggregationQuery", service.run_aggregation_query, messages.RunAggregationQueryRequest),
                )
            },
            "Listen": grpc.stream_stream_rpc_method_handler(
                _listening(service), messages.ListenRequest.FromString, _serialized
            ),
        },
    )


def _unary(service: Service, name: str, method: Callable[[Message], Awaitable[Message]], request_class: Message) -> Any:
    async def answer(request: Message, context: Context) -> Message:
        try:
            service.admit(name, request, context.invocation_metadata())
            return await method(request)
        except Refused as refusal:
            await context.abort(refusal.code, refusal.message)

    return grpc.unary_unary_rpc_method_handler(answer, request_class.FromString, _serialized)


def _stream(
    service: Service, name: str, method: Callable[[Message], AsyncIterator[Message]], request_class: Message
) -> Any:
    def admitted(request: Message, context: Context) -> AsyncIterator[Message]:
        service.admit(name, request, context.invocation_metadata())
        return method(request)

    return grpc.unary_stream_rpc_method_handler(_streaming(admitted), request_class.FromString, _serialized)


def _listening(service: Service) -> Callable[[Any, Context], AsyncIterator[Message]]:
    return _streaming(lambda requests, context: service.listen(requests, context.invocation_metadata()))


def _streaming(
    method: Callable[[Any, Context], AsyncIterator[Message]],
) -> Callable[[Any, Context], AsyncIterator[Message]]:
    async def answer(request: Any, context: Context) -> AsyncIterator[Message]:
        try:
            responses: Any = method(request, context)
            async with aclosing(responses):  # cleans up at once a stream that its client has given up
                async for response in responses:
                    yield response
        except Refused as refusal:
            await context.abort(refusal.code, refusal.message)

    return answer


def _serialized(response: Message) -> bytes:
    """The message's bytes; None stands for google.protobuf.Empty."""
    return b"" if response is None else bytes(response.SerializeToString())
