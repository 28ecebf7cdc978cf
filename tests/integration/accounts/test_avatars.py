"""A picture is looked at, stored where everybody can see it, and shown; the one before it goes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError

import pytest

from emulators import cloud
from functions.profile.images import FILE_BYTES_MAX
from shared.members import avatars
from shared.ports import files
from shared.ports.files import FileMissing
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes import pictures
from tests.fakes.locks import held, until_waiting
from tests.fakes.profile_client import ProfileClient, fetched
from tests.platform import Platform
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.profile_plugin"]

Client = Callable[..., FunctionClient]

AVATAR = "/v1/users/me/avatar"
MAGENTA = (255, 0, 255)


def is_stored(url: str) -> bool:
    name = url.partition(f"/{cloud.AVATARS_BUCKET}/")[2]
    try:
        files.stored(cloud.AVATARS_BUCKET, name)
    except FileMissing:
        return False
    return True


def test_it_waits_until_it_was_looked_at_and_is_then_shown_to_everybody(
    profile_client: ProfileClient, somebody: Somebody
) -> None:
    sent = profile_client.upload(pictures.halves(exif=pictures.exif(1, with_place=True)))
    assert (sent.status, sent.body) == (202, {"url": None, "small_url": None, "status": "waiting"})
    profile_client.run_tasks()
    shown = profile_client.profile()["picture"]
    assert shown["status"] == "live"
    assert f"/avatars/{somebody.id}/" in shown["url"]
    assert profile_client.member.get("/v1/users/me").body["avatar_url"] == shown["url"]
    for url, side in ((shown["url"], 512), (shown["small_url"], 256)):
        data, headers = fetched(url)
        assert pictures.opened(data).size == (side, side)
        assert headers["content-type"] == "image/jpeg"
        assert headers["cache-control"] == avatars.CACHE_CONTROL
        assert b"Exif" not in data
    assert profile_client.one("SELECT large IS NULL AND small IS NULL FROM avatars") is True


def test_a_png_stays_one(profile_client: ProfileClient) -> None:
    shown = profile_client.uploaded(pictures.picture("PNG", mode="RGBA", colour=(1, 2, 3, 0)))
    data, headers = fetched(shown["url"])
    assert shown["url"].endswith(".png")
    assert headers["content-type"] == "image/png"
    assert pictures.opened(data).mode == "RGBA"


def test_the_one_before_is_removed_from_the_storage(profile_client: ProfileClient) -> None:
    first = profile_client.uploaded()
    second = profile_client.uploaded(pictures.picture("PNG"))
    assert profile_client.profile()["picture"] == second != first
    assert not is_stored(first["url"])
    assert not is_stored(first["small_url"])
    assert is_stored(second["url"])
    assert is_stored(second["small_url"])


def test_every_task_may_come_twice(profile_client: ProfileClient) -> None:
    profile_client.upload(pictures.picture())
    profile_client.run_tasks(times=3)
    profile_client.upload(pictures.picture("PNG"))
    profile_client.run_tasks(times=3)
    assert is_stored(profile_client.profile()["picture"]["url"])
    assert sorted(status for (status,) in profile_client.sql.execute_simple("SELECT status FROM avatars").rows) == [
        "live", "replaced",
    ]  # fmt: skip
    assert profile_client.one("SELECT count(*) FROM job_faults") == 0


def test_one_whose_task_is_delivered_twice_at_once_stays(profile_client: ProfileClient, platform: Platform) -> None:
    profile_client.upload(pictures.picture())
    ((identity, function, queue, body),) = profile_client.waiting()
    profile_client.sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (identity,))
    with ThreadPoolExecutor(2) as threads:
        with held(platform, "SELECT 1 FROM members FOR UPDATE"):
            answers = [threads.submit(profile_client.invoker.task, function, queue, body) for _ in range(2)]
            until_waiting(profile_client.sql, 2)  # both have stored it
        assert [answer.result() for answer in answers] == [204, 204]
    assert profile_client.run_tasks() == 0  # nothing is removed
    shown = profile_client.profile()["picture"]
    assert shown["status"] == "live"
    assert is_stored(shown["url"])


def test_the_last_one_sent_wins_in_whatever_order_they_are_looked_at(profile_client: ProfileClient) -> None:
    for colour in ((250, 0, 0), (0, 250, 0)):
        assert profile_client.upload(pictures.picture("PNG", colour=colour)).status == 202
    for identity, function, queue, body in reversed(profile_client.waiting()):
        profile_client.sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (identity,))
        assert profile_client.invoker.task(function, queue, body) == 204
    profile_client.run_tasks()
    shown = profile_client.profile()["picture"]
    assert pictures.opened(fetched(shown["url"])[0]).getpixel((5, 5)) == (0, 250, 0)
    assert profile_client.one("SELECT count(*) FROM avatars WHERE status = 'replaced' AND removed_at IS NOT NULL") == 1


def test_what_nobody_should_see_is_refused_and_the_one_before_stays(profile_client: ProfileClient) -> None:
    before = profile_client.uploaded()
    profile_client.upload(pictures.picture(colour=MAGENTA))
    profile_client.run_tasks(times=2)
    after = profile_client.profile()["picture"]
    assert after == before | {"status": "refused"}
    told = profile_client.member.get("/v1/notifications?type=system").body["items"]
    assert [note["title"] for note in told] == ["Your picture was refused"]
    assert is_stored(before["url"])


def test_while_nobody_can_look_it_waits(profile_client: ProfileClient, platform: Platform) -> None:
    platform.vision.fail_next(2)
    profile_client.upload(pictures.picture())
    ((_, function, queue, body),) = profile_client.waiting()
    assert [profile_client.invoker.task(function, queue, body) for _ in range(3)] == [503, 503, 204]
    assert profile_client.profile()["picture"]["status"] == "live"


def test_whoever_is_killed_after_storing_it_is_followed_by_another(
    profile_client: ProfileClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.avatar_publish import store

    def dies(*_: object) -> None:
        raise RuntimeError("killed")

    profile_client.upload(pictures.picture())
    ((_, function, queue, body),) = profile_client.waiting()
    with monkeypatch.context() as patched:
        patched.setattr(store, "lock_member", dies)
        assert profile_client.invoker.task(function, queue, body) == 500
    assert profile_client.profile()["picture"]["status"] == "waiting"
    assert profile_client.invoker.task(function, queue, body) == 204
    assert is_stored(profile_client.profile()["picture"]["url"])


def test_it_can_be_taken_away(profile_client: ProfileClient) -> None:
    shown = profile_client.uploaded()
    assert profile_client.member.delete(AVATAR).status == 204
    assert profile_client.profile()["picture"] == {"url": None, "small_url": None, "status": "none"}
    profile_client.run_tasks(times=2)
    assert not is_stored(shown["url"])
    assert not is_stored(shown["small_url"])
    assert profile_client.member.delete(AVATAR).status == 204


def test_one_that_was_taken_away_while_it_waited_is_never_shown(profile_client: ProfileClient) -> None:
    profile_client.upload(pictures.picture())
    profile_client.member.delete(AVATAR)
    profile_client.run_tasks()
    assert profile_client.profile()["picture"]["url"] is None


def test_five_pictures_are_taken_in_any_sixty_minutes(profile_client: ProfileClient) -> None:
    data = pictures.picture(size=(8, 8))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: profile_client.upload(data), range(8)))
    assert sorted(answer.status for answer in answers) == [202] * 5 + [429] * 3
    (refused, *_) = [answer for answer in answers if answer.status == 429]
    assert refused.problem == "too-many-pictures"
    assert 3500 < int(refused.headers["Retry-After"]) <= 3601
    profile_client.sql.execute_simple("UPDATE avatars SET uploaded_at = uploaded_at - interval '59 minutes'")
    assert profile_client.upload(data).status == 429
    profile_client.sql.execute_simple("UPDATE avatars SET uploaded_at = uploaded_at - interval '1 minute'")
    assert profile_client.upload(data).status == 202


@pytest.mark.parametrize(
    ("data", "status", "problem"),
    [
        (b"", 422, "picture-not-supported"),
        (pictures.picture("GIF"), 422, "picture-not-supported"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "picture-not-supported"),
        (pictures.picture()[:200], 422, "picture-not-readable"),
        (pictures.bomb(100_000), 422, "picture-too-large"),
        (pictures.picture() + bytes(FILE_BYTES_MAX), 413, "body-too-large"),
        (bytes(FILE_BYTES_MAX * 3), 413, "body-too-large"),
    ],
    ids=["zero bytes", "gif", "svg", "truncated", "bomb", "more than 5 MB", "15 MB"],
)
def test_a_bad_picture_has_its_problem_and_changes_nothing(
    profile_client: ProfileClient, data: bytes, status: int, problem: str
) -> None:
    before = rows_of_all_tables(profile_client.sql, without=("attempt_counters",))
    answer = profile_client.upload(data)
    assert (answer.status, answer.problem) == (status, problem)
    assert rows_of_all_tables(profile_client.sql, without=("attempt_counters",)) == before


def test_five_megabytes_are_taken_and_not_a_byte_more(profile_client: ProfileClient) -> None:
    data = pictures.picture()
    padding = bytes(FILE_BYTES_MAX - len(data))
    assert profile_client.upload(data + padding).status == 202
    refused = profile_client.upload(data + padding + b"\0")
    assert (refused.status, refused.problem) == (413, "body-too-large")


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [("me.png", "image/png"), ("evil.php", "application/x-httpd-php"), ("../../etc/passwd", "text/html"),
     ("", "image/jpeg"), ("a" * 5000, ""), ("me.svg", "image/svg+xml")],
)  # fmt: skip
def test_what_the_client_calls_it_does_not_matter(
    profile_client: ProfileClient, filename: str, content_type: str
) -> None:
    answer = profile_client.upload(pictures.picture(), filename=filename or "x", content_type=content_type)
    assert answer.status == 202
    profile_client.run_tasks()
    shown = profile_client.profile()["picture"]["url"]
    assert shown.endswith(".jpg")
    assert fetched(shown)[1]["content-type"] == "image/jpeg"


def test_a_form_of_another_shape_is_refused(profile_client: ProfileClient) -> None:
    before = rows_of_all_tables(profile_client.sql, without=("attempt_counters",))
    data = pictures.picture(size=(8, 8))
    whole, headers = pictures.form(data)
    twice = whole.replace(b"--\r\n", b"\r\n") + whole.partition(b"\r\n")[2]
    fieldless = b'--b\r\nContent-Disposition: form-data; name="picture"\r\n\r\ntext\r\n--b--\r\n'
    many = b"".join(b'--b\r\nContent-Disposition: form-data; name="p%d"\r\n\r\n1\r\n' % n for n in range(50)) + b"--b--"
    wrong = [
        (pictures.form(data, field="file")[0], headers, 422, "not-valid"),
        (pictures.form(data, extra="user_id")[0], headers, 422, "not-valid"),
        (twice, headers, 422, "not-valid"),
        (fieldless, {"Content-Type": "multipart/form-data; boundary=b"}, 422, "not-valid"),
        (many, {"Content-Type": "multipart/form-data; boundary=b"}, 400, "body-not-readable"),
        (whole, {"Content-Type": "multipart/form-data"}, 400, "body-not-readable"),
        (whole, {"Content-Type": "multipart/form-data; boundary=other"}, 400, "body-not-readable"),
        (whole[:-40], headers, 400, "body-not-readable"),
        (b"", headers, 422, "not-valid"),
        (b"\xff" * 100, headers, 400, "body-not-readable"),
        (data, {"Content-Type": "image/jpeg"}, 415, "content-type-not-supported"),
        (data, {"Content-Type": "application/x-www-form-urlencoded"}, 415, "content-type-not-supported"),
    ]
    found = []
    for number, (body, given, status, problem) in enumerate(wrong):
        answer = profile_client.member.send("POST", AVATAR, body, given)
        if (answer.status, answer.problem) != (status, problem):
            found.append(f"{number}: {answer.status} {answer.body}, not {status} {problem}")
    assert not found, "\n".join(found)
    assert rows_of_all_tables(profile_client.sql, without=("attempt_counters",)) == before


def test_a_form_that_is_sent_again_is_the_same_request_though_its_boundary_is_another(
    profile_client: ProfileClient,
) -> None:
    body, headers = pictures.form(pictures.picture())
    key = {"Idempotency-Key": "once"}
    first = profile_client.member.send("POST", AVATAR, body, headers | key)
    other = body.replace(pictures.BOUNDARY.encode(), b"another-boundary")
    again = profile_client.member.send(
        "POST", AVATAR, other, {"Content-Type": "multipart/form-data; boundary=another-boundary"} | key
    )
    assert (again.status, again.body) == (first.status, first.body)
    assert profile_client.one("SELECT count(*) FROM avatars") == 1
    changed, _ = pictures.form(pictures.picture("PNG"))
    assert profile_client.member.send("POST", AVATAR, changed, headers | key).problem == "idempotency-key-reused"


def test_nothing_private_lies_beside_the_pictures(profile_client: ProfileClient) -> None:
    """The bucket is public and listed by nobody; the other one answers nobody without a signature."""
    shown = profile_client.uploaded()
    private = shown["url"].replace(cloud.AVATARS_BUCKET, cloud.DOCUMENTS_BUCKET)
    with pytest.raises(HTTPError) as refused:
        fetched(private)
    refused.value.close()
    assert refused.value.code in (403, 404)
