"""Reads bytes as text, whatever charset they claim; never fails, and takes no longer than the bytes are many."""

import re

# Python's codecs hold more than charsets; some, such as punycode, take quadratic time.
_KNOWN = re.compile(
    r"utf-?(?:7|8|16(?:[lb]e)?)|us-ascii|ascii|latin-?\d|iso-?8859-?\d{1,2}|windows-?\d{3,4}|cp\d{3,4}|koi8-[rut]|"
    r"gb2312|gbk|gb18030|hz-gb-2312|big5(?:-hkscs)?|euc-(?:jp|kr|cn)|iso-2022-(?:jp(?:-\d)?|kr)|shift[_-]jis|sjis|"
    r"ks_c_5601-1987|tis-620|mac(?:intosh|-?roman)",
    re.IGNORECASE | re.ASCII,
)
_SPELLED = {
    "unicode-1-1-utf-7": "utf-7",
    "shift-jis": "shift_jis",
    "macintosh": "mac-roman",
    "ascii": "utf-8",
    "us-ascii": "utf-8",
}
_HALVES = re.compile("[\ud800-\udfff]")  # of surrogate pairs, which UTF-7 may leave alone and no UTF-8 can hold
_JAPANESE = ("iso-2022-jp", "euc-jp", "shift_jis")


def decoded(raw: bytes, charset: str) -> str:
    """The text, by its charset, else as UTF-8, else as the nearest that fits. NUL becomes a space."""
    if raw.isascii() and b"\x1b" not in raw and not charset.lower().startswith(("utf-7", "utf-16", "unicode", "hz")):
        return raw.decode("ascii").replace("\0", " ")
    for each in _candidates(charset.strip().lower(), raw):
        try:
            return _HALVES.sub("\ufffd", raw.decode(each).replace("\0", " "))
        except (UnicodeError, LookupError):
            continue
    return raw.decode("utf-8", "replace").replace("\0", " ")


def _candidates(charset: str, raw: bytes) -> tuple[str, ...]:
    named = _SPELLED.get(charset, charset)
    if _KNOWN.fullmatch(named):
        return (named, "utf-8", *(_JAPANESE if named in _JAPANESE else ()))
    return ("iso-2022-jp", "utf-8") if b"\x1b$" in raw else ("utf-8", "windows-1252")
