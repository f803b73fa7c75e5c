"""What operators order, from the console and by command alike: carried out and audited in one transaction."""
