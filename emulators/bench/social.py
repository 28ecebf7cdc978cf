"""`make bench-social`: messages per second, the way to a listener, pages per message, and unread counts.

A stack of its own with a durable Postgres is started; clients, functions, Postgres and Firestore share the cores. Each
part says what it measures:

- posts: 1 to 128 clients post in one hot channel and in twenty, at the own door of `functions/social` (as Cloud Run
  would run it), in turns with hello world and with pgbench, which writes the same rows one message after the other
  (social_floor.py). `floor` is how many times pgbench's rate ours is. What messages cause is not done meanwhile.
- listener: messages in a quiet channel, through the gateway, until they are at a listener with a token of its own. The
  time is from the request to the page that shows the message.
- pages: messages at steady rates through the gateway, and how many pages were made of them. Each page is a read for
  each listener.
- unread: the list of channels with its unread counts, with the read marks of this run and with a million old ones.

`--quick` takes fewer of everything, `--only posts` measures one part. Written to .local/bench/social.json: machine;
posts, an entry per number of channels and clients with own_door, hello and pgbench; listener; pages, an entry per rate;
unread; aims.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any
from uuid import UUID

from emulators import cloud, contract, scheduler
from emulators.bench import calls, door, load, processes, report, world
from emulators.bench.calls import Call
from emulators.bench.load import Plan
from emulators.bench.social_floor import MessageFloor
from emulators.bench.social_world import HOT, Chat, Post
from emulators.bench.throughput import WrongAnswers
from emulators.bench.world import FOLDER, World
from emulators.chat_listener import ChatListener
from emulators.client import Client
from emulators.pubsub import PubSub

RESULT = FOLDER / "social.json"
MEMBERS = 2_000  # who posts more than 20 messages within ten seconds is in a rush
RATE_MAX = 1_500  # messages per second that are prepared; a faster function is stopped earlier
WARM_POSTS = 300
WARM_CLIENTS = 16
PACED_CLIENTS = 32
READERS = 8
PERCENTILES = (50, 95, 99)
PARTS = ("posts", "listener", "pages", "unread")
PAUSE_SECONDS = 0.4  # longer than the pace of a channel, so that the next page is due at once
LISTEN_SECONDS_MAX = 600.0
SETTLED_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.25
AIMS = {"own_door_per_second": 300, "listener_p95_ms": 100}


@dataclass(frozen=True)
class Effort:
    """The numbers of clients, messages and read marks of a run."""

    clients: Sequence[int]
    seconds: int
    rounds: int
    heard: int
    rates: Sequence[float]
    rate_seconds: int
    marks: int


FULL = Effort((1, 8, 32, 128), seconds=4, rounds=3, heard=100, rates=(0.2, 1, 5, 20, 50), rate_seconds=25,
              marks=1_000_000)  # fmt: skip
QUICK = Effort((1, 32, 128), seconds=2, rounds=1, heard=15, rates=(1, 20), rate_seconds=5, marks=100_000)


def main() -> None:
    """Run the benchmark, print its figures and write them."""
    parser = argparse.ArgumentParser(prog="python -m emulators.bench.social")
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="these parts; the file keeps the others"
    )
    asked = parser.parse_args()
    before = json.loads(RESULT.read_text()) if asked.only != PARTS and RESULT.exists() else {}
    result = before | _measured(QUICK if asked.quick else FULL, asked.only, _teller())
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nAll figures: {RESULT.relative_to(contract.ROOT)}")


def _measured(effort: Effort, parts: Sequence[str], tell: Callable[[str], None]) -> dict[str, Any]:
    with ExitStack() as stop:
        stack = stop.enter_context(world.started())
        machine = report.machine(stack.postgres.version)
        tell(f"the stack is up, {MEMBERS} members sign in")
        bench = _Bench(World(stack, MEMBERS), stop)
        tell("warming up")
        bench.warm_up()
        found: dict[str, Any] = {}
        for part in parts:
            found[part] = getattr(bench, part)(effort, tell)
            print(f"{part}: {json.dumps(found[part])}", flush=True)
            bench.world.sign_in_again()  # a token lives fifteen minutes
        machine["load_average_end"] = report.load_average()
    return {"machine": machine, "options": asdict(effort), **found, "aims": AIMS}


class _Bench:
    """The doors, started. At the function's own one nobody is told what its messages cause."""

    def __init__(self, made: World, stop: ExitStack) -> None:
        self.world, self._chat, self._floor = made, Chat(made), MessageFloor(made)
        silent = PubSub(made.stack.identity.mint)
        silent.start()
        stop.callback(silent.stop)
        cloud.make_topics(silent.host)
        social = door.target(contract.functions()["social"])
        unheard = replace(social, settings={**social.settings, "PUBSUB_EMULATOR_HOST": silent.host})
        self._social, self._hello = (
            stop.enter_context(door.opened(made.stack, target)) for target in (unheard, door.HELLO)
        )
        for opened in (self._social, self._hello):
            opened.wait()
        self._headers = calls.gateway_headers(made.stack, "social")
        self._database = processes.child_running("postgres -D")

    def warm_up(self) -> None:
        """Warm up connections, prepared statements and key sets."""
        self._posted(HOT, WARM_CLIENTS, 10, WARM_POSTS)

    def posts(self, effort: Effort, tell: Callable[[str], None]) -> list[dict[str, Any]]:
        """Messages per second in one channel and in twenty, each beside hello world and pgbench."""
        found = []
        for channels in (1, HOT):
            for clients in effort.clients:
                tell(f"{clients} clients in {channels} channels")
                runs = [self._round(channels, clients, effort.seconds) for _ in range(effort.rounds)]
                figures = {name: _figures([run[name] for run in runs]) for name in runs[0]}
                rate = figures["own_door"]["per_second"]
                ratios = {
                    f"{name}_ratio": round(figures[name]["per_second"] / rate, 2) for name in ("pgbench", "hello")
                }
                found.append({"channels": channels, "clients": clients, **figures, **ratios})
        return found

    def listener(self, effort: Effort, tell: Callable[[str], None]) -> dict[str, float]:
        """Milliseconds from a message to the page that shows it, in a channel where nothing else happens."""
        channel = self._chat.channels[HOT]
        tell(f"{effort.heard} messages, one after the other, to a listener")
        posts = list(self._chat.posts_in(channel, effort.heard + 1))
        author = Client(self.world.stack.url)
        milliseconds = []
        self._send(author, posts[0])  # so that there is a channel to listen to
        self._publish()
        with self._listening(posts[0].author.token, channel) as heard:
            for post in posts[1:]:
                time.sleep(PAUSE_SECONDS)
                began = time.perf_counter()
                heard.wait_for(self._send(author, post))
                milliseconds.append(1000 * (time.perf_counter() - began))
        author.close()
        return _percentiles(milliseconds)

    def pages(self, effort: Effort, tell: Callable[[str], None]) -> list[dict[str, float]]:
        """Pages per message at steady rates, each in turn in the same channel."""
        channel, found = self._chat.channels[HOT + 1], []
        for rate in effort.rates:
            tell(f"{rate} messages a second for {effort.rate_seconds} s")
            number = max(1, round(rate * effort.rate_seconds))
            before = self._pages(channel)
            texts = [_at_the_gateway(post).text for post in self._chat.posts_in(channel, number)]
            port = self.world.stack.gateway_port
            made = load.run(Plan(port, PACED_CLIENTS, effort.rate_seconds, texts, per_second=rate))
            if made.statuses != {"201": number}:
                raise WrongAnswers(f"{number} messages were answered {made.statuses}")
            self._settle(channel)
            pages = self._pages(channel) - before
            found.append({"per_second": rate, "messages": number, "pages": pages, "ratio": round(pages / number, 3)})
        return found

    def unread(self, effort: Effort, tell: Callable[[str], None]) -> dict[str, Any]:
        """The list of channels, without and with old read marks."""
        found: dict[str, Any] = {"channels": self._listed(effort.seconds)}
        tell(f"writing {effort.marks:,} old read marks")
        self._chat.fill_marks(effort.marks)
        found["with_old_marks"] = self._listed(effort.seconds)
        flat = found["with_old_marks"]["per_second"] / found["channels"]["per_second"]
        return {**found, "marks": effort.marks, "flat": round(flat, 3)}

    def _round(self, channels: int, clients: int, seconds: int) -> dict[str, tuple[float, list[float]]]:
        """One run of each of the three: messages per second, and the milliseconds of each."""
        hello = load.run(Plan(self._hello.port, clients, seconds, [Call("GET", "/").text], again=True))
        below = self._floor.run(channels, clients, seconds, self._database)
        return {
            "own_door": self._posted(channels, clients, seconds, seconds * RATE_MAX),
            "hello": (len(hello.milliseconds) / hello.seconds, hello.milliseconds),
            "pgbench": (len(below.milliseconds) / seconds, below.milliseconds),
        }

    def _posted(self, channels: int, clients: int, seconds: int, number: int) -> tuple[float, list[float]]:
        texts = [post.call(self._headers).text for post in self._chat.posts(number, channels)]
        made = load.run(Plan(self._social.port, clients, seconds, texts))
        if set(made.statuses) != {"201"}:
            raise WrongAnswers(f"messages were answered {made.statuses}; see {self._social.child.log.parent}")
        return len(made.milliseconds) / made.seconds, made.milliseconds

    def _listed(self, seconds: int) -> dict[str, float]:
        readers = self.world.members[1:]
        texts = [
            Call(
                "GET", "/v1/social/channels", {**self._headers, "X-Forwarded-Authorization": f"Bearer {reader.token}"}
            ).text
            for reader in readers
        ]
        made = load.run(Plan(self._social.port, READERS, seconds, texts, again=True))
        if set(made.statuses) != {"200"}:
            raise WrongAnswers(f"lists of channels were answered {made.statuses}")
        return {"per_second": round(len(made.milliseconds) / made.seconds, 1), **_percentiles(made.milliseconds)}

    def _listening(self, token: str, channel: UUID) -> ChatListener:
        stack, client = self.world.stack, Client(self.world.stack.url, token)
        position = client.must("GET", f"/v1/social/channels/{channel}/messages?limit=1")["position"]
        given = client.must("POST", "/v1/realtime/token")["firebase_token"]
        client.close()
        id_token = stack.identity.firebase.exchange(given)["idToken"]
        return ChatListener(stack.firestore_host, id_token, str(channel), position, LISTEN_SECONDS_MAX)

    def _send(self, author: Client, post: Post) -> str:
        author.token = post.author.token
        posted = author.must("POST", f"/v1/social/channels/{post.channel}/messages", json.loads(post.body))
        return str(posted["id"])

    def _publish(self) -> None:
        stack = self.world.stack
        scheduler.call(stack.function_url("social_publish"), "sweep", stack.token("social_publish"))

    def _settle(self, channel: UUID) -> None:
        """Wait until all that has happened in the channel is in pages."""
        query = """
            SELECT h.position = t.position FROM social_heads h JOIN social_tails t USING (channel_id)
            WHERE channel_id = $1
            """
        ends_at = time.monotonic() + SETTLED_SECONDS_MAX
        while self._chat.rows(query, channel) != [[True]]:
            if time.monotonic() > ends_at:
                raise WrongAnswers("messages are in no page")
            time.sleep(LOOK_SECONDS)

    def _pages(self, channel: UUID) -> int:
        return int(self._chat.rows("SELECT count(*) FROM social_pages WHERE channel_id = $1", channel)[0][0])


def _at_the_gateway(post: Post) -> Call:
    call = post.call({})
    return replace(call, headers={"Authorization": f"Bearer {post.author.token}"})


def _figures(runs: Sequence[tuple[float, list[float]]]) -> dict[str, float]:
    rates = [rate for rate, _ in runs]
    return {
        "per_second": round(median(rates), 1),
        "per_second_min": round(min(rates), 1),
        "per_second_max": round(max(rates), 1),
        **_percentiles([each for _, milliseconds in runs for each in milliseconds]),
    }


def _percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(milliseconds)
    return {f"p{each}_ms": round(ordered[len(ordered) * each // 100], 1) for each in PERCENTILES}


def _teller() -> Callable[[str], None]:
    started = time.monotonic()
    return lambda line: print(f"{time.monotonic() - started:6.1f} s  {line}", flush=True)


if __name__ == "__main__":
    main()
