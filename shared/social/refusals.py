"""Refusals that the chat and the images for it share. Pure."""

from shared.values.problems import Problem


class BannedFromChat(Problem):
    """The member may neither read nor write in the chat any more."""

    status, title = 403, "You are banned from the chat."
