"""Links by which members refer others: they lead to the sign-up page, where a cookie remembers the referrer."""

from contextlib import suppress
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from functions.auth import rules
from functions.auth.models import Signup
from shared.affiliates import links
from shared.auth import Anyone
from shared.config import Config, read
from shared.db import Tx
from shared.values import typed
from shared.values.problems import NotFound
from shared.web.http import Client, Redirect

REFERRAL_COOKIE = "blakjaks_referral"
REFERRAL_SECONDS = 30 * 24 * 3600


class WebConfig(Config):
    """The address of the sign-up page, and the domain that pages and API share."""

    sign_up_url: str = "https://blakjaks.com/join"
    cookie_domain: str = "blakjaks.com"


def follow_referral(tx: Tx, caller: Anyone, code: str, client: Client, now: datetime) -> Redirect:
    """Redirect a referral link to the sign-up page, where a cookie remembers the referrer for thirty days; the click
    is counted.
    """
    config = read(WebConfig)
    try:
        code = typed.referral_code(code)
    except ValueError:
        raise NotFound from None
    affiliate_id = links.referrer(tx, code)
    if affiliate_id is None:
        return Redirect(config.sign_up_url)
    links.count_click(tx, affiliate_id, code, client, now)
    cookie = f"{REFERRAL_COOKIE}={quote(code)}; Max-Age={REFERRAL_SECONDS}; Domain={config.cookie_domain}; Path=/"
    return Redirect(
        f"{config.sign_up_url}?ref={quote(code)}", {"Set-Cookie": f"{cookie}; Secure; HttpOnly; SameSite=Lax"}
    )


def referrer(tx: Tx, body: Signup, client: Client) -> UUID | None:
    """The member who referred this sign-up; None if nobody did. A typed code must exist; a code from the cookie may be
    out of date and is then ignored. New members cannot refer themselves, because they do not exist yet. Raises
    ReferralCodeUnknown.
    """
    code = body.referral_code
    if code is None:
        with suppress(ValueError):
            code = typed.referral_code(client.cookies.get(REFERRAL_COOKIE, ""))
    found = links.referrer(tx, code) if code else None
    if body.referral_code and found is None:
        raise rules.ReferralCodeUnknown
    return found
