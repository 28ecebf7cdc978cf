"""Rules for the names of documents, collections and fields, and how names sort.

Rules and limits: https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields
"""

import re
from functools import lru_cache

from emulators.firestore.messages import invalid

NAME_BYTES_MAX = 1500  # of one document id, collection id or field name
DOCUMENT_NAME_BYTES_MAX = 6 * 1024
DEPTH_MAX = 100  # of collections within documents within collections
ROOT_SEGMENTS = 5  # projects/{project}/databases/{database}/documents
PARSED_FIELD_PATHS_MAX = 4096
NAME_FIELD = "__name__"
UNQUOTED = "[a-zA-Z_][a-zA-Z_0-9]*"
QUOTED = r"`(?:[^`\\]|(?:\\.))+`"

_ROOT = re.compile(r"projects/[^/]+/databases/[^/]+/documents(?=/|$)")
_RESERVED = re.compile("__.*__", re.DOTALL)
_NUMERIC_ID = re.compile(r"__id(-?\d+)__")
_FIELD_PATH = re.compile(rf"(?:{UNQUOTED}|{QUOTED})(?:\.(?:{UNQUOTED}|{QUOTED}))*", re.DOTALL)
_FIELD_SEGMENT = re.compile(f"{UNQUOTED}|{QUOTED}", re.DOTALL)

PathKey = tuple[tuple[int, int | bytes], ...]


def check_document(name: str) -> str:
    """The name itself if it can be a document's; refuses it otherwise."""
    segments = _segments(name, "Document name")
    if not segments or len(segments) % 2:
        raise invalid(f'Document name "{name}" lacks "/" at index {len(name)}.')
    if len(name.encode()) > DOCUMENT_NAME_BYTES_MAX:
        raise invalid(f"The key path is longer than {DOCUMENT_NAME_BYTES_MAX} bytes.")
    if len(segments) > 2 * DEPTH_MAX:
        raise invalid(f"Document names have at most {DEPTH_MAX} collections.")
    return name


def check_parent(name: str) -> str:
    """The name itself if collections can lie under it: a document's name, or the root ".../documents"."""
    if len(_segments(name, "Document parent name")) % 2:
        raise invalid(f'Document parent name "{name}" lacks "/" at index {len(name)}.')
    return name


def check_collection_id(collection_id: str) -> str:
    if "/" in collection_id:
        raise invalid(f'Collection id "{collection_id}" is invalid because it contains "/".')
    _check_segment(collection_id, collection_id, "Collection id", is_collection=True)
    return collection_id


def check_same_database(name: str, database: str) -> None:
    if not name.startswith(f"{database}/documents/"):
        raise invalid(f'Document name "{name}" is not in database "{database}".')


def _segments(name: str, what: str) -> list[str]:
    root = _ROOT.match(name)
    if root is None:
        raise invalid(f'{what} "{name}" lacks "projects/{{project}}/databases/{{database}}/documents" at index 0.')
    segments = name[root.end() + 1 :].split("/") if len(name) > root.end() else []
    for position, segment in enumerate(segments):
        _check_segment(segment, name, what, is_collection=position % 2 == 0)
    return segments


def _check_segment(segment: str, name: str, what: str, *, is_collection: bool) -> None:
    if not segment:
        raise invalid(f'{what} "{name}" lacks a resource id.')
    if segment in {".", ".."}:
        raise invalid(f'{what} "{name}" contains a resource id "{segment}".')
    if _RESERVED.fullmatch(segment) and (is_collection or not _NUMERIC_ID.fullmatch(segment)):
        raise invalid(
            f'{"Collection" if is_collection else "Resource"} id "{segment}" is invalid because it is reserved.'
        )
    if len(segment.encode()) > NAME_BYTES_MAX:
        raise invalid(f"The key path element name is longer than {NAME_BYTES_MAX} bytes.")


def check_field_name(name: str) -> None:
    if not name:
        raise invalid("The property.name is the empty string.")
    if _RESERVED.fullmatch(name):
        raise invalid(f"field name {name} is reserved")
    if len(name.encode()) > NAME_BYTES_MAX:
        raise invalid(f"The property.name is longer than {NAME_BYTES_MAX} bytes.")


@lru_cache(PARSED_FIELD_PATHS_MAX)
def field_path(text: str) -> tuple[str, ...]:
    r"""The segments of a path: `a.b` is ("a", "b"), `a.\`b.c\`` is ("a", "b.c"). Other characters need backticks."""
    if not text:
        raise invalid("Invalid empty property path string.")
    if not _FIELD_PATH.fullmatch(text):
        raise invalid(
            f'Invalid property path "{text}". Unquoted property paths must match regex ({UNQUOTED}), '
            f"and quoted property paths must match regex ({QUOTED})"
        )
    segments = tuple(_unquoted(segment) for segment in _FIELD_SEGMENT.findall(text))
    if segments != (NAME_FIELD,) and any(_RESERVED.fullmatch(segment) for segment in segments):
        raise invalid(f"Invalid reserved name in field path {text}")
    return segments


def _unquoted(segment: str) -> str:
    return re.sub(r"\\(.)", r"\1", segment[1:-1], flags=re.DOTALL) if segment.startswith("`") else segment


def collection_of(name: str) -> str:
    """The full name of the collection that a document lies in."""
    return name.rpartition("/")[0]


def path_key(name: str) -> PathKey:
    """The sort key of a name in Firestore's order: segment by segment, numeric ids first, then by UTF-8 bytes."""
    return tuple(_segment_key(segment) for segment in name.split("/"))


def _segment_key(segment: str) -> tuple[int, int | bytes]:
    numeric = _NUMERIC_ID.fullmatch(segment)
    return (0, int(numeric[1])) if numeric else (1, segment.encode())
