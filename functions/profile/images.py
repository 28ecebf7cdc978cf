"""Uploaded pictures: decoded within bounds, made smaller, converted to sRGB, turned upright and encoded anew. Profile
pictures are cut to squares, images for the chat are kept whole.

Only the pixels survive: locations, comments, colour profiles, further frames and anything else hidden in the file or
appended to it are dropped. The colours are converted from the picture's own profile first: phones take pictures in
Display P3, whose numbers give paler colours when they are read as sRGB.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from functions.profile.rules import PictureNotReadable, PictureNotSupported, PictureTooLarge
from shared.values.problems import Overloaded

if TYPE_CHECKING:
    from PIL.Image import Image

FILE_BYTES_MAX = 5 * 1024 * 1024
JPEG_PIXELS_MAX = 51_000_000  # cameras of 48 and 50 megapixels; a progressive file takes 6 to 8 bytes per pixel
PNG_PIXELS_MAX = 25_500_000  # cameras of 24 megapixels; with an alpha channel, decoding takes 12 bytes per pixel
SIDE_MAX = 16_384
SIDE_LARGE = 512
SIDE_SMALL = 256
SIDE_IMAGE = 1280  # of an image for the chat, at most
JPEG_QUALITY = 85
REDUCING_GAP = 3.0  # reduce quickly to three times the size first
ORIENTATION = 0x0112  # EXIF 2.3, table 4
WAIT_SECONDS_MAX = 15.0  # for the lock while other pictures are decoded; the largest takes a few seconds
RETRY_AFTER_SECONDS = "5"

room = threading.Lock()  # one picture at a time: the function has memory and a processor for one


class _Format(NamedTuple):
    magic: bytes
    pillow: str
    content_type: str
    pixels_max: int


FORMATS = (
    _Format(b"\xff\xd8\xff", "JPEG", "image/jpeg", JPEG_PIXELS_MAX),
    _Format(b"\x89PNG\r\n\x1a\n", "PNG", "image/png", PNG_PIXELS_MAX),
)


@dataclass(frozen=True)
class Renditions:
    """A picture as it will be shown, in both sizes."""

    content_type: str
    large: bytes
    small: bytes


@dataclass(frozen=True)
class Rendition:
    """An image as it will be shown."""

    content_type: str
    content: bytes


class _Frame(NamedTuple):
    """The part of a picture that is shown (left, top, right, bottom), and its size then."""

    box: tuple[int, int, int, int]
    size: tuple[int, int]


def renditions(data: bytes) -> Renditions:
    """Return both sizes of an uploaded picture. Raises PictureNotSupported, PictureTooLarge, PictureNotReadable,
    Overloaded.
    """
    found = _format(data)
    with _turn():
        square = _read(data, found, SIDE_LARGE, _square)
        return Renditions(found.content_type, _encoded(square, found), _encoded(_smaller(square), found))


def rendition(data: bytes) -> Rendition:
    """Return an uploaded image for the chat. Raises what `renditions` raises."""
    found = _format(data)
    with _turn():
        return Rendition(found.content_type, _encoded(_read(data, found, SIDE_IMAGE, _whole), found))


def _format(data: bytes) -> _Format:
    found = next((each for each in FORMATS if data.startswith(each.magic)), None)
    if found is None:
        raise PictureNotSupported
    return found


@contextmanager
def _turn() -> Iterator[None]:
    if not room.acquire(timeout=WAIT_SECONDS_MAX):
        raise Overloaded("Too many pictures at this moment.", headers={"Retry-After": RETRY_AFTER_SECONDS})
    try:
        yield
    finally:
        room.release()


def _read(data: bytes, found: _Format, side: int, frame: Callable[[int, int], _Frame]) -> "Image":
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # Pillow only warns, and above a size that is too large for us
    try:
        with Image.open(BytesIO(data), formats=[found.pillow]) as image:
            _check_size(image, found)
            image.draft("RGB", (side, side))
            return _cut(image, frame)
    except PictureTooLarge:
        raise
    except Exception:  # noqa: BLE001 - its parsers raise whatever a malformed file leads them to
        raise PictureNotReadable from None


def _check_size(image: "Image", found: _Format) -> None:
    if image.width * image.height > found.pixels_max or max(image.size) > SIDE_MAX:
        raise PictureTooLarge


def _square(width: int, height: int) -> _Frame:
    """The middle square of a picture."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return _Frame((left, top, left + side, top + side), (SIDE_LARGE, SIDE_LARGE))


def _whole(width: int, height: int) -> _Frame:
    """All of a picture, made smaller if a side is too long."""
    by = min(1.0, SIDE_IMAGE / max(width, height))
    return _Frame((0, 0, width, height), (max(1, round(width * by)), max(1, round(height * by))))


def _cut(image: "Image", frame: Callable[[int, int], _Frame]) -> "Image":
    """Cut the picture to what the frame shows, upright."""
    from PIL import Image

    image.load()
    shown = frame(*image.size)
    profile = image.info.get("icc_profile")
    cut = _eight_bits(image).resize(shown.size, Image.Resampling.LANCZOS, shown.box, REDUCING_GAP)
    cut = _in_srgb(cut, profile)
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


def _eight_bits(image: "Image") -> "Image":
    """The picture in mode L, RGB, RGBA or CMYK, whichever loses nothing: palettes are resolved, sixteen bits become
    eight.
    """
    if image.mode.startswith("I"):
        return image.point(lambda value: value / 256).convert("L")
    if image.format == "PNG" and image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _in_srgb(image: "Image", profile: bytes | None) -> "Image":
    """The picture in RGB, with the alpha channel if there is one. An unreadable or unsuitable profile is ignored: most
    programs show such a picture as if it were sRGB.
    """
    opacity = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if opacity else image
    shown = (_converted(colours, profile) if profile else None) or colours.convert("RGB")
    if opacity:
        shown.putalpha(opacity)
    return shown


def _converted(image: "Image", profile: bytes) -> "Image | None":
    from PIL import ImageCms

    try:
        own, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, own, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return None


def _smaller(square: "Image") -> "Image":
    from PIL import Image

    return square.resize((SIDE_SMALL, SIDE_SMALL), Image.Resampling.LANCZOS)


def _encoded(image: "Image", found: _Format) -> bytes:
    """The encoded file, without the metadata that Pillow would carry over."""
    image.info.clear()
    written = BytesIO()
    options = {"quality": JPEG_QUALITY} if found.pillow == "JPEG" else {}
    image.save(written, found.pillow, optimize=True, **options)
    return written.getvalue()
