"""Which addresses lead to one mailbox, so that they share its limit; no address is changed by it."""

import pytest

from db.addresses import mailbox_of, normal

SAME = {
    "alice@reader.example": ["Alice@Reader.Example", "alice+news@reader.example", "alice+a+b@reader.example"],
    "alicejones@gmail.com": ["alice.jones@gmail.com", "a.l.i.c.e.jones+x@googlemail.com", "AliceJones@GoogleMail.com"],
    "alicejones@proton.me": ["alice.jones@protonmail.com", "alice-jones@pm.me", "alice_jones+x@protonmail.ch"],
    "alice@icloud.com": ["alice@me.com", "alice+x@mac.com"],
    "alice@yahoo.com": ["alice-shop@yahoo.com", "alice+x@yahoo.com"],
    "alice@fastmail.com": ["shop@alice.fastmail.com", "alice+x@fastmail.com"],
}


@pytest.mark.parametrize("address", SAME)
def test_spellings_of_one_mailbox_share_its_limit(address):
    assert {mailbox_of(normal(each)) for each in [address, *SAME[address]]} == {address}


def test_two_people_are_two_mailboxes():
    people = [
        "alice.jones@reader.example", "alicejones@reader.example", "jean-luc@reader.example",
        "jean-marc@reader.example",
        "alice@yahoo.com", "alice@yahoo.co.uk", "alice@outlook.com", "alice@hotmail.com", "bob@alice.example",
        "alice@fastmail.com", "bob@fastmail.com", "a@mail.fastmail.example", "+news@reader.example", "...@x.example",
    ]  # fmt: skip
    assert len({mailbox_of(each) for each in people}) == len(people)


@pytest.mark.parametrize("odd", ["+@gmail.com", "...@gmail.com", "-@yahoo.com", "@x", "x", "+x@gmail.com", "-_.@pm.me"])
def test_what_would_leave_nothing_keeps_a_name(odd):
    assert mailbox_of(odd).rpartition("@")[0] or odd in ("@x", "x")
