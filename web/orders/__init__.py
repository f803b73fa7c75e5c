"""What operators order, from the console and from the command line alike: carried out and audited in one transaction."""
