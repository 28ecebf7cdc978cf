"""The only modules that import a vendor SDK, one vendor each."""
