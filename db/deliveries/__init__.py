"""Ledger 3: deliveries (each letter to each person), how senders claim and settle them, and rate limits."""
