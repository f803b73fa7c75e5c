"""“Why did I not get it?” is answered in one sentence: a table of cases, and the sentence of each."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from web.actions.explanation.case import Case, Lifted, Newsletter, OneLetter, Stopped
from web.actions.explanation.sentence import sentence

THE_17TH, THE_19TH = datetime(2026, 11, 17, 9, tzinfo=UTC), datetime(2026, 11, 19, 6, 30, tzinfo=UTC)
EARLIER, LATER = datetime(2026, 10, 2, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
W47 = Newsletter("2026-W47", "finished", THE_17TH, THE_17TH)
PAUSED = replace(W47, state="paused", reason="stopped: 3 readers of 30 call it spam")
DRAFT = Newsletter("2026-W47", "draft", THE_17TH)
SENT = OneLetter("sent", at=THE_17TH)
GONE = Stopped(THE_19TH, "hard bounce")
NOW = datetime(2026, 11, 20, tzinfo=UTC)
ALICE = Case("alice@reader.example", "active", NOW, W47, confirmed_at=EARLIER)
NOBODY = Case("alice@reader.example", None, NOW, W47)


def alice(letter: OneLetter | None = None, **more) -> Case:
    return replace(ALICE, letter=letter, **more)


def back(kind: str) -> OneLetter:
    return replace(SENT, back=kind, back_at=THE_19TH)


def stopped(reason: str, in_a_row: int = 0, *, suspected: bool = False) -> Stopped:
    return Stopped(THE_19TH, reason, suspected, in_a_row)


GOT = "alice@reader.example got the newsletter of 2026-W47"
NOT = "alice@reader.example did not get the newsletter of 2026-W47"
NOT_YET = "alice@reader.example has not got the newsletter of 2026-W47 yet"
STRANGER = "alice@reader.example has never been a subscriber here"
TOOK = "the mail server took it on 17 November 2026 at 09:00 UTC"
STOP = "mail to it has been stopped since 19 November 2026"
AGAIN = Lifted(LATER, "hard bounce", "olga@newsroom.example", "she wrote to us")
ALLOWED = "mail to it was stopped, and an operator allowed it again on 1 December 2026 (“she wrote to us”)"
ASKED = {"state": "pending", "asked_at": EARLIER, "confirmed_at": None}
UNCONFIRMED = f"{NOT}, because the sign-up of 2 October 2026 has not been confirmed"
CASES = [
    # It was sent.
    (alice(SENT), f"{GOT}: {TOOK}."),
    (alice(replace(SENT, reason="resolved as sent")),
     f"{GOT}: an operator has counted it as sent on 17 November 2026 at 09:00 UTC."),
    (alice(SENT, stopped=stopped("by hand")), f"{GOT}: {TOOK}; an operator stopped mail to it on 19 November 2026."),
    (alice(SENT, stopped=stopped("complaint")), f"{GOT}: {TOOK}; {STOP}, because its reader called a letter of ours"
     " spam."),
    (alice(SENT, state="unsubscribed", left_at=THE_19TH), f"{GOT}: {TOOK}."),
    # It came back.
    (alice(back("hard"), stopped=GONE),
     f"{NOT}: it came back on 19 November 2026, because the address does not exist; {STOP}."),
    (alice(back("hard"), stopped=stopped("hard bounce", suspected=True)),
     f"{NOT}: it came back on 19 November 2026, because the address does not exist; {STOP}, until an operator has"
     " decided whether that is so."),
    (alice(back("hard")), f"{NOT}: it came back on 19 November 2026, because the address does not exist."),
    (alice(back("soft")), f"{NOT}: it came back on 19 November 2026, because the mailbox did not take it."),
    (alice(back("soft"), stopped=stopped("repeated soft bounce", 3)),
     f"{NOT}: it came back on 19 November 2026, because the mailbox refused three newsletters in a row; {STOP}."),
    (alice(back("suspended")), f"{NOT}: it came back on 19 November 2026, because the mailbox is switched off."),
    (alice(back("suspended"), stopped=stopped("hard bounce", 2)),
     f"{NOT}: it came back on 19 November 2026, because the mailbox refused two letters in a row; {STOP}."),
    (alice(back("content")),
     f"{NOT}: it came back on 19 November 2026, because the mail server there blames us for what we sent, or how."),
    (alice(back("complaint"), stopped=stopped("complaint")),
     f"{GOT}, and called it spam on 19 November 2026; {STOP}."),
    (alice(back("soft"), stopped=stopped("complaint")),
     f"{NOT}: it came back on 19 November 2026, because the mailbox did not take it; {STOP}, because its reader called"
     " a letter of ours spam."),
    # It was refused, or is on its way.
    (alice(OneLetter("failed", "refused at rcpt", THE_17TH, "550 5.1.1 no such user"), stopped=GONE),
     f"{NOT}: the mail server refused it on 17 November 2026 and said “550 5.1.1 no such user”; {STOP}."),
    (alice(OneLetter("failed", "given up, deferred at rcpt", THE_19TH, "452 4.2.2 over quota")),
     f"{NOT}: it was given up on 19 November 2026, since the mail server said “452 4.2.2 over quota”."),
    (alice(OneLetter("failed", "refused at dot", THE_17TH)), f"{NOT}: the mail server refused it on 17 November 2026."),
    (alice(OneLetter("deferred", "deferred at rcpt", THE_17TH, "450 4.2.0 greylisted", THE_19TH)),
     f"{NOT_YET}: the mail server wants it later, and said “450 4.2.0 greylisted”; the next try is on 19 November 2026"
     " at 06:30 UTC."),
    (alice(OneLetter("pending")), f"{NOT_YET}: it waits for its turn."),
    (alice(OneLetter("sending")), f"{NOT_YET}: it is being sent just now."),
    (alice(OneLetter("pending"), digest=PAUSED),
     f"{NOT_YET}: the newsletter is paused (stopped: 3 readers of 30 call it spam)."),
    (alice(OneLetter("unknown", "no reply after dot", THE_17TH)),
     "Whether alice@reader.example got the newsletter of 2026-W47 is not known: the connection broke on 17 November"
     " 2026 at 09:00 UTC before the mail server had answered, and an operator has to decide about it."),
    (alice(OneLetter("cancelled"), digest=replace(W47, state="cancelled", reason="wrong tools")),
     f"{NOT}, because it was cancelled before it was sent to them (wrong tools)."),
    (alice(OneLetter("cancelled"), digest=replace(W47, state="cancelled")),
     f"{NOT}, because it was cancelled before it was sent to them."),
    (alice(OneLetter("failed", "given up", THE_19TH)),
     f"{NOT}: it was given up on 19 November 2026, because it had waited too long."),
    (alice(OneLetter("failed", "given up, cannot be composed", THE_19TH, "KeyError: 'tools'")),
     f"{NOT}: it was given up on 19 November 2026, because it could not be put together: “KeyError: 'tools'”."),
    (alice(OneLetter("deferred", "cannot be composed", THE_17TH, "KeyError: 'tools'", THE_19TH)),
     f"{NOT_YET}: it could not be put together (“KeyError: 'tools'”); the next try is on 19 November 2026 at 06:30"
     " UTC."),
    (alice(OneLetter("deferred", "its domain is held", THE_17TH, None, THE_19TH)),
     f"{NOT_YET}: all mail to reader.example is held, because most of the last letters there were refused as addresses"
     " that do not exist; it goes on when an operator releases the domain."),
    (alice(OneLetter("deferred", "its domain defers", THE_17TH, None, THE_19TH)),
     f"{NOT_YET}: the mail server of this domain takes no mail at the moment; the next try is on 19 November 2026 at"
     " 06:30 UTC."),
    (alice(OneLetter("deferred", "sent again after doubt", THE_17TH, "no reply", THE_19TH)),
     f"{NOT_YET}: the connection broke before the mail server had answered, so it is sent again; the next try is on 19"
     " November 2026 at 06:30 UTC."),
    (alice(OneLetter("pending", next_try=THE_19TH), now=THE_17TH),
     f"{NOT_YET}: it is sent on 19 November 2026 at 06:30 UTC."),
    (alice(OneLetter("pending", next_try=THE_17TH, waits="all mail is paused (we move house)")),
     f"{NOT_YET}: all mail is paused (we move house)."),
    (alice(OneLetter("unknown", "no reply after dot", THE_17TH, back="hard", back_at=THE_19TH), stopped=GONE),
     f"{NOT}: it came back on 19 November 2026, because the address does not exist; {STOP}."),
    (alice(OneLetter("sending", back="complaint", back_at=THE_19TH), stopped=stopped("complaint")),
     f"{GOT}, and called it spam on 19 November 2026; {STOP}."),
    # Mail was stopped, and allowed again.
    (alice(back("hard"), lifted=AGAIN),
     f"{NOT}: it came back on 19 November 2026, because the address does not exist; {ALLOWED}."),
    (alice(OneLetter("failed", "refused at rcpt", THE_17TH, "550 5.1.1 no such user"), lifted=AGAIN),
     f"{NOT}: the mail server refused it on 17 November 2026 and said “550 5.1.1 no such user”; {ALLOWED}."),
    (alice(back("hard"), lifted=replace(AGAIN, at=EARLIER)),
     f"{NOT}: it came back on 19 November 2026, because the address does not exist."),
    (alice(back("complaint"), lifted=replace(AGAIN, reason="complaint", note=None)),
     f"{GOT}, and called it spam on 19 November 2026; mail to it was stopped, and an operator allowed it again on 1"
     " December 2026."),
    (alice(back("content"), lifted=AGAIN),
     f"{NOT}: it came back on 19 November 2026, because the mail server there blames us for what we sent, or how."),
    (alice(OneLetter("skipped", "suppressed"), lifted=AGAIN),
     f"{NOT}, because mail to it was stopped then (the address does not exist), and an operator allowed it again on 1"
     " December 2026 (“she wrote to us”)."),
    # It was left out.
    (alice(OneLetter("skipped", "suppressed"), stopped=stopped("by hand")),
     f"{NOT}, because an operator stopped mail to it on 19 November 2026."),
    (alice(OneLetter("skipped", "suppressed"), stopped=stopped("repeated soft bounce", 3)),
     f"{NOT}, because the mailbox refused three newsletters in a row; {STOP}."),
    (alice(OneLetter("skipped", "suppressed"), stopped=stopped("hard bounce", 2)),
     f"{NOT}, because the mailbox refused two letters in a row; {STOP}."),
    (alice(OneLetter("skipped", "suppressed"), stopped=GONE), f"{NOT}, because the address does not exist; {STOP}."),
    (alice(OneLetter("skipped", "suppressed")),
     f"{NOT}, because mail to this address was stopped then; it is not any more."),
    (alice(OneLetter("skipped", "unsubscribed"), state="unsubscribed", left_at=THE_17TH),
     f"{NOT}, because its reader had unsubscribed on 17 November 2026."),
    (alice(OneLetter("skipped", "paused"), paused_until=LATER),
     f"{NOT}, because its reader had paused it until 1 December 2026."),
    (alice(OneLetter("skipped", "paused")), f"{NOT}, because its reader had paused it."),
    (alice(OneLetter("skipped", "pending")), f"{NOT}, because the subscription was not confirmed then."),
    # It was never owed.
    (alice(confirmed_at=THE_19TH),
     f"{NOT}, because its reader subscribed on 19 November 2026, after it was put together on 17 November 2026."),
    (alice(state="pending", asked_at=EARLIER, confirmed_at=None),
     f"{NOT}, because the sign-up of 2 October 2026 has not been confirmed."),
    (alice(**ASKED, confirmation=replace(SENT, back="hard", back_at=THE_19TH), stopped=GONE),
     f"{UNCONFIRMED}: the confirmation email came back on 19 November 2026, because the address does not exist;"
     f" {STOP}."),
    (alice(**ASKED, confirmation=OneLetter("failed", "refused at rcpt", THE_17TH, "550 no")),
     f"{UNCONFIRMED}: the mail server refused the confirmation email on 17 November 2026 and said “550 no”."),
    (alice(**ASKED, confirmation=OneLetter("skipped", "suppressed"), stopped=stopped("complaint")),
     f"{UNCONFIRMED}: no confirmation email was sent; {STOP}, because its reader called a letter of ours spam."),
    (alice(**ASKED, confirmation=OneLetter("deferred")), f"{UNCONFIRMED}: the confirmation email has not been sent"
     " yet."),
    (alice(**ASKED, confirmation=SENT), f"{UNCONFIRMED}."),
    (alice(state="unsubscribed", left_at=EARLIER), f"{NOT}, because its reader unsubscribed on 2 October 2026."),
    (alice(state="unsubscribed", left_at=EARLIER, stopped=stopped("complaint")),
     f"{NOT}, because its reader unsubscribed on 2 October 2026; {STOP}, because its reader called a letter of ours"
     " spam."),
    (alice(state="unsubscribed", confirmed_at=THE_19TH, left_at=LATER),
     f"{NOT}, because its reader subscribed on 19 November 2026, after it was put together on 17 November 2026."),
    (alice(digest=replace(W47, state="cancelled", reason="wrong tools")),
     f"{NOT}, because it was cancelled (wrong tools)."),
    (alice(stopped=stopped("complaint")), f"{NOT}, because its reader called a letter of ours spam; {STOP}."),
    (alice(), f"{NOT}: they were not among its readers when it was put together on 17 November 2026."),
    (alice(digest=replace(W47, state="frozen")), f"{NOT_YET}: it is being addressed."),
    (alice(digest=replace(W47, removed=True)),
     "Whether alice@reader.example got the newsletter of 2026-W47 is not known any more: letters are kept for 13"
     " months."),
    # It has not gone out.
    (alice(digest=DRAFT, now=EARLIER), f"{NOT_YET}: it is due on 17 November 2026 at 09:00 UTC."),
    (alice(digest=DRAFT), f"{NOT_YET}: it was due on 17 November 2026 at 09:00 UTC, and has not gone out."),
    (alice(digest=replace(DRAFT, state="held"), now=EARLIER),
     f"{NOT_YET}: it is due on 17 November 2026 at 09:00 UTC, but it is held until somebody releases it."),
    (alice(digest=DRAFT, paused_until=LATER),
     "alice@reader.example will not get the newsletter of 2026-W47, because its reader has paused it until 1 December"
     " 2026."),
    (alice(digest=replace(DRAFT, state="skipped", reason="nothing new")),
     f"{NOT}, because nobody did: it was skipped (nothing new)."),
    (alice(digest=None), "alice@reader.example has got no newsletter yet, because none has gone out."),
    (alice(digest=None, state="pending", asked_at=THE_17TH),
     "alice@reader.example has got no newsletter yet, because none has gone out; they will not get the next one either,"
     " because the sign-up of 17 November 2026 has not been confirmed."),
    # Nobody who reads it.
    (NOBODY, f"{STRANGER}, so no newsletter was sent to it."),
    (replace(NOBODY, tests=2), f"{STRANGER}; it got 2 test letters and no newsletter."),
    (replace(NOBODY, stopped=stopped("by hand")),
     f"{STRANGER}, and an operator stopped mail to it on 19 November 2026."),
    (replace(NOBODY, stopped=stopped("erased")),
     "Whoever had the address alice@reader.example was erased on 19 November 2026: only a keyed hash of it is kept, so"
     " nothing is sent to it, and which letters it got is not known any more."),
    (Case("Subscriber 7", "erased", NOW, W47, SENT, left_at=THE_19TH),
     "Subscriber 7 was erased on 19 November 2026: of the address only a keyed hash is kept, and nothing is sent to"
     " it."),
]  # fmt: skip


@pytest.mark.parametrize(("case", "told"), CASES, ids=[told for _, told in CASES])
def test_the_answer_in_one_sentence(case: Case, told: str):
    assert sentence(case) == told


def test_a_long_reply_is_shortened():
    told = sentence(alice(OneLetter("failed", "refused at dot", THE_17TH, "554 " + "no " * 200)))
    assert len(told) < 300
    assert told.endswith("no…”.")
