"""Two-factor authentication: setting it up, proving it, backup codes, ending it (plan section "Optional 2FA")."""

import base64
import secrets
from datetime import datetime
from io import BytesIO
from urllib.parse import quote
from uuid import UUID

from functions.auth import records, rules, store
from functions.auth.models import (
    BackupCodes,
    SecondFactorEnd,
    SecondFactorProof,
    SecondFactorSetup,
    SecondFactorStart,
    SecondFactorState,
)
from functions.auth.reauthentication import PasswordRepeated, check
from shared import listeners, mailed_codes, totp, vault
from shared.auth import Member
from shared.db import Tx
from shared.problems import Problem

ISSUER = "BlakJaks"
BACKUP_CODES = 10
BACKUP_CODE_HALF = 5
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # base32: 50 bits in ten letters
QR_SCALE = 6


def get_second_factor(tx: Tx, member: Member) -> SecondFactorState:
    """Whether it is set up."""
    return SecondFactorState(
        enabled=records.has_second_factor(tx, member.id), backup_codes_left=records.backup_codes_left(tx, member.id)
    )


def set_up_second_factor(
    tx: Tx, member: Member, body: SecondFactorStart, repeated: PasswordRepeated, now: datetime
) -> SecondFactorSetup | Problem:
    """A secret for the authenticator app. It counts for nothing until a code has proved it."""
    del body  # the password was compared before the transaction
    if refusal := check(tx, member, repeated, now):
        return refusal
    secret = secrets.token_bytes(totp.SECRET_BYTES)
    if not records.start_second_factor(tx, member.id, secret, now):
        raise rules.SecondFactorAlreadySetUp
    manual = base64.b32encode(secret).decode()
    account = store.credentials_of(tx, member.id)
    assert account
    uri = f"otpauth://totp/{ISSUER}:{quote(account.email)}?secret={manual}&issuer={ISSUER}"
    return SecondFactorSetup(secret=manual, uri=uri, qr_png=_qr_png(uri))


def enable_second_factor(tx: Tx, member: Member, body: SecondFactorProof, now: datetime) -> BackupCodes:
    """Prove the app with its first code. This session is proved with it, and the member's others end."""
    found = records.second_factor(tx, member.id)
    if found is None:
        raise totp.SecondFactorNotSetUp
    if found.enabled_at:
        raise rules.SecondFactorAlreadySetUp
    step = totp.matching_step(vault.unseal(tx, found.sealed_secret, totp.row_of(member.id)), body.code, now)
    if step is None:
        raise totp.SecondFactorWrong
    records.enable_second_factor(tx, member.id, step, now)
    records.prove_session(tx, member.session_id, now)
    store.end_sessions(tx, member.id, member.session_id, "two-factor authentication set up", now)
    listeners.revoke(tx, member.id, now)
    return _new_backup_codes(tx, member.id, now)


def renew_backup_codes(tx: Tx, member: Member, body: SecondFactorProof, now: datetime) -> BackupCodes:
    """Ten new ones for a code of the app; the earlier ones stop working."""
    totp.spend(tx, member.id, body.code, now)
    return _new_backup_codes(tx, member.id, now)


def disable_second_factor(
    tx: Tx, member: Member, body: SecondFactorEnd, repeated: PasswordRepeated, now: datetime
) -> Problem | None:
    """Takes the password and a code. Admins can do nothing as admins after it."""
    if refusal := check(tx, member, repeated, now):
        return refusal
    prove(tx, member.id, body.code, now)
    records.remove_second_factor(tx, member.id)
    return None


def prove(tx: Tx, member_id: UUID, code: str, now: datetime) -> None:
    """By a code of the app or a backup code, which is spent. Raises what `totp.spend` raises."""
    if code.isdigit():
        totp.spend(tx, member_id, code, now)
        return
    totp.check_open(tx, member_id, now)
    if not records.spend_backup_code(tx, member_id, _mac(member_id, code), now):
        totp.count_failure(tx, member_id, now)
        raise totp.SecondFactorWrong


def proved_at_sign_in(tx: Tx, member_id: UUID, code: str | None, now: datetime) -> datetime | None:
    """When the second factor was proved; None for a member who has none. Raises SecondFactorNeeded."""
    if not records.has_second_factor(tx, member_id):
        return None
    if code is None:
        raise rules.SecondFactorNeeded
    prove(tx, member_id, code, now)
    return now


def _new_backup_codes(tx: Tx, member_id: UUID, now: datetime) -> BackupCodes:
    codes = [_backup_code() for _ in range(BACKUP_CODES)]
    records.replace_backup_codes(tx, member_id, [_mac(member_id, code) for code in codes], now)
    return BackupCodes(backup_codes=codes)


def _backup_code() -> str:
    halves = ("".join(secrets.choice(ALPHABET) for _ in range(BACKUP_CODE_HALF)) for _ in range(2))
    return "-".join(halves)


def _mac(member_id: UUID, code: str) -> bytes:
    return mailed_codes.keyed(f"backup:{member_id}:{code.replace('-', '').lower()}")


def _qr_png(text: str) -> str:
    import segno

    image = BytesIO()
    segno.make_qr(text).save(image, kind="png", scale=QR_SCALE)
    return base64.b64encode(image.getvalue()).decode()
