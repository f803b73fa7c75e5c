"""Ledger 1: what readers say of each tool, and what it adds up to."""
