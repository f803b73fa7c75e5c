"""Feedback: what comes back after a letter: bounces, complaints, and mails that unsubscribe."""
