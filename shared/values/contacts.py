"""Validates and normalizes contact details: e-mail addresses, telephone numbers and countries.

Two libraries decide what is valid: email-validator for addresses (without DNS, which is never asked here), phonenumbers
for numbers and for the countries that have any. Both are imported on first use.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, ValidationInfo

from shared.values import typed
from shared.values.problems import NotValid

EMAIL_MAX = 254
TAKEN_BEFORE = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
TOP_LEVEL_MIN = 2
NO_PHONE_NUMBER = (
    "must be a telephone number of the country, or one with + and its country's code; without an extension"
)


def new_email_address(text: str) -> str:
    """An address that mail may be sent to, in small ASCII letters. Raises ValueError.

    A domain with other letters is returned in its ASCII form (IDNA 2008), to which mail is delivered.
    """
    import email_validator

    line = typed.line(text)
    if not line.rpartition("@")[0].isascii():
        raise ValueError("must be an e-mail address without accents or letters of other scripts before the @")
    try:
        found = email_validator.validate_email(line, check_deliverability=False, allow_smtputf8=False, strict=True)
    except email_validator.EmailNotValidError:
        raise ValueError("must be an e-mail address that mail can be sent to") from None
    address = str(found.ascii_email).lower()
    if len(address.rpartition(".")[2]) < TOP_LEVEL_MIN:
        raise ValueError("must be an e-mail address that mail can be sent to")
    return address


def email_address(text: str) -> str:
    """An address that an account may have: a valid new one, or one of a form that was accepted earlier.

    Raises ValueError.
    """
    try:
        return new_email_address(text)
    except ValueError:
        if TAKEN_BEFORE.fullmatch(taken := typed.line(text).lower()):
            return taken
        raise


def require_new(email: str) -> None:
    """Check an address as a new one. Raises NotValid for a form that only existing accounts may have."""
    try:
        new_email_address(email)
    except ValueError as error:
        raise NotValid(errors=[{"field": "/email", "message": str(error)}]) from None


def phone_number(text: str, country: str) -> str:
    """The number in E.164: `+` and digits. A number without `+` is read as one of the country. Raises ValueError.

    The number must be in a range that its country has assigned; without this check a number of another country would
    pass.
    """
    import phonenumbers
    from phonenumbers import NumberParseException, PhoneNumberFormat

    try:
        found = phonenumbers.parse(typed.line(text), country)
    except NumberParseException:
        raise ValueError(NO_PHONE_NUMBER) from None
    if found.extension or not phonenumbers.is_valid_number(found):
        raise ValueError(NO_PHONE_NUMBER)
    return str(phonenumbers.format_number(found, PhoneNumberFormat.E164))


def changed_phone_number(text: str | None, country: str) -> str | None:
    """`phone_number` for a country that is known only after the body was read. Raises NotValid."""
    try:
        return None if text is None else phone_number(text, country)
    except ValueError as error:
        raise NotValid(errors=[{"field": "/phone", "message": str(error)}]) from None


def _of_country(text: str, info: ValidationInfo) -> str:
    """The number, read with the country that the body names before it; unchecked if that country is invalid."""
    return phone_number(text, info.data["country"]) if "country" in info.data else text


def country_code(text: str) -> str:
    """A country by its two letters (ISO 3166-1), if it has telephones, which means that people live there.

    Raises ValueError.
    """
    from phonenumbers import SUPPORTED_REGIONS

    if text not in SUPPORTED_REGIONS:
        raise ValueError("must be a country by its two capital letters, as ISO 3166-1 has them")
    return text


NewEmailAddress = Annotated[str, StringConstraints(max_length=EMAIL_MAX), AfterValidator(new_email_address)]
EmailAddress = Annotated[str, StringConstraints(max_length=EMAIL_MAX), AfterValidator(email_address)]
PhoneNumber = Annotated[str, StringConstraints(max_length=typed.TYPED_MAX), AfterValidator(_of_country)]
CountryCode = Annotated[str, AfterValidator(country_code)]
ZipCode = Annotated[str, StringConstraints(min_length=1, max_length=20), AfterValidator(typed.written)]
