"""Reports sales and refunds to the tax service, each once."""
