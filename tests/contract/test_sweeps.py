"""In a job over many rows each row is on its own: a loop that writes row by row goes through `shared.sweep`."""

import ast
from collections.abc import Iterator
from pathlib import Path

from emulators import contract

# Loops in which a later round must not go on when an earlier one has failed, and why; or that catch what may fail.
IN_ORDER = {
    "affiliate_week/main.py:_advance": "the steps of one week in order",
    "affiliate_vault/main.py:_warn": "portions of members by their ids; the next run tells the rest",
    "feed_project/main.py:tick_counter": "one counter, time after time",
    "feed_project/voting.py:follow": "likewise, the votes that are open",
    "figure_rollup/main.py:follow_scans": "a fold over scans in order: none can be left out",
    "figure_rollup/main.py:work_out": "turns of one loop; each part of a turn is a part of the sweep",
    "guarantee_grant/main.py:grant": "pages; each member's failure is caught by itself",
    "ledger_seal/main.py:check": "two ranges of seals: one that is broken ends the look",
    "member_erase/main.py:erase": "one member's rows: the files before the rows that name them",
    "outbox_relay/main.py:_publish_batches": "batches; what cannot be published is reported and waits",
    "payment_reconciliation/compare.py:everything": "batches of one list",
    "payment_reconciliation/main.py:_read": "the pages of one day in order",
    "payment_watch/disputes.py:look_at_all": "pages in order; each dispute is a part of the sweep",
    "payout_confirm/observing.py:observe": "windows of one key: no nonce can be in the chain before an earlier one",
    "payout_recover/rebuild.py": "nonces of one key in order: each is explained before the next is looked at",
    "reconciliation/compare.py:treasury": "one treasury's batches",
    "referral_refresh/main.py:_in_batches": "one statement takes as many rows as are left; nothing is done for each",
    "referral_refresh/reviews.py:look": "batches from a queue; one that fails stays in it",
    "referral_refresh/main.py:follow_scans": "a fold over scans in order: none can be left out",
    "report_export/main.py:pieces": "the pages of one file in order",
    "scan_rollup/main.py:catch_up": "a fold over scans in order: none can be left out",
    "social_check/checking.py:check": "turns of one worker; each message is a part of the sweep",
    "social_check/checking.py:_check_all": "batches, oldest first; each message is a part of the sweep",
    "social_publish/publishing.py:publish": "the pages of one channel, oldest first",
    "top_up_watch/main.py:_look_for_arrival": "the blocks of one top-up in order; each top-up is a part of the sweep",
    "stream_control/main.py:control": "the steps of one stream in order",
    "tier_rollover/main.py:close": "batches; each member is on its own in its savepoint",
}


def _loops() -> Iterator[str]:
    """Loops of background functions with a transaction of its own in each round, as `function/file.py:function`."""
    for name in contract.functions():
        folder = contract.FUNCTIONS / name
        if "Job(" not in (folder / "main.py").read_text():
            continue
        for path in sorted(folder.glob("*.py")):
            yield from _of(path, name)


def _of(path: Path, name: str) -> Iterator[str]:
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        for loop in ast.walk(function):
            if isinstance(loop, ast.For | ast.While) and any(map(_is_transaction, _inside(loop))):
                yield f"{name}/{path.name}:{function.name}"


def _inside(loop: ast.For | ast.While) -> Iterator[ast.AST]:
    return (node for part in loop.body for node in ast.walk(part))


def _is_transaction(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "atomically"


def _reason(loop: str) -> str | None:
    return next((IN_ORDER[key] for key in IN_ORDER if loop == key or loop.startswith((f"{key}/", f"{key}:"))), None)


def test_a_loop_over_rows_goes_through_a_sweep_or_says_why_it_must_not() -> None:
    assert [loop for loop in _loops() if _reason(loop) is None] == []


def test_every_exception_is_still_there() -> None:
    loops = set(_loops())
    unused = {key for key in IN_ORDER if not any(it == key or it.startswith((f"{key}/", f"{key}:")) for it in loops)}
    assert unused == set()
