"""Rules over `terraform/*.tf` that the cloud configuration must never break; each finding says where one is broken.

`python -m terraform.policy [FILE…]` prints the findings. A contract test demands that there are none, and shows every
rule a configuration that it must refuse.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from terraform import hcl
from terraform.hcl import Block, Configuration

PUBLIC_BUCKETS = frozenset({"avatars", "hls"})
EVERYBODY = ("allUsers", "allAuthenticatedUsers")
SCOPED_FAMILIES = ("cloudkms", "iam", "storage")  # as in modules/catalog
DESTROY_DAYS_MIN = 30
ROTATION_DAYS_MAX = 90
DAY_SECONDS = 86_400
# Roles for the whole project that sound broad, and the reason why each is given.
REASONED_ROLES = {
    "firebasecloudmessaging.admin": "the only predefined role that may send a message (notify)",
}
KEY_NAMES = re.compile(r"_KEY_VERSION|_KEY_ID$|_KMS_KEY$")  # names of keys, which are no secrets
SECRET_NAMES = re.compile(r"(KEY|PASSWORD|SECRET|TOKEN|CREDENTIALS?)$")

Rule = Callable[[Configuration], Iterator[str]]


def no_public_bucket_but_avatars_and_streams(found: Configuration) -> Iterator[str]:
    """All other buckets have public access prevention, and no bucket grants anything to everybody."""
    declared = found.values.get("buckets", {})
    open_ones = {name for name, bucket in declared.items() if bucket.get("public")} if declared else set()
    for name in sorted(open_ones - PUBLIC_BUCKETS):
        yield f"local.buckets: {name} is public"
    for bucket in found.of("google_storage_bucket"):
        prevention = bucket.body.get("public_access_prevention")
        by_list = prevention == '${each.value.public ? "inherited" : "enforced"}' and bool(declared)
        if prevention != "enforced" and not by_list:
            yield f"{bucket.address}: public access is not prevented"
        if bucket.body.get("uniform_bucket_level_access") is not True:
            yield f"{bucket.address}: single objects could be made public"
    for grant in found.resources:
        if not grant.type.startswith("google_storage_") or not _mentions(grant.body, EVERYBODY):
            continue
        by_list = grant.body.get("for_each") == "${toset([for name, bucket in local.buckets : name if bucket.public])}"
        if not by_list and not any(f'files["{name}"]' in str(grant.body.get("bucket")) for name in PUBLIC_BUCKETS):
            yield f"{grant.address}: everybody may read a bucket that is not public"


def no_broad_roles(found: Configuration) -> Iterator[str]:
    """No member owns, edits or administers the project or replaces its policy, and everybody together gets nothing."""
    for grant in found.resources:
        if re.match(r"google_(project|folder|organization)_iam_(policy|binding)$", grant.type):
            yield f"{grant.address}: replaces what others have granted"
        if re.match(r"google_(project|folder|organization)_iam_member$", grant.type):
            narrowed = bool(grant.inner("condition").get("expression"))
            for role in _roles(grant):
                if is_broad(role, narrowed=narrowed):
                    yield f"{grant.address}: {role} is broad"
        open_door = "_iam_" in grant.type and not grant.type.startswith("google_storage_")
        if open_door and _mentions(grant.body, EVERYBODY):
            yield f"{grant.address}: everybody is granted something"


def is_broad(role: str, *, narrowed: bool = False) -> bool:
    """True for basic roles, administrators, and project-wide roles on keys, files and accounts.

    Roles of the last kind are not broad if a condition narrows them (`narrowed`).
    """
    name = role.removeprefix("roles/")
    if name in REASONED_ROLES:
        return False
    basic = name in {"owner", "editor", "viewer"} or name.split(".")[-1].lower().endswith("admin")
    return basic or (not narrowed and name.split(".")[0] in SCOPED_FAMILIES)


def keys_are_rotated_and_cannot_be_destroyed(found: Configuration) -> Iterator[str]:
    """Terraform refuses to destroy keys, KMS delays their destruction, and KMS rotates those that it can."""
    for key in found.of("google_kms_crypto_key"):
        if key.inner("lifecycle").get("prevent_destroy") is not True:
            yield f"{key.address}: can be destroyed"
        if _seconds(key.body.get("destroy_scheduled_duration")) < DESTROY_DAYS_MIN * DAY_SECONDS:
            yield f"{key.address}: a destroyed version is gone in less than {DESTROY_DAYS_MIN} days"
        symmetric = key.body.get("purpose", "ENCRYPT_DECRYPT") == "ENCRYPT_DECRYPT"
        if symmetric and not 0 < _seconds(key.body.get("rotation_period")) <= ROTATION_DAYS_MAX * DAY_SECONDS:
            yield f"{key.address}: is not rotated every {ROTATION_DAYS_MAX} days"


def every_subscription_has_a_dead_letter_that_somebody_reads(found: Configuration) -> Iterator[str]:
    """Every subscription also retries, never expires, and pushes under an account."""
    subscriptions = found.of("google_pubsub_subscription")
    read_topics = {_reference(subscription.body.get("topic")) for subscription in subscriptions}
    dead_topics = {
        _reference(subscription.inner("dead_letter_policy").get("dead_letter_topic")) for subscription in subscriptions
    } - {""}
    for topic in sorted(dead_topics - read_topics):
        yield f"{topic}: dead letters that nobody reads"
    for subscription in subscriptions:
        if subscription.inner("expiration_policy").get("ttl") != "":
            yield f"{subscription.address}: goes away when nothing comes for a month"
        if _reference(subscription.body.get("topic")) in dead_topics:
            continue
        if not subscription.inner("dead_letter_policy").get("dead_letter_topic"):
            yield f"{subscription.address}: has no dead letter"
        if not subscription.inner("retry_policy"):
            yield f"{subscription.address}: repeats without a pause"
        push = subscription.inner("push_config")
        if push and not (push.get("oidc_token") or [{}])[0].get("service_account_email"):
            yield f"{subscription.address}: pushes as nobody"


def secrets_come_from_secret_manager_only(found: Configuration) -> Iterator[str]:
    """The configuration, a plan and a state hold no secret value, and no environment variable has a secret's name."""
    for block in found.resources:
        if block.type == "google_secret_manager_secret_version":
            yield f"{block.address}: the value would be in the state"
        for name in ("password", "root_password", "secret_data", "private_key"):
            if block.body.get(name):
                yield f"{block.address}: {name} is in the configuration"
        for variable in _environment(block.body):
            if _is_secret(variable):
                yield f"{block.address}: {variable} in the environment"
    for variable in re.findall(r"\b([A-Z][A-Z0-9_]+) = ", str(found.values.get("settings", ""))):
        if _is_secret(variable):
            yield f"local.settings: {variable} in the environment"


