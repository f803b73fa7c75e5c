"""The forms in which a webhook can be told of events, in words."""

from typing import Literal, NamedTuple

Form = Literal["event", "chat"]


class FormWords(NamedTuple):
    """What a webhook gets, in words, and for whom that is."""

    name: str
    hint: str


FORMS: dict[Form, FormWords] = {
    "event": FormWords("Events for a program", "signed JSON, as Standard Webhooks describe"),
    "chat": FormWords("Sentences for a chat", "Slack, Mattermost, Google Chat, Discord with /slack at the URL’s end"),
}
