"""Rows by which the services of others are judged: their last answers, and what they have told us by themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from shared.db import Tx


@dataclass(frozen=True)
class Seen:
    """When a service has answered a request of ours last, and when it has told us something by itself last."""

    answered_at: datetime | None
    told_at: datetime | None


# Pushes are not here: their rows tell devices apart, but not the services that they went through.
SEEN: Mapping[str, LiteralString] = {
    "card": """
        SELECT (SELECT max(answered_at) FROM payment_operations WHERE evidence IN ('reply', 'lookup')) AS answered_at,
               (SELECT max(received_at) FROM webhook_deliveries WHERE source = 'card') AS told_at
        """,
    "agechecker": """
        SELECT (SELECT max(decided_at) FROM age_checks WHERE decided_at IS NOT NULL) AS answered_at,
               (SELECT max(received_at) FROM webhook_deliveries WHERE source = 'agechecker') AS told_at
        """,
    "kintsugi": """
        SELECT (SELECT max(done_at) FROM tax_reports WHERE done_at IS NOT NULL) AS answered_at,
               (SELECT max(received_at) FROM webhook_deliveries WHERE source = 'kintsugi') AS told_at
        """,
    "selery": """
        SELECT (SELECT max(answered_at) FROM fulfilments WHERE evidence IN ('reply', 'lookup')) AS answered_at,
               (SELECT max(received_at) FROM webhook_deliveries WHERE source = 'selery') AS told_at
        """,
    "brevo": """
        SELECT (SELECT max(finished_at) FROM mails WHERE status IN ('sent', 'refused')) AS answered_at,
               (SELECT max(received_at) FROM webhook_deliveries WHERE source = 'brevo') AS told_at
        """,
    "teller": """
        SELECT (SELECT max(last_synced_at) FROM teller_enrollments) AS answered_at,
               (SELECT max(received_at) FROM webhook_deliveries WHERE source = 'teller') AS told_at
        """,
    "intercom": """
        SELECT (SELECT max(told_at) FROM support_contacts WHERE told_at IS NOT NULL) AS answered_at,
               CAST(NULL AS timestamptz) AS told_at
        """,
    # It sends no webhooks; a final transaction proves that the source chain could be read.
    "stargate": """
        SELECT (SELECT max(source_final_at) FROM top_ups WHERE source_final_at IS NOT NULL) AS answered_at,
               CAST(NULL AS timestamptz) AS told_at
        """,
    # It sends no webhooks either; a link proves that its keys could be read.
    "embedded_wallets": """
        SELECT (SELECT max(used_at) FROM wallet_id_tokens) AS answered_at, CAST(NULL AS timestamptz) AS told_at
        """,
}


@dataclass(frozen=True)
class State:
    """The state of a service, as the jobs that ask it have told it (shared/figures/integrations.py). `is_configured` is
    None until the job that has the keys has told.
    """

    service: str
    is_configured: bool | None
    answered_at: datetime | None
    failed_at: datetime | None
    error: str | None


def seen(tx: Tx, name: str) -> Seen:
    """When this service was seen last, by what is stored of its work; never, if nothing of it is stored."""
    return tx.one(Seen, SEEN[name]) if name in SEEN else Seen(None, None)


def states(tx: Tx) -> dict[str, State]:
    """The state of each service that some job has told of, by its name."""
    found = tx.all(State, "SELECT service, is_configured, answered_at, failed_at, error FROM integration_states")
    return {state.service: state for state in found}
