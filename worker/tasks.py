"""The tasks that messages name: four ways to ask the tables what is owed."""

from worker import bell, digests, jobs, sender, votes
from worker.app import SENDER_LIMIT, app

app.task(name="votes.fold")(votes.fold)
app.task(name="jobs.work")(jobs.work)
app.task(name="mail.send", soft_time_limit=None, time_limit=SENDER_LIMIT)(sender.send)
app.task(name="digests.tick")(digests.tick)

bell.hang()
