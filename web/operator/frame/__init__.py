"""What all console pages share: access, sessions, layout, health strip, errors and live parts."""
