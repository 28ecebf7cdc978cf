"""Rate limits for callers who are not signed in, counted by network and by the e-mail address they ask about.

Many people share a network, so the limits of a network are far above what one person needs. Codes for an address are
counted by network first: a single network reaches its own limit long before the limit of all networks together. A
device on which the address's member has signed in is counted by itself, so strangers cannot use up its tries.
"""

from collections.abc import Sequence
from datetime import datetime

from functions.auth import records, rules, tokens
from functions.auth.models import MailedCodeRequest
from shared import db
from shared.web.http import Client
from shared.web.quotas import DAY, Limit, Quota


def of_sign_ups(client: Client) -> Limit:
    """Limits the accounts made from a network, together with tries for an address that is taken."""
    return Limit([Quota(f"sign-up from {client.network}", rules.SIGN_UPS_MAX)], rules.TooManySignUps)


def of_sign_up_mails(email: str, client: Client) -> Limit:
    """Limits the codes that sign-ups mail to an address, in the same quotas as codes asked for; a refused sign-up mails
    none.
    """
    first, *then = _of_strangers("verify", email, client)
    return Limit(first, rules.TooManySignUps, then)


def of_codes_to_verify(body: MailedCodeRequest, client: Client, now: datetime) -> Limit:
    """Limits the mails with a code that proves an address."""
    return _mailed("verify", body, client, now)


def of_codes_to_reset(body: MailedCodeRequest, client: Client, now: datetime) -> Limit:
    """Limits the mails with a code that sets a new password."""
    return _mailed("reset", body, client, now)


def of_guesses(client: Client) -> Limit:
    """Limits the mailed codes handed in from a network; besides, a code stops working after five wrong guesses by
    anybody.
    """
    return Limit([Quota(f"mailed codes from {client.network}", rules.NETWORK_GUESSES_MAX)], rules.TooManyGuesses)


def of_sign_ins(email: str, network: str) -> Sequence[Sequence[Quota]]:
    """The quotas of failed sign-ins. A caller above them gets the answer of a wrong password
    (functions/auth/lockout.py).
    """
    return [
        [
            Quota(f"sign-in of {email} from {network}", rules.FAILED_SIGN_INS_MAX),
            Quota(f"sign-in from {network}", rules.NETWORK_FAILURES_MAX),
        ],
        [Quota(f"sign-in of {email}", rules.ACCOUNT_FAILURES_MAX)],
    ]


def _mailed(purpose: str, body: MailedCodeRequest, client: Client, now: datetime) -> Limit:
    if body.ticket and _is_known(body.ticket, body.email, now):
        first, *then = _of_one(f"{purpose} on device {tokens.secret_hash(body.ticket).hex()}")
        return Limit(first, rules.TooManyMailedCodes, then)
    by_network = Quota(f"{purpose} from {client.network}", rules.NETWORK_MAILED_CODES_MAX)
    return Limit([by_network], rules.TooManyMailedCodes, _of_strangers(purpose, body.email, client))


def _of_one(who: str) -> Sequence[Sequence[Quota]]:
    """The quotas of one network, or of one known device, for codes mailed to an address."""
    return [[Quota(who, rules.MAILED_CODES_MAX)], [Quota(f"{who} on a day", rules.MAILED_CODES_DAY_MAX, DAY)]]


def _of_strangers(purpose: str, email: str, client: Client) -> Sequence[Sequence[Quota]]:
    """The quotas of one network for an address, then the quotas of all networks together; codes of sign-ups
    count too.
    """
    who = f"{purpose} of {email}"
    return [
        *_of_one(f"{who} from {client.network}"),
        [Quota(who, rules.ADDRESS_MAILED_CODES_MAX)],
        [Quota(f"{who} on a day", rules.ADDRESS_MAILED_CODES_DAY_MAX, DAY)],
    ]


def _is_known(ticket: str, email: str, now: datetime) -> bool:
    """Whether the ticket is the device token of an earlier sign-in with this address."""
    return db.atomically(records.is_known_device, ticket, email, now)
