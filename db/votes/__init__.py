"""The ledger of votes: each reader's vote on each tool, and the tallies of them."""
