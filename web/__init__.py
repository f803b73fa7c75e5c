"""The web package: readers' pages, the operators' console, and the commands."""

from web import code_on_disk

code_on_disk.hold_if_changed()  # before anything else is imported: a web worker that is replaced loads the code anew
