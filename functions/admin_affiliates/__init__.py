"""Admins agree to what affiliates are paid each week, and give or take back by hand."""
