"""The ledger of jobs, which events cause: transactional outbox, retry queue and dead letters in one table."""
