"""The ground floor: what is remembered and what is always true."""
