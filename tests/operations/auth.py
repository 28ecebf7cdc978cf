"""One example request for each operation of signing up, signing in and second factors, in a function of its name."""

from base64 import b32decode

from shared import clock
from shared.credentials import totp
from tests import factories
from tests.operations.requests import Request, as_json
from tests.operations.scene import PASSWORD, Scene


def signup(scene: Scene) -> Request:
    body = {"email": "ada@example.com", "password": PASSWORD, "full_name": "Ada", "date_of_birth": "1990-12-10"}
    return as_json(scene.client(), "/v1/auth/signup", body, body | {"email": "eve@example.com"})


def verify_email(scene: Scene) -> Request:
    email = scene.signed_up()
    body = {"email": email, "code": scene.mailed_code(email)}
    return as_json(scene.client(), "/v1/auth/verify-email", body, body | {"code": "000000"})


def login(scene: Scene) -> Request:
    body = {"email": scene.verified(), "password": PASSWORD}
    return as_json(scene.client(), "/v1/auth/login", body, body | {"password": "Wrong-Guess-88!"})


def refresh(scene: Scene) -> Request:
    body = {"refresh_token": scene.signed_in()["refresh_token"]}
    return as_json(scene.client(), "/v1/auth/refresh", body, {"refresh_token": "x" * 43})


def resend_verification(scene: Scene) -> Request:
    body = {"email": scene.signed_up()}
    return as_json(scene.client(), "/v1/auth/verify-email/resend", body, {"email": scene.signed_up()})


def request_password_reset(scene: Scene) -> Request:
    body = {"email": scene.verified()}
    return as_json(scene.client(), "/v1/auth/reset-password", body, {"email": scene.verified()})


def confirm_password_reset(scene: Scene) -> Request:
    email, code = scene.reset_code()
    body = {"email": email, "code": code, "password": "Another-Sesame-9!"}
    return as_json(scene.client(), "/v1/auth/reset-password/confirm", body, body | {"password": "A-Third-Sesame-9!"})


def set_up_second_factor(scene: Scene) -> Request:
    client = scene.client(scene.with_password().token)
    return as_json(client, "/v1/auth/2fa/setup", {"password": PASSWORD}, {"password": "Wrong-Guess-88!"})


def enable_second_factor(scene: Scene) -> Request:
    client = scene.client(scene.with_password().token)
    secret = b32decode(client.post("/v1/auth/2fa/setup", {"password": PASSWORD}).body["secret"])
    codes_ = [totp.code(secret, totp.step_of(clock.now()) + steps) for steps in (0, 1)]
    return as_json(client, "/v1/auth/2fa/enable", *({"code": code} for code in codes_))


def disable_second_factor(scene: Scene) -> Request:
    somebody = scene.with_password()
    code = totp.code(factories.second_factor(somebody), totp.step_of(clock.now()))
    body = {"password": PASSWORD, "code": code}
    path = "/v1/auth/2fa/disable"
    return as_json(scene.client(somebody.token), path, body, body | {"password": "Wrong-Guess-88!"})


def prove_second_factor(scene: Scene) -> Request:
    somebody = factories.member()
    codes_ = [totp.code(secret, totp.step_of(clock.now()) + steps)
              for secret in [factories.second_factor(somebody)] for steps in (0, 1)]  # fmt: skip
    return as_json(scene.client(somebody.token), "/v1/auth/2fa/prove", *({"code": code} for code in codes_))


def end_session(scene: Scene) -> Request:
    somebody = scene.with_password()
    device = {"kind": "mobile"}
    scene.client().post("/v1/auth/login", {"email": somebody.email, "password": PASSWORD, "device": device})
    client = scene.client(somebody.token)
    other = next(each["id"] for each in client.get("/v1/auth/sessions").body["items"] if not each["is_current"])
    return Request(client, f"/v1/auth/sessions/{other}")


def renew_backup_codes(scene: Scene) -> Request:
    somebody = factories.member()
    secret = factories.second_factor(somebody)
    codes_ = [totp.code(secret, totp.step_of(clock.now()) + steps) for steps in (0, 1)]
    return as_json(scene.client(somebody.token), "/v1/auth/2fa/backup-codes", *({"code": code} for code in codes_))
