"""Admins write votes, have them opened, close them early, and decide what whales propose."""
