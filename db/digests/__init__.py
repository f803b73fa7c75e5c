"""The catalog, the digest schedule, and each slot's digest with its states."""
