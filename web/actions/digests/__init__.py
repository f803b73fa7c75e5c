"""A digest: what people do to it and to its letters, and what each step will do."""
