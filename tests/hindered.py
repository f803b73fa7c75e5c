"""What keeps everybody from writing to a database for a while: files that are read-only, and somebody else's lock."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

NOBODY = 65534


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Files opened meanwhile are opened for reading at most, also by root, who may write everywhere.

    What lies above the folder has to be open to everybody.
    """
    files = list(folder.iterdir())
    for each in files:
        each.chmod(0o444)
    folder.chmod(0o555)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)
        folder.chmod(0o755)
        for each in files:
            if each.exists():
                each.chmod(0o644)


@contextmanager
def held(url: str, table: str) -> Iterator[None]:
    """Somebody else keeps everybody from writing to that table, which on SQLite is to all."""
    if url.startswith("sqlite"):
        holder = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
    else:
        holder = psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
        holder.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
    try:
        yield
    finally:
        holder.close()
