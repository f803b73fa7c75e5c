"""Sending: a slice claims letters batch by batch, hands them to the mail server, and settles what became of them."""
