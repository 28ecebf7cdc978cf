"""What a picture may be, and what is left of it: pixels, upright and square, in two sizes."""

import random
import subprocess
import sys
from io import BytesIO

import pytest
from PIL import Image

from emulators.contract import ROOT
from functions.profile import images
from functions.profile.images import FILE_BYTES_MAX, PIXELS_MAX, SIDE_MAX
from functions.profile.rules import PictureNotReadable, PictureNotSupported, PictureTooLarge
from shared.problems import Problem
from tests.fakes import pictures

SCRIPT = "<script>alert(1)</script><?php system($_GET['c']); ?>"
MEMORY_MIB_MAX = 450
MEASURE = """
import sys
from functions.profile import images
from shared.problems import Problem
try:
    images.renditions(open(sys.argv[1], "rb").read())
except Problem as problem:
    print(problem.slug())
# getrusage(2) would tell the most that the parent had, too, when it forked
told = dict(line.split(":") for line in open("/proc/self/status"))
print(int(told["VmHWM"].split()[0]) // 1024)
"""


@pytest.mark.parametrize(("kind", "content_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png")])
@pytest.mark.parametrize("size", [(600, 400), (400, 600), (512, 512), (1, 1), (3, 2000), (2400, 1800)])
def test_both_sizes_are_square_whatever_was_sent(kind: str, content_type: str, size: tuple[int, int]) -> None:
    made = images.renditions(pictures.picture(kind, size))
    large, small = pictures.opened(made.large), pictures.opened(made.small)
    assert made.content_type == content_type
    assert (large.format, small.format) == (kind, kind)
    assert (large.size, small.size) == ((512, 512), (256, 256))
    shown = large.convert("RGB").getpixel((256, 256))
    assert isinstance(shown, tuple)
    assert all(abs(one - other) < 6 for one, other in zip(shown, (20, 120, 80), strict=True))


def test_the_middle_of_a_long_picture_is_shown() -> None:
    wide = Image.new("RGB", (900, 300), (0, 0, 0))
    wide.paste((255, 255, 255), (300, 0, 600, 300))
    written = BytesIO()
    wide.save(written, "PNG")
    shown = pictures.opened(images.renditions(written.getvalue()).large).convert("L")
    assert shown.getpixel((4, 256)) == shown.getpixel((507, 256)) == 255
    assert shown.point(lambda value: 255 if value > 128 else 0).getextrema() == (255, 255)  # but for the very edge


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_turned_picture_is_shown_upright(kind: str, orientation: int) -> None:
    upright = pictures.opened(pictures.halves("PNG"))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # how a camera holds it, by Image.Transpose
    stored = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    written = BytesIO()
    stored.save(written, kind, exif=pictures.exif(orientation))
    shown = pictures.opened(images.renditions(written.getvalue()).large).convert("RGB")
    above, below = shown.getpixel((256, 100)), shown.getpixel((256, 400))
    assert isinstance(above, tuple)
    assert isinstance(below, tuple)
    assert above[0] - above[2] > 140
    assert below[2] - below[0] > 140


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_place_and_the_camera_are_gone(kind: str) -> None:
    sent = pictures.picture(kind, exif=pictures.exif(1, with_place=True))
    assert pictures.opened(sent).getexif().get_ifd(0x8825)
    assert b"Camera of Ada" in sent
    made = images.renditions(sent)
    for data in (made.large, made.small):
        shown = pictures.opened(data)
        assert dict(shown.getexif()) == {}
        assert not {"exif", "icc_profile", "comment", "xmp"} & shown.info.keys()
        assert b"Camera of Ada" not in data
        assert b"Exif" not in data
        assert b"eXIf" not in data


def test_comments_profiles_and_texts_are_gone() -> None:
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("Comment", SCRIPT)
    texts.add_itxt("XML:com.adobe.xmp", SCRIPT)
    sent = (
        pictures.picture("JPEG", comment=SCRIPT.encode(), icc_profile=b"profile" + SCRIPT.encode()),
        pictures.picture("PNG", pnginfo=texts),
    )
    for data in sent:
        assert SCRIPT.encode() in data
        made = images.renditions(data)
        assert SCRIPT.encode() not in made.large + made.small
        assert b"profile" not in made.large + made.small


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    "hidden",
    [b"<html>" + SCRIPT.encode(), b"PK\x03\x04" + b"evil.exe" * 20, SCRIPT.encode(), b"%PDF-1.7 evil", b"GIF89a evil"],
    ids=["html", "zip", "php", "pdf", "gif"],
)
def test_what_hangs_on_to_the_end_of_a_picture_is_gone(kind: str, hidden: bytes) -> None:
    sent = pictures.picture(kind)
    made, plain = images.renditions(sent + hidden), images.renditions(sent)
    assert (made.large, made.small) == (plain.large, plain.small)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 100,
        b"GIF89a" + bytes(100),
        pictures.picture("GIF"),
        pictures.picture("BMP"),
        pictures.picture("TIFF"),
        pictures.picture("WEBP"),
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"<html>" + pictures.picture("JPEG"),
        b"PK\x03\x04" + pictures.picture("PNG"),
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"MZ" + bytes(100),
    ],
    ids=["nothing", "zeros", "gif start", "gif", "bmp", "tiff", "webp", "svg", "html first", "zip first", "eps", "exe"],
)
def test_anything_but_a_jpeg_or_png_is_not_supported(data: bytes) -> None:
    with pytest.raises(PictureNotSupported):
        images.renditions(data)


