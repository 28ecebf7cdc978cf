"""The state of the services of others for `GET /v1/admin/integrations`: whether the job that asks a service has the
keys for it, when the service has answered last, and its last error.

Only that job knows whether it has the keys, because nobody else may read them. It tells at the end of each delivery;
an HTTP function when it has asked.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from shared import clock, db, log
from shared.db import Tx
from shared.ports import outcomes

FRESH_SECONDS = 60  # the same outcome is stored so often at most


@dataclass(frozen=True)
class AskedBy:
    """The job that tells whether a service is configured, and the environment variables that are needed to ask it."""

    job: str
    needs: tuple[str, ...]


ASKED: Mapping[str, AskedBy] = {
    "card": AskedBy("payment_watch", ("CARD_API_KEY",)),
    "agechecker": AskedBy("order_advance", ("AGECHECKER_KEY", "AGECHECKER_SECRET")),
    "kintsugi": AskedBy("tax_report", ("KINTSUGI_API_KEY", "KINTSUGI_ORGANIZATION")),
    "selery": AskedBy("inventory_sync", ("SELERY_API_KEY", "SELERY_WAREHOUSE")),
    "brevo": AskedBy("email_send", ("BREVO_API_KEY",)),
    "teller": AskedBy("teller_sync", ("TELLER_CERTIFICATE", "TELLER_PRIVATE_KEY")),
    "intercom": AskedBy("support_sync", ("INTERCOM_ACCESS_TOKEN",)),
    "stargate": AskedBy("top_up_watch", ("STARGATE_RPC_URLS",)),
    "fcm": AskedBy("notify", ("FCM_PROJECT_ID",)),
    "openai": AskedBy("social_check", ("OPENAI_API_KEY",)),
    "translation": AskedBy("social", ()),  # by its own account, without a key
    "apns": AskedBy("notify", ("APNS_KEY", "APNS_KEY_ID", "APNS_TEAM_ID")),
}


def store(function: str) -> None:
    """Store what a delivery to this job has shown of the services. What cannot be stored is left out: it may not have
    the delivery done again.
    """
    seen = outcomes.take()
    told = {service: _is_configured(service) for service, asked in ASKED.items() if asked.job == function}
    if not seen and not told:
        return
    try:
        db.atomically(_store, seen, told)
    except Exception as error:  # noqa: BLE001 - the delivery has ended, whatever is known of the services
        log.warning("the state of a service was not stored", reason=type(error).__name__)


def _is_configured(service: str) -> bool:
    return all(os.environ.get(name, "").strip() for name in ASKED[service].needs)


def _store(tx: Tx, seen: Mapping[str, str | None], told: Mapping[str, bool]) -> None:
    """Upsert a row per service, unless it says the same already and is fresh: then nothing is locked or written."""
    services = sorted({*seen, *told})  # in one order, so that two jobs do not wait for each other in a circle
    tx.run(
        """
        INSERT INTO integration_states AS known (service, is_configured, answered_at, failed_at, error)
        SELECT given.service, given.is_configured,
               CASE WHEN given.is_seen AND given.error IS NULL THEN CAST(:now AS timestamptz) END,
               CASE WHEN given.error IS NOT NULL THEN CAST(:now AS timestamptz) END, given.error
        FROM unnest(CAST(:services AS text[]), CAST(:configured AS boolean[]), CAST(:seen AS boolean[]),
                    CAST(:errors AS text[]))
             AS given (service, is_configured, is_seen, error)
        LEFT JOIN integration_states old ON old.service = given.service
        WHERE old.service IS NULL OR given.is_configured <> coalesce(old.is_configured, NOT given.is_configured)
           OR (given.is_seen AND given.error IS NULL
               AND (old.answered_at IS NULL OR old.answered_at <= :stale OR old.failed_at >= old.answered_at))
           OR (given.error IS NOT NULL
               AND (old.failed_at IS NULL OR old.failed_at <= :stale OR old.error <> given.error
                    OR old.answered_at >= old.failed_at))
        ON CONFLICT (service) DO UPDATE
        SET is_configured = coalesce(EXCLUDED.is_configured, known.is_configured),
            answered_at = greatest(EXCLUDED.answered_at, known.answered_at),
            failed_at = greatest(EXCLUDED.failed_at, known.failed_at),
            error = CASE WHEN EXCLUDED.failed_at >= coalesce(known.failed_at, EXCLUDED.failed_at)
                         THEN EXCLUDED.error ELSE known.error END
        """,
        services=services,
        configured=[told.get(service) for service in services],
        seen=[service in seen for service in services],
        errors=[seen.get(service) for service in services],
        now=clock.now(),
        stale=clock.now() - timedelta(seconds=FRESH_SECONDS),
    )
