"""The local chain: its node, and the contract that stands for USDT."""
