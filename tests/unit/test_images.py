"""A picture is refused by its form, or kept as pixels alone, upright and square, in two sizes."""

import random
import subprocess
import sys
import threading
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from emulators import contract
from emulators.contract import ROOT
from functions.profile import images
from functions.profile.images import FILE_BYTES_MAX, JPEG_PIXELS_MAX, PNG_PIXELS_MAX, SIDE_MAX
from functions.profile.rules import PictureNotReadable, PictureNotSupported, PictureTooLarge
from shared.values.problems import Overloaded, Problem
from tests.fakes import pictures

SCRIPT = "<script>alert(1)</script><?php system($_GET['c']); ?>"
DECODING_MIB_MAX = 480  # of a process that does nothing else
ITSELF_MIB = 200  # the function with all its libraries, of which 40 are counted in the line above too
BODY_COPIES_MAX = 5  # the body, what its key is made of (twice), the form's file (twice)
MEMORY_MIB = {"512Mi": 512, "1Gi": 1024}
LITTLE_LOSS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 98, "subsampling": 0}, "PNG": {}}
MEASURE = """
import sys
from functions.profile import images
from shared.values.problems import Overloaded, Problem
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
    [pictures.bomb(5_100), pictures.bomb(SIDE_MAX + 1), pictures.bomb(100_000), pictures.bomb(2**31 - 1)],
    ids=["26 million pixels", "a long side", "10 billion", "more than there are"],
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


@pytest.mark.parametrize("size", [(5712, 4284), (8064, 6048), (8160, 6144)], ids=["24 MP", "48 MP", "50 MP"])
def test_what_phones_take_is_shown(size: tuple[int, int]) -> None:
    made = images.renditions(pictures.picture("JPEG", size))
    assert pictures.opened(made.large).size == (512, 512)


def test_a_png_of_a_phones_size_is_shown() -> None:
    made = images.renditions(pictures.picture("PNG", (5712, 4284), compress_level=1))
    assert pictures.opened(made.large).getpixel((5, 5)) == (20, 120, 80)


@pytest.mark.parametrize(
    ("kind", "mode", "pixels", "options"),
    [
        ("PNG", "RGBA", PNG_PIXELS_MAX, {"compress_level": 1}),
        ("PNG", "LA", PNG_PIXELS_MAX, {"compress_level": 1}),
        ("JPEG", "RGB", JPEG_PIXELS_MAX, {"progressive": True, "subsampling": 0}),
        ("JPEG", "CMYK", JPEG_PIXELS_MAX, {"progressive": True}),
    ],
)
def test_the_largest_picture_is_decoded_within_the_memory_of_the_function(
    tmp_path_factory: pytest.TempPathFactory, kind: str, mode: str, pixels: int, options: dict[str, Any]
) -> None:
    """Opacity takes the most of a PNG, four colours that come by and by of a JPEG. Measured in a process of its own."""
    file = tmp_path_factory.mktemp("picture") / "largest"
    side = int(pixels**0.5)
    file.write_bytes(pictures.picture(kind, (side, side), (1, 2, 3, 4)[: len(mode)], mode, **options))
    told = subprocess.run(
        [sys.executable, "-c", MEASURE, str(file)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(told) == 1, told
    assert int(told[0]) < DECODING_MIB_MAX


def test_pictures_wait_for_each_other_so_that_memory_is_for_one() -> None:
    """The function's memory, less its own use and as many bodies as may come at once, each copied a few times."""
    function = contract.functions()["profile"]
    bodies = function.concurrency * BODY_COPIES_MAX * FILE_BYTES_MAX // 2**20
    assert MEMORY_MIB[function.memory] >= ITSELF_MIB + bodies + DECODING_MIB_MAX
    begun, done = threading.Event(), threading.Event()

    def decode() -> None:
        begun.set()
        images.renditions(pictures.picture())
        done.set()

    waiting = threading.Thread(target=decode)
    with images.room:
        waiting.start()
        assert begun.wait(10)
        assert not done.wait(0.5)
    waiting.join(10)
    assert done.is_set()


def test_who_waits_too_long_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "WAIT_SECONDS_MAX", 0.05)
    with images.room, pytest.raises(Overloaded):
        images.renditions(pictures.picture())
    assert images.renditions(pictures.picture())


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("PNG", "RGB"), ("PNG", "RGBA")])
def test_colours_of_display_p3_are_converted_to_srgb(kind: str, mode: str) -> None:
    """The expected values come from CSS Color 4 (W3C): its matrix from Display P3 to sRGB, and its transfer curve."""
    for colour in ((180, 90, 60), (120, 150, 90), (128, 128, 128), (60, 80, 140)):
        given = colour if mode == "RGB" else (*colour, 100)
        sent = pictures.picture(kind, colour=given, mode=mode, icc_profile=pictures.display_p3(), **LITTLE_LOSS[kind])
        shown = pictures.opened(images.renditions(sent).large)
        found = shown.convert("RGB").getpixel((256, 256))
        assert isinstance(found, tuple)
        assert all(abs(one - other) <= 4 for one, other in zip(found, in_srgb(colour), strict=True)), (colour, found)
        assert shown.mode == mode
        assert mode == "RGB" or shown.getchannel("A").getextrema() == (100, 100)


def test_a_turned_picture_of_display_p3_is_upright_and_its_profile_gone() -> None:
    profile = pictures.display_p3()
    sent = pictures.halves("JPEG", exif=pictures.exif(3, with_place=True), icc_profile=profile)
    made = images.renditions(sent)
    shown = pictures.opened(made.large)
    above, below = shown.getpixel((256, 100)), shown.getpixel((256, 400))
    assert isinstance(above, tuple)
    assert isinstance(below, tuple)
    assert above[2] - above[0] > 140
    assert below[0] - below[2] > 140
    assert profile in sent
    assert b"acsp" not in made.large + made.small
    assert "icc_profile" not in shown.info


@pytest.mark.parametrize(
    "profile", [b"", b"x", pictures.display_p3()[:200], pictures.display_p3().replace(b"RGB ", b"CMYK")]
)
def test_a_profile_that_says_nothing_changes_nothing(profile: bytes) -> None:
    made = images.renditions(pictures.picture("PNG", colour=(200, 80, 40), icc_profile=profile))
    assert pictures.opened(made.large).getpixel((5, 5)) == (200, 80, 40)


def in_srgb(colour: tuple[int, ...]) -> list[int]:
    """A colour of Display P3 in sRGB, in steps of 1/255."""
    linear = [
        value / 255 / 12.92 if value / 255 <= 0.04045 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in colour
    ]
    rows = ((1.2249402, -0.2249402, 0.0), (-0.0420570, 1.0420570, 0.0), (-0.0196376, -0.0786360, 1.0982736))
    shown = [sum(factor * value for factor, value in zip(row, linear, strict=True)) for row in rows]
    curved = [12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055 for value in shown]
    return [round(255 * min(max(value, 0.0), 1.0)) for value in curved]


def test_no_damage_leads_anywhere_but_to_a_picture_or_a_problem() -> None:
    chance = random.Random(20261127)  # noqa: S311 - the same damage each time
    for kind in ("JPEG", "PNG"):
        whole = pictures.halves(kind, exif=pictures.exif(6, with_place=True), icc_profile=pictures.display_p3())
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
