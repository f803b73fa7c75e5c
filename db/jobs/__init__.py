"""Ledger 2: jobs, caused by events: the transactional outbox, the retry queue and the dead letters."""
