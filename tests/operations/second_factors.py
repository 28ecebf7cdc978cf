"""Members who sign in with an authenticator app."""

import base64
from dataclasses import dataclass

from shared import clock
from shared.credentials import totp
from tests.client import Answer
from tests.factories import Somebody
from tests.operations.scene import PASSWORD, Scene


@dataclass
class EnrolledMember:
    """Somebody with an app whose code of this moment has been spent, and ten backup codes."""

    somebody: Somebody
    secret: bytes
    backup_codes: list[str]
    step: int

    def code(self, steps: int = 1) -> str:
        """The app's code, so many steps after the one that is spent: one step is fresh, and taken for a minute."""
        return totp.code(self.secret, self.step + steps)


def enrol(scene: Scene, somebody: Somebody | None = None) -> EnrolledMember:
    """Set up an authenticator app for this member, or for a new one."""
    somebody = somebody or scene.with_password()
    client = scene.client(somebody.token)
    secret = base64.b32decode(client.post("/v1/auth/2fa/setup", {"password": PASSWORD}).body["secret"])
    step = totp.step_of(clock.now())
    answer = client.post("/v1/auth/2fa/enable", {"code": totp.code(secret, step)})
    assert answer.status == 200
    return EnrolledMember(somebody, secret, answer.body["backup_codes"], step)


def try_to_sign_in(scene: Scene, email: str, **more: object) -> Answer:
    """Send the right password, with `more` fields of the body."""
    return scene.client().post("/v1/auth/login", {"email": email, "password": PASSWORD, **more})


def wrong_code(secret: bytes) -> str:
    """Return six digits that the app shows at no time near now."""
    now = totp.step_of(clock.now())
    near = {totp.code(secret, step) for step in range(now - 3, now + 4)}
    return next(text for number in range(9) if (text := f"{number:06d}") not in near)
