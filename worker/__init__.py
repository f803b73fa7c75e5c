"""Workers: the Celery tasks, the reactions to events, and the senders."""

from worker import logs

logs.configure()
