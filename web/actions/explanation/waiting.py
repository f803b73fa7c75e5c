"""What keeps all letters waiting just now."""

from db.deliveries.limits import breakers
from db.monitoring import pauses
from db.session import Session
from web.actions.explanation import parts


def why(session: Session) -> str | None:
    """Why no letter goes out, in words to be put behind a colon; None if letters go out."""
    if paused := next((each for each in pauses.paused(session) if each.queue == "mail"), None):
        return f"all mail is paused ({paused.reason})"
    if pauses.is_paused(session, "mail"):
        return "this database is a copy, which sends nothing until an operator confirms it"
    if refusing := breakers.refusing_server(session):
        since = f"has refused all mail since {parts.day(refusing.since)}"
        return f"the mail server {since}, and said {parts.said(refusing.reply)}"
    return None
