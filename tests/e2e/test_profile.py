"""A member's profile on the whole stack: a picture, the own data, and the end of the account."""

import json
from typing import Any

from emulators import cloud
from emulators.people import mails_to
from emulators.process import wait_until
from emulators.stack import Stack
from tests.e2e.conftest import Visitors, in_each_mode
from tests.fakes import pictures
from tests.fakes.profile_client import PROFILE, fetched

SECONDS_MAX = 60.0


@in_each_mode
def test_from_the_first_picture_to_the_last_trace(stack: Stack, visitors: Visitors) -> None:
    person = visitors.join("Ada Lovelace")
    client = person.client
    read = client.get(PROFILE)
    body = {"username": "ada_l", "full_name": "Ada King", "email": person.email, "bio": "Mint, always."}
    headers = {"Content-Type": "application/json", "If-Match": read.headers["ETag"]}
    assert client.send("PUT", PROFILE, json.dumps(body).encode(), headers).status == 200
    assert client.send("PUT", PROFILE, json.dumps(body).encode(), headers).status == 412

    form, media = pictures.form(pictures.picture(exif=pictures.exif(1, with_place=True)))
    assert client.send("POST", "/v1/users/me/avatar", form, media).status == 202
    wait_until(lambda: client.get(PROFILE).body["picture"]["status"] == "live", "the picture", SECONDS_MAX)
    shown = client.get(PROFILE).body["picture"]
    assert pictures.opened(fetched(shown["url"])[0]).size == (512, 512)

    asked = client.must("POST", "/v1/users/me/exports")
    found: dict[str, Any] = {}

    def is_ready() -> bool:
        found.update(client.get(f"/v1/users/me/exports/{asked['id']}").body)
        return bool(found["status"] == "ready")

    wait_until(is_ready, "the export", SECONDS_MAX)
    assert json.loads(fetched(found["download_url"])[0])["account"][0]["full_name"] == "Ada King"

    client.must("POST", "/v1/users/me/deletion", {"username": "ada_l", "forfeit": True})
    assert client.get(PROFILE).status == 401
    with cloud.superuser(stack.postgres, cloud.DATABASE) as sql:
        left = f"SELECT count(*) FROM notifications WHERE member_id = '{person.id}'"
        wait_until(lambda: sql.execute_simple(left).rows == [[0]], "the traces to go", SECONDS_MAX)
    subjects = "Your account was deleted"
    wait_until(lambda: subjects in {mail["subject"] for mail in mails_to(stack, person.email)}, "goodbye", SECONDS_MAX)
