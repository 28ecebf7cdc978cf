"""How sure it is that two accounts are one person's, in points of 100, by what they have in common."""

SCORE_MAX = 100
SAME_MAILBOX = 100
SAME_WALLET = 100
SAME_DEVICE = 60
