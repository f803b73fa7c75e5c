"""How the whole is doing: heartbeats, backlogs, charts, pauses and alerts, asked across the other rooms."""
