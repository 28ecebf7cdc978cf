"""Constants of Polygon and its coin."""

ZERO_ADDRESS = "0x" + "0" * 40
WEI_DECIMALS = 18
GWEI = 10**9
