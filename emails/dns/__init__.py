"""What the DNS says of a site's letters: the records that it should publish, asked for and judged."""
