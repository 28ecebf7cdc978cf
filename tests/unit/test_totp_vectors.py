"""Codes of authenticator apps as RFC 4226 and RFC 6238 have them, and how far a clock may go wrong."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.credentials import totp

SECRET = b"12345678901234567890"
HOTP = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
TOTP = {  # RFC 6238, appendix B: the last six of its eight digits
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_the_codes_of_rfc_4226() -> None:
    assert [totp.code(SECRET, counter) for counter in range(len(HOTP))] == HOTP


@pytest.mark.parametrize("seconds", TOTP)
def test_the_codes_of_rfc_6238(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert totp.code(SECRET, totp.step_of(moment)) == TOTP[seconds]
    assert totp.matching_step(SECRET, TOTP[seconds], moment) == totp.step_of(moment)


def test_a_clock_may_be_one_step_wrong_and_no_more() -> None:
    found = {
        steps: totp.matching_step(SECRET, totp.code(SECRET, totp.step_of(NOW) + steps), NOW) for steps in range(-3, 4)
    }
    assert found == {steps: totp.step_of(NOW) + steps if abs(steps) <= 1 else None for steps in range(-3, 4)}


def test_a_step_ends_when_its_thirty_seconds_have_passed() -> None:
    assert totp.step_of(NOW + timedelta(seconds=29, microseconds=999_999)) == totp.step_of(NOW)
    assert totp.step_of(NOW + timedelta(seconds=30)) == totp.step_of(NOW) + 1


@pytest.mark.parametrize(
    "given", ["", "0", "28708", "2870820", "\u0662\u0668\u0667\u0660\u0668\u0662", "28708é", " 287082"]
)
def test_what_is_no_code_matches_nothing(given: str) -> None:
    assert totp.matching_step(SECRET, given, datetime.fromtimestamp(59, UTC)) is None


def test_of_two_steps_with_one_code_the_later_counts() -> None:
    """Once in a million; the earlier one would let the code be used a second time."""
    secret, earlier, given = bytes(range(20)), 58_787_833, "297426"
    assert [totp.code(secret, step) for step in (earlier, earlier + 1)] == [given, given]
    for step in (earlier, earlier + 1):
        moment = datetime.fromtimestamp(step * totp.STEP_SECONDS, UTC)
        assert totp.matching_step(secret, given, moment) == earlier + 1
