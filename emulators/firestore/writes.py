"""Computes the effect of a commit's writes: preconditions, update masks, transforms, deletes.

Rules: https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1#write
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from emulators.firestore.messages import Code, Document, Message, Refused, WriteResult, invalid, microseconds, set_time
from emulators.firestore.names import check_document, field_path
from emulators.firestore.transforms import transform
from emulators.firestore.tree import Record, Tree
from emulators.firestore.values import admit, check_size, delete_field, field_at, set_field


@dataclass
class Staged:
    """A commit computed against a tree but not yet part of it."""

    time: int
    before: dict[str, Record | None] = field(default_factory=dict)
    after: dict[str, Record | None] = field(default_factory=dict)
    verbs: dict[str, str] = field(default_factory=dict)  # how this commit touched a document first, for its refusals
    results: list[Message] = field(default_factory=list)

    def changes(self) -> dict[str, tuple[Record | None, Record | None]]:
        """(before, after) of the documents that will differ, by name."""
        return {
            name: (self.before[name], after) for name, after in self.after.items() if after is not self.before[name]
        }


def stage(writes: Iterable[Message], tree: Tree, time: int) -> Staged:
    """Compute a commit: all of it or, if a write is refused, none of it."""
    staged = Staged(time)
    for write in writes:
        _stage_one(staged, write, tree)
    return staged


def target(write: Message) -> str:
    """The name of the document that a write is about."""
    match write.WhichOneof("operation"):
        case "update":
            return check_document(write.update.name)
        case "delete":
            return check_document(write.delete)
        case "transform":
            return check_document(write.transform.document)
        case _:
            raise invalid("empty write operation")


def _stage_one(staged: Staged, write: Message, tree: Tree) -> None:
    name = target(write)
    if name not in staged.before:
        staged.before[name] = staged.after[name] = tree.get(name)
    _check_precondition(staged, write, name)
    result = WriteResult()
    if write.WhichOneof("operation") == "delete":
        staged.after[name] = None
    else:
        record = _written(write, staged.after[name], staged.time, result)
        staged.after[name] = record
        set_time(result.update_time, record.updated)
    staged.results.append(result)


def _written(write: Message, before: Record | None, time: int, result: Message) -> Record:
    """The document's next version; its present one if nothing changes, so that its update time stays."""
    document = Document(name=target(write))
    if before is not None:
        document.CopyFrom(before.document)
    if write.WhichOneof("operation") == "update":
        _update(document.fields, write)
    for change in _transforms(write):
        result.transform_results.append(transform(document.fields, change, time))
    if before is not None and document == before.document:
        return before
    check_size(document)
    created = before.created if before is not None else time
    set_time(document.create_time, created)
    set_time(document.update_time, time)
    return Record.of(document, created, time)


def _update(fields: Message, write: Message) -> None:
    given = Document()
    given.CopyFrom(write.update)
    admit(given.fields)
    if not write.HasField("update_mask"):
        fields.clear()
        fields.MergeFrom(given.fields)
        return
    for text in write.update_mask.field_paths:
        path = field_path(text)
        value = field_at(given.fields, path)
        if value is None:
            delete_field(fields, path)
        else:
            set_field(fields, path, value)


def _transforms(write: Message) -> Iterable[Message]:
    if write.WhichOneof("operation") == "update":
        return list(write.update_transforms)
    if not write.transform.field_transforms:
        raise invalid("The list of FieldTransform must not be empty.")
    return list(write.transform.field_transforms)


def _check_precondition(staged: Staged, write: Message, name: str) -> None:
    """Check a precondition: existence against earlier writes of this commit, versions against the stored document."""
    kind = write.current_document.WhichOneof("condition_type")
    verb = _verb(write, kind)
    exists = staged.after[name] is not None
    if kind == "exists" and write.current_document.exists != exists:
        if name in staged.verbs:
            raise invalid(f"Cannot {staged.verbs[name]} then {verb} an entity in the same request.")
        raise _existence_refusal(name, exists=exists)
    if kind == "update_time":
        _check_version(staged.before[name], microseconds(write.current_document.update_time))
    staged.verbs[name] = verb


def _verb(write: Message, condition: str | None) -> str:
    if write.WhichOneof("operation") == "delete":
        return "delete"
    if condition is None:
        return "upsert"
    return "insert" if condition == "exists" and not write.current_document.exists else "update"


def _existence_refusal(name: str, *, exists: bool) -> Refused:
    if exists:
        return Refused(Code.ALREADY_EXISTS, f"Document already exists: {name}")
    return Refused(Code.NOT_FOUND, f"No document to update: {name}")


def _check_version(stored: Record | None, required: int) -> None:
    version = stored.updated if stored is not None else 0
    if version != required:
        raise Refused(
            Code.FAILED_PRECONDITION,
            f"the stored version ({version}) does not match the required base version ({required})",
        )
