"""Takes orders to their next state, has ages checked, and ends what was not paid in time."""
