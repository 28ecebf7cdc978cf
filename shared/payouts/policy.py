"""The payout policy's version, and how many people must agree where it asks for people."""

VERSION = 5  # stored with each decision; raised when the same inputs may be decided differently
TWO_PEOPLE = 2  # where money might be paid twice or to the wrong address
SECOND_PERSON = 1  # beside the admin who has awarded the comp, or who has asked
