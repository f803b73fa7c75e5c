"""The claim protocol: how senders claim letters, settle them, and leave them to others when they die."""
