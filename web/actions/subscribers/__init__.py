"""Readers: what operators do about them, what is known of one, and CSV files of many."""
