"""Ledger 3: every letter to every person, how senders claim and settle them, and how fast they may go."""
