"""Runs the program of a Procfile's line with the code of its own release, in whichever folder it is begun.

gunicorn and Celery import from the working directory first, and so does `python -m`. Begun in the folder of another
checkout, a line would run that one's code, with the packages of this one. So the lines say `python -P -m web.line`, or
`python -P` where nothing else is needed: -P leaves the working directory out.
"""

import sys

from db.setting_errors import BadSettings
from db.settings import settings
from web.processes import programs


def main() -> None:
    if sys.argv[1:2] not in (["celery"], ["gunicorn"]):
        sys.exit("Say which program to run, as a line of the Procfile does: python -P -m web.line celery …")
    try:
        settings()
    except BadSettings as error:  # Celery would show it as a traceback of its own
        sys.exit(f"Error: {error}")
    programs.run(sys.argv[1:])


if __name__ == "__main__":
    main()
