"""Ledger 1: readers' votes on each tool, and their tallies."""
