"""How long vendors are given to answer, and tasks to come, before somebody looks again."""

from datetime import timedelta

LOST_AFTER = timedelta(minutes=1)  # by then a task has come, or the sweep queues another one
ANSWER_EXPECTED_IN = timedelta(seconds=30)
REST_AWAITED = timedelta(days=7)  # from the first parcel of an order on
UNKNOWN_AFTER = timedelta(minutes=5)  # a request may reach the vendor so late
