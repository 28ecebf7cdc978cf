"""One folder is one Cloud Run function."""
