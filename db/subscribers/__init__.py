"""Who reads the newsletter, the proof of their consent, and who must not be mailed."""
