"""Works out which comps the sales have unlocked."""
