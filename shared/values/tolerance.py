"""How far books and chain may differ before everybody is told of a discrepancy."""

from shared.values.money import Usdt

BADGE_TOLERANCE = Usdt.of(10)  # of the published badge; the status itself is exact
