"""HTTP: clicks on referral links that an app opens without asking for /r/{code}, which counts its own."""

from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from functions.affiliate.common import api
from shared.affiliates import links
from shared.auth import Anyone
from shared.db import Tx
from shared.values import typed
from shared.values.fields import Body
from shared.web.http import Client


class ReferralClick(Body):
    """The code of the link that was opened, or the whole link."""

    code: Annotated[str, StringConstraints(max_length=typed.PASTED_MAX)]


@api.post("/v1/affiliate/clicks", status=204)
def count_referral_click(tx: Tx, caller: Anyone, body: ReferralClick, client: Client, now: datetime) -> None:
    """Count the click. The answer is the same for a code that is nobody's, and for a click that is not counted."""
    try:
        code = typed.referral_code(body.code)
    except ValueError:
        return
    affiliate_id = links.referrer(tx, code)
    if affiliate_id:
        links.count_click(tx, affiliate_id, code, client, now)
