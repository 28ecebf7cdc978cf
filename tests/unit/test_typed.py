"""Typed text is read in one place: whatever keyboards and spreadsheets make of it, the same comes out."""

from collections.abc import Callable

import pytest

from shared.codes import codes
from shared.values import typed

Reader = Callable[[str], str]

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
HASH = "0x" + "ab" * 32
READ: dict[Reader, str] = {
    codes.of_tin: "K7QM3XPA9WTD",
    typed.six_digits: "012345",
    typed.six_digits_or_backup_code: "abcde27777",
    typed.username: "Ada_L7",
    typed.referral_code: "ada-l_7",
    typed.custom_code: "ada-l7",
    typed.evm_address: ADDRESS,
    typed.transaction_hash: HASH,
    typed.wei: "1000000",
    typed.written: "89501-1234",
}
GROUPED: dict[Reader, list[str]] = {
    codes.of_tin: ["K7QM-3XPA-9WTD", "k7qm 3xpa 9wtd", "K7QM\u20133XPA\u20149WTD", "K7QM\t3XPA\r\n9WTD",
                   "K7QM\u30fc3XPA9WTD"],
    typed.six_digits: ["012 345", "012\u00a0345", "012-345", "\uff10\uff11\uff12345", "\u0660\u0661\u0662345",
                       "\u0966\u0967\u0968345", "\U0001d7d8\U0001d7d92345"],
    typed.six_digits_or_backup_code: ["ABCDE-27777", "abcde\u201127777", "abcde 27777", "\uff21bcde27777"],
    typed.username: ["\uff21da_L7"],
    typed.referral_code: ["https://blakjaks.com/r/ada-l_7", "ada\u2011l_7", "ada- l_7"],
    typed.custom_code: ["ADA-L7", "ada\u2013l7"],
    typed.evm_address: ["0X" + ADDRESS[2:], ADDRESS[:20] + "\n" + ADDRESS[20:]],
    typed.transaction_hash: [HASH.upper(), HASH[:40] + " " + HASH[40:]],
    typed.wei: ["1,000,000", "1 000\u202f000", "1_000_000", "\uff11000000"],
    typed.written: ["89501\u20131234"],
}  # fmt: skip
AROUND = ("", " ", "\t", "\r\n", *"\u00a0\u3000\u2003\u200b\u200e\u202a\u2060\ufeff\u00ad")
NONE_AT_ALL: dict[Reader, list[str]] = {
    codes.of_tin: ["", "K7QM-3XPA-9WT", "K7QM-3XPA-9WTDD", "K7QM-3XPA-9WT0", "K7QM-3XPA-9WTI", "\u00df7QM3XPA9WT",
                   "K7QM.3XPA.9WTD", "\u041a7QM3XPA9WTD"],
    typed.six_digits: ["", "01234", "0123456", "01234a", "\u00bd12345", "0x1234", "+12345", "\u2460\u2461"],
    typed.six_digits_or_backup_code: ["", "01234", "abcde-2777", "abcde-27771", "abcde-2777\u0142"],
    typed.username: ["", "ab", "a" * 31, "ada lovelace", "ada-l", "\u0430da", "ada\u0301", "ada.l"],
    typed.referral_code: ["", "ab", "a" * 31, "'; --", "https://evil.example/ada", "ada@example.com"],
    typed.custom_code: ["", "ada", "ada_l-x", "-ada", "ada-", "a--b", "a-" + "b" * 29, "a b-c"],
    typed.evm_address: ["", ADDRESS[2:], ADDRESS[:-1], ADDRESS + "0", ADDRESS[:-1] + "g", ADDRESS[:-1] + "\u0430"],
    typed.transaction_hash: ["", HASH[2:], HASH[:-1], HASH + "0", HASH[:-1] + "g"],
    typed.wei: ["", "-1", "1.5", "1e3", "0x10", "9" * 31, "\u00bd"],
    typed.written: ["", " ", "\u200b\u00a0"],
}  # fmt: skip

each_reader = pytest.mark.parametrize("reader", READ, ids=lambda reader: reader.__name__)


@each_reader
def test_it_is_read_however_it_comes(reader: Reader) -> None:
    meant = READ[reader]
    for spelled in (meant, *GROUPED[reader]):
        for around in AROUND:
            assert reader(f"{around}{spelled}{around}") == meant, ascii(f"{around}{spelled}")


@each_reader
def test_what_was_read_is_read_as_it_is(reader: Reader) -> None:
    assert reader(READ[reader]) == READ[reader]


@each_reader
def test_what_cannot_be_meant_is_told_in_words(reader: Reader) -> None:
    for text in NONE_AT_ALL[reader]:
        with pytest.raises(ValueError, match=r"^must ") as told:
            reader(text)
        assert not set("[]^$\\{}") & set(str(told.value))


def test_all_readers_are_tried() -> None:
    assert READ.keys() == GROUPED.keys() == NONE_AT_ALL.keys()


@pytest.mark.parametrize(
    "dash", [*"\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\u02d7\u30fc\uff70\ufe58\ufe63\uff0d\u2500"]
)
def test_every_dash_is_one(dash: str) -> None:
    assert typed.plain(f"a{dash}b") == "a-b"


@pytest.mark.parametrize(
    ("written", "meant"),
    [('="K7QM"', "K7QM"), ("'K7QM", "K7QM"), (' ="K""7" ', 'K"7'), ("K7QM", "K7QM"), ("=", "="), ('="', '="'), ("", ""),
     ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0")],
)  # fmt: skip
def test_a_cell_that_is_marked_as_text_is_its_text(written: str, meant: str) -> None:
    assert typed.cell(written) == meant


@pytest.mark.parametrize(
    ("one", "other"),
    [("Stra\u00dfe-\u00e9\u00e8-77!", "Stra\u00dfe-e\u0301e\u0300-77!"), ("a b", "a\u00a0b"), ("a b", "a\u3000b"),
     ("\u212bngstr\u00f6m", "\u00c5ngstro\u0308m"), ("\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af")],
)  # fmt: skip
def test_one_password_in_two_unicode_forms_is_one(one: str, other: str) -> None:
    """RFC 8265, section 4.2.2."""
    assert one != other
    assert typed.password(one) == typed.password(other)


@pytest.mark.parametrize(
    ("one", "other"), [("a", "A"), ("a", "\uff41"), ("a", "a "), ("a-b", "a\u2013b"), ("e", "\u00e9")]
)
def test_different_passwords_stay_different(one: str, other: str) -> None:
    assert typed.password(one) != typed.password(other)
