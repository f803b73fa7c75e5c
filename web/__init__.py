"""The web package: readers' pages, the operators' console, and the commands."""

from web.processes import code_on_disk

code_on_disk.hold_if_changed()  # before other imports: a restarted web worker loads whatever code is on disk
