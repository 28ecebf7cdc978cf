"""Makes the world of the chat's benchmark: its own channels, messages that nobody refuses, and old read marks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from emulators.bench.calls import Call
from emulators.bench.world import Somebody, World

CHANNELS = 24  # those from HOT on are for one part each
HOT = 20
LETTERS = "bdhmnpqrwx"  # texts are compared by their letters
MARKS_PER_MEMBER = 20
PIECE = 100_000


@dataclass(frozen=True)
class Post:
    """A message to be posted."""

    author: Somebody
    channel: UUID
    text: str

    def call(self, headers: Mapping[str, str]) -> Call:
        """The request at the function's own port."""
        own = {**headers, "X-Forwarded-Authorization": f"Bearer {self.author.token}"}
        return Call("POST", f"/v1/social/channels/{self.channel}/messages", own, self.body)

    @property
    def body(self) -> str:
        return f'{{"client_id": "{uuid4()}", "text": "{self.text}"}}'


class Chat:
    """The channels, in which whales write: they have no cooldown, and take turns, so that nobody is in a rush."""

    def __init__(self, made: World) -> None:
        self._world = made
        self._numbers = count()
        self.channels = [uuid4() for _ in range(CHANNELS)]
        with made.sql() as connection:
            connection.execute_unnamed(
                """
                INSERT INTO social_channels (id, slug, name, description, category, icon, kind, access_standard,
                                             access_vip, access_high_roller, access_whale, display_order)
                SELECT id, 'bench-' || n, 'Bench', '', 'Bench', 'spade', 'chat', 'full', 'full', 'full', 'full', 100 + n
                FROM unnest(CAST($1 AS uuid[])) WITH ORDINALITY AS made (id, n)
                """,
                (self.channels,),
            )
            for statement in (
                "INSERT INTO social_heads (channel_id) SELECT unnest(CAST($1 AS uuid[]))",
                """
                CREATE TABLE bench_channels AS SELECT n AS place, channel_id
                FROM unnest(CAST($1 AS uuid[])) WITH ORDINALITY AS made (channel_id, n)
                """,
            ):
                connection.execute_unnamed(statement, (self.channels,))

    def posts(self, number: int, channels: int) -> Iterator[Post]:
        """Messages in turn by all members, and in so many channels."""
        authors = self._world.members
        for _, place in zip(range(number), self._numbers, strict=False):
            text = "text " + "".join(LETTERS[int(digit)] for digit in str(place))
            yield Post(authors[place % len(authors)], self.channels[place % channels], text)

    def posts_in(self, channel: UUID, number: int) -> Iterator[Post]:
        """Messages in one channel."""
        for post in self.posts(number, 1):
            yield Post(post.author, channel, post.text)

    def fill_marks(self, marks: int) -> None:
        """Write read marks of members of long ago in the channels, and remove each fiftieth message."""
        with self._world.sql() as connection:
            connection.execute_simple("SET session_replication_role = replica")  # these members need not be there
            for begin in range(0, marks, PIECE):
                connection.execute_unnamed(
                    """
                    INSERT INTO social_reads (member_id, channel_id, number)
                    SELECT md5('bench' || n / $3)::uuid, (CAST($4 AS uuid[]))[1 + n % $3], 0
                    FROM generate_series(CAST($1 AS integer), CAST($2 AS integer)) AS n
                    """,
                    (begin, min(begin + PIECE, marks) - 1, MARKS_PER_MEMBER, self.channels),
                )
            connection.execute_simple(
                "UPDATE social_messages SET removed_at = now(), removed_by = 'author' WHERE number % 50 = 0"
            )
            for table in ("social_reads", "social_messages"):
                connection.execute_simple(f"VACUUM ANALYZE {table}")
            connection.execute_simple("CHECKPOINT")

    def rows(self, query: str, *values: object) -> list[list[Any]]:
        """The rows of a query."""
        with self._world.sql() as connection:
            return list(connection.execute_unnamed(query, values).rows)
