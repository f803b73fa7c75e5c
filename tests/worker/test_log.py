"""The log tells what went wrong, and nothing of whom it went wrong for."""

import structlog

import worker  # noqa: F401  (it says how the log reads)


def test_a_traceback_in_the_log_names_no_values(capsys):
    address = "alice@reader" + ".example"
    try:
        raise RuntimeError(f"cannot write to {len(address)}")
    except RuntimeError:
        structlog.get_logger("mail").exception("slice failed")
    said = capsys.readouterr().out
    assert "RuntimeError: cannot write to 20" in said
    assert "test_log.py" in said
    assert "alice@reader.example" not in said
