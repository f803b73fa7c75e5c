"""One recipient's message: its sender, header, encoded bodies and signature."""
