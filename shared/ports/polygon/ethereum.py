"""Ethereum addresses and signed messages; no node is asked."""


class SignatureMalformed(Exception):
    """Raised when the signature is malformed, so that its signer cannot be determined."""


def checksummed(address: str) -> str:
    """The address in EIP-55 capitals."""
    from eth_utils.address import to_checksum_address

    return str(to_checksum_address(address))


def checksum_fits(address: str) -> bool:
    """False when the address has capitals that do not fit its checksum (EIP-55), which means a typo."""
    digits = address[2:]
    return digits in (digits.lower(), digits.upper()) or checksummed(address) == address


def signer_of(message: str, signature: str) -> str:
    """The checksummed address whose key signed the text as a personal message (EIP-191, version 0x45).

    Raises SignatureMalformed.
    """
    from eth_account import Account
    from eth_account.messages import encode_defunct
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    try:
        return str(Account.recover_message(encode_defunct(text=message), signature=signature))
    except (BadSignature, ValidationError, ValueError, TypeError) as error:
        raise SignatureMalformed from error
