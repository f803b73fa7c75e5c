"""Webhooks: others' servers that are told what happens here, and what each has been told."""
