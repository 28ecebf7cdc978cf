"""The judge of the chat: cooldowns that double, strikes that fade, like texts that mute."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from functions.social import emojis, judge
from functions.social.judge import Access, Attempt, Gate, Judge, Sent, Standing
from shared.values import ids
from shared.values.problems import NotValid
from shared.values.tiers import Tier

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WHO = UUID(int=7)


def told(standing: Standing, now: datetime, tier: Tier = Tier.STANDARD, **changes: object) -> tuple[str, Standing]:
    """The slug of the refusal, or nothing; and the standing after it."""
    given: dict[str, object] = {"gate": Gate(Access.FULL), "mark": "a", **changes}
    made = Judge({WHO: standing}, now)
    refusal = made.judge(Attempt(WHO, tier, **given))  # type: ignore[arg-type] # fields of several types
    return refusal.slug() if refusal else "", made.standing(WHO)


def milliseconds(count: int) -> datetime:
    return NOW + timedelta(milliseconds=count)


@pytest.mark.parametrize(("tier", "wait"), [(Tier.STANDARD, 1_000), (Tier.VIP, 500), (Tier.WHALE, 0)])
def test_a_tier_waits_its_cooldown(tier: Tier, wait: int) -> None:
    standing = Standing(WHO, last_at=NOW)
    assert told(standing, milliseconds(wait), tier)[0] == ""
    if wait:
        assert told(standing, milliseconds(wait - 1), tier)[0] == "posting-too-fast"


def test_two_messages_at_once_may_be_judged_in_the_other_order() -> None:
    """The moment is taken before the standing is locked: who waited for the lock judges at an earlier one."""
    standing = Standing(WHO, last_at=milliseconds(40))
    refused, after = told(standing, NOW, Tier.WHALE)
    assert (refused, after.last_at) == ("", milliseconds(40))


def test_slow_mode_is_for_all_tiers() -> None:
    standing, slow = Standing(WHO, last_at=NOW), Gate(Access.FULL, slow_seconds=10)
    assert told(standing, milliseconds(9_900), Tier.WHALE, gate=slow)[0] == "posting-too-fast"
    assert told(standing, milliseconds(10_000), Tier.WHALE, gate=slow)[0] == ""


def test_far_too_early_is_a_strike_once_in_a_cooldown_and_doubles_it() -> None:
    standing = Standing(WHO, last_at=NOW)
    _, nearly = told(standing, milliseconds(750))
    assert nearly.strikes == 0
    _, struck = told(standing, milliseconds(749))
    assert struck.strikes == 1
    assert told(struck, milliseconds(1_200))[1].strikes == 1
    assert told(struck, milliseconds(1_999))[0] == "posting-too-fast"
    assert told(struck, milliseconds(2_000))[0] == ""


def test_strikes_fade_one_each_half_minute_and_never_wait_longer_than_a_minute() -> None:
    struck = Standing(WHO, last_at=NOW, strikes=3, struck_at=NOW)
    left = [judge.strikes_left(struck, NOW + timedelta(seconds=seconds)) for seconds in (0, 29, 30, 60, 90, 900)]
    assert left == [3, 3, 2, 1, 0, 0]
    assert judge.cooldown(Tier.STANDARD, 0, 16) == timedelta(seconds=60)
    assert judge.cooldown(Tier.STANDARD, 120, 1) == timedelta(seconds=120)


def test_without_a_cooldown_the_21st_within_ten_seconds_strikes() -> None:
    standing = Standing(WHO)
    for number in range(20):
        refused, standing = told(standing, milliseconds(number * 100), Tier.WHALE, mark=str(number))
        assert refused == ""
    refused, struck = told(standing, milliseconds(2_000), Tier.WHALE, mark="x")
    assert (refused, struck.strikes) == ("posting-too-fast", 1)
    assert told(struck, milliseconds(10_000), Tier.WHALE, mark="x")[0] == ""


def test_the_fifth_like_text_within_five_minutes_mutes() -> None:
    sent = tuple(Sent(NOW + timedelta(minutes=number), "a") for number in range(4))
    standing = Standing(WHO, last_at=sent[-1].at, recent=sent)

    refused, muted = told(standing, NOW + timedelta(minutes=4, seconds=59))
    assert (refused, muted.muted_until) == ("muted", NOW + timedelta(minutes=64, seconds=59))
    assert told(standing, NOW + timedelta(minutes=5))[0] == ""
    assert told(standing, NOW + timedelta(minutes=4, seconds=59), mark="b")[0] == ""
    assert told(muted, NOW + timedelta(minutes=64, seconds=58), mark="c")[0] == "muted"
    assert told(muted, NOW + timedelta(minutes=64, seconds=59), mark="c")[0] == ""


def test_the_gate_is_asked_first_and_the_word_list_before_the_clock() -> None:
    standing = Standing(WHO, last_at=NOW)
    assert told(standing, NOW, gate=None)[0] == "not-found"
    assert told(standing, NOW, gate=Gate(Access.HIDDEN))[0] == "not-found"
    assert told(standing, NOW, gate=Gate(Access.VIEW))[0] == "channel-is-read-only"
    assert told(standing, NOW, is_allowed=False)[0] == "message-not-allowed"
    assert told(replace(standing, banned_at=NOW), NOW, gate=None)[0] == "banned-from-chat"


def test_no_more_than_20_messages_are_remembered() -> None:
    standing = Standing(WHO)
    for number in range(30):
        _, standing = told(standing, NOW + timedelta(seconds=number), mark=str(number))
    assert [sent.mark for sent in standing.recent] == [str(number) for number in range(10, 30)]


GOOD = (
    "\u2764\ufe0f",
    "\u2764",
    "\U0001f44d\U0001f3fd",
    "\U0001f1fa\U0001f1f8",
    "1\ufe0f\u20e3",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "\U0001f3f3\ufe0f\u200d\U0001f308",
)
BAD = (
    *("", "a", "1", "#", "\U0001f600\U0001f600", "\U0001f600\u200d", "\u200d", "\U0001f1fa", "\U0001f600 "),
    "\U0001f3fd\U0001f3fd\U0001f3fd",
    "\U0001faff",
    "\U0001f600\u0301",
    "\U0001f600" + "\u200d\U0001f600" * 20,
)


@pytest.mark.parametrize("text", GOOD)
def test_a_single_emoji_is_a_reaction(text: str) -> None:
    assert emojis.one(text) == text


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(NotValid):
        emojis.one(text)


def test_an_id_begins_with_its_time() -> None:
    made = ids.timed(NOW + timedelta(microseconds=1_999))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert ids.time_of(made) == NOW + timedelta(milliseconds=1)
    assert made != ids.timed(NOW)
    assert ids.time_of(UUID(int=7)) is None
    assert ids.time_of(UUID(int=(2**48 - 1) << 80 | 7 << 76 | 2 << 62)) is None
