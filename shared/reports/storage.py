"""Where the files of reports are stored."""

from uuid import UUID

from shared.config import Config


class ReportsConfig(Config):
    """A private bucket: its files can be read only through signed URLs, and a deleted one is gone."""

    reports_bucket: str


def object_name(export_id: UUID, run_id: UUID) -> str:
    """The name of the file that a run of the job writes: each run has one of its own."""
    return f"reports/{export_id}/{run_id}.csv"