def nothing_of_ours_has_an_address_outside(found: Configuration) -> Iterator[str]:
    """Machines and databases have private addresses only, and no firewall lets the internet in."""
    for machine in found.of("google_compute_instance"):
        if any("access_config" in interface for interface in machine.body.get("network_interface", [])):
            yield f"{machine.address}: has an address outside"
    for wall in found.of("google_compute_firewall"):
        inward = wall.body.get("direction", "INGRESS") == "INGRESS"
        if inward and wall.body.get("allow") and _mentions(wall.body.get("source_ranges", []), ("0.0.0.0/0", "::/0")):
            yield f"{wall.address}: lets the internet in"
    for database in found.of("google_sql_database_instance"):
        settings = database.inner("settings")
        network = (settings.get("ip_configuration") or [{}])[0]
        if network.get("ipv4_enabled") is not False or not network.get("private_network"):
            yield f"{database.address}: has an address outside"


def the_database_survives(found: Configuration) -> Iterator[str]:
    """The database is regional, has point-in-time backups, and is protected from deletion."""
    for database in found.of("google_sql_database_instance"):
        settings = database.inner("settings")
        backup = (settings.get("backup_configuration") or [{}])[0]
        if settings.get("availability_type") != "REGIONAL":
            yield f"{database.address}: is in one zone only"
        if backup.get("point_in_time_recovery_enabled") is not True:
            yield f"{database.address}: cannot go back to a second"
        protected = (
            database.body.get("deletion_protection") is True and settings.get("deletion_protection_enabled") is True
        )
        if not protected or database.inner("lifecycle").get("prevent_destroy") is not True:
            yield f"{database.address}: can be deleted in passing"


