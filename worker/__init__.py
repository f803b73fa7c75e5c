"""The second floor: what happens because something happened."""
