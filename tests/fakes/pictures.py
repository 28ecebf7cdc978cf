"""Pictures as members send them, and as people send them who mean no good."""

import random
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

BOUNDARY = "----a-boundary"


def picture(
    kind: str = "JPEG",
    size: tuple[int, int] = (600, 400),
    colour: object = (20, 120, 80),
    mode: str = "RGB",
    **options: Any,
) -> bytes:
    """One colour all over."""
    written = BytesIO()
    Image.new(mode, size, colour).save(written, kind, **options)  # type: ignore[arg-type]
    return written.getvalue()


def halves(kind: str = "JPEG", **options: Any) -> bytes:
    """Red above, blue below: upright it is red above."""
    made = Image.new("RGB", (400, 400), (255, 0, 0))
    made.paste((0, 0, 255), (0, 200, 400, 400))
    written = BytesIO()
    made.save(written, kind, **options)
    return written.getvalue()


def noise(kind: str, size: tuple[int, int]) -> bytes:
    """Every pixel another colour: it cannot be packed."""
    made = Image.frombytes("RGB", size, random.Random(7).randbytes(3 * size[0] * size[1]))  # noqa: S311 - no secret
    written = BytesIO()
    made.save(written, kind, quality=95)
    return written.getvalue()


def exif(orientation: int, *, with_place: bool = False) -> Image.Exif:
    """What cameras write, with the place where it was taken if asked for."""
    made = Image.Exif()
    made[0x0112] = orientation
    made[0x010F] = "Camera of Ada"
    if with_place:
        made.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    return made


def opened(data: bytes) -> Image.Image:
    """Decoded."""
    image = Image.open(BytesIO(data))
    image.load()
    return image


def bomb(side: int) -> bytes:
    """A PNG that is small as a file and enormous as a picture."""
    return _png(struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), zlib.compress(bytes(1000)))


def text_bomb() -> bytes:
    """A PNG whose comment is 66 MB, more than Pillow takes, when it is unpacked."""
    packed = zlib.compressobj(1)
    comment = b"".join(packed.compress(bytes(1024 * 1024)) for _ in range(66)) + packed.flush()
    plain = picture("PNG", (8, 8))
    return plain[:33] + _chunk(b"zTXt", b"comment\0\0" + comment) + plain[33:]


def form(
    data: bytes, *, field: str = "picture", filename: str = "me.jpg", content_type: str = "image/jpeg", extra: str = ""
) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a form with one file; `extra` names a text field beside it."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{filename}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n".encode(),
        data,
        b"\r\n",
    ]
    if extra:
        parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{extra}"\r\n\r\n1\r\n'.encode())
    parts.append(f"--{BOUNDARY}--\r\n".encode())
    return b"".join(parts), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def _png(header: bytes, pixels: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
