"""Runs the program of a Procfile's line with the code of its own release, in whichever folder it is begun.

gunicorn and Celery import from the working directory first, and so does `python -m`. Begun in the folder of another
checkout, a line would run that one's code, with the packages of this one. So the lines say `python -P -m web.line`, or
`python -P` where nothing else is needed: -P leaves the working directory out.
"""

import os
import runpy
import shutil
import sys
from importlib import import_module
from typing import Any

from db.setting_errors import BadSettings
from db.settings import settings
from web import process_title

PREFIX = ["python", "-P", "-m", "web.line"]
"""What stands before a program's own words."""


def run(words: list[str]) -> Any:
    """Do what the program does, in this process. `words` are `celery …`, `gunicorn …` or `python -P -m MODULE …`."""
    # gunicorn and Celery put the working directory before everything else, unless it stands somewhere in the path.
    sys.path.append(os.getcwd())
    sys.argv = [shutil.which(words[0]) or words[0], *words[1:]]
    process_title.become(sys.argv, words[0])
    if words[0] == "celery":
        return import_module("celery.__main__").main()
    if words[0] == "gunicorn":
        return import_module("gunicorn.app.wsgiapp").run()
    sys.argv = words[words.index("-m") + 1 :]
    sys.modules.pop(sys.argv[0], None)  # it is run anew, as the main program
    return runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def main() -> None:
    if sys.argv[1:2] not in (["celery"], ["gunicorn"]):
        sys.exit("Say which program to run, as a line of the Procfile does: python -P -m web.line celery …")
    try:
        settings()
    except BadSettings as error:  # Celery would show it as a traceback of its own
        sys.exit(f"Error: {error}")
    run(sys.argv[1:])


if __name__ == "__main__":
    main()
