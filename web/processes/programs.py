"""What the program of a Procfile's line does, done in a process that is there already."""

import os
import runpy
import shutil
import sys
from importlib import import_module
from typing import Any

from web.processes import process_title

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
