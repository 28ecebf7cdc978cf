"""Calls of Stargate V2's contracts and of tokens, as the data of transactions, and the terms that they carry. Pure.

SendParam and the functions are those of LayerZero's IOFT. Messages go alone and at once ("taxi": an empty oftCmd).
"""

from dataclasses import dataclass

WORD = 64  # hexadecimal digits of 32 bytes
SLIPPAGE_BASIS_POINTS = 50  # that may be lost between the quote and the sending
FEE_MARGIN_PERCENT = 20  # by which the fee may rise until the transaction is signed; what is too much is paid back

# The first four bytes of a call's data.
QUOTE_OFT = "0x0d35b415"  # quoteOFT((uint32,bytes32,uint256,uint256,bytes,bytes,bytes))
QUOTE_SEND = "0x3b6f743b"  # quoteSend((uint32,bytes32,uint256,uint256,bytes,bytes,bytes),bool)
SEND = "0xc7c7f5b3"  # send((uint32,bytes32,uint256,uint256,bytes,bytes,bytes),(uint256,uint256),address)
ITS_TOKEN = "0xfc0c546a"  # token()  # noqa: S105 - the name of a call
APPROVE = "0x095ea7b3"  # approve(address,uint256)
ALLOWANCE = "0xdd62ed3e"  # allowance(address,address)

# The first topics of the events: OFTSent(bytes32 indexed guid, uint32 dstEid, address indexed from, uint256 sent,
# uint256 received) and OFTReceived(bytes32 indexed guid, uint32 srcEid, address indexed to, uint256 received).
OFT_SENT = "0x85496b760a4b7f8d66384b9df21b381f5d1b1e79f229a47aaf4c232edc2fe59a"
OFT_RECEIVED = "0xefed6d3500546b29533b128a29e3a94d70788727f0507505ac12eaf2e578fd9c"


@dataclass(frozen=True)
class SendTerms:
    """The terms of a sending: to which chain (LayerZero's number), to whom, how much, and how much must arrive."""

    home_eid: int
    recipient: str
    amount_micro: int
    minimum_micro: int


def minimum_of(quoted_micro: int) -> int:
    """The least that must arrive when so much was quoted."""
    return quoted_micro - quoted_micro * SLIPPAGE_BASIS_POINTS // 10_000


def fee_of(quoted_wei: int) -> int:
    """The fee that is paid when so much was quoted."""
    return quoted_wei + quoted_wei * FEE_MARGIN_PERCENT // 100


def quote_oft(terms: SendTerms) -> str:
    """The call that tells the limits, and how much would arrive."""
    return QUOTE_OFT + _number(0x20) + _send_param(terms)


def quote_send(terms: SendTerms) -> str:
    """The call that tells the fee in the chain's own coin."""
    return QUOTE_SEND + _number(0x40) + _number(0) + _send_param(terms)


def send(terms: SendTerms, fee_wei: int, refund_address: str) -> str:
    """The call that sends; the fee is the transaction's value."""
    return SEND + _number(0x80) + _number(fee_wei) + _number(0) + _address(refund_address) + _send_param(terms)


def is_send(data: str, terms: SendTerms, refund_address: str) -> bool:
    """True if the call sends by these terms, for whatever fee."""
    start = len(SEND) + WORD
    fee = data[start : start + WORD]
    return len(fee) == WORD and data.lower() == send(terms, int(fee, 16), refund_address)


def approve(spender: str, amount_micro: int) -> str:
    """The call that lets a contract take so much of the token."""
    return APPROVE + _address(spender) + _number(amount_micro)


def allowance(owner: str, spender: str) -> str:
    """The call that tells how much of the token a contract may take."""
    return ALLOWANCE + _address(owner) + _address(spender)


def _send_param(terms: SendTerms) -> str:
    """SendParam: four words, the places of three byte strings, and those strings, which are empty."""
    head = _number(terms.home_eid) + _address(terms.recipient)
    amounts = _number(terms.amount_micro) + _number(terms.minimum_micro)
    places = "".join(map(_number, (0xE0, 0x100, 0x120)))
    return head + amounts + places + _number(0) * 3


def _number(value: int) -> str:
    return f"{value:0{WORD}x}"


def _address(address: str) -> str:
    return address[2:].lower().rjust(WORD, "0")
