"""No notice, mail or figure names an amount or a time that nothing keeps: each is in one of the tables below.

KEPT has the texts that say what is to come: the job that does it, and a test that shows it done. TOLD has those that
say what has happened. FIGURES has the fields of answers to members and visitors that say what is to come. A text or
field that is new, or that names an amount or a time from now on, fails here until it is in one.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

import pytest

from emulators import contract
from shared.messages import wording
from shared.messages.built_in_mails import SOURCES
from shared.messages.lines import LINES
from shared.messages.notices import NOTICES
from shared.messages.wording import Kind
from shared.messages.written_mails import VARIABLES
from terraform import imports
from tests import openapi

TESTS = contract.ROOT / "tests"
PROMISING = frozenset({Kind.MONEY, Kind.MOMENT, Kind.PRIZE, Kind.COMPS, Kind.PACKAGE, Kind.QUARTER})
TIMES = re.compile(
    r"\b(hours?|days?|weeks?|weekly|months?|minutes?|quarter|soon|next|pays?|paid|wallet|dates?)\b", re.IGNORECASE
)
COMING = re.compile(
    r"(^|_)(next|until|expires|expiry|due|estimated|ends|pending|owed|rests|waiting|remaining|left)(_|$)"
)


@dataclass(frozen=True)
class Kept:
    """The promise of a text: `by` is the function that does it, and `shown` a test in which it is done."""

    by: str
    shown: str


PAID = Kept("payout_send", "e2e/test_main_job.py::test_the_winner_is_paid_once_on_the_chain")
PAID_LATER = Kept(
    "payout_send", "integration/comps/test_comp_review.py::test_a_released_comp_is_paid_and_everybody_is_told"
)
CHOSEN = Kept(
    "comps",
    "integration/comps/test_trips.py::test_a_choice_tells_concierge_and_member_and_brings_the_match_of_its_value",
)
WEEKLY = Kept(
    "affiliate_week",
    "integration/affiliates/test_week_payouts.py"
    "::test_an_approved_week_is_paid_in_one_transfer_each_with_everything_that_is_owed",
)
TAKEN_BACK = Kept(
    "affiliate_week", "integration/affiliates/test_week_payouts.py::test_a_debt_waits_for_earnings_that_cover_it"
)
QUARTER_ENDS = Kept(
    "tier_rollover", "integration/tiers/test_tier_rollover.py::test_a_tier_that_ends_is_told_and_written_down"
)
TIER_COMES_BACK = Kept("scans", "e2e/test_main_job.py::test_tiers_rise_at_7_15_and_30_scans")
FILE_ENDS = Kept("member_export", "integration/accounts/test_export.py::test_after_a_week_the_file_is_gone")
APPLIES_AGAIN = Kept(
    "wholesale",
    "integration/wholesale/test_wholesale_applications.py"
    "::test_who_was_rejected_applies_again_after_thirty_days_and_not_before",
)
RESTS = Kept(
    "withdrawal_confirm", "integration/wallet/test_wallet_changed.py::test_comps_rest_a_day_before_they_go_to_it"
)
CODE_ENDS = Kept("auth", "integration/platform/test_ends.py::test_it_is_there_until_its_end_and_not_at_its_end")
REFUNDED = Kept(
    "payment_watch",
    "integration/shop/test_order_payments.py::test_a_confirmed_order_that_is_cancelled_is_paid_back_once",
)
USDT_BACK = Kept(
    "payout_send", "integration/usdt/test_usdt_cases.py::test_what_comes_too_late_goes_back_and_the_buyer_is_told"
)

KEPT: Mapping[str, Kept] = {
    "comp_won": PAID,
    "comp_won_in_review": PAID_LATER,
    "comp_approved": PAID_LATER,
    "prize_won": CHOSEN,
    "prize_won_in_review": CHOSEN,
    "prize_approved": CHOSEN,
    "match_earned": WEEKLY,
    "week_shared": WEEKLY,
    "affiliate_awarded": WEEKLY,
    "match_reversed": TAKEN_BACK,
    "award_reversed": TAKEN_BACK,
    "tier_earned": QUARTER_ENDS,
    "tier_set": QUARTER_ENDS,
    "tier_ended": TIER_COMES_BACK,
    "tier_ended_another_left": TIER_COMES_BACK,
    "wallet_linked": Kept(
        "payout_send",
        "integration/wallet/test_wallet_linking.py::test_comps_that_waited_are_paid_once_the_wallet_is_linked",
    ),
    "wallet_replaced": RESTS,
    "export_ready": FILE_ENDS,
    "order_usdt_returned": USDT_BACK,
    "order_short": Kept(
        "payment_watch",
        "integration/shop/test_fulfilment.py::test_what_the_warehouse_never_sends_is_paid_back_and_released",
    ),
    "stream_soon": Kept(
        "event_remind",
        "integration/social/test_event_reminders.py::test_everybody_whose_tier_may_watch_is_reminded_once_an_hour_before",
    ),
    "stream_moved": Kept(
        "event_remind",
        "integration/social/test_event_reminders.py::test_who_was_reminded_is_told_of_a_move_and_reminded_of_the_new_time",
    ),
    "vault_expiring": Kept(
        "affiliate_vault", "integration/affiliates/test_vault_upkeep.py::test_the_note_says_how_many_and_until_when"
    ),
    "wholesale_rejected": APPLIES_AGAIN,
    "wholesale_comp_awarded": Kept(
        "payout_send",
        "integration/wholesale/test_wholesale_rewards.py"
        "::test_a_comp_for_a_milestone_is_paid_once_a_second_person_has_approved_it",
    ),
    "prize_unlocks_at": Kept(
        "unlock_refresh", "integration/comps/test_prizes.py::test_a_locked_prize_tells_how_far_it_is"
    ),
    "mail verify_email": CODE_ENDS,
    "mail reset_password": CODE_ENDS,
    "mail verify_new_email": CODE_ENDS,
    "mail wallet_linked": PAID,
    "mail wallet_replaced": RESTS,
    "mail export_ready": FILE_ENDS,
    "mail comp_awarded": PAID,
    "mail order_refund": REFUNDED,
    "mail casino_won": PAID,
    "mail wholesale_rejected": APPLIES_AGAIN,
}
# What has happened already, and the function that tells it then.
TOLD: Mapping[str, str] = {
    "comp_cancelled": "admin_comps",
    "prize_cancelled": "admin_comps",
    "comp_paid": "payout_confirm",
    "external_deposit": "wallet_watch",
    "match_cancelled": "admin_comps",
    "withdrawal_confirmed": "withdrawal_confirm",
    "withdrawal_reverted": "withdrawal_confirm",
    "withdrawal_replaced": "withdrawal_confirm",
    "withdrawal_lapsed": "withdrawal_confirm",
    "new_device": "auth",
    "order_confirmed": "order_advance",
    "order_expired": "order_advance",
    "order_refunded": "order_advance",
    "affiliate_paid": "payout_confirm",
    "award_cancelled": "admin_affiliates",
    "sunset_step": "affiliate_sunset",
    "program_closed": "affiliate_sunset",
    "someone_won": "scans",
    "someone_won_prize": "scans",
    "someone_was_paid": "payout_confirm",
    "affiliate_matched": "scans",
    "affiliates_shared": "affiliate_week",
    "wholesale_awarded": "admin_wholesale",
    "prize_locked": "scans",
    "prize_progress": "comps",
    "casino_free_play": "scans",
    "mail comp_paid": "payout_confirm",
    "mail affiliate_paid": "payout_confirm",
    "mail withdrawal_confirmed": "withdrawal_confirm",
    "mail withdrawal_reverted": "withdrawal_confirm",
    "mail withdrawal_replaced": "withdrawal_confirm",
    "mail withdrawal_lapsed": "withdrawal_confirm",
    "mail order_receipt": "order_advance",
    "mail new_device": "auth",
    "mail sunset_step": "affiliate_sunset",
    "mail program_closed": "affiliate_sunset",
}
# What people do, because no job can: the concierge books it, or the member pays with another card.
BY_PEOPLE = frozenset({"casino_dining", "casino_airfare", "mail trip_chosen", "order_declined"})
ENDS = CODE_ENDS  # of each query that asks whether something is over
COUNTED = Kept("scans", "integration/comps/test_prizes.py::test_the_next_number_is_the_one_after_the_count")
TIER_COMES = Kept("scans", "integration/tiers/test_tier_shown.py::test_scans_fill_the_bar_and_raise_the_tier")
MAY_WRITE = Kept("social", "integration/social/test_posting.py::test_who_may_not_write_is_told_so")
# Fields of answers to members and visitors. What admins see at the desk is for people who know where it comes from.
FIGURES: Mapping[str, Kept] = {
    "next_payout_on": WEEKLY,
    "next_week_on": WEEKLY,
    "ends_on": WEEKLY,
    "estimated_share": WEEKLY,
    "owed": WEEKLY,
    "pending_comps": KEPT["wallet_linked"],
    "comps_rest_until": RESTS,
    "next_expiry_at": Kept(
        "affiliate_vault",
        "integration/affiliates/test_vault.py::test_a_chip_is_good_until_its_end_whether_the_job_has_run_or_not",
    ),
    "waiting": Kept(
        "affiliate_week",
        "integration/affiliates/test_week.py::test_chips_of_doubted_scans_wait_and_count_once_people_have_cleared_them",
    ),
    "next_number": COUNTED,
    "trips_left": Kept(
        "scans", "integration/comps/test_trips.py::test_a_scan_wins_no_trip_beyond_what_the_months_sales_allow"
    ),
    "next_tier": TIER_COMES,
    "next_tier_threshold": TIER_COMES,
    "remaining": TIER_COMES,
    "quarter_ends_at": QUARTER_ENDS,
    "due_at": Kept(
        "order_advance",
        "integration/wholesale/test_wholesale_invoices.py::test_what_is_not_paid_until_it_is_due_is_cancelled",
    ),
    "next_at": Kept(
        "hook_send",
        "integration/webhooks/test_sending.py::test_five_days_of_failures_end_the_tries_and_the_endpoint_and_are_told",
    ),
    "older_secret_until": Kept(
        "hook_send", "integration/webhooks/test_endpoints.py::test_for_a_day_messages_are_signed_with_both_secrets"
    ),
    "muted_until": MAY_WRITE,
    "timeout_until": MAY_WRITE,
    "until": MAY_WRITE,
    "ends_at": Kept(
        "auth",
        "integration/auth/test_sessions_end.py::test_a_members_session_ends_after_ninety_days_however_much_it_is_used",
    ),
    "expires_at": ENDS,
    "expires_in": ENDS,
    "refresh_expires_in": ENDS,
    "proved_until": Kept(
        "auth", "integration/auth/test_sessions_end.py::test_an_admin_acts_for_eight_hours_on_a_proof"
    ),
}
# They say what is there already, and promise nothing.
PRESENT = frozenset({"next_cursor", "backup_codes_left", "left", "lines_left_out", "pending_email"})


def written() -> Mapping[str, Sequence[str]]:
    """Every text in English, by its code; mails begin with `mail`."""
    notices = {code: notice.en for code, notice in NOTICES.items()}
    lines = {code: (line.en,) for code, line in LINES.items()}
    mails = {
        f"mail {name}": [part[0] for part in (source.subject, *source.before, source.shown, *source.after)]
        for name, source in SOURCES.items()
    }
    return {**notices, **lines, **mails}


def names_an_amount_or_a_time(texts: Sequence[str]) -> bool:
    whole = "\n".join(texts)
    kinds = {wording.kind(name) for name in Template(whole).get_identifiers()}
    return bool(kinds & PROMISING or TIMES.search(re.sub(r"\$\w+", "", whole)))


def shown_to_members() -> set[str]:
    """The names of all fields, however deep, of answers to members and visitors."""
    names: set[str] = set()
    for operation in contract.operations():
        if operation.template.startswith("/v1/admin/"):
            continue
        answers = contract.document()["paths"][operation.template][operation.method.lower()]["responses"]
        for status, answer in answers.items():
            for content in openapi.resolved(answer).get("content", {}).values():
                names |= fields_of(content["schema"]) if status.startswith("2") else set()
    return names


def fields_of(schema: dict[str, Any]) -> set[str]:
    found = openapi.resolved(schema)
    names = set(found.get("properties", {}))
    inner = [*found.get("properties", {}).values(), found.get("items"), found.get("additionalProperties")]
    for way in ("allOf", "anyOf", "oneOf"):
        inner += found.get(way, [])
    return names.union(*(fields_of(each) for each in inner if isinstance(each, dict)))


def test_every_text_that_names_an_amount_or_a_time_is_in_one_table() -> None:
    named = {code for code, texts in written().items() if names_an_amount_or_a_time(texts)}
    tables = [set(KEPT), set(TOLD), set(BY_PEOPLE)]
    assert set.union(*tables) == named, "say which job keeps it, and where that is shown"
    assert sum(map(len, tables)) == len(named)


def test_every_figure_that_says_what_is_to_come_is_in_one_table() -> None:
    coming = {name for name in shown_to_members() if COMING.search(name)}
    assert set(FIGURES) | PRESENT == coming, "say which job keeps it, and where that is shown"
    assert not set(FIGURES) & PRESENT


@pytest.mark.parametrize("code", [*KEPT, *FIGURES])
def test_what_is_promised_is_done_by_a_function_and_shown_by_a_test(code: str) -> None:
    kept = KEPT.get(code) or FIGURES[code]
    assert kept.by in contract.functions()
    path, _, name = kept.shown.partition("::")
    defined = {
        node.name for node in ast.walk(ast.parse((TESTS / path).read_text())) if isinstance(node, ast.FunctionDef)
    }
    assert name in defined, kept.shown


@pytest.mark.parametrize("code", TOLD)
def test_what_has_happened_is_told_by_the_function_that_knows_it(code: str) -> None:
    said = {
        node.value
        for path in imports.closure(TOLD[code]).files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
    }
    assert code.removeprefix("mail ") in said


def test_what_admins_write_has_no_place_for_an_amount_or_a_time() -> None:
    assert {wording.kind(name) for name in VARIABLES}.isdisjoint(PROMISING)


def test_a_promise_without_a_job_is_noticed() -> None:
    assert names_an_amount_or_a_time(["You get $amount."])
    assert names_an_amount_or_a_time(["It comes within two days."])
    assert not names_an_amount_or_a_time(["Your picture was refused"])
