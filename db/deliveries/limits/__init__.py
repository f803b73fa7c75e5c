"""What keeps letters back: rate limits, SEND_DAILY, breakers and their outages, and stops."""
