"""The schema of `function.yaml`, for the build, the emulators and the tests."""

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from shared.config import service_name

ROOT = Path(__file__).resolve().parent.parent
CRON_FIELDS = 5
ROLES = frozenset(
    {
        "cloudkms.admin",  # it creates, lists and disables versions of keys; it cannot use them
        "cloudkms.cryptoKeyDecrypter",
        "cloudkms.cryptoKeyEncrypter",
        "cloudkms.cryptoKeyEncrypterDecrypter",
        "cloudkms.publicKeyViewer",
        "cloudkms.signerVerifier",
        "cloudkms.viewer",
        "cloudsql.client",
        "cloudsql.instanceUser",
        "cloudtasks.enqueuer",
        "cloudtranslate.user",
        "datastore.user",
        "datastore.viewer",
        "firebasecloudmessaging.admin",
        "iam.serviceAccountTokenCreator",
        "iam.serviceAccountUser",
        "livestream.editor",
        "livestream.viewer",
        "pubsub.publisher",
        "storage.objectCreator",
        "storage.objectUser",
        "storage.objectViewer",
    }
)
SCOPES = frozenset(
    {
        *("access-tokens", "envelope", "treasury-keys"),  # key rings
        *("avatars", "codes", "documents", "hls", "reports", "templates", "uploads"),  # buckets
        *("files", "firebase", "invoker"),  # service accounts
    }
)
DATABASE_ROLES = frozenset(
    {
        "owner",  # it changes the schema; the others are blakjaks_… in shared/database/migrations/*_database_roles.sql
        *("accounts", "accruals", "acknowledging", "affiliate_desk", "api_keys", "approvals", "awards"),
        *("ballots", "bank_sync", "banks", "books", "campaign_sending", "campaigns", "carts", "checkout"),
        *("checks", "clicks", "codes", "counting", "delivery", "deposits", "disputes", "downlines"),
        *("enrolment", "erasure", "explanations", "exports", "figure_rollups", "figures", "fulfilment"),
        *("goods", "hook_sending", "hooks", "inbox", "inventory", "invoices", "keys", "listening"),
        *("member_desk", "moderation", "months", "order_decisions", "orders", "payouts", "platform_settings"),
        *("profiles", "read", "referral_reviews", "referrals", "relay", "reminding", "report_requests"),
        *("reports", "rollups", "sales", "scans", "second_factors", "settings", "settlements", "social"),
        *("standing", "stream_control", "stream_presence", "streams", "sunset", "support", "support_sync"),
        *("tails", "taxes", "telling", "top_ups", "unsubscribes", "vault_upkeep", "vaults", "vote_closing"),
        *("votes", "wallet_watching", "wallets", "watching", "webhooks", "week_decisions", "weeks"),
        *("wholesale", "wholesale_decisions", "work"),
    }
)
SET_BY_THE_PLATFORM = frozenset({"THREADS", "PORT", "FUNCTION_TARGET", "FUNCTION_SOURCE", "K_SERVICE", "K_REVISION"})


class NotDeployable(Exception):
    """Raised when the repository cannot be deployed; the message says where and why."""


def _role(role: str) -> str:
    if role not in ROLES:
        raise ValueError(f"{role} is not a role that functions have{_meant(role, ROLES)}")
    return role


def _scope(scope: str) -> str:
    if scope not in SCOPES:
        raise ValueError(f"{scope} is no key ring, bucket or account of ours{_meant(scope, SCOPES)}")
    return scope


def _database_role(role: str) -> str:
    if role not in DATABASE_ROLES:
        raise ValueError(f"{role} is not a database role{_meant(role, DATABASE_ROLES)}")
    return role


def _cron(cron: str) -> str:
    try:
        if len(cron.split()) != CRON_FIELDS:
            raise ValueError(f"{cron!r} is not a crontab of five fields")
        CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as fault:
        raise ValueError(f"{cron!r} is not a crontab: {fault}") from None
    return cron


