"""Operators' accounts, their logins, and the audit log of their actions."""
