"""Gives a treasury its next key: makes it, begins the rotation, and lets the schedules run until it is done."""

from uuid import UUID

import grpc
from google.cloud import kms_v1

from emulators import cloud
from functions.payout_recover import main as payout_recover
from shared import clock, db
from shared.payouts import rotation
from tests.fakes.payout_driver import PayoutDriver
from tests.platform import Platform


def new_key_version(platform: Platform, name: str) -> str:
    """Make a treasury key in the KMS emulator and return the full name of its version."""
    transport = kms_v1.KeyManagementServiceClient.get_transport_class("grpc")
    with grpc.insecure_channel(platform.kms.host) as channel:
        client = kms_v1.KeyManagementServiceClient(transport=transport(channel=channel))
        template = kms_v1.CryptoKeyVersionTemplate(
            algorithm=kms_v1.CryptoKeyVersion.CryptoKeyVersionAlgorithm.EC_SIGN_SECP256K1_SHA256,
            protection_level=kms_v1.ProtectionLevel.HSM,
        )
        made = client.create_crypto_key(
            parent=f"projects/{cloud.PROJECT}/locations/{cloud.LOCATION}/keyRings/treasury-keys",
            crypto_key_id=name,
            crypto_key=kms_v1.CryptoKey(
                purpose=kms_v1.CryptoKey.CryptoKeyPurpose.ASYMMETRIC_SIGN, version_template=template
            ),
        )
    return f"{made.name}/cryptoKeyVersions/1"


ROUNDS = 6


def rotate(next_key: tuple[str, str]) -> None:
    """Begin the rotation of the treasury `member` to this key: its address and its version."""
    address, version = next_key
    db.atomically(lambda tx: rotation.begin(tx, "member", address, version, clock.now()))


def pass_minutes(payout_driver: PayoutDriver, *payouts: UUID) -> None:
    """Run what the schedules run each minute, ROUNDS times, while the chain goes on; send these payouts as well."""
    for _ in range(ROUNDS):
        payout_recover.advance(clock.now())
        for payout in (*payouts, *payout_driver.sweep()):
            payout_driver.try_to_send(payout)
        for (waiting,) in payout_driver.rows(
            "SELECT id FROM payouts WHERE source_kind = 'rotation' AND state <> 'PAID'"
        ):
            payout_driver.try_to_send(waiting)
        payout_driver.chain.mine(12)
        payout_driver.sweep()
