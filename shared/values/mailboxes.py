"""Mailboxes: addresses that are delivered to the same one have the same plain address."""

import unicodedata

# Providers that ignore dots in a mailbox's name, and other domains that deliver to the same mailbox.
DOTLESS = frozenset({"gmail.com", "proton.me"})
SAME_DOMAIN = {
    "googlemail.com": "gmail.com",
    "protonmail.com": "proton.me",
    "pm.me": "proton.me",
    "me.com": "icloud.com",
    "mac.com": "icloud.com",
}


def plain(email: str) -> str:
    """The plain address of a mailbox: without the part after a plus sign, and normalized as its provider does."""
    name, _, given_domain = unicodedata.normalize("NFKC", email).lower().rpartition("@")
    domain = SAME_DOMAIN.get(given_domain, given_domain)
    local = name.partition("+")[0] or name
    if domain in DOTLESS:
        local = local.replace(".", "") or local
    return f"{local}@{domain}"
