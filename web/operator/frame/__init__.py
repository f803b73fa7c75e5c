"""What every page of the console stands in: access, sessions, layout, health strip, errors, live parts."""
