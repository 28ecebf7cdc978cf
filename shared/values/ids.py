"""The UUID that no row has."""

from uuid import UUID

NIL = UUID(int=0)  # it is less than every other one: where a walk in the order of ids begins
