"""Webhooks: what they are told of each event, signed and posted."""
