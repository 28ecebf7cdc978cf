"""The parts that jobs need, without the rest of the stack: a durable Postgres, KMS and a chain."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from emulators import cloud
from emulators.chain.node import ChainNode
from emulators.kms import Kms
from emulators.postgres import Postgres
from emulators.stack import LOCAL

FOLDER = LOCAL / "bench"
TASK_SIZE = 100  # payouts of one task
BUFFERS_MIB = 2_048  # a small part of what the servers of terraform/database.tf have


@dataclass(frozen=True)
class Parts:
    """The parts while they run: the database and the chain."""

    postgres: Postgres
    chain: ChainNode

    def rows(self, query: str) -> list[list[Any]]:
        """The rows of a query of the superuser's; also of what changes rows, if it returns some."""
        with cloud.superuser(self.postgres, cloud.DATABASE) as connection:
            return list(connection.execute_simple(query).rows or [])

    def run(self, *statements: str) -> None:
        """Run statements as the superuser, in one session without triggers and checks of references."""
        with cloud.superuser(self.postgres, cloud.DATABASE) as connection:
            connection.execute_simple("SET session_replication_role = replica")
            for statement in statements:
                connection.execute_simple(statement)


@contextmanager
def opened(block_seconds: float) -> Iterator[Parts]:
    """Start the parts and migrate the database; this process's environment names them. All are stopped at the end."""
    from functions.migrate import main as migrate

    FOLDER.mkdir(parents=True, exist_ok=True)
    postgres, kms = Postgres(buffers_mib=BUFFERS_MIB, log=FOLDER / "postgres.log"), Kms()
    chain = ChainNode(block_time_seconds=block_seconds, log=FOLDER / "chain.log")
    logins = cloud.Logins()
    with ExitStack() as stop:
        for part in (postgres, kms, chain):
            part.start()
            stop.callback(part.stop)
        cloud.make_database(postgres, logins)
        os.environ |= {
            **cloud.account_settings("http://127.0.0.1:1", "https://{service}"),
            **cloud.database_settings(postgres, logins),
            **cloud.make_keys(kms.host),
            "KMS_EMULATOR_HOST": kms.host,
            "RPC_URLS": f"{chain.url},{chain.url}/",  # two addresses of one node, so that every question is asked twice
            "CHAIN_ID": "137",
            "USDT_ADDRESS": chain.deploy_usdt(),
            "PAYOUTS_PER_TASK": str(TASK_SIZE),
            "THREADS": "8",
        }
        migrate.apply(datetime.now(UTC))
        yield Parts(postgres, chain)
