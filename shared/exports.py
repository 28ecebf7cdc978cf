"""Where the files are that members ask us for."""

from shared.config import Config


class ExportsConfig(Config):
    """A private bucket: its files are read by signed addresses only."""

    documents_bucket: str
