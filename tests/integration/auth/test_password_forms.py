"""One password in several Unicode forms is one password, also for who has had it since before that was so."""

import unicodedata
from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from tests import factories
from tests.client import FunctionClient
from tests.operations.scene import Scene
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

COMPOSED = "Señor-Über-Käse-77!"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
BLANKS = ("Señor Über 77!", "Señor\u00a0Über\u300077!")
ADA = {"email": "ada@example.com", "full_name": "Ada Lovelace", "date_of_birth": "1990-12-10"}


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


def sign_in(scene: Scene, email: str, password: str) -> int:
    return scene.client().post("/v1/auth/login", {"email": email, "password": password}).status


def hash_of(scene: Scene, email: str) -> str:
    return str(scene.sql.execute_unnamed("SELECT password_hash FROM members WHERE email = $1", (email,)).rows[0][0])


def hashed_before(scene: Scene, password: str) -> str:
    """The address of somebody whose password was hashed as it was typed."""
    email = scene.verified()
    made = factories.password_hash(password)
    scene.sql.execute_unnamed("UPDATE members SET password_hash = $1 WHERE email = $2", (made, email))
    return email


@pytest.mark.parametrize(("chosen", "typed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), BLANKS, BLANKS[::-1]])
def test_who_signs_up_in_one_form_signs_in_in_another(scene: Scene, chosen: str, typed: str) -> None:
    assert chosen != typed
    assert scene.client().post("/v1/auth/signup", {**ADA, "password": chosen}).status == 201
    scene.sql.execute_simple("UPDATE members SET email_verified_at = now()")
    assert sign_in(scene, ADA["email"], typed) == 200
    assert sign_in(scene, ADA["email"], chosen) == 200
    counted = "SELECT coalesce(sum(attempts), 0) FROM attempt_counters WHERE subject = encode(sha256($1), 'hex')"
    assert scene.sql.execute_unnamed(counted, (f"sign-in of {ADA['email']}".encode(),)).rows == [[0]]


def test_a_hash_of_old_is_good_and_is_renewed_once(scene: Scene) -> None:
    email = hashed_before(scene, DECOMPOSED)
    old = hash_of(scene, email)
    assert sign_in(scene, email, COMPOSED) == 403  # until it was typed as it was hashed nobody can know
    assert sign_in(scene, email, DECOMPOSED) == 200
    renewed = hash_of(scene, email)
    assert renewed != old
    assert [sign_in(scene, email, password) for password in (COMPOSED, DECOMPOSED)] == [200, 200]
    assert hash_of(scene, email) == renewed


def test_sessions_and_known_devices_stay_when_a_hash_is_renewed(scene: Scene) -> None:
    somebody = scene.with_password()
    scene.sql.execute_unnamed(
        "UPDATE members SET password_hash = $1 WHERE id = $2", (factories.password_hash(DECOMPOSED), somebody.id)
    )
    client = scene.client(somebody.token)
    assert client.post("/v1/auth/2fa/setup", {"password": DECOMPOSED}).status == 200
    assert client.post("/v1/auth/2fa/setup", {"password": COMPOSED}).status == 200
    assert client.get("/v1/users/me").status == 200


def test_a_wrong_password_in_any_form_renews_nothing(scene: Scene) -> None:
    email = hashed_before(scene, DECOMPOSED)
    before = rows_of_all_tables(scene.sql, without=("attempt_counters",))
    assert sign_in(scene, email, DECOMPOSED + "x") == 403
    assert sign_in(scene, email, COMPOSED.lower()) == 403
    assert rows_of_all_tables(scene.sql, without=("attempt_counters",)) == before


def test_a_password_is_changed_and_reset_in_any_form(scene: Scene) -> None:
    somebody = scene.with_password()
    scene.sql.execute_unnamed(
        "UPDATE members SET password_hash = $1 WHERE id = $2", (factories.password_hash(COMPOSED), somebody.id)
    )
    body = {"current_password": DECOMPOSED, "password": unicodedata.normalize("NFD", "Größer-Noch-88!")}
    assert scene.client(somebody.token).post("/v1/auth/password", body).status == 204
    assert sign_in(scene, somebody.email, "Größer-Noch-88!") == 200
