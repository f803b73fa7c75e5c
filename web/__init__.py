"""The top floor: the doors people use."""
