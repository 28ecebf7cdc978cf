"""The functions of the token's contract that several ports call: the first four bytes of the data of a call."""

BALANCE_SELECTOR = "0x70a08231"  # balanceOf(address)
BLOCKED_SELECTOR = "0xfbac3951"  # isBlocked(address)
