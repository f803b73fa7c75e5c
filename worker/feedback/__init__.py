"""What comes back of letters: bounces, complaints and answers, from the inbox and from the mail service."""
