"""The texts of the first page, made of the figures in one language. a/home.js makes the same ones in the browser, and a
test compares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.pages import words
from shared.messages import texts, wording
from shared.messages.texts import TextUnknown
from shared.messages.wording import Language
from shared.values.tiers import Tier

Figures = Mapping[str, Any]
Texts = dict[str, Any]

UNKNOWN = "\u2013"  # a dash
ADDRESS_GROUP = 4
HEXADECIMAL = "0x"


@dataclass(frozen=True)
class Writer:
    """Writes figures in one language."""

    language: Language

    def home(self, figures: Figures | None) -> Texts:
        """All texts of the first page; a dash for each figure that is not known."""
        known = figures or {}
        count, velocity, paid = known.get("count"), known.get("velocity") or {}, known.get("comps_paid")
        return {
            "count": self.number(count["total"]) if count else UNKNOWN,
            "per_minute": self.number(velocity.get("per_minute")),
            "per_hour": self.number(velocity.get("per_hour")),
            "peak": self.number(velocity.get("peak_per_minute")),
            "paid_amount": self.money(paid["amount"]) if paid else UNKNOWN,
            "paid_count": self.say("comps_paid_count", count=paid["count"]) if paid else "",
            "tins_this_month": self.number(known.get("tins_this_month")),
            "tins_per_month": self.number(known.get("tins_per_month")),
            "milestones": [self.milestone(each, count["total"]) for each in known.get("milestones", []) if count],
            "treasuries": [self.treasury(each, known["moments"]) for each in known.get("treasuries") or []],
            "badge": self.badge(known.get("reconciliation")),
            "feed": [self.line(each) for each in known.get("feed", [])],
        }

    def milestone(self, given: Mapping[str, Any], total: int) -> Texts:
        """A prize, and how far the next number is that can win it. The count may be newer than the prize's figures."""
        interval = given["interval"]
        left = interval - total % interval
        needed = {"tins": given["tins_per_month"], "needed": given["needed"]}
        return {
            "prize": self.prize(given["prize"]),
            "number": self.say("milestone_number", number=total + left),
            "left": self.say("milestone_left", count=left),
            "tier": self.say("milestone_tier", tier=Tier(given["tier"]).label),
            "interval": self.say("milestone_interval", count=interval),
            "done": interval - left,
            "of": interval,
            "lock": "" if given["unlocked"] else self.say("milestone_locked", **needed),
        }

    def treasury(self, given: Mapping[str, Any], moments: Mapping[str, Any]) -> Texts:
        """A treasury with its balance on the chain and the block at which that was read."""
        return {
            "name": self.say(f"treasury_{given['treasury']}"),
            "balance": self.money(given["balance"]),
            "address": grouped(given["address"]),
            "href": given["explorer_url"],
            "block": self.say("treasury_block", number=given["block_number"]),
            "at": moments.get("treasuries", {}).get("as_of"),
        }

    def badge(self, given: Mapping[str, Any] | None) -> Texts:
        """Whether books and chain agreed when they were last compared."""
        if given is None:
            return {"state": "pending", "text": self.say("badge_unknown"), "detail": "", "at": None}
        difference = given["difference"]
        return {
            "state": given["badge"],
            "text": self.say(f"badge_{given['badge']}"),
            "detail": "" if difference is None else self.say("badge_difference", amount=self.money(difference)),
            "at": given["last_run_at"],
        }

    def line(self, given: Mapping[str, Any]) -> Texts:
        """A line of the feed; in English if it has no words of its own."""
        try:
            text = texts.line(given["code"] or "", given["params"], self.language)
        except (TextUnknown, KeyError):
            text = given["text"]
        return {"text": text, "kind": given["kind"], "at": given["happened_at"]}

    def prize(self, kind: str) -> str:
        """The prize's name as the beginning of a line."""
        name = wording.written("prize", kind, self.language)
        return name[:1].upper() + name[1:]

    def number(self, value: int | None) -> str:
        """A whole number with its separators."""
        return UNKNOWN if value is None else words.written(self.language, value)

    def money(self, amount: str) -> str:
        """An amount of USDT, which is text with exact decimals."""
        return wording.written("amount", amount, self.language)

    def moment(self, at: str | None) -> str:
        """A moment in UTC."""
        return wording.written("at", at, self.language) if at else ""

    def say(self, name: str, **values: object) -> str:
        """A message with its values."""
        return words.say(self.language, name, **values)


def grouped(address: str) -> str:
    """An address in groups of four digits, which people can compare."""
    digits = address.removeprefix(HEXADECIMAL)
    return " ".join([HEXADECIMAL, *(digits[at : at + ADDRESS_GROUP] for at in range(0, len(digits), ADDRESS_GROUP))])
