"""Two-factor authentication: set-up, proof, backup codes, end (docs/product.md, "Two-factor authentication")."""

import base64
import secrets
from datetime import datetime
from io import BytesIO
from urllib.parse import quote
from uuid import UUID

from functions.auth import records, rules, store, tellings
from functions.auth.models import (
    BackupCodes,
    SecondFactorEnd,
    SecondFactorProof,
    SecondFactorProved,
    SecondFactorSetup,
    SecondFactorStart,
    SecondFactorState,
)
from functions.auth.reauthentication import PasswordRepeated, check
from shared.auth import PROOF_LIFE, Member
from shared.credentials import mailed_codes, totp
from shared.db import Tx
from shared.members import listeners
from shared.members.security_notices import SecurityChange
from shared.values.problems import Problem

ISSUER = "BlakJaks"
BACKUP_CODES = 10
BACKUP_CODE_HALF = 5
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # base32: 50 bits in ten letters
QR_SCALE = 6


def get_second_factor(tx: Tx, member: Member) -> SecondFactorState:
    """Return whether two-factor authentication is set up."""
    return SecondFactorState(
        enabled=totp.has_second_factor(tx, member.id), backup_codes_left=records.backup_codes_left(tx, member.id)
    )


def set_up_second_factor(
    tx: Tx, member: Member, body: SecondFactorStart, repeated: PasswordRepeated, now: datetime
) -> SecondFactorSetup | Problem:
    """Return a new secret for the authenticator app. It has no effect until a code has proved it."""
    del body  # the password was compared before the transaction
    if refusal := check(repeated):
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
    """Prove the app with its first code. This session counts as proved, and the member's other sessions end."""
    try:
        step = totp.prove_new(tx, member.id, body.code, now)
    except totp.SecondFactorNotSetUp:
        if totp.has_second_factor(tx, member.id):
            raise rules.SecondFactorAlreadySetUp from None
        raise
    records.enable_second_factor(tx, member.id, step, now)
    records.prove_session(tx, member.session_id, now)
    store.end_sessions(tx, member.id, member.session_id, "two-factor authentication set up", now)
    listeners.revoke(tx, member.id, now)
    tellings.tell_of(tx, SecurityChange.SECOND_FACTOR_ENABLED, member.id, now)
    return _new_backup_codes(tx, member.id, now)


def renew_backup_codes(tx: Tx, member: Member, body: SecondFactorProof, now: datetime) -> BackupCodes:
    """Return ten new backup codes for a code of the app; the earlier ones stop working."""
    totp.spend(tx, member.id, body.code, now)
    tellings.tell_of(tx, SecurityChange.BACKUP_CODES_RENEWED, member.id, now)
    return _new_backup_codes(tx, member.id, now)


def prove_second_factor(tx: Tx, member: Member, body: SecondFactorProof, now: datetime) -> SecondFactorProved:
    """Prove this session once more with a code of the app. An admin may act for eight hours on it."""
    totp.spend(tx, member.id, body.code, now)
    records.prove_session(tx, member.session_id, now)
    return SecondFactorProved(proved_until=now + PROOF_LIFE)


def disable_second_factor(
    tx: Tx, member: Member, body: SecondFactorEnd, repeated: PasswordRepeated, now: datetime
) -> Problem | None:
    """Remove the second factor, for the password and a code. Admins cannot act as admins without one."""
    if refusal := check(repeated):
        return refusal
    prove(tx, member.id, body.code, now)
    records.remove_second_factor(tx, member.id)
    tellings.tell_of(tx, SecurityChange.SECOND_FACTOR_DISABLED, member.id, now)
    return None


def prove(tx: Tx, member_id: UUID, code: str, now: datetime) -> None:
    """Check a code of the app, or spend a backup code. Raises what `totp.spend` raises."""
    if len(code) == totp.DIGITS:
        totp.spend(tx, member_id, code, now)
        return
    totp.check_open(tx, member_id, now)
    if not records.spend_backup_code(tx, member_id, _mac(member_id, code), now):
        totp.count_failure(tx, member_id, now)
        raise totp.SecondFactorWrong


def proved_at_sign_in(tx: Tx, member_id: UUID, code: str | None, now: datetime) -> datetime | None:
    """The time at which the second factor was proved; None if the member has none. Raises SecondFactorNeeded."""
    if not totp.has_second_factor(tx, member_id):
        return None
    if code is None:
        raise totp.SecondFactorNeeded
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
    return mailed_codes.keyed(f"backup:{member_id}:{code.replace('-', '')}")


def _qr_png(text: str) -> str:
    import segno

    image = BytesIO()
    segno.make_qr(text).save(image, kind="png", scale=QR_SCALE)
    return base64.b64encode(image.getvalue()).decode()
