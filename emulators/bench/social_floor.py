"""The floor of a message: pgbench writes the same rows one message after the other, on the same server and tables.

It takes the next number and position of a channel and inserts the message, its entry, its client id and its event: one
transaction of six round trips by a client in C, with every rule of the schema. It reads no standing and judges nothing.
"""

from emulators.bench import floor
from emulators.bench.floor import FloorRun
from emulators.bench.world import World

MEMBERS = 100
SCRIPT = """
\\set place random(1, {channels})
\\set author random(1, {members})
SELECT channel_id FROM bench_channels WHERE place = :place \\gset
BEGIN;
UPDATE social_heads SET number = number + 1, position = position + 1 WHERE channel_id = :channel_id
RETURNING number, position \\gset
INSERT INTO social_messages (posted_at, id, channel_id, number, member_id, tier, text)
VALUES (now(), gen_random_uuid(), :channel_id, :number, (SELECT id FROM members WHERE number = :author + 1), 'whale',
        'text of a message as long as most are')
RETURNING id AS message_id \\gset
INSERT INTO social_entries (channel_id, position, kind, number, message_id, happened_at)
VALUES (:channel_id, :position, 'message', :number, :message_id, now());
INSERT INTO social_sent (member_id, client_id, request_hash, message_id, sent_at)
VALUES ((SELECT id FROM members WHERE number = :author + 1), :message_id, sha256(uuid_send(:message_id)), :message_id,
        now());
INSERT INTO outbox (kind, destination, body, created_at, published_at)
VALUES ('event', 'channel-changed', jsonb_build_object('channel_id', CAST(:channel_id AS text)), now(), now());
COMMIT;
"""


class MessageFloor:
    """pgbench on the tables of the chat."""

    def __init__(self, made: World) -> None:
        self._world = made

    def run(self, channels: int, clients: int, seconds: int, database: int) -> FloorRun:
        """Run pgbench once, in so many of the benchmark's channels. Raises RuntimeError if messages are missing."""
        before = self._messages()
        script = SCRIPT.format(channels=channels, members=MEMBERS)
        made = floor.pgbench(self._world, script, clients, seconds, database)
        if (posted := self._messages() - before) != len(made.milliseconds):
            raise RuntimeError(f"the floor counted {len(made.milliseconds)} messages and made {posted}")
        return made

    def _messages(self) -> int:
        """The messages of the channels, by their numbers, which have no gap."""
        with self._world.sql() as connection:
            query = "SELECT sum(number)::bigint FROM social_heads JOIN bench_channels USING (channel_id)"
            return int(connection.execute_simple(query).rows[0][0])
