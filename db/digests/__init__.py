"""What is compared, when a digest is due, and each slot's digest with its states."""
