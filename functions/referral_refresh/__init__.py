"""Keeps what affiliates see of their referrals and the present week, and the figures of all affiliates."""
