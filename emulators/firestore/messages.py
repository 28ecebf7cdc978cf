"""Firestore's wire messages as plain protobuf classes, its refusals, and its clock's unit.

The client ships its messages in proto-plus wrappers; `.pb()` is the class beneath, ten times as fast. protobuf ships no
types, hence the one alias `Message`: parameter names tell which message is meant.
"""

from typing import Any, TypeAlias

import grpc
from google.cloud.firestore_v1 import types

Message: TypeAlias = Any
Code = grpc.StatusCode

SERVICE = "google.firestore.v1.Firestore"
MICROSECONDS = 1_000_000  # times are whole microseconds since 1970, the precision that Firestore keeps
NANOSECONDS_PER_MICROSECOND = 1_000

AggregationResult = types.AggregationResult.pb()
BatchGetDocumentsRequest = types.BatchGetDocumentsRequest.pb()
BatchGetDocumentsResponse = types.BatchGetDocumentsResponse.pb()
BatchWriteRequest = types.BatchWriteRequest.pb()
BatchWriteResponse = types.BatchWriteResponse.pb()
BeginTransactionRequest = types.BeginTransactionRequest.pb()
BeginTransactionResponse = types.BeginTransactionResponse.pb()
CommitRequest = types.CommitRequest.pb()
CommitResponse = types.CommitResponse.pb()
CreateDocumentRequest = types.CreateDocumentRequest.pb()
DeleteDocumentRequest = types.DeleteDocumentRequest.pb()
Document = types.Document.pb()
GetDocumentRequest = types.GetDocumentRequest.pb()
ListCollectionIdsRequest = types.ListCollectionIdsRequest.pb()
ListCollectionIdsResponse = types.ListCollectionIdsResponse.pb()
ListDocumentsRequest = types.ListDocumentsRequest.pb()
ListDocumentsResponse = types.ListDocumentsResponse.pb()
ListenRequest = types.ListenRequest.pb()
ListenResponse = types.ListenResponse.pb()
RollbackRequest = types.RollbackRequest.pb()
RunAggregationQueryRequest = types.RunAggregationQueryRequest.pb()
RunAggregationQueryResponse = types.RunAggregationQueryResponse.pb()
RunQueryRequest = types.RunQueryRequest.pb()
RunQueryResponse = types.RunQueryResponse.pb()
StructuredQuery = types.StructuredQuery.pb()
UpdateDocumentRequest = types.UpdateDocumentRequest.pb()
Value = types.Value.pb()
Write = types.Write.pb()
WriteResult = types.WriteResult.pb()

Direction = types.StructuredQuery.Direction
CompositeOperator = types.StructuredQuery.CompositeFilter.Operator
FieldOperator = types.StructuredQuery.FieldFilter.Operator
UnaryOperator = types.StructuredQuery.UnaryFilter.Operator
ServerValue = types.DocumentTransform.FieldTransform.ServerValue
TargetChangeType = types.TargetChange.TargetChangeType
ConcurrencyMode = types.TransactionOptions.ConcurrencyMode


class Refused(Exception):
    """Raised to answer a request with a gRPC status and a message."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> Refused:
    """A refusal with INVALID_ARGUMENT, the most frequent one."""
    return Refused(Code.INVALID_ARGUMENT, message)


def microseconds(timestamp: Message) -> int:
    """The time of a protobuf Timestamp in microseconds; smaller parts are cut off."""
    return int(timestamp.seconds) * MICROSECONDS + int(timestamp.nanos) // NANOSECONDS_PER_MICROSECOND


def set_time(timestamp: Message, time: int) -> None:
    """Write microseconds since 1970 into a protobuf Timestamp."""
    timestamp.seconds = time // MICROSECONDS
    timestamp.nanos = time % MICROSECONDS * NANOSECONDS_PER_MICROSECOND
