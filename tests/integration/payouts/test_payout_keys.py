"""Signing: with the slot's own key or not at all, and no fault of the key service pays twice or loses a payout."""

from contextlib import suppress

import grpc
import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.payouts import slots
from shared.ports import kms
from shared.ports.kms import KmsUnavailable, WrongSigner
from tests.fakes.key_rotation import new_key_version
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows
from tests.platform import Platform

pytest_plugins = ["tests.fakes.payout_plugin"]


@pytest.mark.parametrize("code", [grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_a_key_service_that_fails_is_asked_again_under_the_same_nonce(
    platform: Platform, payout_driver: PayoutDriver, sql: Connection, code: grpc.StatusCode
) -> None:
    payout = payout_driver.request()
    platform.kms.fail_next_signs(2, code)
    for _ in range(2):
        with pytest.raises(KmsUnavailable):
            payout_driver.send(payout)
    assert sql.execute_simple("SELECT nonce, state FROM payout_slots").rows == [[0, "ALLOCATED"]]

    payout_driver.send(payout)
    payout_driver.finalize(payout)

    assert payout_driver.state(payout) == "PAID"
    assert [(moved.nonce, moved.amount_micro) for moved in payout_driver.chain.transfers()] == [(0, AMOUNT)]


def test_a_signature_of_another_key_is_never_stored(
    platform: Platform, payout_driver: PayoutDriver, sql: Connection
) -> None:
    payout = payout_driver.request()
    other = new_key_version(platform, f"other-{payout}")
    sql.execute_simple("SET session_replication_role = replica")
    sql.execute_simple(f"UPDATE signers SET kms_version = '{other}' WHERE treasury = 'member'")

    with pytest.raises(WrongSigner):
        payout_driver.send(payout)

    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[0]]


def test_signatures_with_a_high_s_are_made_what_the_chain_takes(
    platform: Platform, payout_driver: PayoutDriver
) -> None:
    payout = payout_driver.request()
    platform.kms.sign_with_high_s(always=True)
    try:
        payout_driver.send(payout)
    finally:
        platform.kms.sign_with_high_s(always=False)
    payout_driver.finalize(payout)

    assert payout_driver.state(payout) == "PAID"


def test_after_a_rotation_a_slot_is_signed_by_its_own_key_or_not_at_all(
    platform: Platform, payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    """The worker died between its nonce and its signature; meanwhile the treasury got its next key."""
    payout = payout_driver.request()
    old = rows.signer()
    platform.kms.fail_next_signs(1)
    with suppress(KmsUnavailable):
        payout_driver.send(payout)
    version = new_key_version(platform, f"next-{payout}")
    new = kms.ethereum_address(version)
    rows.run("UPDATE signers SET status = 'draining' WHERE address = :old", old=old)
    rows.run(
        "INSERT INTO signers (address, treasury, kms_version, created_at) VALUES (:new, 'member', :version, :now)",
        new=new,
        version=version,
    )
    payout_driver.chain.mint(new, 100 * AMOUNT)

    with suppress(Exception):
        payout_driver.send(payout)
    payout_driver.chain.mine(20)
    payout_driver.confirm(payout)

    senders = {moved.sender for moved in payout_driver.chain.transfers()}
    assert senders <= {old.lower()}
    assert payout_driver.state(payout) == "PAID"
    assert sql.execute_simple("SELECT sum(next_nonce) FROM signers").rows == [[1]]


def test_an_overtaken_worker_signs_in_vain(payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection) -> None:
    """It slept between taking the treasury and signing; another worker has paid meanwhile."""
    from functions.payout_send import main as payout_send

    payout = payout_driver.request()
    zombie = db.atomically(lambda tx: slots.take_signer(tx, "member", clock.now()))
    rows.login.run("UPDATE signers SET held_until = now() - interval '1 second'")
    payout_driver.send(payout)

    with suppress(db.ConstraintViolated):
        payout_send.work(zombie, payout_driver.chain, payout_driver.row(payout))
    second = payout_driver.request()
    with pytest.raises(db.ConstraintViolated):
        payout_send.work(zombie, payout_driver.chain, payout_driver.row(second))

    payout_driver.finalize(payout)
    assert [moved.recipient for moved in payout_driver.chain.transfers()] == [RECIPIENT.lower()]
    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[1]]
