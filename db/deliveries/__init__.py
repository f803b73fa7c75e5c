"""The ledger of deliveries (each letter to each person): how senders claim and settle them, and rate limits."""
