"""Reads from other newsletter systems' exports who is subscribed: which columns tell it, and what each word means.

Only a word that is known to mean "active" makes anybody active, and of several columns the most cautious one wins. The
words and columns are those of Mailchimp, Substack, Ghost, Buttondown, beehiiv, Kit, listmonk, Keila, MailerLite, Sendy,
Mailtrain, phpList, Brevo, Campaign Monitor, EmailOctopus, MailPoet, HubSpot, Klaviyo, Shopify and Salesforce.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

ACTIVE, UNKNOWN, EMPTY = "active", "of unknown state", "without a state"
NOT_SUBSCRIBED = "not subscribed"

_WORDS: Mapping[str, str] = MappingProxyType({
    "complained": "complained, complaint, spam complaint, spam, spammed, spammy, marked as spam, reported as spam,"
                  " junk, abuse",
    "suppressed": "suppressed, blacklisted, blocklisted, blacklist, blocklist, blocked, banned, disabled, suspended,"
                  " held",
    "bounced": "bounced, bounce, bouncing, hard bounce, hard bounced, soft bounce, soft bounced, cleaned, invalid,"
               " unreachable, undeliverable",
    "unsubscribed": "unsubscribed, unsubscribe, unsub, opted out, opt out, optout, cancelled, canceled, left,"
                    " withdrawn",
    "deleted": "deleted, removed, archived, erased, redacted, anonymized, forgotten",
    "unconfirmed": "unconfirmed, pending, not confirmed, unactivated, unverified, not verified, validating,"
                   " pending confirmation, awaiting confirmation, waiting for confirmation, waiting",
    "inactive": "inactive, not active, paused, expired, dormant, unengaged, needs attention",
    NOT_SUBSCRIBED: "not subscribed, non subscribed, nonsubscribed, never subscribed, transactional, none",
    ACTIVE: "active, subscribed, confirmed, enabled, regular, opted in, opt in, optin, confirmed opt in, double opt in",
})  # fmt: skip
"""What each word of a state column means, the gravest meaning first."""
MEANING: Mapping[str, str] = MappingProxyType(
    {word.strip(): meaning for meaning, words in _WORDS.items() for word in words.split(",")}
)
_GRAVITY = (*(meaning for meaning in _WORDS if meaning != ACTIVE), UNKNOWN, EMPTY)

# Spreadsheets write true and false in their user's language.
_YES = ("1", "true", "t", "yes", "y", "on", "x", "wahr", "ja", "vrai", "oui", "verdadero", "sí", "vero")
_NO = ("0", "false", "f", "no", "n", "off", "none", "never", "null", "nil", "n/a", "na", "-",
       "falsch", "nein", "faux", "non", "falso")  # fmt: skip
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}.*|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*|\d{9,13}", re.DOTALL)
"""A date, or the seconds or milliseconds since 1970."""
_NO_DATE = re.compile(r"[0\W]*(T[0\W]*Z?)?")
"""Zeros and signs alone, such as 0000-00-00 00:00:00, which MySQL writes where there is no date."""

# Headers are compared without case, spaces, signs and accents: "Email Marketing Status" is emailmarketingstatus.
_STATE = re.compile(
    r".*(status|state|statut|etat|estado|stato|zustand|situacao)"
    r"|.*status(id|code|name|text|value|label|e?mails?|newsletter|marketing|[0-9]+)"
)
_OTHER_STATE = re.compile(
    r".*(billing|shipping|mailing|home|work|address|province)state"
    r"|.*(sms|phone|whatsapp|push|payment|stripe|billing|order|shipping|invoice|tax|marital|employment|lead)status"
)
_KIND = re.compile(
    r"(subscriber|subscription|member|contact|user)?type|(email)?(marketing)?consent"
    r"|newsletters?|mailings?|(email)?marketing(e?mails?)?|subscription|abo|abonnement"
)
"""Columns such as Buttondown's `type` or a shop's `newsletter` may hold more than a state, such as a list's name; only
a no and words that hold somebody back count in them."""
_ABOUT = (
    r"(?:(?:is|has|was)[a-z]*?)?"
    r"(?:email|emails|emailmarketing|marketing|newsletter|subscriber|member|user|global|globally)?"
)
_YES_MEANS_ACTIVE = re.compile(
    _ABOUT + r"(subscribed|active|activated|enabled|confirmed|verified|optin|optedin|doubleoptin"
    r"|accepts(email)?marketing|accepts?emails?|receives?emails?)((to|in|for|into)[a-z]*)?"
    r"|abonniert|angemeldet|bestatigt|aktiv|abonnee?|inscrite?|confirmee?|actif|active|suscrito|inscrito|activo|iscritto|attivo"
)
_YES_HOLDS = {
    meaning: re.compile(
        _ABOUT
        + f"({stems})(at|on|date|time|datetime|timestamp|type|status|state|reason|reasonother|campaign(id|title)?)?"
        "((from|of|outof|by)[a-z]*)?"
    )
    for meaning, stems in {
        "complained": "complained|complaints?|spam|markedasspam|reportedspam|spamcomplaint|spamreported|abuse",
        "suppressed": "suppressed|suppressions?|blacklisted|blacklist|blocklisted|blocklist|blocked|banned|disabled",
        "bounced": "(hard|soft)?bounced?|cleaned|clean|unreachable|undeliverable|invalid",
        "unsubscribed": "unsubscribed?|unsubscription|unsub|opt(ed)?out|donotemail|donotmail|donotsend|donotcontact"
        "|cancelled|canceled|cancellation|deactivated|deactivation"
        "|(?:(?:date|datum|fecha|data)(?:de|di|d)?)?(?:abgemeldet|abmelde|abmeldung|abbestellt|abbestellung|gekundigt"
        "|kundigungs?|desabonnee?|desabonnement|desinscrite?|desinscription|baja|desuscrito|descadastrado|disiscritto"
        "|disiscrizione|uitgeschreven|afgemeld)(?:am|le|el|il|op|datum)?",
        "deleted": "deleted|deletion|removed|removal|archived|erased|redacted",
        "unconfirmed": "unconfirmed|unverified|notconfirmed|notverified|pending",
        "inactive": "inactive|notactive",
        NOT_SUBSCRIBED: "notsubscribed|nonsubscribed|neversubscribed",
    }.items()
}
"""Columns in which a yes, a date or a reason means that the person is not to be mailed, by what it means."""
_FILE = re.compile(
    r"(?P<unsubscribed>un-?subscribed?)|(?P<bounced>bounced|cleaned(?=.*export))|(?P<suppressed>suppress|black-?list|block-?list)"
    r"|(?P<complained>complain|spam)|(?P<unconfirmed>unconfirmed)|(?P<not_subscribed>non-?subscribed)"
)
"""How the names of files begin that Mailchimp and others write for one state: unsubscribed_members_export_1a2b.csv."""


class FileState(NamedTuple):
    """Why a file does not call somebody active: what it means, and the cell that says so."""

    meaning: str
    cell: str


class StateColumns:
    """The columns of one file that tell whether a person is subscribed."""

    def __init__(self, headers: Sequence[str], file_name: str) -> None:
        self._readers = [(at, header, *_reader(header)) for at, header in enumerate(headers)]
        self._readers = [each for each in self._readers if each[2]]
        self._by_name = _of_file(file_name)
        self.tell = bool(self._readers or self._by_name)

    def of(self, row: Sequence[str]) -> FileState | None:
        """What the row says of a person whom the file does not call active; None for one who is active by it."""
        found = [self._by_name] if self._by_name else []
        said_active = expected = False
        for at, header, kind, meaning in self._readers:
            cell = row[at].strip() if at < len(row) else ""
            means = _JUDGES[kind](cell, meaning)
            expected = expected or kind in ("state", "yes")
            said_active = said_active or means == ACTIVE
            if means not in (None, ACTIVE):
                found.append(FileState(means, f"{header}: {_shown(cell)}"))
        if not found and expected and not said_active:
            return FileState(EMPTY, "")
        return min(found, key=lambda each: _GRAVITY.index(each.meaning), default=None)


def meaning_of(word: str) -> str:
    """What a word in a state column means; UNKNOWN for one that is not in the table."""
    return MEANING.get(" ".join(re.split(r"[\s_-]+", word.strip().lower())), UNKNOWN)


def _reader(header: str) -> tuple[str, str]:
    """How to read the column of that header, and what a yes in it means; two empty words if it tells no state."""
    name = "".join(
        filter(str.isalnum, unicodedata.normalize("NFKD", header.lower()))
    )  # an accent is no letter or digit
    if _KIND.fullmatch(name):
        return "kind", ""
    for meaning, pattern in _YES_HOLDS.items():
        if pattern.fullmatch(name):
            return "held", meaning
    if _YES_MEANS_ACTIVE.fullmatch(name):
        return "yes", ACTIVE
    return ("state", "") if _STATE.fullmatch(name) and not _OTHER_STATE.fullmatch(name) else ("", "")


def _of_file(name: str) -> FileState | None:
    found = _FILE.match(name.lower())
    if found is None:
        return None
    return FileState((found.lastgroup or "").replace("_", " "), f"the file's name: {_shown(name)}")


# ---- one cell ------------------------------------------------------------------------------------------------


def _state(cell: str, _: str) -> str | None:
    return meaning_of(cell) if cell else None


def _kind(cell: str, _: str) -> str | None:
    means = NOT_SUBSCRIBED if cell.lower() in _NO else meaning_of(cell)
    return None if means in (UNKNOWN, ACTIVE) else means


def _yes(cell: str, _: str) -> str | None:
    if not cell:
        return None
    if cell.lower() in _NO or _NO_DATE.fullmatch(cell):
        return NOT_SUBSCRIBED
    return ACTIVE if cell.lower() in _YES or _DATE.fullmatch(cell) else meaning_of(cell)


def _held(cell: str, meaning: str) -> str | None:
    # A link to unsubscribe says nothing about anybody, and "Opt-out status: subscribed" says that somebody reads.
    said = cell.lower()
    nothing = said in ("", "subscribed", "opted in", *_NO) or said.startswith(("http:", "https:"))
    nothing = nothing or _NO_DATE.fullmatch(cell) is not None
    return None if nothing else meaning


_JUDGES = MappingProxyType({"state": _state, "kind": _kind, "yes": _yes, "held": _held})


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:60]
