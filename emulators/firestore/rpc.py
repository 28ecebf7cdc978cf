"""Which method takes and gives which messages, and refusals as gRPC statuses."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc

from emulators.firestore import messages
from emulators.firestore.messages import SERVICE, Message, Refused
from emulators.firestore.service import Service

Context = Any  # grpc.aio.ServicerContext: grpcio ships no types


def handlers(service: Service) -> Any:
    """What a grpc.aio server needs to serve it; a method that is not here answers UNIMPLEMENTED."""
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "GetDocument": _unary(service.get_document, messages.GetDocumentRequest),
            "ListDocuments": _unary(service.list_documents, messages.ListDocumentsRequest),
            "ListCollectionIds": _unary(service.list_collection_ids, messages.ListCollectionIdsRequest),
            "CreateDocument": _unary(service.create_document, messages.CreateDocumentRequest),
            "UpdateDocument": _unary(service.update_document, messages.UpdateDocumentRequest),
            "DeleteDocument": _unary(service.delete_document, messages.DeleteDocumentRequest),
            "Commit": _unary(service.commit, messages.CommitRequest),
            "BatchWrite": _unary(service.batch_write, messages.BatchWriteRequest),
            "BeginTransaction": _unary(service.begin_transaction, messages.BeginTransactionRequest),
            "Rollback": _unary(service.rollback, messages.RollbackRequest),
            "BatchGetDocuments": _stream(service.batch_get_documents, messages.BatchGetDocumentsRequest),
            "RunQuery": _stream(service.run_query, messages.RunQueryRequest),
            "RunAggregationQuery": _stream(service.run_aggregation_query, messages.RunAggregationQueryRequest),
            "Listen": grpc.stream_stream_rpc_method_handler(
                _streaming(service.listen), messages.ListenRequest.FromString, _serialized
            ),
        },
    )


def _unary(method: Callable[[Message], Awaitable[Message]], request_class: Message) -> Any:
    async def answer(request: Message, context: Context) -> Message:
        try:
            return await method(request)
        except Refused as refusal:
            await context.abort(refusal.code, refusal.message)

    return grpc.unary_unary_rpc_method_handler(answer, request_class.FromString, _serialized)


def _stream(method: Callable[[Message], AsyncIterator[Message]], request_class: Message) -> Any:
    return grpc.unary_stream_rpc_method_handler(_streaming(method), request_class.FromString, _serialized)


def _streaming(method: Callable[[Any], AsyncIterator[Message]]) -> Callable[[Any, Context], AsyncIterator[Message]]:
    async def answer(request: Any, context: Context) -> AsyncIterator[Message]:
        responses: Any = method(request)
        async with aclosing(responses):  # a stream given up by its client is cleaned up at once
            try:
                async for response in responses:
                    yield response
            except Refused as refusal:
                await context.abort(refusal.code, refusal.message)

    return answer


def _serialized(response: Message) -> bytes:
    """None stands for google.protobuf.Empty."""
    return b"" if response is None else bytes(response.SerializeToString())
