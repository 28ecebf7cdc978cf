"""A member who leaves: their messages are emptied and keep their numbers, and their reactions no longer count."""

from functions.member_erase import store as erasing
from shared import db
from tests.fakes.chat import Chat

pytest_plugins = ["tests.fakes.chat_plugin"]

LIMIT = 100


def test_messages_keep_their_numbers_alone_and_reactions_and_marks_go(chat: Chat) -> None:
    leaving, reader, general = chat.member(), chat.member(), chat.channel()
    assert reader.unread(general) == 0
    leaving.posted(general, "my secret", media={"type": "gif", "id": "abcDEF123"})
    message = reader.posted(general, "hello")["id"]
    leaving.react(message)
    reader.react(message)

    with db.acting_for("member_erase"):
        for table in ("social_messages", "social_reactions", "social_reads", "social_sent"):
            assert db.atomically(erasing.erase, table, leaving.somebody.id, LIMIT) == 1, table
            assert db.atomically(erasing.erase, table, leaving.somebody.id, LIMIT) == 0, table

    hello, gone = reader.page(general).body["messages"]
    assert (gone["number"], gone["removed"], gone["text"], gone["media"]) == (1, True, "", None)
    assert [reaction["count"] for reaction in hello["reactions"]] == [1]
    assert chat.sql.execute_simple("SELECT count(*) FROM social_messages WHERE text = 'my secret'").rows == [[0]]
