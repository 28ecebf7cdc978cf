"""Admins decide nothing by which they profit: every operation by which an admin gives something to somebody, tried in
favour of the admin, of another account of theirs, and of a member whose prizes bring them a match.

A new operation of an admin has to be put into one of the tables below.
"""

from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from shared.auth import Role
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes.nodes import FakeNodes
from tests.fakes.payout_rows import PayoutRows
from tests.integration.api.giving_acts import ANOTHER, GIVES, OF_OTHERS, TO_A_MEMBER, TO_A_WALLET, WALLET, Act, Scene
from tests.operations.access import operations_for
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.treasury_plugin"]

Client = Callable[..., FunctionClient]


REFUSALS = {"own-interest", "own-scan", "approval-of-own-request", "about_you", "own"}
PROOFS = ("idempotency_keys", "second_factors", "attempt_counters")  # what a refused request may leave

TAKES = {
    "cancel_comp": "a comp is taken back",
    "remove_quarter_override": "a tier is taken back",
    "remove_permanent_override": "likewise",
    "suspend_member": "an account is closed for now",
    "suspend_wholesale_account": "an account orders nothing for now",
    "invalidate_codes": "codes are worth nothing from then on",
    "invalidate_batch": "likewise",
    "recall_batch": "likewise",
    "pause_treasury": "nobody is paid",
    "pause_campaign": "a message to many waits",
    "cancel_campaign": "likewise, for ever",
    "cancel_treasury_transfer": "a transfer is taken back",
    "reject_refund": "a refund is not given",
    "reverse_affiliate_earning": "what was earned is taken back",
    "delete_chat_message": "a message is removed",
    "time_out_chat_member": "a member may not write for a while",
    "ban_chat_member": "a member may neither write nor read",
}
NOBODY_IN_PARTICULAR = {
    "generate": "codes of tins: whoever buys the tin has them",
    "export": "likewise; who has fetched which file is audited",
    "import_feedback": "says which codes are on tins",
    "create_import": "likewise",
    "start_import": "likewise",
    "reuse_codes": "codes of tins that were never sold go on other tins",
    "reuse_batch": "likewise",
    "change_comp_rule": "prizes of everybody; every change is public and audited",
    "revert_comp_rule": "likewise",
    "broadcast": "a message to everybody",
    "change_user": "names and addresses of an account; no money, no tier, no wallet",
    "acknowledge_critical_event": "words about something that has gone wrong",
    "change_setting": "bounds and terms of everybody; what bounds payments needs a second owner",
    "revert_setting": "likewise",
    "change_role": "owners alone give roles, and nobody their own",
    "create_mail_template": "words for a mail",
    "add_mail_version": "likewise",
    "send_test_mail": "a mail to the admin's own address",
    "publish_mail_version": "other words for a mail of the code, which nobody publishes who has written them",
    "withdraw_mail_version": "the mail is that of the code again",
    "count_segment": "a look",
    "create_campaign": "a draft of a message to many",
    "approve_campaign": "a message to many; its author cannot approve it",
    "start_campaign": "a message to many",
    "resume_campaign": "likewise",
    "lift_mail_suppression": "mails reach an address again; audited",
    "create_vote": "a question to members, who decide",
    "change_vote": "likewise",
    "discard_vote": "likewise",
    "open_vote": "likewise; electors and content are fixed then",
    "close_vote": "ballots are counted as they are; everybody is told that it was early, and the audit log by whom",
    "accept_proposal": "a draft of a question",
    "decline_proposal": "words to a member",
    "create_stream": "an event for everybody of a tier",
    "change_stream": "likewise",
    "move_stream": "likewise",
    "cancel_stream": "likewise",
    "start_stream": "likewise",
    "stop_stream": "likewise",
    "show_stream_key": "where a host sends the picture; who has looked is audited",
    "renew_stream_key": "likewise",
    "set_stream_overlay": "words over a picture",
    "change_product": "prices of everybody; every change is audited",
    "count_stock": "what lies in the warehouse",
    "search_code": "a look",
    "show_wholesale_tax_id": "likewise; who has looked, and why, is audited",
    "show_order_address": "likewise",
    "export_sent": "likewise",
    "create_bank_nonce": "a number that is good once",
    "connect_bank": "the company's accounts are looked at; nothing moves",
    "reconnect_bank": "likewise",
    "disconnect_bank": "likewise",
    "create_webhook": "the owners' own program is told of ids and states",
    "change_webhook": "likewise",
    "delete_webhook": "likewise",
    "renew_webhook_secret": "likewise",
    "resend_webhook": "likewise",
    "pin_chat_message": "words at the top of a channel",
    "unpin_chat_message": "likewise",
    "create_chat_channel": "a place to talk, with rights of whole tiers",
    "change_chat_channel": "likewise",
    "create_api_key": "a look at figures of the platform",
    "revoke_api_key": "likewise",
    "export_analytics": "a look, which is audited",
    "export_audit_log": "likewise",
    "export_users": "likewise",
    "export_orders": "likewise",
    "export_affiliates": "likewise",
    "resume_treasury": "everybody is paid what was promised",
    "set_treasury_alerts": "when admins are woken",
    "start_reconciliation": "books and chain are compared",
    "compare_payments": "books and the card provider's list are compared",
    "resolve_payment_finding": "words about a difference; no money moves",
    "ask_top_up": "money comes to a treasury; nothing leaves one",
    "approve_top_up": "likewise; whoever asked, or owns the wallet, cannot approve it (test_top_ups.py)",
    "prepare_top_up": "transactions for the wallet that two others have approved",
    "follow_top_up": "which transaction is looked at; no money moves",
    "cancel_top_up": "a treasury gets nothing",
    "reject_affiliate_week": "everybody's week is counted anew",
    "hold_affiliate_week": "everybody waits",
    "release_affiliate_week": "everybody waits no longer",
}
TRIED_ELSEWHERE = {
    "explain_foreign_nonce": "tests/integration/payouts/test_explain_rights.py",
    "decide_chat_case": "tests/integration/social/test_cases.py: nobody decides about themselves",
    "lift_chat_sanctions": "tests/integration/social/test_cases.py: nobody lifts what is their own",
    "approve_affiliate_week": "tests/integration/affiliates/test_week_payouts.py: the approver's own payout waits",
}


