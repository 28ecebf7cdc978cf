"""Failures of asking the chain: one family, whichever view asked.

Functions that answer people turn any of it into a passing 503. The payout machine waits while it is a
ChainUnreachable; the two others are mistakes in a configuration, so they fail its jobs and wake somebody.
"""

from shared.ports.outage import Outage


class ChainFailure(Outage):
    """Raised when the chain cannot be asked, or does not tell what was asked."""


class ChainUnreachable(ChainFailure):
    """Raised when a node does not answer, or answers nonsense: nothing is known."""


class NodeRefused(ChainUnreachable):
    """Raised when a node understood the call and refused it."""


class StateGone(NodeRefused):
    """Raised when a node no longer has the accounts of so old a block."""


class TooMuch(NodeRefused):
    """Raised when a node refuses to search so many blocks; it may answer when fewer blocks are asked for."""


class NodesDiffer(ChainUnreachable):
    """Raised when nodes tell different things that cannot all be true; the caller tries again later."""


class WrongChain(ChainFailure):
    """Raised when a node is on another chain than the treasury: nothing may be signed."""


class TooFewNodes(ChainFailure):
    """Raised when fewer nodes are configured than must agree; no node is asked then."""
