"""`make bench-ledger`: journals per second into balances in sixteen shards, beside the same into one row each.

Each journal is a transaction of its own that moves money between the same two accounts, as a busy hour does.
"""

import argparse
import itertools
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from emulators import cloud
from emulators.identity import Identity
from emulators.kms import Kms
from emulators.postgres import Postgres
from functions.migrate import main as migrate
from shared import config, db
from shared.ledger import journals
from shared.values.money import Usdt

SECONDS = 8.0
THREADS = (1, 8, 32)
USDT = "0xc2132D05D31c914a87C6611C10748AEb04B58e8F"

_numbers = itertools.count(1)


def main() -> None:
    """Start a durable, migrated Postgres; print one line per number of threads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    seconds = parser.parse_args().seconds
    with TemporaryDirectory() as folder:
        postgres, identity, kms = Postgres(durable=True, log=Path(folder) / "postgres.log"), Identity(), Kms()
        parts = (postgres, identity, kms)
        try:
            for part in parts:
                part.start()
            _prepare(postgres, identity, kms)
            print(f"{'threads':>8} {'shards/s':>10} {'one row/s':>10} {'ratio':>6}")
            for threads in THREADS:
                shards, one = (_rate(post, threads, seconds) for post in (_in_shards, _in_one_row))
                print(f"{threads:>8} {shards:>10.0f} {one:>10.0f} {shards / one:>6.1f}")
        finally:
            db.close()
            for part in reversed(parts):
                part.stop()


def _prepare(postgres: Postgres, identity: Identity, kms: Kms) -> None:
    logins = cloud.Logins()
    cloud.make_database(postgres, logins)
    os.environ |= {
        **cloud.account_settings(identity.url, "https://bench/{service}"),
        **cloud.database_settings(postgres, logins),
        **cloud.make_keys(kms.host),
        "KMS_EMULATOR_HOST": kms.host,
        "CHAIN_ID": "137",
        "USDT_ADDRESS": USDT,
        "LOG_LEVEL": "WARNING",
        "THREADS": str(max(THREADS)),
    }
    config.read.cache_clear()
    migrate.apply(datetime.now(UTC))


def _rate(post: Callable[[], None], threads: int, seconds: float) -> float:
    """The number of journals per second."""
    end = time.monotonic() + seconds

    def work(_: int) -> int:
        done = 0
        while time.monotonic() < end:
            post()
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, range(threads))) / seconds


def _in_shards() -> None:
    with db.transaction() as tx:
        journals.move(tx, f"bench:{next(_numbers)}", "pool:member", "owed:member", Usdt(1), datetime.now(UTC))


def _in_one_row() -> None:
    """Post one journal; the transaction names its shard before the first journal would."""
    with db.transaction() as tx:
        tx.run_later("SELECT set_config('ledger.forced_shard', '0', true)")
        journals.move(tx, f"bench:{next(_numbers)}", "pool:member", "owed:member", Usdt(1), datetime.now(UTC))


if __name__ == "__main__":
    main()
