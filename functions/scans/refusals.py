"""Records refused codes: guesses, honey codes, and used codes that others try again."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from functions.scans import fraud, records, rules, store
from functions.scans.fraud import Flag
from functions.scans.judge import Accepted, Attempt, OwnEarlier, Refused
from shared.db import Tx
from shared.values.problems import Problem

Verdict = Accepted | Refused | OwnEarlier


def record(
    tx: Tx, attempts: Sequence[Attempt], verdicts: Sequence[Verdict], wrong: Mapping[str, int], now: datetime
) -> dict[int, Problem]:
    """Record the refused scans; returns their problems by position."""
    if wrong:
        records.count_wrong_codes(tx, wrong, now)
    problems: dict[int, Problem] = {}
    for position, (attempt, verdict) in enumerate(zip(attempts, verdicts, strict=True)):
        if isinstance(verdict, Refused):
            problems[position] = verdict.problem
        if isinstance(verdict, Refused) and isinstance(verdict.problem, rules.CodeNotValid):
            records.note_trial(tx, attempt.mac, attempt.member_id, attempt.device_id, attempt.ip_address, now=now)
            records.flag_retried(tx, attempt.mac, fraud.RETRIES_SUSPICIOUS, Flag.MANY_DEVICES, now)
    return problems | _own(tx, {p: verdict for p, verdict in enumerate(verdicts) if isinstance(verdict, OwnEarlier)})


def _own(tx: Tx, own: Mapping[int, OwnEarlier]) -> dict[int, Problem]:
    """The problems for members who scan their own spent code again; nobody else learns that it was spent."""
    unknown = {verdict.code.mac for verdict in own.values() if verdict.scan_id is None}
    known = store.own_scans(tx, unknown) if unknown else {}
    return {
        position: rules.CodeAlreadyYours(scan_id=str(verdict.scan_id or known[verdict.code.mac]))
        for position, verdict in own.items()
    }
