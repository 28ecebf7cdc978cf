"""Ethereum addresses and signed messages; no node is asked."""

import re


class SignatureMalformed(Exception):
    """Raised when the signature is malformed, so that its signer cannot be determined."""


class PublicKeyMalformed(Exception):
    """Raised when a text is not a compressed public key, or names no point of the curve."""


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


def address_of(public_key: str) -> str:
    """The checksummed address of a public key on secp256k1: 33 bytes (SEC 1, compressed) in hexadecimal.

    Raises PublicKeyMalformed.
    """
    from eth_keys.datatypes import PublicKey
    from eth_utils.exceptions import ValidationError

    if not re.fullmatch(r"0[23][0-9a-fA-F]{64}", public_key, re.ASCII):
        raise PublicKeyMalformed
    try:
        return str(PublicKey.from_compressed_bytes(bytes.fromhex(public_key)).to_checksum_address())
    except (ValidationError, ValueError) as error:
        raise PublicKeyMalformed from error
