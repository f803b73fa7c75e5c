"""Alerts: the conditions that need a person, each checked by a function, and the letters that tell of them."""
