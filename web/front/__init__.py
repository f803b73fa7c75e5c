"""The front: an event loop that waits for clients, however slow, and hands whole requests to a few threads."""
