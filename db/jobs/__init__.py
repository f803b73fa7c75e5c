"""Ledger 2: work owed because something happened: the outbox, the retry queue and the dead letters."""