def _variable(name: str) -> str:
    if name in SET_BY_THE_PLATFORM:
        raise ValueError(f"{name} is set by the platform")
    return name


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,62}$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$"), AfterValidator(_variable)]
Cron = Annotated[str, AfterValidator(_cron)]
Role = Annotated[str, AfterValidator(_role)]
Scope = Annotated[str, AfterValidator(_scope)]
DatabaseRole = Annotated[str, AfterValidator(_database_role)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Queue(_Part):
    """A Cloud Tasks queue of a function."""

    name: Name
    dispatches_per_second_max: Annotated[float, Field(gt=0, le=500)]
    concurrent_dispatches_max: Annotated[int, Field(ge=1, le=5000)]


class Schedule(_Part):
    """A Cloud Scheduler job of a function; cron in UTC."""

    name: Name
    cron: Cron


class Instances(_Part):
    """How many containers Cloud Run keeps, and how many it may start."""

    min: Annotated[int, Field(ge=0)]
    max: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min is {self.min} and max is {self.max}")
        return self


class Function(_Part):
    """A function's description of where and how it runs."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]  # the folder's name
    description: Annotated[str, Field(min_length=1)]
    gateway: bool
    site: bool = False  # the load balancer calls it, on the host of the web site
    topics: list[Name] = []
    queues: list[Queue] = []
    schedules: list[Schedule] = []
    on_deploy: list[Name] = []
    memory: Literal["256Mi", "512Mi", "1Gi", "2Gi", "4Gi"]
    cpu: Literal[1, 2, 4]
    concurrency: Annotated[int, Field(ge=1, le=1000)]
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)]
    instances: Instances
    roles: list[Role]
    scopes: dict[Role, list[Scope]] = {}  # the resources that a role is granted on, if that is not the whole project
    database: list[DatabaseRole] = []  # the roles of its Postgres login
    secrets: dict[Variable, Name]
    environment: dict[Variable, str] = {}

    @model_validator(mode="after")
    def _somebody_calls_it(self) -> Self:
        if not (self.is_http or self.topics or self.queues or self.schedules or self.on_deploy):
            raise ValueError("nobody calls it: no gateway, site, topic, queue, schedule or deployment")
        if self.gateway and self.site:
            raise ValueError("site: it is behind the gateway, which is another host")
        return self

    @model_validator(mode="after")
    def _scopes_are_of_roles(self) -> Self:
        for role in self.scopes:
            if role not in self.roles:
                raise ValueError(f"scopes: {role} is not among its roles")
        return self

    @model_validator(mode="after")
    def _logs_in_to_do_something(self) -> Self:
        if ("cloudsql.instanceUser" in self.roles) != bool(self.database):
            raise ValueError("database: names roles exactly if roles has cloudsql.instanceUser")
        return self

    @property
    def is_http(self) -> bool:
        """True if clients' requests reach it; anything else is a job."""
        return self.gateway or self.site

    @property
    def service(self) -> str:
        """The function's name on Cloud Run."""
        return service_name(self.name)

    @property
    def settings(self) -> Mapping[str, str]:
        """The environment variables of its containers that come from function.yaml."""
        return {**self.environment, "THREADS": str(self.concurrency)}

    @property
    def connections_max(self) -> int:
        """The Postgres connections of one instance, which has a pool per process; none without a login."""
        if not self.database:
            return 0
        pool = int(self.environment.get("DATABASE_CONNECTIONS", self.concurrency))
        return pool * int(self.environment.get("WORKERS", "1"))


@cache
def functions(root: Path = ROOT) -> dict[str, Function]:
    """Every function by name. Raises NotDeployable for the first fault."""
    folders = sorted(path for path in (root / "functions").iterdir() if path.is_dir() and path.name != "__pycache__")
    return {folder.name: _read(folder / "function.yaml", root) for folder in folders}


def _read(path: Path, root: Path) -> Function:
    where = path.relative_to(root)
    if not path.is_file():
        raise NotDeployable(f"{where} is missing.")
    try:
        given = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except yaml.YAMLError as fault:
        line = re.sub(r"\s+", " ", str(fault))
        raise NotDeployable(f"{where} is not YAML: {line}.") from None
    if not isinstance(given, dict):
        raise NotDeployable(f"{where} is not a mapping of keys to values.")
    if "name" in given:
        raise NotDeployable(f"{where}: name is not a key of function.yaml, a function is named as its folder.")
    try:
        return Function.model_validate({**given, "name": path.parent.name})
    except ValidationError as fault:
        raise NotDeployable(f"{where}: {_sentence(fault)}.") from None


def _sentence(faults: ValidationError) -> str:
    # A misspelt key explains the key that is missing.
    fault = max(faults.errors(), key=lambda fault: fault["type"] == "extra_forbidden")
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{key} is not a key of function.yaml{_meant(key, Function.model_fields)}"
    if fault["type"] == "missing":
        return f"{key} is missing"
    said = fault["msg"].removeprefix("Value error, ")
    return f"{key}: {said}" if key else said


def _meant(given: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, sorted(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
