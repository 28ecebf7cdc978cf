"""Members vote, and whales propose what is voted on."""
