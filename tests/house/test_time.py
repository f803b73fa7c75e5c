"""All code asks one function for the time, so that hosts whose clocks differ agree on leases and on what is due."""

import re
from pathlib import Path

HERE = Path(__file__).parents[2]
ASKS = re.compile(r"datetime\.(now|utcnow|today)\(|time\.time\(")
ALLOWED = {
    "db/moments.py": "the function itself",
    "web/processes/relayed_lines.py": "a line of output is stamped with this terminal's time",
}


def test_the_time_is_asked_of_moments_alone():
    asking = {
        str(path.relative_to(HERE))
        for layer in ("db", "emails", "worker", "web")
        for path in (HERE / layer).rglob("*.py")
        if path.parent.name != "versions" and ASKS.search(path.read_text())
    }
    assert asking == set(ALLOWED)
