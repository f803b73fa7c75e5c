"""Back-ups and copies: the whole database, read at one instant and written elsewhere, proven by checksums."""
