"""Reads forms: files that are uploaded as one (RFC 7578), and fields."""

from io import BytesIO

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from shared.values.problems import BodyNotReadable, BodyTooLarge, NotValid
from shared.web.http import Upload

PARTS_MAX = 10
ENVELOPE_BYTES_MAX = 64 * 1024  # the size of a form without its file


def _in_memory(
    total_content_length: int | None, content_type: str | None, filename: str | None, content_length: int | None = None
) -> BytesIO:
    """A buffer in memory for a file of the form: the body is complete and bounded, so no temporary file is needed."""
    del total_content_length, content_type, filename, content_length
    return BytesIO()


def fields_of(upload: Upload) -> dict[str, str]:
    """The fields of a form without files, each given once. Raises BodyNotReadable."""
    parser = FormDataParser(_in_memory, max_form_parts=PARTS_MAX, silent=False)
    kind = "multipart/form-data" if upload.boundary else "application/x-www-form-urlencoded"
    try:
        _, fields, files = parser.parse(
            BytesIO(upload.data), kind, len(upload.data), {"boundary": upload.boundary} if upload.boundary else {}
        )
    except (ValueError, RequestEntityTooLarge):
        raise BodyNotReadable("The body is not the form that its content type promises.") from None
    given = list(fields.items(multi=True))
    if len(files) or len(given) > len(fields):
        raise BodyNotReadable("The form has a file, or a field twice.")
    return dict(given)


def file_of(upload: Upload, field: str, bytes_max: int) -> bytes:
    """The only file of a form that has nothing else. The file name and type that the client gives are ignored.

    Raises BodyNotReadable, NotValid, BodyTooLarge.
    """
    parser = FormDataParser(_in_memory, max_form_parts=PARTS_MAX, silent=False)
    try:
        options = {"boundary": upload.boundary}
        _, fields, files = parser.parse(BytesIO(upload.data), "multipart/form-data", len(upload.data), options)
    except (ValueError, RequestEntityTooLarge):
        raise BodyNotReadable("The body is not the form that its content type promises.") from None
    given = [(name, file.stream) for name, file in files.items(multi=True)]
    if len(fields) or [name for name, _ in given] != [field]:
        raise NotValid(errors=[{"field": f"/{field}", "message": "must be the form's only field, once, and a file"}])
    data = given[0][1].read()
    if len(data) > bytes_max:
        raise BodyTooLarge(f"A file of at most {bytes_max} bytes is taken here.")
    return data