# The relations between an admin and who gets something.


def oneself(scene: Scene) -> Somebody:
    scene.link(scene.admin, WALLET)
    return scene.admin


def other_account(scene: Scene) -> Somebody:
    """It has the wallet that was the admin's."""
    scene.link(scene.admin, WALLET)
    scene.link(scene.admin, ANOTHER)
    about = factories.member()
    scene.link(about, WALLET)
    return about


def referred(scene: Scene) -> Somebody:
    about = factories.member(referred_by=scene.admin)
    scene.link(about, WALLET)
    return about


def stranger(scene: Scene) -> Somebody:
    about = factories.member()
    scene.link(about, WALLET)
    return about


TRIED = [
    *((act, relation) for act in TO_A_MEMBER for relation in (oneself, other_account, referred)),
    *((act, relation) for act in TO_A_WALLET for relation in (oneself, other_account)),
    *((act, relation) for act in OF_OTHERS for relation in (other_account, referred)),
]


@pytest.fixture
def scene_for(client: Client, rows: PayoutRows, sql: Connection, two_nodes: FakeNodes) -> Callable[[str], Scene]:
    assert two_nodes
    roles = {operation.operation_id: Role(row.by) for operation, row in operations_for("operations", "treasury")}
    return lambda name: Scene(client, factories.member(role=roles[name]), rows, sql)


def said(answer: Answer) -> str:
    """The problem; of a bulk operation what became of its one thing."""
    return answer.problem or (answer.body["items"][0].get("outcome", "") if "items" in answer.body else "")


def test_every_operation_by_which_an_admin_changes_something_is_in_one_table() -> None:
    admins = operations_for(*(role.value for role in Role))
    writing = {operation.operation_id for operation, _ in admins if operation.method != "GET"}
    tables = [set(GIVES), set(TAKES), set(NOBODY_IN_PARTICULAR), set(TRIED_ELSEWHERE)]
    assert set.union(*tables) == writing, "say whom it gives something to, and try that in GIVES"
    assert sum(map(len, tables)) == len(writing)


@pytest.mark.parametrize(("act", "relation"), TRIED)
def test_nobody_decides_in_their_own_favour(
    act: Callable[[Scene, Somebody], Act],
    relation: Callable[[Scene], Somebody],
    scene_for: Callable[[str], Scene],
) -> None:
    scene = scene_for(act.__name__)
    decide = act(scene, relation(scene))
    before = rows_of_all_tables(scene.sql, without=PROOFS)

    assert said(decide()) in REFUSALS
    assert rows_of_all_tables(scene.sql, without=PROOFS) == before


@pytest.mark.parametrize("name", sorted(GIVES))
def test_in_favour_of_strangers_they_decide(name: str, scene_for: Callable[[str], Scene]) -> None:
    scene = scene_for(name)
    answer = GIVES[name](scene, stranger(scene))()
    assert answer.status < 400, answer
    assert said(answer) not in REFUSALS


def test_a_wallet_is_remembered_when_it_is_linked_to_another_or_to_nobody(
    scene_for: Callable[[str], Scene],
) -> None:
    scene = scene_for("award_comp")
    scene.link(scene.admin, WALLET)
    scene.link(scene.admin, ANOTHER)
    scene.sql.execute_unnamed("UPDATE members SET wallet_address = NULL WHERE id = $1", (scene.admin.id,))
    kept = "SELECT address FROM member_wallets WHERE member_id = $1 ORDER BY address"
    assert scene.sql.execute_unnamed(kept, (scene.admin.id,)).rows == [[WALLET.lower()], [ANOTHER.lower()]]
