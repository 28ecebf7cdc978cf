"""HTTP: the list of a week's shares, for everybody who adds it up (docs/affiliates.md, "Anybody can add it up")."""

from typing import Annotated

from functions.affiliate import rules
from functions.affiliate.common import api
from shared.affiliates import published
from shared.auth import Anyone
from shared.db import Tx
from shared.values.fields import Query, Shape
from shared.values.problems import NotFound
from shared.values.weeks import named
from shared.web.http import Client, CsvFile
from shared.web.quotas import Limit, Quota

CACHED = "public, max-age=31536000, immutable"  # an approved week never changes
Mark = Annotated[str, Shape(r"^[0-9a-f]{64}$", "64 hexadecimal digits")]


class SharesPart(Query):
    """The part of the list after the line of a mark; without one, its beginning."""

    after: Mark | None = None


def limit_parts(client: Client) -> Limit:
    """Limits the parts that a network reads."""
    return Limit([Quota(f"shares read from {client.network}", rules.PARTS_PER_HOUR)], rules.TooManyParts)


@api.get(
    "/v1/affiliate/weeks/{week_on}/shares",
    limit=limit_parts,
    problems=(rules.TooManyParts,),
    reply_headers={"Cache-Control": CACHED},
)
def get_week_shares(tx: Tx, caller: Anyone, part: SharesPart, week_on: str) -> CsvFile:
    """Return a part of the list of a week that people have approved, empty after the last line."""
    found = published.find(tx, named(week_on))
    if found is None:
        raise NotFound
    text = published.lines(tx, found.week_on, part.after or "", published.LINES_AT_ONCE)
    return CsvFile(text if part.after else published.header(found) + text, version=found.digest)