def test_an_animated_gif_is_not_supported_and_of_an_animated_png_the_first_frame_is_shown() -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    moving: dict[str, bytes] = {}
    for kind in ("GIF", "PNG"):
        written = BytesIO()
        frames[0].save(written, kind, save_all=True, append_images=frames[1:], duration=100)
        moving[kind] = written.getvalue()
    assert b"acTL" in moving["PNG"]
    with pytest.raises(PictureNotSupported):
        images.renditions(moving["GIF"])
    made = images.renditions(moving["PNG"])
    assert b"acTL" not in made.large + made.small
    assert pictures.opened(made.large).convert("RGB").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_that_breaks_off_cannot_be_read(kind: str) -> None:
    whole = pictures.noise(kind, (64, 64))
    for length in (9, 20, len(whole) // 2, len(whole) - len(whole) // 8):
        with pytest.raises((PictureNotReadable, PictureNotSupported)):
            images.renditions(whole[:length])


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_a_jpeg_of_other_colours_becomes_red_green_and_blue(mode: str) -> None:
    colour = (0, 0, 0, 0) if mode == "CMYK" else 255
    made = images.renditions(pictures.picture("JPEG", mode=mode, colour=colour))
    assert pictures.opened(made.large).mode == "RGB"
    assert pictures.opened(made.large).getpixel((10, 10)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [("1", 1, (255, 255, 255)), ("L", 128, (128, 128, 128)), ("P", 0, None), ("I;16", 65535, (255, 255, 255)),
     ("I;16", 32768, (128, 128, 128)), ("LA", (255, 0), None), ("RGBA", (255, 0, 0, 0), None)],
)  # fmt: skip
def test_a_png_of_any_kind_is_shown(mode: str, colour: object, expected: tuple[int, ...] | None) -> None:
    made = pictures.opened(images.renditions(pictures.picture("PNG", mode=mode, colour=colour)).large)
    assert made.mode == ("RGBA" if "A" in mode else "RGB")
    if expected:
        assert made.getpixel((5, 5)) == expected
    if "A" in mode:
        assert made.getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize(
    "data",
    [pictures.bomb(5_000), pictures.bomb(SIDE_MAX + 1), pictures.bomb(100_000), pictures.bomb(2**31 - 1)],
    ids=["25 million pixels", "a long side", "10 billion", "more than there are"],
)
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked(data: bytes) -> None:
    assert len(data) < 1000
    with pytest.raises(PictureTooLarge):
        images.renditions(data)


def test_a_comment_that_unpacks_without_end_cannot_be_read() -> None:
    data = pictures.text_bomb()
    assert len(data) < FILE_BYTES_MAX
    with pytest.raises(PictureNotReadable):
        images.renditions(data)


def test_the_largest_picture_is_decoded_within_the_memory_of_the_function(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Opacity takes the most. Measured in a process of its own, of which two at a time fit into a gibibyte."""
    file = tmp_path_factory.mktemp("picture") / "largest.png"
    side = int(PIXELS_MAX**0.5)
    file.write_bytes(pictures.picture("PNG", (side, side), (1, 2, 3, 4), "RGBA", compress_level=1))
    told = subprocess.run(
        [sys.executable, "-c", MEASURE, str(file)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(told) == 1, told
    assert int(told[0]) < MEMORY_MIB_MAX


def test_no_damage_leads_anywhere_but_to_a_picture_or_a_problem() -> None:
    chance = random.Random(20261127)  # noqa: S311 - the same damage each time
    for kind in ("JPEG", "PNG"):
        whole = pictures.halves(kind, exif=pictures.exif(6, with_place=True))
        for _ in range(60):
            damaged = bytearray(whole)
            for _ in range(chance.randrange(1, 8)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            cut = chance.randrange(len(damaged)) if chance.random() < 0.3 else len(damaged)
            try:
                made = images.renditions(bytes(damaged[:cut]))
            except Problem as problem:
                assert type(problem) in {PictureNotReadable, PictureNotSupported, PictureTooLarge}  # noqa: PT017
            else:
                assert pictures.opened(made.large).size == (512, 512)
