"""Pictures as members send them, and as attackers send them."""

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
    """A picture of one colour."""
    written = BytesIO()
    Image.new(mode, size, colour).save(written, kind, **options)  # type: ignore[arg-type]
    return written.getvalue()


def halves(kind: str = "JPEG", **options: Any) -> bytes:
    """A picture with red above and blue below when it is upright."""
    made = Image.new("RGB", (400, 400), (255, 0, 0))
    made.paste((0, 0, 255), (0, 200, 400, 400))
    written = BytesIO()
    made.save(written, kind, **options)
    return written.getvalue()


def noise(kind: str, size: tuple[int, int]) -> bytes:
    """A picture in which every pixel differs, so that it cannot be compressed."""
    made = Image.frombytes("RGB", size, random.Random(7).randbytes(3 * size[0] * size[1]))  # noqa: S311 - no secret
    written = BytesIO()
    made.save(written, kind, quality=95)
    return written.getvalue()


def exif(orientation: int, *, with_place: bool = False) -> Image.Exif:
    """EXIF data as cameras write it, with the place where the picture was taken if asked for."""
    made = Image.Exif()
    made[0x0112] = orientation
    made[0x010F] = "Camera of Ada"
    if with_place:
        made.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    return made


def display_p3() -> bytes:
    """The ICC profile (ICC.1:2010) of the colours that phones use.

    It has the primaries of Display P3 under D50, and the curve of sRGB.
    """
    curve = b"para\0\0\0\0\0\3\0\0" + _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    tags = {
        b"desc": b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", 20, 28) + "Display P3".encode("utf-16-be"),
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(0.9642, 1.0, 0.8249),
        b"rXYZ": b"XYZ \0\0\0\0" + _fixed(0.51512, 0.2412, -0.00105),
        b"gXYZ": b"XYZ \0\0\0\0" + _fixed(0.29198, 0.69225, 0.04189),
        b"bXYZ": b"XYZ \0\0\0\0" + _fixed(0.1571, 0.06657, 0.78407),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, data = b"", b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, 128 + 4 + 12 * len(tags) + len(data), len(content))
        data += content
    body = struct.pack(">I", len(tags)) + table + data
    header = struct.pack(
        ">I4sI4s4s4s12x4s28x", 128 + len(body), b"test", 0x04000000, b"mntr", b"RGB ", b"XYZ ", b"acsp"
    )
    return header + _fixed(0.9642, 1.0, 0.8249) + bytes(48) + body


def opened(data: bytes) -> Image.Image:
    """The picture, decoded by Pillow."""
    image = Image.open(BytesIO(data))
    image.load()
    return image


def bomb(side: int) -> bytes:
    """A PNG that is a small file and an enormous picture."""
    return _png(struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), zlib.compress(bytes(1000)))


def text_bomb() -> bytes:
    """A PNG whose comment is 66 MB when it is unpacked, more than Pillow takes."""
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


def _fixed(*numbers: float) -> bytes:
    """Numbers as s15Fixed16Number, as ICC profiles have them."""
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def _png(header: bytes, pixels: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
