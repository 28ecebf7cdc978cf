"""Signs JWTs with a service account's Google-held key, through the IAM Credentials API."""

import json
import os
from collections.abc import Mapping
from urllib.parse import quote

from shared.ports import google_sessions
from shared.ports.outage import Outage

REAL_URL = "https://iamcredentials.googleapis.com"
SIGN_SECONDS_MAX = 10.0
PASSING = frozenset({429, 500, 502, 503, 504})


class SigningRefused(Exception):
    """Raised when the service answers without a signature: the account, a role or the claims are wrong."""


class SigningUnavailable(Outage):
    """Raised when no usable answer came in time; the same call may succeed later."""


def sign_jwt(service_account: str, claims: Mapping[str, object]) -> str:
    """The claims as a compact RS256 JWT, with `exp` at most 12 hours ahead. Raises SigningRefused, SigningUnavailable.

    The key is published at https://www.googleapis.com/service_accounts/v1/jwk/<service_account>.
    https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signJwt
    """
    import requests
    from google.auth.exceptions import GoogleAuthError, TransportError

    base = os.environ.get("IAM_CREDENTIALS_URL", REAL_URL)
    url = f"{base}/v1/projects/-/serviceAccounts/{quote(service_account, safe='@')}:signJwt"
    try:
        with google_sessions.authorized(base, google_sessions.CLOUD_PLATFORM) as session:
            answer = session.post(url, json={"payload": json.dumps(claims)}, timeout=SIGN_SECONDS_MAX)
    except (requests.RequestException, TransportError) as error:
        raise SigningUnavailable(f"{url}: {error}") from error
    except GoogleAuthError as error:
        raise SigningRefused(f"{url}: {error}") from error
    if answer.status_code in PASSING:
        raise SigningUnavailable(f"{url} answered {answer.status_code}")
    if not answer.ok:
        raise SigningRefused(f"{url} answered {answer.status_code}: {answer.text}")
    signed: str = answer.json()["signedJwt"]
    return signed
