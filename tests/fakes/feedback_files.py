"""The manufacturer's files of codes: all spellings that must be read, and files that must be refused."""

from collections.abc import Callable, Sequence

WIDE = str.maketrans({number: number + 0xFEE0 for number in range(0x21, 0x7F)})
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256))
SPELLINGS: dict[str, Callable[[Sequence[str]], str]] = {
    "line feeds": lambda made: "\n".join(["code", *made]),
    "CRLF and a last line break": lambda made: "\r\n".join(["code", *made, ""]),
    "carriage returns": lambda made: "\r".join(["code", *made]),
    "a byte order mark": lambda made: "\ufeff" + "\r\n".join(["code", *made]),
    "quotes": lambda made: "\n".join(['"code"', *(f'"{code}"' for code in made)]),
    "other columns before and after": lambda made: "\n".join(["a,code,b", *(f"1,{code},2" for code in made)]),
    "a heading in capitals and spaces": lambda made: "\n".join([" CODE ", *made]),
    "small letters": lambda made: "\n".join(["code", *made]).lower(),
    "no hyphens": lambda made: "\n".join(["code", *made]).replace("-", ""),
    "spaces around": lambda made: "\n".join(["code", *(f"  {code} " for code in made)]),
    "empty lines between": lambda made: "\n\n".join(["code", *made]),
    "every line twice": lambda made: "\n".join(["code", *made, *made]),
    "a note of two lines": lambda made: "\n".join(["code,note", *(f'{code},"one\ntwo"' for code in made)]),
    "a note with quotes and commas": lambda made: "\n".join(["code,note", *(f'{code},"a ""b"", c"' for code in made)]),
    "semicolons": lambda made: "\n".join(["code;note", *(f"{code};x, y" for code in made)]),
    "tabs": lambda made: "\r\n".join(["note\tcode", *(f"a;b\t{code}" for code in made)]),
    "bars": lambda made: "\n".join(["note|code", *(f'"a|b"|{code}' for code in made)]),
    "a line with the delimiter": lambda made: "\r\n".join(["sep=;", "a,b;code", *(f"x,y;{code}" for code in made)]),
    "the same line in quotes": lambda made: "\n".join(['"SEP=;"', "code;a", *(f"{code};x" for code in made)]),
    "cells that are formulas of text": lambda made: "\n".join(["code,a", *(f'="{code}",x' for code in made)]),
    "the same in quotes": lambda made: "\n".join(['"=""code""";a', *(f'"=""{code}""";x' for code in made)]),
    "cells with an apostrophe": lambda made: "\n".join(["code", *(f"'{code}" for code in made)]),
    "no-break spaces and dashes": lambda made: "\n".join(
        ["\u00a0Code\u00a0", *(f"{code}\u00a0".replace("-", "\u2013") for code in made)]
    ),
    "full-width letters": lambda made: "\n".join(["code", *(code.translate(WIDE) for code in made)]),
    "rows of nothing": lambda made: "\r\n".join(["a;code;b", *(f"1;{code};2" for code in made), ";;", " ;;"]),
    "the export itself": lambda made: "\r\n".join(
        ["code,batch_id,batch_name,generated_at", *(f'{code},7c,"x",2026' for code in made)]
    ),
}  # fmt: skip
UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "a picture": PNG,
    "UTF-16 without a mark": "code\nAAAA-BBBB-CCCC".encode("utf-16-le"),
    "UTF-16 that ends within a letter": "code\nAAAA-BBBB-CCCC".encode("utf-16")[:-1],
    "UTF-16 with half a pair": "code\nAAAA-BBBB-CCCC\ud800x\n".encode("utf-16", "surrogatepass"),
    "latin-1": "code,näme\nAAAA-BBBB-CCCC,x".encode("latin-1"),
    "no heading": b"AAAA-BBBB-CCCC\nAAAA-BBBB-DDDD",
    "another heading": b"codes\nAAAA-BBBB-CCCC",
    "a delimiter that it does not have": b"sep=;\ncode,name\nAAAA-BBBB-CCCC,x",
    "no delimiter that there is": b"sep=x\ncodexname\nAAAA-BBBB-CCCCxx",
    "another heading and semicolons": b"codes;name\nAAAA-BBBB-CCCC;x",
    "JSON": b'{"code": ["AAAA-BBBB-CCCC"]}',
    "an open quote": b'code\n"AAAA-BBBB-CCCC',
    "text after a quote": b'code\n"AAAA"BBBB',
    "an endless field": b"code\n" + b"A" * 200_000,
    "NUL characters": bytes(1000),
}
