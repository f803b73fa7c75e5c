"""A kind of outside job for tests, which posts to a URL; run as a module it is an outside line that knows it."""

from dataclasses import dataclass

from db import moments
from db.jobs import outside
from db.jobs.jobs import Job
from db.jobs.outside import OutsideRequest
from db.session import writing
from worker import outside_line
from worker.jobs import lapsed_jobs
from worker.jobs.outside_jobs import OUTSIDE, claim_one, run
from worker.outside.http_client import post
from worker.outside.result import Result
from worker.processes import ending


@dataclass(frozen=True)
class Knock(OutsideRequest):
    """Post a word to a URL."""

    url: str
    word: str


def knock(job: Job) -> Result | None:
    """It says the job's number, by which a receiver knows a repeat."""
    answer = post(job.payload["url"], {"X-Job": str(job.id)}, job.payload["word"].encode())
    return None if answer.is_success else Result(error=RuntimeError(f"{answer.host} answered {answer.status}"))


def owe_knock(url: str, word: str = "hello", receiver: str = "127.0.0.1") -> int:
    with writing() as session:
        job = outside.owe(session, Knock(url=url, word=word), receiver, moments.now())
        session.flush()
        return job.id


def make_all() -> None:
    """Make all requests that are due, one after the other; the outside line makes several at once."""
    lapsed_jobs.recover()
    while (job := claim_one()) is not None:
        run(job)


TOLD_TO_END = "told to end"
"""What this line says as soon as it is."""


def say_when_told_to_end() -> None:
    ask = ending.ask

    def saying() -> None:
        ask()
        print(TOLD_TO_END, flush=True)

    ending.ask = saying


if __name__ == "__main__":
    import tests.outside_requests as this  # the classes of the module, not those of the script

    OUTSIDE[this.Knock] = this.knock
    say_when_told_to_end()
    outside_line.main()
