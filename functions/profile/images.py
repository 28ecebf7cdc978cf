"""Pictures that members send: decoded within bounds, turned upright, cut to squares and encoded anew.

Only the pixels survive: places, comments, colour profiles, further frames and whatever else was hidden in the file or
hung on to its end are gone.
"""

import threading
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from functions.profile.rules import PictureNotReadable, PictureNotSupported, PictureTooLarge

if TYPE_CHECKING:
    from PIL.Image import Image

FILE_BYTES_MAX = 5 * 1024 * 1024
PIXELS_MAX = 24_000_000  # decoded, some 100 MB
SIDE_MAX = 16_384
SIDE_LARGE = 512
SIDE_SMALL = 256
JPEG_QUALITY = 85
REDUCING_GAP = 3.0  # first a quick reduction to three times the size
ORIENTATION = 0x0112  # EXIF 2.3, table 4
AT_ONCE_MAX = 2

_room = threading.BoundedSemaphore(AT_ONCE_MAX)


class _Format(NamedTuple):
    magic: bytes
    pillow: str
    content_type: str


FORMATS = (_Format(b"\xff\xd8\xff", "JPEG", "image/jpeg"), _Format(b"\x89PNG\r\n\x1a\n", "PNG", "image/png"))


@dataclass(frozen=True)
class Renditions:
    """A picture as it will be shown, in both sizes."""

    content_type: str
    large: bytes
    small: bytes


def renditions(data: bytes) -> Renditions:
    """Raises PictureNotSupported, PictureTooLarge, PictureNotReadable."""
    found = next((each for each in FORMATS if data.startswith(each.magic)), None)
    if found is None:
        raise PictureNotSupported
    with _room:
        square = _square(data, found)
        return Renditions(found.content_type, _encoded(square, found), _encoded(_smaller(square), found))


def _square(data: bytes, found: _Format) -> "Image":
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # it warns, and only beyond a size that is too large for us
    try:
        with Image.open(BytesIO(data), formats=[found.pillow]) as image:
            _check_size(image)
            image.draft("RGB", (SIDE_LARGE, SIDE_LARGE))
            return _cut(image)
    except PictureTooLarge:
        raise
    except Exception:  # noqa: BLE001 - its parsers raise whatever a malformed file leads them to
        raise PictureNotReadable from None


def _check_size(image: "Image") -> None:
    if image.width * image.height > PIXELS_MAX or max(image.size) > SIDE_MAX:
        raise PictureTooLarge


def _cut(image: "Image") -> "Image":
    """The middle of it, upright."""
    from PIL import Image

    image.load()
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    plain = _in_colour(image)
    cut = plain.resize((SIDE_LARGE, SIDE_LARGE), Image.Resampling.LANCZOS, box, REDUCING_GAP)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    turn = turns.get(image.getexif().get(ORIENTATION, 1))
    return cut.transpose(turn) if turn is not None else cut


def _in_colour(image: "Image") -> "Image":
    """Red, green, blue, and opacity where there is any; sixteen bits become eight."""
    if image.mode.startswith("I"):
        return image.point(lambda value: value / 256).convert("L").convert("RGB")
    if image.format == "PNG" and image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("RGB")


def _smaller(square: "Image") -> "Image":
    from PIL import Image

    return square.resize((SIDE_SMALL, SIDE_SMALL), Image.Resampling.LANCZOS)


def _encoded(image: "Image", found: _Format) -> bytes:
    """Without what Pillow would carry over from the file."""
    image.info.clear()
    written = BytesIO()
    options = {"quality": JPEG_QUALITY} if found.pillow == "JPEG" else {}
    image.save(written, found.pillow, optimize=True, **options)
    return written.getvalue()
