"""Members read their links and codes, whom they have referred, their figures, chips, vault, payouts and weeks."""
