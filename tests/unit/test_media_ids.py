"""Members name GIFs and emotes by ids; nothing else becomes a part of an address."""

import pytest

from shared.social import images
from shared.social.media import Media, NotMedia, address

ULID = "01F7EHXA7R0008K6XWHDW7NYHJ"
FORMER = "60ae958e229664e8667aea38"
ELSEWHERE = [
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "//evil.example",
    "https://evil.example/a.gif",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "data:text/html,x",
    "javascript:alert(1)",
    "127.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "evil.example",
    "someone@evil.example",
    "evil.example#",
    "?x=y",
    "#fragment",
    "abcdefghij?b=c&d",
    "..",
    "../..",
    "../../v1/users",
    "..%2f..%2fetc",
    "%2e%2e%2f",
    "%252e%252e%252f",
    "abcdefghij/b",
    "abcdefghij\\b",
    "/etc/passwd",
    "abcdefghij%00",
    "abcdefghij\x00",
    "abcdefghij\r\nHost: evil",
    "abcdefghij klmn",
    " abcdefghij",
    "abcdefghij ",
    "abcdefghij\n",
    "\nabcdefghij",
    "abcdefghi\u200bj",
    "abcdefghi\u202ej",
    "\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff10",
    "\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669\u0660",
    "\u0430bcdefghij",
    "abcdefghij\u0301",
    "{}",
    "{0}",
    "{media_id}",
    "%s%s%s%s%s%s",
    "$(id)",
    "",
    "abcdefg",
    "-abcdefghij",
    "abcdef-ghij",
    "abcdef_ghij",
    "abcdef.ghij",
    "A" * 33,
    "a" * 10_000,
    "../" * 3_000,
    "\ud800" * 10,
]


def test_the_address_is_made_of_the_id() -> None:
    assert address(Media.GIF, "3oEjI6SIIHBdRxXI40") == "https://media.giphy.com/media/3oEjI6SIIHBdRxXI40/giphy.gif"
    assert address(Media.EMOTE, ULID) == f"https://cdn.7tv.app/emote/{ULID}/2x.webp"
    assert address(Media.EMOTE, FORMER) == f"https://cdn.7tv.app/emote/{FORMER}/2x.webp"


@pytest.mark.parametrize("media", Media)
@pytest.mark.parametrize("given", ELSEWHERE, ids=range(len(ELSEWHERE)))
def test_everything_else_is_refused_and_not_quoted(media: Media, given: str) -> None:
    with pytest.raises(NotMedia) as refused:
        address(media, given)
    assert not given or given not in str(refused.value)


def test_an_image_is_named_by_its_id_alone() -> None:
    for given in (*ELSEWHERE, ULID, "3oEjI6SIIHBdRxXI40"):
        with pytest.raises(NotMedia) as refused:
            images.image_id(given)
        assert not given or given not in str(refused.value)
    assert images.object_name(images.image_id("6F0D3C1E-52a1-4c8e-9d8c-2f7a0c1b9e10")).endswith("0c1b9e10")


@pytest.mark.parametrize("given", ["localhost", "2130706433", "0x7f000001"])
def test_letters_and_digits_lead_nowhere_else(given: str) -> None:
    assert address(Media.GIF, given) == f"https://media.giphy.com/media/{given}/giphy.gif"


@pytest.mark.parametrize(
    "given",
    [
        ULID.lower(),
        ULID[:-1],
        ULID + "0",
        "8" + ULID[1:],
        ULID.replace("H", "I"),
        ULID.replace("H", "U"),
        FORMER.upper(),
        FORMER[:-1],
        FORMER + "0",
        "3oEjI6SIIHBdRxXI40",
    ],
)
def test_an_emote_has_one_of_two_shapes(given: str) -> None:
    with pytest.raises(NotMedia):
        address(Media.EMOTE, given)
