"""Monitoring across all tables: heartbeats, backlogs, charts, pauses and alerts."""
