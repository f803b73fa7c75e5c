"""Who may use the console, how they sign in, and the audit log of what they did."""
