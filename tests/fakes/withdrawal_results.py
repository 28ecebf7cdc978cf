"""Asserts how a withdrawal has ended: on the chain, in the rows, and in what the member was told."""

from uuid import UUID

from pg8000.dbapi import Connection

from functions.email_send import templates
from tests.fakes.wallet_driver import RECIPIENT, WalletDriver

MICRO = 25_000_000


def assert_confirmed_once(wallet_driver: WalletDriver, withdrawal: UUID, sql: Connection) -> None:
    """The withdrawal was paid once, is shown as confirmed, and the member was told of it once."""
    moved = [
        (it.recipient, it.amount_micro)
        for it in wallet_driver.chain.transfers()
        if it.sender == wallet_driver.wallet.address.lower()
    ]
    assert moved == [(RECIPIENT.lower(), MICRO)]
    shown = wallet_driver.get(withdrawal)
    assert shown["status"] == "confirmed"
    assert shown["transaction_hash"] == wallet_driver.chain.transfers()[-1].hash
    assert sql.execute_simple("SELECT type, status, block_number FROM wallet_transactions").rows == [
        ["withdrawal", "confirmed", shown["block_number"]]
    ]
    assert_member_notified(sql, ["Your withdrawal of $25 USDT is complete"])
    assert len(set(wallet_driver.chain.sent)) == 1


def assert_member_notified(sql: Connection, titles: list[str]) -> None:
    """The member was told exactly this, in the app and by mail."""
    assert sql.execute_simple("SELECT title FROM notifications WHERE type = 'comp' ORDER BY created_at").rows == [
        [title] for title in titles
    ]
    mailed = sql.execute_simple("SELECT template, parameters, language FROM mails ORDER BY queued_at").rows
    assert [templates.render(*mail).subject for mail in mailed] == titles
