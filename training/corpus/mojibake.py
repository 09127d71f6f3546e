"""Letters that a program read in a wrong encoding, as they were written: ``â€™`` is an apostrophe, ``Ã©`` an é.

Only what no language writes is repaired: UTF-8 that was read as Windows-1252 or Latin-1, and the marks of print that
code pages of Macs, of DOS and of other scripts make of it. What is left where bytes were lost is garbled.
"""

from __future__ import annotations

import re
import unicodedata

ABOUT = re.compile(
    r"\b(?:mojibake|unicode|ascii|utf-?\d+|latin-?1|iso-?8859|(?:windows|cp)-?125\d|charsets?|code ?pages?|"
    r"garbled|(?:character|text) (?:set|encoding)s?|encoding (?:error|issue|problem)s?|zero[- ]width|non-breaking|"
    r"soft hyphens?|ligatures?|gibberish|(?:strange|weird|odd) (?:character|letter|symbol)s?)\b",
    re.IGNORECASE,
)
"""Words of a text that speaks of such accidents, in which they are examples."""


def is_suspect(text: str) -> bool:
    """Whether a text holds any character of such an accident: most do not."""
    return not text.isascii() and _SUSPECT.search(text) is not None


def as_written(text: str) -> str:
    """A text with its letters as they were written, without characters that nobody sees, and with plain blanks."""
    before = ""
    while before != text:  # some was read wrong twice
        before, text = text, _TWO_OR_MORE.sub(_letters, text)
    text = _OF_OTHERS.sub(lambda found: _PRINTED[found[0]], text)
    return _INVISIBLE.sub("", text.translate(_PLAIN))


def is_garbled(text: str) -> bool:
    """Whether letters of a text that ``as_written`` gave are lost."""
    return _LOST.search(text) is not None


def _windows(byte: int) -> str:
    """What Windows-1252 shows for a byte; for the five that it has no character for, what Latin-1 has."""
    try:
        return bytes((byte,)).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


_BYTES = {chr(byte): byte for byte in range(0x80, 0x100)} | {_windows(byte): byte for byte in range(0x80, 0x100)}
_QUOTES = "‚„…‘’“”–—‹›«»"  # what may follow a capital letter in any text: "LÀ…", "CAFÉ”"
_TAIL = re.escape("".join(character for character, byte in _BYTES.items() if byte < 0xC0))
_NO_QUOTE = re.escape(
    "".join(character for character, byte in _BYTES.items() if byte < 0xC0 and character not in _QUOTES)
)
_TWO_OR_MORE = re.compile(
    rf"[âï][{_TAIL}]{{2}}|ð[{_TAIL}]{{3}}"
    rf"|[ÂÃÎÏ][{_NO_QUOTE}]|(?<![A-Z])Ã[{_QUOTES}](?=[a-zß-ÿÃ])"
    rf"|(?<=[a-z])[ÄÅ][{_NO_QUOTE}]|[ÄÅ][{_NO_QUOTE}](?=[a-z])"
    rf"|(?:[ÐÑ][{_TAIL}]){{2,}}"
)
_LOST = re.compile(rf"â€|ðŸ|(?<![A-Z])[ÃÂ](?=[\s?]|\Z)|(?:[ã-é][{_TAIL}]{{2}}){{2}}|[\x80-\x9f]")


def _letters(found: re.Match[str]) -> str:
    """What was read wrong, or the text itself where that would be nothing that stands in a text."""
    read = bytes(_BYTES[character] for character in found[0]).decode(errors="replace")
    return read if found[0] == "ï¿½" or all(map(_is_written, read)) else found[0]


def _is_written(character: str) -> bool:
    """Letters of Europe, marks of print, signs and emoji."""
    code = ord(character)
    if code < 0x2070:
        return code >= 0xA0
    return code in (0xFE0F, 0xFEFF, *_LIGATURES) or (code != 0xFFFD and unicodedata.category(character)[0] == "S")


def _printed() -> dict[str, str]:
    found = {}
    for codec in ("mac_roman", "cp437", "cp850", "cp1251", "cp1253", "cp1255"):
        for character in "‘’“”–—…•":
            read = character.encode().decode(codec, "ignore")
            if len(read) == 3:
                found[read] = character
    return found


_PRINTED = _printed()
_OF_OTHERS = re.compile("|".join(map(re.escape, _PRINTED)))
_LIGATURES = range(0xFB00, 0xFB07)
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_PLAIN: dict[int, str] = {
    **{byte: _windows(byte) for byte in range(0x80, 0xA0)},  # Windows-1252 that was read as Latin-1
    **dict.fromkeys((0xA0, 0x202F), " "),
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in _LIGATURES},  # of a PDF: one sign for "fi"
}
_SUSPECT = re.compile(
    "[ÂÃÄÅÎÏÐÑâãäåæçèéïð\x80-\xa0\xad\u200b\u202f\u2060\ufb00-\ufb06\ufeff"
    f"{''.join(sorted({read[0] for read in _PRINTED}))}]"
)
