"""What each process of this floor has: its log, its heartbeat, its looks, its settings beside others' and its end."""
