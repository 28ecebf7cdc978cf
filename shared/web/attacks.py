"""Logs traces of attacks: a line for each refusal that guessing and probing cause, counted by terraform/metrics.yaml.

Member and network are bound to every line of a request (shared/api.py). No line has a code, a token, a password, an
e-mail address, or an IP address: the network is a coarse one.
"""

from shared import log

SECOND_FACTOR_FAILED = frozenset({"second-factor-wrong", "second-factor-used"})
ROLE_REFUSED = frozenset({"not-allowed", "second-factor-required", "approval-of-own-request"})
MAILED_CODE_WRONG = frozenset({"verification-code-not-valid", "password-reset-not-valid"})
PROOF_WRONG = frozenset(
    {"wallet-signature-not-valid", "wallet-challenge-not-valid", "wallet-token-not-valid", "wallet-token-used"}
)


def note(problem: str) -> None:
    """Log the trace that this type of problem (`second-factor-wrong`) leaves; most types leave none."""
    if problem in SECOND_FACTOR_FAILED:
        log.warning("a second factor failed", problem=problem)
    elif problem == "second-factor-locked":
        log.warning("a second factor is locked", problem=problem)
    elif problem in ROLE_REFUSED:
        log.warning("a role was refused", problem=problem)
    elif problem == "password-wrong":
        log.warning("a password was not repeated", problem=problem)
    elif problem in MAILED_CODE_WRONG:
        log.warning("a mailed code was wrong", problem=problem)
    elif problem == "signature-not-valid":
        log.warning("a vendor's message had no valid signature", problem=problem)
    elif problem in PROOF_WRONG:
        log.warning("a wallet was not proved", problem=problem)
    elif problem.startswith("too-many-"):
        log.warning("a limit was reached", problem=problem)
    elif problem == "not-through-the-gateway":
        log.warning("a request came past the edge or the gateway", problem=problem)


def sign_in_failed(member: object, problem: str) -> None:
    """Log a failed sign-in. `member` is None when there is no such account."""
    log.warning("a sign-in failed", member=member, problem=problem)


def sign_in_locked(member: object, problem: str) -> None:
    """Log a sign-in that was refused without comparing its password, because there were too many tries."""
    log.warning("sign-in is locked", member=member, problem=problem)


def refresh_token_reused(member: object, problem: str) -> None:
    """Log that a used refresh token came again: it is in the hands of two parties, and the session has ended."""
    log.warning("a refresh token was used again", member=member, problem=problem)


def wallet_relinked() -> None:
    """Log that a member's money goes to another address from now on."""
    log.warning("a wallet was linked in place of another")
