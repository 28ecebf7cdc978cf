"""The requests of a member about sessions: signs in, refreshes the tokens, ends a session."""

from typing import Any, Protocol

from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.operations.scene import PASSWORD, Scene

Tokens = dict[str, Any]


def refresh(scene: Scene, tokens: Tokens) -> Answer:
    """Exchange the refresh token for new tokens."""
    return scene.client().post("/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})


def sign_in(scene: Scene, email: str, kind: str = "desktop") -> Tokens:
    """Sign in with PASSWORD on a device of this kind."""
    body = {"email": email, "password": PASSWORD, "device": {"kind": kind, "id": f"{kind}-1"}}
    answer = scene.client().post("/v1/auth/login", body)
    assert answer.status == 200
    tokens: Tokens = answer.body
    return tokens


def is_live(scene: Scene, tokens: Tokens) -> bool:
    """Return whether the access token is accepted."""
    return scene.client(tokens["access_token"]).get("/v1/users/me").status == 200


def end_reasons(scene: Scene) -> list[str | None]:
    """Return why each session has ended, oldest session first; None for one that has not."""
    return [
        reason for (reason,) in scene.sql.execute_simple("SELECT end_reason FROM sessions ORDER BY created_at").rows
    ]


class SignedIn(Protocol):
    """A member who is signed in on a phone, beside the session of `somebody.token`."""

    @property
    def scene(self) -> Scene: ...
    @property
    def somebody(self) -> Somebody: ...
    @property
    def tokens(self) -> dict[str, Any]: ...
    @property
    def client(self) -> FunctionClient: ...


def sign_out(phone: SignedIn) -> None:
    assert phone.client.post("/v1/auth/logout").status == 204


def reset_password(phone: SignedIn) -> None:
    email = phone.somebody.email
    phone.scene.client().post("/v1/auth/reset-password", {"email": email})
    body = {"email": email, "code": phone.scene.mailed_code(email), "password": "Another-Sesame-9!"}
    assert phone.scene.client().post("/v1/auth/reset-password/confirm", body).status == 204


def sign_in_on_another_phone(phone: SignedIn) -> None:
    sign_in(phone.scene, phone.somebody.email, "mobile")


def copy_its_refresh_token(phone: SignedIn) -> None:
    """Use the phone's refresh token after its successor was used, as a thief would."""
    second = refresh(phone.scene, phone.tokens).body
    refresh(phone.scene, second)
    assert refresh(phone.scene, phone.tokens).status == 401
