"""Jobs: events' reactions and requests to the outside, claimed, tried, and told in the ledger."""
