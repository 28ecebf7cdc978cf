"""Operations on settings: all of them, a change with what it would do, the history, and going back."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field

from functions.admin_settings import effect_store, registry, store
from functions.admin_settings.common import Owner, api
from functions.admin_settings.effect_store import SettingEffect
from functions.admin_settings.registry import REGISTRY
from functions.admin_settings.store import Kept, Wish
from shared import settings
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.values.fields import Body, Listing, Page, Query, Reason, Reply, SixDigits, Versioned
from shared.values.problems import NotFound
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client, IfMatch
from shared.web.paging import Position

AGREED_WITHIN = timedelta(days=1)


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("must be a value of the setting's type")
    return value


class SettingChange(Body):
    """The value that the setting shall have, and why. `totp` is a code of the owner's authenticator app."""

    value: Annotated[Any, AfterValidator(_given)]
    reason: Reason
    totp: SixDigits


class SettingRevert(Body):
    """The revision whose value the setting shall have again, and why. `totp` is a code of the owner's app."""

    revision: Annotated[int, Field(ge=1, le=2**31)]
    reason: Reason
    totp: SixDigits


class DryRun(Query):
    """With `dry_run=true` nothing is changed: the reply says what would change."""

    dry_run: bool = False


class SettingWish(Reply):
    """A change that an owner wishes for and that waits for a second one."""

    value: Any
    wished_by: UUID
    reason: str
    wished_at: datetime


class AdminSetting(Versioned):
    """A setting. With `needs_two` a second owner has to send the same value within a day; `wishes` are the values that
    wait for that. `effects` says what a change would do, or has done, if that can be counted.
    """

    name: str
    value: Any
    unit: str
    description: str
    needs_two: bool
    changed_at: datetime | None
    wishes: list[SettingWish]
    effects: list[SettingEffect]
    is_dry_run: bool


class SettingChanged(Reply):
    """A change of a setting with its author and reason, who agreed if two were needed, and the revision it made."""

    id: UUID
    revision: int
    before: Any
    after: Any
    changed_by: UUID
    changed_by_username: str
    approved_by: UUID | None
    approved_by_username: str | None
    reason: str
    changed_at: datetime


@api.get("/v1/admin/settings")
def list_settings(tx: Tx, admin: Owner) -> Listing[AdminSetting]:
    """List all settings on one page."""
    wishes = store.wishes(tx)
    shown = [_shown(kept, wishes) for kept in store.all_settings(tx) if kept.name in REGISTRY]
    return Listing[AdminSetting](items=shown, next_cursor=None)


@api.put("/v1/admin/settings/{name}", problems=SECOND_FACTOR)
def change_setting(
    tx: Tx, admin: Owner, name: str, body: SettingChange, query: DryRun, version: IfMatch, client: Client, now: datetime
) -> AdminSetting:
    """Change the version of a setting that was read, or say what the change would do. A setting that bounds what is
    paid changes when a second owner sends the same value within a day.
    """
    _require_known(name)
    totp.spend(tx, admin.id, body.totp, now)
    before = _locked(tx, name, version)
    return _put(tx, admin, before, body.value, reason=body.reason, query=query, client=client, now=now)


@api.get("/v1/admin/settings/{name}/history")
def list_setting_changes(tx: Tx, admin: Owner, name: str, page: Page) -> Listing[SettingChanged]:
    """List every change of a setting, newest first."""
    after = paging.after(page.cursor)
    _require_known(name)
    rows = store.changes(tx, name, after, page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda change: Position(change.changed_at, change.id))
    return Listing[SettingChanged](items=[SettingChanged(**vars(change)) for change in shown], next_cursor=cursor)


@api.post("/v1/admin/settings/{name}/revert", problems=SECOND_FACTOR)
def revert_setting(
    tx: Tx, admin: Owner, name: str, body: SettingRevert, query: DryRun, version: IfMatch, client: Client, now: datetime
) -> AdminSetting:
    """Give a setting the value of an earlier revision again, as a new revision, under the same rules as any change."""
    _require_known(name)
    totp.spend(tx, admin.id, body.totp, now)
    before = _locked(tx, name, version)
    value = _value_of(tx, name, body.revision)
    return _put(tx, admin, before, value, reason=body.reason, query=query, client=client, now=now)


def _require_known(name: str) -> None:
    """Raises NotFound for a name that no setting has. A code of the owner's app is not spent on it."""
    if name not in REGISTRY:
        raise NotFound


def _locked(tx: Tx, name: str, version: IfMatch) -> Kept:
    """The setting, locked. Raises NotFound, PreconditionFailed."""
    kept = store.lock(tx, name)
    if kept is None:
        raise NotFound
    version.check(kept.revision)
    return kept


def _value_of(tx: Tx, name: str, revision: int) -> Any:
    """The value of an earlier revision. Raises NotFound."""
    made, replaced = store.value_of(tx, name, revision), store.value_of(tx, name, revision + 1)
    if made is None and replaced is None:
        raise NotFound
    return made.after if made else replaced.before if replaced else None


def _put(
    tx: Tx, admin: Owner, before: Kept, value: Any, *, reason: str, query: DryRun, client: Client, now: datetime
) -> AdminSetting:
    """Change the setting, wish for the change, or say what it would do. Raises NotValid."""
    wanted = registry.read(before.name, value)
    counted = effect_store.of_change(tx, before.name, wanted, now)
    if not query.dry_run and wanted != before.value:
        _change(tx, admin, before, wanted, reason, client=client, now=now)
    after = store.lock(tx, before.name)
    assert after, "the row is locked"
    return _shown(after, store.wishes(tx), counted, is_dry_run=query.dry_run)


def _change(tx: Tx, admin: Owner, before: Kept, value: Any, reason: str, *, client: Client, now: datetime) -> None:
    first = None
    if REGISTRY[before.name].needs_two:
        first = store.first_wisher(tx, before, value, admin.id, now - AGREED_WITHIN)
        if first is None:
            store.wish(tx, before, value, owner=admin.id, reason=reason, now=now)
            changes = {"revision": before.revision, "value": value, "reason": reason}
            audit.record(tx, admin, client, Action("setting.wish", "setting", before.name, changes), now)
            return
    store.change(tx, before.name, value, now)
    store.record(
        tx,
        before,
        value,
        changed_by=first or admin.id,
        approved_by=admin.id if first else None,
        reason=reason,
        now=now,
    )
    changes = {"before": before.value, "after": value, "reason": reason}
    audit.record(tx, admin, client, Action("setting.change", "setting", before.name, changes), now)
    settings.forget()


def _shown(
    kept: Kept, wishes: list[Wish], counted: list[SettingEffect] | None = None, *, is_dry_run: bool = False
) -> AdminSetting:
    own = [
        SettingWish(value=wish.value, wished_by=wish.wished_by, reason=wish.reason, wished_at=wish.wished_at)
        for wish in wishes
        if wish.name == kept.name
    ]
    return AdminSetting(
        revision=kept.revision,
        name=kept.name,
        value=kept.value,
        unit=REGISTRY[kept.name].unit,
        description=kept.description,
        needs_two=REGISTRY[kept.name].needs_two,
        changed_at=kept.changed_at,
        wishes=own,
        effects=counted or [],
        is_dry_run=is_dry_run,
    )