def the_load_balancer_says_which_it_is(found: Configuration) -> Iterator[str]:
    """Load balancers name their scheme, whose default has changed once; every backend restricts its callers."""
    for block in found.of("google_compute_backend_service", "google_compute_global_forwarding_rule"):
        if block.body.get("load_balancing_scheme") != "EXTERNAL_MANAGED":
            yield f"{block.address}: does not say its scheme"
    for backend in found.of("google_compute_backend_service"):
        if not backend.body.get("security_policy"):
            yield f"{backend.address}: has no Cloud Armor policy"
        if backend.body.get("custom_request_headers") != "${local.edge_headers}":
            yield f"{backend.address}: does not tell the client's address"


RULES: tuple[Rule, ...] = (
    no_public_bucket_but_avatars_and_streams,
    no_broad_roles,
    keys_are_rotated_and_cannot_be_destroyed,
    every_subscription_has_a_dead_letter_that_somebody_reads,
    secrets_come_from_secret_manager_only,
    nothing_of_ours_has_an_address_outside,
    the_database_survives,
    the_load_balancer_says_which_it_is,
)


def findings(found: Configuration) -> list[str]:
    """Every place that breaks a rule, with the rule's name."""
    return [f"{rule.__name__}: {finding}" for rule in RULES for finding in rule(found)]


def _roles(grant: Block) -> list[str]:
    """The literal roles of a grant: of `role`, or of the list that `for_each` iterates over."""
    role = str(grant.body.get("role", ""))
    if "${" not in role:
        return [role]
    return re.findall(r'"([a-zA-Z]+\.[a-zA-Z.]+|owner|editor|viewer)"', str(grant.body.get("for_each", "")))


def _environment(value: Any) -> Iterator[str]:
    """The names in every map called environment_variables."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "environment_variables" and isinstance(inner, Mapping):
                yield from inner
            yield from _environment(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _environment(inner)


def _is_secret(variable: str) -> bool:
    return bool(SECRET_NAMES.search(variable)) and not KEY_NAMES.search(variable)


def _mentions(value: Any, words: tuple[str, ...]) -> bool:
    return any(word in str(value) for word in words)


def _reference(expression: object) -> str:
    """The resource in an expression: `google_pubsub_topic.dead_letters` of `${google_pubsub_topic.dead_letters.id}`."""
    found = re.match(r"\$\{([a-z0-9_]+\.[a-z0-9_-]+)", str(expression or ""))
    return found[1] if found else str(expression or "")


def _seconds(text: object) -> int:
    """The seconds of "86400s" or "${90 * 86400}s"; zero for an empty value."""
    found = re.fullmatch(r"(?:\$\{(\d+) \* (\d+)\}|(\d+))s", str(text or ""))
    if not found:
        return 0
    return int(found[3]) if found[3] else int(found[1]) * int(found[2])


def main() -> int:
    """Print the findings; returns the exit code, 1 when there are any."""
    paths = [Path(name) for name in sys.argv[1:]]
    found = findings(hcl.read(*paths) if paths else hcl.ours())
    for finding in found:
        sys.stdout.write(f"{finding}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
