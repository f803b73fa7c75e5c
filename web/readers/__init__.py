"""The pages and forms that readers use."""
