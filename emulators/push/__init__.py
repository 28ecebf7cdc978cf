"""Local APNs and FCM: accept pushes as Apple's and Google's services do, deliver none, and show what they accepted.

`apns` and `fcm` say how each differs from the real service.
"""

import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from emulators.http_server import HttpServer
from emulators.push.apns import ApnsHandler, Provider
from emulators.push.box import Fault, PushBox
from emulators.push.fcm import FcmHandler

__all__ = ["Fault", "PushStandIn"]

APNS_TOPIC = "com.blakjaks.app"
APNS_KEY_ID = "LOCALKEY01"
APNS_TEAM_ID = "LOCALTEAM1"
FCM_PROJECT_ID = "blakjaks-local"


class PushStandIn(PushBox):
    """Both services with one box. `clock` tells the seconds since 1970, by which Apple's provider tokens age."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._servers: tuple[HttpServer, ...] = ()
        self.fcm_project_id = FCM_PROJECT_ID
        self.provider = Provider(self._key.public_key(), APNS_KEY_ID, APNS_TEAM_ID, APNS_TOPIC, clock)

    @property
    def apns_key_pem(self) -> str:
        """The value for APNS_KEY, in the form of Apple's .p8 files."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def apns_key_id(self) -> str:
        return self.provider.key_id

    @property
    def apns_team_id(self) -> str:
        return self.provider.team_id

    @property
    def apns_url(self) -> str:
        """The value for APNS_URL."""
        return self._url(0)

    @property
    def fcm_url(self) -> str:
        """The value for FCM_URL; `/pushes` there shows what both services accepted."""
        return self._url(1)

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that the port reads."""
        return {
            "APNS_URL": self.apns_url,
            "APNS_KEY": self.apns_key_pem,
            "APNS_KEY_ID": self.apns_key_id,
            "APNS_TEAM_ID": self.apns_team_id,
            "FCM_URL": self.fcm_url,
            "FCM_PROJECT_ID": self.fcm_project_id,
        }

    def start(self) -> None:
        super().start()
        bound = {"box": self, "provider": self.provider, "project_id": self.fcm_project_id}
        self._servers = (
            HttpServer(type("BoundApnsHandler", (ApnsHandler,), bound)),
            HttpServer(type("BoundFcmHandler", (FcmHandler,), bound)),
        )
        for server in self._servers:
            server.start()

    def stop(self) -> None:
        super().stop()
        for server in self._servers:
            server.stop()
        self._servers = ()

    def _url(self, position: int) -> str:
        if not self._servers:
            raise RuntimeError("the push stand-in is not running")
        return self._servers[position].url
