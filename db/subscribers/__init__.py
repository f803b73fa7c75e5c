"""Subscribers, the proof of their consent, and the suppression list."""
