"""Reading: pages, what has changed, and unread counts that are exact."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.partition_maintain import main as partition_maintain
from functions.partition_maintain import store as partitions
from shared import clock, db
from shared.values.tiers import Tier
from tests.client import refusal
from tests.fakes.chat import CHANNELS, Chat, text

pytest_plugins = ["tests.fakes.chat_plugin"]

VISIBLE = {
    Tier.STANDARD: ("general", "ideas", "announcements"),
    Tier.VIP: ("general", "ideas", "announcements"),
    Tier.HIGH_ROLLER: ("general", "ideas", "announcements", "high-roller-lounge", "trips", "proposals"),
    Tier.WHALE: (
        "general", "ideas", "announcements", "high-roller-lounge", "trips", "proposals", "whale-room"
    ),
}  # fmt: skip
FULL = {
    Tier.STANDARD: ("general",),
    Tier.VIP: ("general", "ideas"),
    Tier.HIGH_ROLLER: ("general", "ideas", "high-roller-lounge", "trips"),
    Tier.WHALE: ("general", "ideas", "high-roller-lounge", "trips", "proposals", "whale-room"),
}
TRIED = VISIBLE[Tier.WHALE]


@pytest.mark.parametrize("tier", Tier)
def test_a_tier_sees_its_channels_and_writes_where_it_may_whichever_way_it_asks(chat: Chat, tier: Tier) -> None:
    whale, member = chat.member(), chat.member(tier)
    for slug in TRIED:
        channel = chat.channel(slug)
        chat.sql.execute_unnamed("UPDATE social_channels SET access_whale = 'full' WHERE id = $1", (channel,))
        message = whale.posted(channel, f"Hello {slug}")["id"]
        reads = [
            member.page(channel),
            member.client.get(f"{CHANNELS}/{channel}/changes?since=0"),
            member.client.put(f"{CHANNELS}/{channel}/read", {"number": 1}),
        ]
        writes = [member.react(message), member.post(channel, f"From {tier} in {slug}")]
        may_read, may_write = slug in VISIBLE[tier], slug in FULL[tier] or (tier is Tier.WHALE)

        assert {answer.status for answer in reads} == {200 if may_read else 404}, slug
        if not may_read:
            assert {refusal(answer) for answer in writes} == {(404, "not-found")}, slug
            assert refusal(member.edit(message, "x")) == refusal(member.remove(message)) == (404, "not-found")
        elif not may_write:
            assert {refusal(answer) for answer in writes} == {(403, "channel-is-read-only")}, slug
        else:
            assert writes[0].status == 200, slug
            assert writes[1].status in (201, 429), slug
    shown = {each["slug"] for each in member.client.get(CHANNELS).body["channels"]}
    assert shown & set(TRIED) == set(VISIBLE[tier])


def test_the_channels_are_those_of_the_plan_three_to_six_in_each_category(chat: Chat) -> None:
    shown = chat.member().client.get(CHANNELS).body["channels"]

    categories = [each["category"] for each in shown]
    assert list(dict.fromkeys(categories)) == ["General", "High Roller Lounge", "Comps & Crypto", "Governance"]
    assert all(3 <= categories.count(category) <= 6 for category in categories)
    assert {each["slug"]: each["access"] for each in shown}["announcements"] == "view"


def test_pages_go_back_by_number_and_meet_around_one(chat: Chat) -> None:
    reader, general = chat.member(), chat.channel()
    for number in range(1, 10):
        chat.member().posted(general, text(number))

    assert reader.numbers(general, "?limit=4") == [9, 8, 7, 6]
    assert reader.numbers(general, "?limit=4&before=6") == [5, 4, 3, 2]
    assert reader.page(general, "?limit=4&before=6").body["has_earlier"] is True
    assert reader.page(general, "?limit=4&before=5").body["has_earlier"] is False
    assert reader.numbers(general, "?limit=5&around=4") == [6, 5, 4, 3, 2]
    assert reader.numbers(general, "?limit=5&around=9007199254740991") == [9, 8, 7, 6, 5]
    assert refusal(reader.page(general, "?before=5&around=5")) == (422, "not-valid")


def test_changes_since_a_position_are_told_in_order_and_reactions_once(chat: Chat) -> None:
    author, general = chat.member(), chat.channel()
    first, second = author.posted(general, "one")["id"], author.posted(general, "two")["id"]
    position = author.page(general).body["position"]
    author.react(first)
    author.edit(second, "zwei")
    chat.member().react(first)
    author.remove(second)

    told = author.changes(general, position)

    assert [(each["kind"], each["position"]) for each in told["changes"]] == [
        ("edited", 4), ("reactions", 5), ("removed", 6)
    ]  # fmt: skip
    assert told["changes"][1]["message"]["reactions"][0]["count"] == 2
    assert (told["reset"], told["position"], told["has_more"]) == (False, 6, False)
    assert author.changes(general, 6) == {"reset": False, "position": 6, "has_more": False, "changes": []}
    assert [author.changes(general, 0, 2)["position"], author.changes(general, 2, 2)["has_more"]] == [2, True]


def test_who_was_away_for_too_long_is_told_to_read_anew(chat: Chat) -> None:
    author, general = chat.member(), chat.channel()
    for number in range(4):
        author.posted(general, text(number))
    chat.sql.execute_simple("DELETE FROM social_entries WHERE position <= 2")

    assert author.changes(general, 1) == {"reset": True, "position": 4, "has_more": False, "changes": []}
    assert [each["position"] for each in author.changes(general, 2)["changes"]] == [3, 4]
    assert author.changes(general, 99)["reset"] is True
    chat.sql.execute_simple("DELETE FROM social_entries")
    assert author.changes(general, 2)["reset"] is True
    assert author.changes(general, 4)["reset"] is False


def test_a_member_who_looks_for_the_first_time_has_read_everything(chat: Chat) -> None:
    author, late, general = chat.member(), chat.member(), chat.channel()
    author.posted(general, "one")

    assert late.unread(general) == 0
    author.posted(general, "two")
    assert late.unread(general) == 1


def test_a_read_mark_rises_only_and_ends_at_the_newest_message(chat: Chat) -> None:
    author, reader, general = chat.member(), chat.member(), chat.channel()
    assert reader.unread(general) == 0
    for number in range(5):
        author.posted(general, text(number))
    path = f"{CHANNELS}/{general}/read"

    assert reader.unread(general) == 5
    assert reader.client.put(path, {"number": 3}).body == {"number": 3, "unread": 2}
    assert reader.client.put(path, {"number": 1}).body == {"number": 3, "unread": 2}
    assert reader.client.put(path, {"number": 99}).body == {"number": 5, "unread": 0}
    author.posted(general, "one more")
    assert reader.unread(general) == 1
    assert author.unread(general) == 0


def test_unread_is_what_a_plain_count_says_whatever_happens_meanwhile(chat: Chat) -> None:
    members, general = [chat.member() for _ in range(6)], chat.channel()
    rng = random.Random(7)  # noqa: S311 - repeatable on purpose
    for member in members:
        member.unread(general)
    choices = [[rng.random() for _ in range(12)] for _ in members]

    def act(who: int) -> None:
        for number, choice in enumerate(choices[who]):
            message = members[who].posted(general, text(100 * who + number))
            if choice < 0.3:
                members[who].remove(message["id"])
            elif choice < 0.5:
                members[who - 1].client.put(f"{CHANNELS}/{general}/read", {"number": message["number"]})

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(act, range(6)))

    for member in members:
        plain = chat.sql.execute_unnamed(
            "SELECT count(*) FROM social_messages m JOIN social_reads r ON r.channel_id = m.channel_id "
            "WHERE r.member_id = $1 AND m.channel_id = $2 AND m.number > r.number AND m.removed_at IS NULL",
            (member.somebody.id, general),
        ).rows
        assert member.unread(general) == plain[0][0]


def test_messages_are_hidden_after_90_days_and_dropped_with_their_week(chat: Chat) -> None:
    author, reader, general = chat.member(), chat.member(), chat.channel()
    assert reader.unread(general) == 0
    for number in range(4):
        author.posted(general, text(number))
    old = clock.now() - (clock.now() - clock.now().replace(year=2026, month=1, day=6))
    chat.sql.execute_unnamed(
        "UPDATE social_messages SET posted_at = $1::timestamptz WHERE number <= 2", (old.isoformat(),)
    )

    with db.acting_for("partition_maintain"):
        partition_maintain.make_months(clock.now())
    assert reader.numbers(general) == [4, 3]
    assert reader.unread(general) == 2
    assert chat.messages() == 2


def test_weeks_are_made_ahead(chat: Chat) -> None:
    with db.acting_for("partition_maintain"):
        partition_maintain.make_months(clock.now())
    newest = chat.sql.execute_simple(
        "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'social_messages'::regclass "
        "AND inhrelid::regclass::text ~ '_w'"
    ).rows[0][0]
    last = chat.sql.execute_unnamed("SELECT to_char(now() + interval '8 weeks', 'IYYY_\"w\"IW')", ()).rows[0][0]
    assert newest >= f"social_messages_{last}"
    assert set(partitions.WEEKLY) == {"social_messages", "social_reactions", "social_reaction_counts"}


def test_the_card_shows_what_the_chat_shows_of_a_member_and_nothing_of_who_has_left(chat: Chat) -> None:
    reader, shown = chat.member(), chat.member(Tier.HIGH_ROLLER)
    path = f"/v1/social/members/{shown.somebody.id}"

    card = reader.client.get(path).body
    assert set(card) == {
        "member_id", "username", "avatar_url", "tier", "joined_at", "total_scans", "lifetime_comps"
    }  # fmt: skip
    assert (card["tier"], card["total_scans"]) == ("high_roller", 0)
    chat.sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (shown.somebody.id,))
    assert refusal(reader.client.get(path)) == (404, "not-found")


def test_who_is_banned_reads_nothing_but_that(chat: Chat) -> None:
    banned, general = chat.member(), chat.channel()
    chat.stand(banned, "banned_at", "now()")

    answers = [
        banned.client.get(CHANNELS),
        banned.page(general),
        banned.client.get(f"{CHANNELS}/{general}/changes?since=0"),
        banned.client.put(f"{CHANNELS}/{general}/read", {"number": 1}),
        banned.client.get(f"/v1/social/members/{banned.somebody.id}"),
    ]
    assert {refusal(answer) for answer in answers} == {(403, "banned-from-chat")}
    assert banned.client.get("/v1/social/standing").body["is_banned"] is True
