"""Operators' accounts: logins, passwords and second factors."""
