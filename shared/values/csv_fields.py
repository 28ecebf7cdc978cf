"""Texts of people as fields of CSV that a spreadsheet shows and does not run. Pure."""

FORMULA_STARTS = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"  # https://owasp.org/www-community/attacks/CSV_Injection


def quoted(text: str) -> str:
    """The text as a quoted field (RFC 4180). One that a spreadsheet would take for a formula begins with an apostrophe,
    also when blanks or invisible characters come before it.
    """
    if not text:
        return ""
    seen = next((letter for letter in text if letter.isprintable() and not letter.isspace()), text[0])
    safe = f"'{text}" if text[0] in FORMULA_STARTS or seen in FORMULA_STARTS else text
    return '"' + safe.replace('"', '""') + '"'
