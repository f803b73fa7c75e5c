"""Makes texts out of JSON such as every database can hold."""

import json
import re
from typing import Any

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def plain(found: Any) -> Any:
    """The same with a question mark for each half of a surrogate pair and a space for each NUL: JSON can name both."""
    text = json.dumps(found, ensure_ascii=False)
    if text.isascii() and "\\u0000" not in text:
        return found
    return json.loads(_NUL.sub(r"\1 ", text).encode("utf-8", "replace"))
