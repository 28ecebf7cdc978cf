"""Opens votes with their electors, and closes them with their outcome."""
