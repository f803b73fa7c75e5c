"""Letters from rows: composed for each recipient, checked before they go out, and written again as they were sent."""
