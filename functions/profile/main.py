"""HTTP: the own profile, picture, preferences and devices, the own data, and its erasure (plan section "Users")."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from flask import Request, Response

from functions.profile import closing, images, rules, store
from functions.profile.images import Renditions
from functions.profile.models import (
    AccountDeleted,
    AccountDeletion,
    AccountDeletionCheck,
    Channels,
    DataExport,
    DeviceRegistration,
    EmailConfirmation,
    MemberProfile,
    NotificationPreferences,
    Picture,
    PreferencesChange,
    ProfileChange,
    RegisteredDevice,
    StoredExport,
)
from shared import avatars, events, exports, forms, mailed_codes, mails, quotas, tiers
from shared.accounts import EmailAlreadyRegistered, UsernameTaken, VerificationCodeNotValid
from shared.api import Api
from shared.auth import Member
from shared.config import read
from shared.db import Refused, Tx
from shared.events import ExportMember, PublishAvatar, RemoveAvatar
from shared.fields import Listing
from shared.http import IfMatch, Upload
from shared.mails import Letter
from shared.ports import files
from shared.problems import NotFound, NotValid, Problem

TYPES = ("system", "social", "comp", "order")
EVERYTHING = Channels(push=True, email=True)
FORM_BYTES_MAX = images.FILE_BYTES_MAX + forms.ENVELOPE_BYTES_MAX
PICTURE_PROBLEMS = (
    rules.PictureNotSupported,
    rules.PictureTooLarge,
    rules.PictureNotReadable,
    rules.TooManyPictures,
)

api = Api("profile")


def profile(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


@api.get("/v1/users/me/profile")
def get_profile(tx: Tx, member: Member, now: datetime) -> MemberProfile:
    """What a member may change, and what others see; the ETag is for changing it."""
    return _shown(tx, member, now)


@api.put(
    "/v1/users/me/profile",
    problems=(UsernameTaken, EmailAlreadyRegistered, rules.SignInAgain, rules.TooManyEmailChanges),
)
def change_profile(tx: Tx, member: Member, body: ProfileChange, version: IfMatch, now: datetime) -> MemberProfile:
    """Change the version that was read. Another e-mail address holds once the code mailed to it has come back."""
    store.lock(tx, member.id)
    before = store.profile(tx, member.id, now)
    version.check(before.revision)
    kept: Mapping[str, Any] = vars(before)
    given = {name: getattr(body, name) if name in body.model_fields_set else kept[name]
             for name in ProfileChange.model_fields if name != "email"}  # fmt: skip
    try:
        store.change(tx, member.id, **given, now=now)
    except Refused as refused:
        _raise_taken(refused, "members_username", UsernameTaken)
    if body.email not in (before.email.lower(), before.pending_email):
        _ask_email_change(tx, member, before, body.email, now)
    return _shown(tx, member, now)


@api.post("/v1/users/me/email/confirm", problems=(VerificationCodeNotValid, EmailAlreadyRegistered))
def confirm_email(tx: Tx, member: Member, body: EmailConfirmation, now: datetime) -> MemberProfile | Problem:
    """Prove the new address with the code that was mailed to it; a few guesses are allowed."""
    store.lock(tx, member.id)
    waiting = store.email_change(tx, member.id, now)
    if waiting is None or waiting.attempts >= mailed_codes.ATTEMPTS_MAX:
        return VerificationCodeNotValid()
    if not mailed_codes.matches(waiting.id, waiting.code_mac, body.code):
        store.count_email_attempt(tx, member.id)
        return VerificationCodeNotValid()
    before = store.profile(tx, member.id, now)
    try:
        store.change_email(tx, member.id, waiting.new_email, now)
    except Refused as refused:
        _raise_taken(refused, "members_email", EmailAlreadyRegistered)
    parameters = {"name": before.full_name, "email": waiting.new_email}
    letter = Letter(
        before.email, before.full_name, "email_changed", parameters, f"email-changed:{waiting.id}", member.id
    )
    mails.queue(tx, letter, now)
    return _shown(tx, member, now)


def decode(upload: Upload) -> Renditions:
    """Everything about a picture that needs no database: it holds no transaction while it is decoded."""
    return images.renditions(forms.file_of(upload, "picture", images.FILE_BYTES_MAX))


@api.post(
    "/v1/users/me/avatar",
    status=202,
    before=decode,
    upload_type="multipart/form-data",
    body_bytes_max=FORM_BYTES_MAX,
    problems=PICTURE_PROBLEMS,
)
def upload_avatar(tx: Tx, member: Member, upload: Upload, picture: Renditions, now: datetime) -> Picture:
    """A new picture: shown as soon as it has been looked at and stored. The last one that was sent wins."""
    store.lock(tx, member.id)
    recent = store.uploads_since(tx, member.id, now - quotas.HOUR)
    if len(recent) >= rules.UPLOADS_PER_HOUR:
        free_at = recent[-rules.UPLOADS_PER_HOUR].uploaded_at + quotas.HOUR
        raise rules.TooManyPictures(headers={"Retry-After": rules.seconds_until(free_at, now)})
    identity = uuid4()
    name = avatars.object_name(member.id, now, picture.content_type)
    store.insert_avatar(tx, identity, member.id, name, picture.content_type, picture.large, picture.small, now)
    events.enqueue(tx, now, PublishAvatar(avatar_id=identity), name=f"avatar-{identity}")
    return _picture(store.profile(tx, member.id, now))


@api.delete("/v1/users/me/avatar", status=204)
def remove_avatar(tx: Tx, member: Member, now: datetime) -> None:
    """Show no picture any more; harmless without one."""
    store.lock(tx, member.id)
    for retired in store.retire_avatars(tx, member.id, now):
        events.enqueue(tx, now, RemoveAvatar(avatar_id=retired.id), name=f"avatar-{retired.id}-remove")


@api.get("/v1/users/me/notification-preferences")
def get_preferences(tx: Tx, member: Member) -> NotificationPreferences:
    """How the member is told, by type."""
    return _preferences(tx, member)


@api.put("/v1/users/me/notification-preferences")
def change_preferences(tx: Tx, member: Member, body: PreferencesChange) -> NotificationPreferences:
    """From the next notification on."""
    for kind in TYPES:
        wanted: Channels = getattr(body, kind)
        store.prefer(tx, member.id, kind, push=wanted.push, email=wanted.email)
    return _preferences(tx, member)


@api.get("/v1/users/me/devices")
def list_devices(tx: Tx, member: Member) -> Listing[RegisteredDevice]:
    """All of them on one page, newest first."""
    found = store.devices(tx, member.id)
    return Listing[RegisteredDevice](items=[RegisteredDevice(**vars(device)) for device in found], next_cursor=None)


@api.post("/v1/users/me/devices", status=201)
def register_device(tx: Tx, member: Member, body: DeviceRegistration, now: datetime) -> RegisteredDevice:
    """Tell this device from now on. A token belongs to whoever registered it last; harmless twice."""
    if not rules.is_device_token(body.platform, body.token):
        raise NotValid(errors=[{"field": "/token", "message": "is no device token of APNs"}])
    made = store.register_device(tx, uuid4(), member.id, body.platform, body.token, now)
    store.forget_oldest_devices(tx, member.id, rules.DEVICES_MAX)
    return RegisteredDevice(**vars(made))


@api.delete("/v1/users/me/devices/{device_id}", status=204)
def remove_device(tx: Tx, member: Member, device_id: UUID) -> None:
    """Do not tell this device any more."""
    if not store.remove_device(tx, member.id, device_id):
        raise NotFound


def link(found: StoredExport) -> DataExport:
    """Sign the link, outside the transaction."""
    url = None
    if found.status == "ready":
        url = files.signed_url(
            read(exports.ExportsConfig).documents_bucket,
            found.object_name,
            signed_at=found.shown_at,
            expires_in=rules.LINK_LIFE,
            filename=f"blakjaks_{found.asked_at:%Y%m%d}.json",
        )
    return DataExport(download_url=url, **found.model_dump(exclude={"object_name", "shown_at"}))


@api.post("/v1/users/me/exports", status=202, after=link, secret_reply=True)
def create_export(tx: Tx, member: Member, now: datetime) -> StoredExport:
    """Have everything about the member written into a file; within a day of the last one it is that one."""
    store.lock(tx, member.id)
    newest = store.newest_export(tx, member.id)
    if newest is None or (newest.status != "making" and now - newest.asked_at > rules.EXPORT_PAUSE):
        identity = uuid4()
        store.insert_export(tx, identity, member.id, f"exports/{member.id}/{identity}.json", now)
        events.enqueue(tx, now, ExportMember(export_id=identity), name=f"export-{identity}")
        newest = store.newest_export(tx, member.id)
        assert newest
    return StoredExport(**vars(newest), shown_at=now)


@api.get("/v1/users/me/exports/{export_id}", after=link)
def get_export(tx: Tx, member: Member, export_id: UUID, now: datetime) -> StoredExport:
    """How far it is; the link once it is ready."""
    found = store.export(tx, member.id, export_id)
    if found is None:
        raise NotFound
    return StoredExport(**vars(found), shown_at=now)


@api.get("/v1/users/me/deletion")
def check_deletion(tx: Tx, member: Member) -> AccountDeletionCheck:
    """What is in the way of deleting the account."""
    found = closing.obstacles(tx, member.id)
    return AccountDeletionCheck(possible=not found, obstacles=found)


@api.post(
    "/v1/users/me/deletion",
    status=202,
    problems=(rules.AccountCannotBeDeleted, rules.NotThisAccount, rules.SignInAgain),
)
def delete_account(tx: Tx, member: Member, body: AccountDeletion, now: datetime) -> AccountDeleted:
    """Close the account for good. Ledger, scans and comps stay under a pseudonym; all else of the person goes."""
    rules.check_recent(store.signed_in_at(tx, member.session_id), now)
    if body.username.lower() != member.username.lower():
        raise rules.NotThisAccount
    closing.close(tx, member.id, forfeit=body.forfeit, now=now)
    return AccountDeleted(deleted_at=now)


def _preferences(tx: Tx, member: Member) -> NotificationPreferences:
    said = {row.type: Channels(push=row.push, email=row.email) for row in store.preferences(tx, member.id)}
    return NotificationPreferences(**{kind: said.get(kind, EVERYTHING) for kind in TYPES})


def _ask_email_change(tx: Tx, member: Member, before: store.Profile, email: str, now: datetime) -> None:
    """Mail a code to the new address, and a warning to the old one."""
    rules.check_recent(store.signed_in_at(tx, member.session_id), now)
    quotas.spend(tx, f"email-change:{member.id}", rules.EMAIL_CHANGES_PER_HOUR, now, rules.TooManyEmailChanges)
    if store.email_is_taken(tx, email):
        raise EmailAlreadyRegistered
    code = mailed_codes.new()
    store.ask_email_change(tx, member.id, code.id, email, code.mac, now, now + mailed_codes.LIFE)
    for address, template, parameters in (
        (email, "verify_new_email", {"code": code.digits}),
        (before.email, "email_change_asked", {"email": email}),
    ):
        named = {"name": before.full_name, **parameters}
        mails.queue(tx, Letter(address, before.full_name, template, named, f"{template}:{code.id}", member.id), now)


def _raise_taken(refused: Refused, constraint: str, taken: type[Problem]) -> None:
    if refused.constraint == constraint:
        raise taken from None
    raise refused


def _shown(tx: Tx, member: Member, now: datetime) -> MemberProfile:
    found = store.profile(tx, member.id, now)
    apart = {"number", "avatar_url", "avatar_object", "avatar_status", "created_at"}
    return MemberProfile(
        **{name: value for name, value in vars(found).items() if name not in apart},
        member_id=tiers.member_id(found.number, member.tier),
        picture=_picture(found),
        tier=member.tier,
        member_since=found.created_at.date(),
    )


def _picture(found: store.Profile) -> Picture:
    """A picture that was replaced by none is as if there had never been one."""
    status = found.avatar_status if found.avatar_status in ("waiting", "live", "refused") else "none"
    small = avatars.url(avatars.small_name(found.avatar_object)) if found.avatar_object else None
    return Picture.model_validate({"url": found.avatar_url, "small_url": small, "status": status})
