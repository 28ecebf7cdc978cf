"""A mutant of the product, the edits that make it, and the files that are edited."""

from dataclasses import dataclass

OBSERVING = "functions/payout_confirm/observing.py"
CONFIRM = "functions/payout_confirm/main.py"
SEND = "functions/payout_send/main.py"
SIGNING = "functions/payout_send/signing.py"
STEPS = "functions/payout_send/steps.py"
REBUILD = "functions/payout_recover/rebuild.py"
REVERTS = "functions/payout_confirm/reverts.py"
CONFIRM_STORE = "functions/payout_confirm/store.py"
QUEUE = "shared/payouts/queue.py"
STORED = "shared/payouts/signing.py"
WATCH = "shared/payouts/watch.py"
PAYOUTS = "shared/payouts/machine.py"
RECOVERY = "shared/payouts/recovery.py"
FEES = "shared/values/gas.py"
FINALITY = "shared/values/finality.py"
CHAIN = "shared/ports/polygon/chain.py"
RPC = "shared/ports/polygon/rpc.py"
RECEIPTS = "shared/ports/polygon/receipts.py"
SEARCH = "shared/payouts/search.py"
KMS = "shared/ports/kms.py"
JOB = "shared/job.py"
LEDGER_SCHEMA = "shared/database/migrations/0004_ledger.sql"
PAYOUT_SCHEMA = "shared/database/migrations/0006_payouts.sql"
SLOT_SCHEMA = "shared/database/migrations/0007_payout_slots.sql"
MACHINE_SCHEMA = "shared/database/migrations/0014_payout_machine.sql"
PEOPLE_SCHEMA = "shared/database/migrations/0019_people.sql"
COMPS = "shared/comps/awards.py"
CLAIMS = "shared/comps/guarantee_claims.py"
WITHDRAWAL = "functions/withdrawal_confirm/main.py"
NONCE = "functions/withdrawal_confirm/nonce.py"
RIGHTS_SCHEMA = "shared/database/migrations/0020_rights.sql"
POLICY = "functions/payout_send/rules.py"
RELEASE = "functions/payout_confirm/release.py"
AWARDS = "functions/admin_comps/rules.py"
RECOVERY_SCHEMA = "shared/database/migrations/0022_recovery.sql"
EXPLANATIONS = "shared/payouts/explanations.py"
SLOTS = "shared/payouts/slots.py"
SWEEP = "shared/sweep.py"


@dataclass(frozen=True)
class Edit:
    """One replacement in one file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A mutant, hunted by `families`, or else by `tests` (arguments of pytest)."""

    name: str
    edits: tuple[Edit, ...]
    families: str = ""
    tests: str = ""
