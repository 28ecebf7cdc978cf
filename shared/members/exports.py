"""Where the data exports that members request are stored."""

from shared.config import Config


class ExportsConfig(Config):
    """A private bucket: its files can be read only through signed URLs."""

    documents_bucket: str
