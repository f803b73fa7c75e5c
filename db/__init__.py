"""The database: tables, queries and changes on them, and the rules that hold for all other packages."""
