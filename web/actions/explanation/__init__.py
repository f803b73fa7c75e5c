"""“Why did I not get it?”: what happened to an address's mail, in one sentence and then in full."""
