"""Tells what a mail server says from what it only thinks possible, or advises to check."""

import re

MAYBE = re.compile(
    r"\b(?:möglich\w*|vielleicht|eventuell|falls|wenn|ob|prüfen|überprüfen|stellen sie sicher|"
    r"peut(?:-être)?|il se peut|vérifie\w*|assurez|si l['’a]|"
    r"posible\w*|quizás?|puede (?:que|ser)|pudiera|podría|verifique|compruebe|asegúrese|"
    r"talvez|poss[ií]ve\w*|possivelmente|pode (?:ser|estar|não)|certifique|"
    r"forse|può essere|potrebbe\w*|possibil\w+|controll\w+|verific\w+|"
    r"misschien|mogelijke?|controleer|kan zijn|"
    r"może|możliwe|sprawd[źz]\w*|czy|"
    r"возможн\w+|может|проверьте|убедитесь|можливо|перевірте|"
    r"kanske|kan vara|kontroll\w+|tjek|kontrollér|kan være|måske|kanskje|ehkä|tarkista|"
    r"možná|může|zkontroluj\w*|lehet\w*|ellenőriz\w*|poate|posibil|verificați|olabilir|kontrol|"
    r"may (?:not|be|have)|might|could be|"
    r"perhaps|possibl[ey]|common(?:ly)?|usual(?:ly)?|typical(?:ly)?|either|check|verify|make sure|whether|if)\b"
    r"|可能|恐れ|かもしれ|かどうか|考えられ|確認|请检查|請檢查|请核对|是否|수 ?있습니다|확인|여부"
)
"""Words of those who only guess or advise: a mailbox that may not exist, or whose name is to be checked."""
_END = re.compile(r"[.!?](?=\s|$)|[。！？]")


def is_said(pattern: re.Pattern[str], words: str) -> bool:
    """Whether the pattern is found in a sentence that is no guess and no advice; the words are folded."""
    return any(not MAYBE.search(_sentence(found)) for found in pattern.finditer(words))


def _sentence(found: re.Match[str]) -> str:
    """The sentence in which it was found."""
    start = max((each.end() for each in _END.finditer(found.string, 0, found.start())), default=0)
    end = _END.search(found.string, found.end())
    return found.string[start : end.start() if end else None]
