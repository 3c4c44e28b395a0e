"""Quoted strings: from how they are written to what they mean, and back. Escapes are Python's."""

import re

_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\", "\n": ""}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(\r\n|[\s\S]))")


def decode(quoted: str) -> tuple[str, list[tuple[int, int, str]]]:
    """The text of a string token with its quotes, and `(start, end, escape)` of each escape that means nothing."""
    quotes = 3 if quoted.startswith('"""') else 1
    wrong: list[tuple[int, int, str]] = []

    def meaning(found: re.Match[str]) -> str:
        code = found[1] or found[2] or found[3]
        if code is not None:
            number = int(code, 16)
            if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF:
                return chr(number)
        elif (simple := _SIMPLE.get(found[4].replace("\r\n", "\n").replace("\r", "\n"))) is not None:
            return simple
        wrong.append((found.start(), found.end(), found[0]))
        return found[0]

    body = quoted[quotes:-quotes]
    text = _ESCAPE.sub(meaning, body.replace("\r\n", "\n").replace("\r", "\n") if quotes == 3 else body)
    return text, [(start + quotes, end + quotes, escape) for start, end, escape in wrong]


def encode(text: str, triple: bool = False) -> str:
    """A string token that means `text`; `decode(encode(text))` is `text`."""
    if not triple:
        return '"' + "".join(_written(character, triple) for character in text) + '"'
    body = text.rstrip('"')  # quotes at the end would run into the closing ones
    written = "".join(_written(character, triple) for character in body).replace('"""', r"\"\"\"")
    return '"""' + written + r"\"" * (len(text) - len(body)) + '"""'


def _written(character: str, triple: bool) -> str:
    if character == "\n":
        return character if triple else r"\n"
    if character == '"':
        return character if triple else r"\""
    if character == "\\":
        return r"\\"
    if character == "\t" and triple:
        return character
    if character.isprintable():
        return character
    simple = {"\t": r"\t", "\r": r"\r"}.get(character)
    code = ord(character)
    return simple or (rf"\x{code:02x}" if code < 0x100 else rf"\u{code:04x}" if code < 0x10000 else rf"\U{code:08x}")
