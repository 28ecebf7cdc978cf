"""Problems with a member's names and addresses, at sign-up and later. Pure."""

from shared.values.problems import Problem

BRAND = "blakjak"
PSEUDONYM = "deleted_"  # the beginning of the usernames that deleted accounts get
RESERVED = frozenset(
    {
        "abuse", "account", "accounts", "admin", "administrator", "admins", "api", "billing", "help", "helpdesk",
        "info", "legal", "mod", "moderator", "moderators", "noreply", "nobody", "null", "official", "operations",
        "owner", "payment", "payments", "payout", "payouts", "postmaster", "privacy", "root", "security", "service",
        "staff", "support", "system", "team", "treasury", "webmaster",
    }
)  # fmt: skip
LOOKALIKES = str.maketrans("013457", "oieast")  # digits that are read as letters


class EmailAlreadyRegistered(Problem):
    """An account with this e-mail address exists, whatever its capitals."""

    status, title = 409, "An account with this e-mail address exists."


class UsernameTaken(Problem):
    """Another member has this username, whatever its capitals."""

    status, title = 409, "This username is taken."


class VerificationCodeNotValid(Problem):
    """The code is wrong, used, expired, tried too often, or there is no account: the answer is the same for all."""

    status, title = 422, "This verification code is not valid."


class NameReserved(Problem):
    """The name would look as if BlakJaks itself were speaking."""

    status, title = 422, "This name is kept for BlakJaks."


def is_reserved(name: str) -> bool:
    """True if a username or referral code, or one word of it, looks like a name of BlakJaks itself."""
    read = name.lower()
    if read.startswith(PSEUDONYM):
        return True
    words = read.replace("-", "_").split("_")
    spellings = {spelling for word in [*words, "".join(words)]
                 for spelling in (word, word.rstrip("0123456789"), word.translate(LOOKALIKES))}  # fmt: skip
    return not spellings.isdisjoint(RESERVED) or any(BRAND in spelling for spelling in spellings)
