"""The states of each part, drawn side by side at /gallery: figures that no database has to be brought to."""

from functions.pages.views import UNKNOWN, Writer

AT = "2026-11-29T13:05:00Z"
MOMENTS = {"treasuries": {"as_of": AT, "old_from": AT}}
ADDRESS = "0x" + "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
STATUSES = ("loading", "live", "old", "offline", "refused")


def states(writer: Writer) -> dict[str, object]:
    """The parts as the template draws them."""
    return {
        "at": AT,
        "statuses": STATUSES,
        "counts": [writer.number(7), writer.number(1_234_567_890), UNKNOWN],
        "milestones": [
            writer.milestone(_prize("crypto_100", 500, needed=0), 7_492),
            writer.milestone(_prize("crypto_10k", 250_000, needed=3_000_000), 249_999),
            writer.milestone(_prize("trip", 1_000_000, needed=500_000), 1),
        ],
        "feed": [
            writer.line(_line("someone_won", {"amount": "100.00"}, "comp_awarded")),
            writer.line(_line("someone_was_paid", {"amount": "10000.00"}, "comp_paid")),
            writer.line(_line("someone_won_prize", {"prize": "casino"}, "comp_awarded")),
        ],
        "treasuries": [writer.treasury(_treasury(name), MOMENTS) for name in ("member", "affiliate", "wholesale")],
        "badges": [
            writer.badge(_comparison("balanced", "0.00")),
            writer.badge(_comparison("discrepancy", "-12.50")),
            writer.badge(_comparison("pending", None)),
            writer.badge(None),
        ],
    }


def _prize(kind: str, interval: int, needed: int) -> dict[str, object]:
    return {
        "prize": kind,
        "interval": interval,
        "tier": "high_roller",
        "unlocked": needed == 0,
        "tins_per_month": 120_000,
        "needed": needed,
    }


def _line(code: str, params: dict[str, object], kind: str) -> dict[str, object]:
    return {"code": code, "params": params, "text": "", "kind": kind, "happened_at": AT}


def _treasury(name: str) -> dict[str, object]:
    return {
        "treasury": name,
        "balance": "1234567.50",
        "address": ADDRESS,
        "explorer_url": f"https://polygonscan.com/address/{ADDRESS}",
        "block_number": 68_123_456,
    }


def _comparison(badge: str, difference: str | None) -> dict[str, object]:
    return {"badge": badge, "difference": difference, "last_run_at": AT, "tolerance": "10.00"}
