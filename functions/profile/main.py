"""HTTP: the own profile, picture, preferences, devices and data (docs/product.md, "Profile and pictures",
"Erasure and export"), and support.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from flask import Request, Response

from functions.profile import chat_images, closing, images, rules, store, support
from functions.profile.chat_images import ChatImage
from functions.profile.images import Rendition, Renditions
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
from shared import db, events
from shared.api import Api
from shared.auth import Claims, Member
from shared.config import read
from shared.credentials import mailed_codes, recent_sign_in, totp
from shared.credentials.recent_sign_in import SignInAgain
from shared.db import ConstraintViolated, Tx
from shared.events import ExportMember, PublishAvatar, RemoveAvatar
from shared.members import avatars, exports, security_notices, usernames
from shared.members.accounts import (
    EmailAlreadyRegistered,
    NameReserved,
    UsernameTaken,
    VerificationCodeNotValid,
    is_reserved,
)
from shared.members.security_notices import Owner, SecurityChange
from shared.messages import mails
from shared.messages.mails import Letter
from shared.ports import files
from shared.values import contacts, device_ids, retry_after, tiers
from shared.values.device_ids import DEVICES_MAX
from shared.values.fields import Listing
from shared.values.problems import NotFound, NotValid, Problem, TokenNotValid
from shared.values.states import AvatarStatus, ExportStatus
from shared.web import forms
from shared.web.http import IfMatch, Upload
from shared.web.quotas import Limit, Quota

TYPES = ("system", "social", "comp", "order", "marketing")
EVERYTHING = Channels(push=True, email=True)
FORM_BYTES_MAX = images.FILE_BYTES_MAX + forms.ENVELOPE_BYTES_MAX
PICTURE_PROBLEMS = (rules.PictureNotSupported, rules.PictureTooLarge, rules.PictureNotReadable)

api = Api("profile")


def profile(request: Request) -> Response:
    return api.handle(request)


@api.get("/v1/users/me/profile")
def get_profile(tx: Tx, member: Member, now: datetime) -> MemberProfile:
    """Return the profile that the member may change and what others see of it; the ETag is needed to change it."""
    return _shown(tx, member, now)


def limit_email_changes(body: ProfileChange, claims: Claims, now: datetime) -> Limit | None:
    """Limit changes of the e-mail address. A different address counts as a try, whatever its outcome; other changes do
    not count. Raises NotValid.
    """
    before = db.atomically(store.profile, claims.member_id, now)
    if body.email in (before.email.lower(), before.pending_email):
        return None
    contacts.require_new(body.email)
    return Limit([Quota(f"email-change:{claims.member_id}", rules.EMAIL_CHANGES_PER_HOUR)], rules.TooManyEmailChanges)


@api.put(
    "/v1/users/me/profile",
    limit=limit_email_changes,
    problems=(
        UsernameTaken,
        NameReserved,
        EmailAlreadyRegistered,
        SignInAgain,
        rules.TooManyRenames,
        rules.TooManyEmailChanges,
        totp.SecondFactorLocked,
        totp.SecondFactorNeeded,
        totp.SecondFactorUsed,
        totp.SecondFactorWrong,
    ),
)
def change_profile(tx: Tx, member: Member, body: ProfileChange, version: IfMatch, now: datetime) -> MemberProfile:
    """Change the version that was read. A new e-mail address becomes valid once the code mailed to it is confirmed."""
    store.lock(tx, member.id)
    before = store.profile(tx, member.id, now)
    version.check(before.revision)
    is_moving = body.email not in (before.email.lower(), before.pending_email)
    if is_moving:
        recent_sign_in.check(tx, member.session_id, now)
        totp.spend_if_set_up(tx, member.id, body.code, now)
    is_renamed = body.username.lower() != before.username.lower()
    if is_renamed:
        _check_rename(tx, member, body.username, now)
    kept: Mapping[str, Any] = vars(before)
    given = {name: getattr(body, name) if name in body.model_fields_set else kept[name]
             for name in ProfileChange.model_fields if name not in ("email", "code")}  # fmt: skip
    if given["phone"] != before.phone:
        given["phone"] = contacts.changed_phone_number(given["phone"], given["country"])
    try:
        store.change(tx, member.id, **given, now=now)
    except ConstraintViolated as refused:
        _raise_taken(refused, ("members_username", "username_former"), UsernameTaken)
    if is_renamed and usernames.held(tx, [body.username], member.id):  # again: its holder may have just given it up
        raise UsernameTaken
    if is_moving:
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
    except ConstraintViolated as refused:
        _raise_taken(refused, ("members_email",), EmailAlreadyRegistered)
    owner, key = Owner(member.id, before.email, before.full_name), f"email-changed:{waiting.id}"
    security_notices.tell(
        tx, SecurityChange.EMAIL_CHANGED, owner, key, now, also_to=waiting.new_email, email=waiting.new_email
    )
    return _shown(tx, member, now)


def limit_pictures(claims: Claims) -> Limit:
    """Limit uploads, because decoding costs as much for a picture that is refused."""
    return Limit([Quota(f"pictures of {claims.member_id}", rules.PICTURES_TRIED_PER_HOUR)], rules.TooManyPictures)


def decode(upload: Upload) -> Renditions:
    """Decode the picture before the transaction, so that none is open meanwhile."""
    return images.renditions(forms.file_of(upload, "picture", images.FILE_BYTES_MAX))


@api.post(
    "/v1/users/me/avatar",
    status=202,
    limit=limit_pictures,
    before=decode,
    upload_types=("multipart/form-data",),
    body_bytes_max=FORM_BYTES_MAX,
    problems=(*PICTURE_PROBLEMS, rules.TooManyPictures),
)
def upload_avatar(tx: Tx, member: Member, upload: Upload, picture: Renditions, now: datetime) -> Picture:
    """Upload a new picture. It is shown once it is checked and stored; of several, the latest one wins."""
    store.lock(tx, member.id)
    recent = store.uploads_since(tx, member.id, now - retry_after.HOUR)
    if len(recent) >= rules.UPLOADS_PER_HOUR:
        free_at = recent[-rules.UPLOADS_PER_HOUR] + retry_after.HOUR
        raise rules.TooManyPictures(headers=retry_after.until(free_at, now))
    identity = uuid4()
    name = avatars.object_name(member.id, now, picture.content_type)
    store.insert_avatar(
        tx, identity, member.id, name, picture.content_type, large=picture.large, small=picture.small, now=now
    )
    events.enqueue(tx, now, PublishAvatar(avatar_id=identity), name=f"avatar-{identity}")
    return _picture(store.profile(tx, member.id, now))


@api.delete("/v1/users/me/avatar", status=204)
def remove_avatar(tx: Tx, member: Member, now: datetime) -> None:
    """Remove the picture; harmless without one."""
    store.lock(tx, member.id)
    for avatar_id in store.retire_avatars(tx, member.id, now):
        events.enqueue(tx, now, RemoveAvatar(avatar_id=avatar_id), name=f"avatar-{avatar_id}-remove")


@api.post(
    "/v1/social/images",
    status=202,
    limit=chat_images.limit,
    before=chat_images.decode,
    upload_types=("multipart/form-data",),
    body_bytes_max=FORM_BYTES_MAX,
    problems=(*PICTURE_PROBLEMS, *chat_images.REFUSALS),
)
def upload_chat_image(tx: Tx, member: Member, upload: Upload, image: Rendition, now: datetime) -> ChatImage:
    """Upload an image for the chat. A message may show it, once it is checked and stored."""
    return chat_images.take(tx, member.id, image, now)


@api.get("/v1/social/images/{image_id}")
def get_chat_image(tx: Tx, member: Member, image_id: UUID) -> ChatImage:
    """Tell whether an own image can be posted."""
    return chat_images.show(tx, member.id, image_id)


@api.get("/v1/users/me/notification-preferences")
def get_preferences(tx: Tx, member: Member) -> NotificationPreferences:
    """Return how the member is notified, by type."""
    return _preferences(tx, member)


@api.put("/v1/users/me/notification-preferences")
def change_preferences(tx: Tx, member: Member, body: PreferencesChange) -> NotificationPreferences:
    """Change how the member is notified, from the next notification on."""
    for kind in TYPES:
        wanted: Channels | None = getattr(body, kind)
        if wanted is not None:
            store.prefer(tx, member.id, kind, push=wanted.push, email=wanted.email)
    return _preferences(tx, member)


@api.get("/v1/users/me/devices")
def list_devices(tx: Tx, member: Member) -> Listing[RegisteredDevice]:
    """List all devices on one page, newest first."""
    return Listing[RegisteredDevice](items=store.devices(tx, member.id), next_cursor=None)


@api.post("/v1/users/me/devices", status=201)
def register_device(tx: Tx, member: Member, body: DeviceRegistration, now: datetime) -> RegisteredDevice:
    """Register this device for push notifications until this session ends. A token belongs to whoever registered it
    last; harmless twice.
    """
    if not rules.is_device_token(body.platform, body.token):
        raise NotValid(errors=[{"field": "/token", "message": "is no device token of APNs"}])
    if not store.lock_session(tx, member.session_id):
        raise TokenNotValid
    token = device_ids.canonical_token(body.platform, body.token)
    made = store.register_device(tx, uuid4(), member.id, member.session_id, body.platform, token=token, now=now)
    store.forget_oldest_devices(tx, member.id, DEVICES_MAX)
    return made


@api.delete("/v1/users/me/devices/{device_id}", status=204)
def remove_device(tx: Tx, member: Member, device_id: UUID) -> None:
    """Stop push notifications to this device."""
    if not store.remove_device(tx, member.id, device_id):
        raise NotFound


def link(found: StoredExport) -> DataExport:
    """Sign the link to the file, outside the transaction."""
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
    """Export all data about the member into a file; within a day of the last export, return that one."""
    store.lock(tx, member.id)
    newest = store.newest_export(tx, member.id)
    if newest is None or (newest.status != ExportStatus.MAKING and now - newest.asked_at > rules.EXPORT_PAUSE):
        identity = uuid4()
        store.insert_export(tx, identity, member.id, f"exports/{member.id}/{identity}.json", now)
        events.enqueue(tx, now, ExportMember(export_id=identity), name=f"export-{identity}")
        newest = store.newest_export(tx, member.id)
        assert newest
    return StoredExport(**vars(newest), shown_at=now)


@api.get("/v1/users/me/exports/{export_id}", after=link)
def get_export(tx: Tx, member: Member, export_id: UUID, now: datetime) -> StoredExport:
    """Return the state of an export, with a link once the file is ready."""
    found = store.export(tx, member.id, export_id)
    if found is None:
        raise NotFound
    return StoredExport(**vars(found), shown_at=now)


@api.get("/v1/users/me/deletion")
def check_deletion(tx: Tx, member: Member) -> AccountDeletionCheck:
    """Return what prevents the account from being deleted."""
    found = closing.obstacles(tx, member.id)
    return AccountDeletionCheck(possible=not found, obstacles=found)


@api.post(
    "/v1/users/me/deletion",
    status=202,
    problems=(rules.AccountCannotBeDeleted, rules.NotThisAccount, SignInAgain),
)
def delete_account(tx: Tx, member: Member, body: AccountDeletion, now: datetime) -> AccountDeleted:
    """Close the account for good. Ledger, scans and comps stay under a pseudonym; all other personal data is erased."""
    recent_sign_in.check(tx, member.session_id, now)
    if body.username.lower() != member.username.lower():
        raise rules.NotThisAccount
    closing.close(tx, member.id, forfeit=body.forfeit, now=now)
    return AccountDeleted(deleted_at=now)


api.post(
    "/v1/support/token",
    status=201,
    limit=support.limit_tokens,
    after=support.sign,
    problems=(rules.SupportUnavailable, rules.TooManySupportTokens),
)(support.create_support_token)
api.get("/v1/support/sanctions")(support.list_sanctions)
api.post(
    "/v1/support/appeals",
    status=201,
    limit=support.limit_appeals,
    problems=(
        rules.SupportUnavailable,
        rules.SanctionAppealed,
        rules.SanctionNotAppealable,
        rules.SanctionUnknown,
        rules.TooManyAppeals,
    ),
)(support.appeal_sanction)


def _preferences(tx: Tx, member: Member) -> NotificationPreferences:
    said = {row.type: Channels(push=row.push, email=row.email) for row in store.preferences(tx, member.id)}
    return NotificationPreferences(**{kind: said.get(kind, EVERYTHING) for kind in TYPES})


def _ask_email_change(tx: Tx, member: Member, before: store.Profile, email: str, now: datetime) -> None:
    """Mail a code to the new address, and a warning to the old one."""
    if store.email_is_taken(tx, email):
        raise EmailAlreadyRegistered
    code = mailed_codes.new()
    store.ask_email_change(tx, member.id, code.id, email, code.mac, now=now, until=now + mailed_codes.LIFE)
    named, key = {"name": before.full_name, "code": code.digits}, f"verify_new_email:{code.id}"
    mails.queue(tx, Letter(email, before.full_name, "verify_new_email", named, key, member_id=member.id), now)
    owner = Owner(member.id, before.email, before.full_name)
    security_notices.tell(
        tx, SecurityChange.EMAIL_CHANGE_ASKED, owner, f"email_change_asked:{code.id}", now, email=email
    )


def _check_rename(tx: Tx, member: Member, username: str, now: datetime) -> None:
    """Raises NameReserved, UsernameTaken or TooManyRenames if the member may not take the name."""
    if is_reserved(username):
        raise NameReserved
    if usernames.held(tx, [username], member.id):
        raise UsernameTaken
    recent = store.renames_since(tx, member.id, now - rules.RENAMES_WITHIN)
    if len(recent) >= rules.RENAMES_MAX:
        free_at = recent[-rules.RENAMES_MAX] + rules.RENAMES_WITHIN
        raise rules.TooManyRenames(headers=retry_after.until(free_at, now))


def _raise_taken(refused: ConstraintViolated, constraints: tuple[str, ...], taken: type[Problem]) -> None:
    if refused.constraint in constraints:
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
    """The shown picture, and the status of the newest upload; a replaced or removed one counts as none."""
    status = (
        found.avatar_status
        if found.avatar_status in (AvatarStatus.WAITING, AvatarStatus.LIVE, AvatarStatus.REFUSED)
        else "none"
    )
    small = avatars.url(avatars.small_name(found.avatar_object)) if found.avatar_object else None
    return Picture.model_validate({"url": found.avatar_url, "small_url": small, "status": status})
