"""Counts the tins that have left the warehouse, for the prizes and for the permanent tier of who referred the buyer."""
