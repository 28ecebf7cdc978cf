"""Images of members' own: taken as profile pictures are, shown once in a message, and gone with it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from emulators import cloud
from functions.member_erase import store as erasing
from functions.profile.images import FILE_BYTES_MAX
from shared import db
from shared.ports import files
from shared.social import images
from tests.client import Answer, FunctionClient, refusal
from tests.fakes import pictures
from tests.fakes.chat import MESSAGES, Chat, Chatter, text
from tests.fakes.chat_desk import ChatDesk, desk
from tests.fakes.locks import held, until_waiting
from tests.fakes.profile_client import ProfileClient, fetched
from tests.platform import Platform
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.chat_plugin"]

IMAGES = "/v1/social/images"
MAGENTA = (255, 0, 255)
DONE = 204


@pytest.fixture
def admin(client: Callable[..., FunctionClient]) -> ChatDesk:
    return desk(client)


@pytest.fixture
def tasks(chat: Chat, platform: Platform) -> ProfileClient:
    """The delivery of the tasks that uploads cause."""
    return ProfileClient(chat.member().client, platform, chat.sql)


def upload(who: Chatter, data: bytes) -> Answer:
    body, headers = pictures.form(data)
    return who.client.send("POST", IMAGES, body, headers)


def live(who: Chatter, tasks: ProfileClient, data: bytes | None = None) -> str:
    """The id of an image that can be posted."""
    answer = upload(who, data or pictures.picture())
    assert (answer.status, answer.body["status"], answer.body["url"]) == (202, "waiting", None)
    tasks.run_tasks()
    assert shown(who, answer.body["id"])["status"] == "live"
    return str(answer.body["id"])


def shown(who: Chatter, image: str) -> dict[str, str]:
    return dict(who.client.get(f"{IMAGES}/{image}").body)


def chosen(image: str) -> dict[str, object]:
    return {"type": "image", "id": image}


def is_stored(image: str) -> bool:
    try:
        files.stored(cloud.AVATARS_BUCKET, f"social/{image}")
    except files.FileMissing:
        return False
    return True


def sweep(tasks: ProfileClient) -> None:
    assert tasks.invoker.schedule("avatar_publish", "images") == DONE


def test_it_is_made_smaller_written_anew_and_shown_in_its_message(chat: Chat, tasks: ProfileClient) -> None:
    ada, eve, general = chat.member(), chat.member(), chat.channel()
    image = live(ada, tasks, pictures.picture(size=(3000, 1500), exif=pictures.exif(6, with_place=True)))
    posted = ada.posted(general, "", media=chosen(image))
    assert posted["media"] == {"type": "image", "id": image, "url": shown(ada, image)["url"]}
    assert eve.page(general).body["messages"][0]["media"] == posted["media"]
    assert eve.changes(general, 0)["changes"][0]["message"]["media"] == posted["media"]
    data, headers = fetched(posted["media"]["url"])
    assert pictures.opened(data).size == (640, 1280)  # upright
    assert (headers["content-type"], headers["cache-control"]) == ("image/jpeg", images.CACHE_CONTROL)
    assert b"Exif" not in data
    small = live(ada, tasks, pictures.picture("PNG", size=(20, 10), mode="RGBA", colour=(1, 2, 3, 0)))
    content = pictures.opened(fetched(shown(ada, small)["url"])[0])
    assert (content.size, content.mode) == ((20, 10), "RGBA")


def test_it_can_be_posted_once_by_its_owner_and_only_while_it_is_live(chat: Chat, tasks: ProfileClient) -> None:
    ada, eve, general = chat.member(), chat.member(), chat.channel()
    waiting = upload(ada, pictures.picture()).body["id"]
    for who, image in ((ada, waiting), (ada, str(uuid4())), (ada, "abcDEF123")):
        answer = who.post(general, text(1), media=chosen(image))
        assert (answer.problem, answer.body["errors"][0]["field"]) == ("not-valid", "/media/id")
    tasks.run_tasks()
    assert eve.post(general, text(1), media=chosen(waiting)).problem == "not-valid"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: ada.post(general, text(number), media=chosen(waiting)), range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [422] * 7
    assert chat.messages() == 1
    assert eve.client.get(f"{IMAGES}/{waiting}").problem == "not-found"


def test_the_same_client_id_shows_it_again(chat: Chat, tasks: ProfileClient) -> None:
    ada, general, client_id = chat.member(), chat.channel(), uuid4()
    image = live(ada, tasks)
    first, again = (ada.posted(general, "look", client_id, media=chosen(image)) for _ in range(2))
    assert first["id"] == again["id"]
    assert again["media"]["id"] == image


@pytest.mark.parametrize("by", ["author", "erasure"])
def test_it_goes_with_its_message(chat: Chat, tasks: ProfileClient, by: str) -> None:
    ada, general = chat.member(), chat.channel()
    image = live(ada, tasks)
    message = ada.posted(general, "look", media=chosen(image))["id"]
    sweep(tasks)
    assert is_stored(image)
    if by == "author":
        assert ada.remove(message).status == DONE
        assert shown(ada, image) == {"id": image, "status": "removed", "url": None}
    else:
        with db.acting_for("member_erase"):
            assert db.atomically(erasing.erase, "social_messages", ada.somebody.id, 100) == 1
    sweep(tasks)
    sweep(tasks)
    assert not is_stored(image)
    assert ada.post(general, text(1), media=chosen(image)).problem == "not-valid"


def test_what_nobody_posts_goes_after_a_day_and_what_is_old_with_its_message_or_pin(
    chat: Chat, tasks: ProfileClient, admin: ChatDesk
) -> None:
    ada, general = chat.member(), chat.channel()
    unused, used, old, pinned = (live(ada, tasks, pictures.picture(size=(9, 9))) for _ in range(4))
    _, _, message = (ada.posted(general, text(1), media=chosen(image))["id"] for image in (used, old, pinned))
    assert admin.post(f"messages/{message}/pin", {"until": None}).status == 200
    age = "UPDATE social_images SET uploaded_at = uploaded_at - CAST($1 AS interval)"
    chat.sql.execute_unnamed(age, ("25 hours",))
    for image in (old, pinned):
        chat.sql.execute_unnamed(f"{age} WHERE id = $2", ("97 days", image))
    sweep(tasks)
    assert [is_stored(image) for image in (unused, used, old, pinned)] == [False, True, False, True]
    assert admin.delete(f"messages/{message}/pin").status == DONE
    sweep(tasks)
    assert not is_stored(pinned)


def test_its_author_does_not_take_it_from_an_open_case(chat: Chat, tasks: ProfileClient, admin: ChatDesk) -> None:
    ada, eve, general = chat.member(), chat.member(), chat.channel()
    image = live(ada, tasks)
    message = ada.posted(general, "look", media=chosen(image))["id"]
    case = eve.client.post(f"{MESSAGES}/{message}/report", {"reason": "hate"}).body["case_id"]
    assert ada.remove(message).status == DONE
    sweep(tasks)
    seen = admin.case(case)["message"]
    assert (seen["removed_by"], pictures.opened(fetched(seen["url"])[0]).size) == ("author", (600, 400))
    assert admin.decide(case, "keep").status == 200
    sweep(tasks)
    assert not is_stored(image)


def test_what_an_admin_removes_goes_at_once_whatever_case_is_open(
    chat: Chat, tasks: ProfileClient, admin: ChatDesk
) -> None:
    ada, eve, general = chat.member(), chat.member(), chat.channel()
    image = live(ada, tasks)
    message = ada.posted(general, "look", media=chosen(image))["id"]
    assert eve.client.post(f"{MESSAGES}/{message}/report", {"reason": "hate"}).status == 200
    assert admin.delete(f"messages/{message}?reason=hate").status == DONE
    sweep(tasks)
    assert not is_stored(image)


def test_one_whose_task_is_delivered_twice_at_once_stays(chat: Chat, tasks: ProfileClient, platform: Platform) -> None:
    ada = chat.member()
    image = upload(ada, pictures.picture()).body["id"]
    ((_, function, queue, body),) = tasks.waiting()
    with ThreadPoolExecutor(2) as threads:
        with held(platform, "SELECT 1 FROM social_images FOR UPDATE"):
            answers = [threads.submit(tasks.invoker.task, function, queue, body) for _ in range(2)]
            until_waiting(chat.sql, 2)  # both have stored it
        assert [answer.result() for answer in answers] == [DONE, DONE]
    assert shown(ada, image)["status"] == "live"
    assert is_stored(image)


def test_what_nobody_should_see_is_refused(chat: Chat, tasks: ProfileClient, platform: Platform) -> None:
    ada, general = chat.member(), chat.channel()
    image = upload(ada, pictures.picture(colour=MAGENTA)).body["id"]
    platform.vision.fail_next(1)
    ((_, function, queue, body),) = tasks.waiting()
    assert [tasks.invoker.task(function, queue, body) for _ in range(3)] == [503, DONE, DONE]
    assert shown(ada, image) == {"id": image, "status": "refused", "url": None}
    assert not is_stored(image)
    assert ada.post(general, text(1), media=chosen(image)).problem == "not-valid"
    assert chat.sql.execute_simple("SELECT content FROM social_images").rows == [[None]]


def test_one_of_a_member_who_left_meanwhile_is_not_kept(chat: Chat, tasks: ProfileClient) -> None:
    ada = chat.member()
    image = upload(ada, pictures.picture()).body["id"]
    chat.sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (ada.somebody.id,))
    tasks.run_tasks()
    assert not is_stored(image)


def test_five_are_taken_in_any_sixty_minutes(chat: Chat) -> None:
    ada, data = chat.member(), pictures.picture(size=(8, 8))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: upload(ada, data), range(8)))
    assert sorted(answer.status for answer in answers) == [202] * 5 + [429] * 3
    assert {answer.problem for answer in answers if answer.status == 429} == {"too-many-images"}
    chat.sql.execute_simple("UPDATE social_images SET uploaded_at = uploaded_at - interval '1 hour'")
    assert upload(ada, data).status == 202


def test_a_bad_image_has_its_problem_and_changes_nothing(chat: Chat) -> None:
    ada, banned = chat.member(), chat.member()
    chat.stand(banned, "banned_at", "now()")
    before = rows_of_all_tables(chat.sql, without=("attempt_counters",))
    for data, status, problem in (
        (b"", 422, "picture-not-supported"),
        (pictures.picture("GIF"), 422, "picture-not-supported"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "picture-not-supported"),
        (pictures.picture()[:200], 422, "picture-not-readable"),
        (pictures.bomb(100_000), 422, "picture-too-large"),
        (pictures.picture() + bytes(FILE_BYTES_MAX), 413, "body-too-large"),
    ):
        answer = upload(ada, data)
        assert (answer.status, answer.problem) == (status, problem)
    assert refusal(upload(banned, pictures.picture())) == (403, "banned-from-chat")
    for path in ("not-an-id", str(uuid4())):
        assert ada.client.get(f"{IMAGES}/{path}").problem == "not-found"
    assert rows_of_all_tables(chat.sql, without=("attempt_counters",)) == before
