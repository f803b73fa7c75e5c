"""Tells from a mail's header who may have written it: a mail server, perhaps a person, or surely a person's program."""

import re
from typing import Literal

from emails.bounces import encoded
from emails.bounces.mime import Part
from emails.bounces.patterns import one_of

Writer = Literal["server", "postmaster", "program", "anybody"]
"""server: nobody but a mail server writes under that name. postmaster: a mail server, or whoever looks after it.
program: some program or other, such as a shop's. anybody: the name tells nothing."""

# What these name is the part before the @. A person may live at mailer-daemon.example, or be called Max Daemon.
_SERVERS = one_of(r"""
    mailer[-_.]?daemon(?:[-+=_.]\S*)?
    microsoftexchange[0-9a-f]{16,32}
    post_master
""")
_SERVER_NAMES = one_of(r"""
    (?:internet |the )?mailer[-_. ]?daemon
    (?:the )?mail[-_. ]?(?:delivery|deliverer)[-_. ](?:sub)?system
""")
_POSTMASTERS = one_of(r"""
    .{0,40}\bpost[-_. ]?master\b.{0,40}
    m?daemon
    mail(?:[-_. ]?(?:delivery|system|admin\w*|deliver\w*|robot|server)).{0,40}
    .{0,20}\bdelivery (?:sub|sys)\w*.{0,20}
    .{0,20}mail[-_. ]service
    system administrator
    administrator
""")
_PROGRAMS = one_of(r".{0,40}\b(?:bounces?|no-?reply|do-?not-?reply)(?:[-+=_.]\S*)?")
_PEOPLES_PROGRAMS = one_of(r"""
    \b(?:thunderbird|apple mail|i(?:phone|pad|os|pod) mail|microsoft (?:office )?outlook|microsoft-macoutlook)
    \b(?:seamonkey|evolution \d|k-?mail|roundcube|claws mail|em ?client\b|mailspring|airmail|squirrelmail|mailbird)
    \b(?:the bat!|sylpheed|yahoomail|webservice/|aol |geary|foxmail|fairemail|protonmail|superhuman|horde|sogo)
    \b(?:open-xchange mailer|nextcloud mail|bluemail|canary mail|betterbird|trojita|notmuch|mu4e)
    \b(?:mutt|gnus|alpine|k-9|spark|aerc|meli)\b
""")
_PEOPLES_FIELDS = (
    "list-id", "list-post", "thread-index", "x-ms-has-attach", "x-gm-message-state", "x-ymail-osg", "content-language",
)  # fmt: skip
"""Of mailing lists, Outlook and Exchange, Gmail, Yahoo and Thunderbird. Exchange's own bounces are reports."""
_ADDRESS = re.compile(r"<([^<>]*)>")


def writer_of(mail: Part) -> Writer:
    """Whom the From of a mail, or of a letter that it returns, shows."""
    address, names = _divided(encoded.words(mail.get("from"))[:1000])
    local = (address.rpartition("@")[0] or address).strip('"')
    if _SERVERS.fullmatch(local) or any(_SERVER_NAMES.fullmatch(each) for each in names):
        return "server"
    if any(_POSTMASTERS.fullmatch(each) for each in (local, *names)):
        return "postmaster"
    return "program" if any(_PROGRAMS.fullmatch(each) for each in (local, *names)) else "anybody"


def has_null_sender(mail: Part) -> bool:
    """Whether its envelope (RFC 5321, section 4.5.5) or its From names no sender, which no mail of a person's does."""
    path = mail.get("return-path").strip().lower()
    nobody = mail.get("from").rstrip().endswith("<>")
    return nobody or path in ("<>", "< >") or path.startswith(("<mailer-daemon", "mailer-daemon"))


def is_from_a_peoples_program(mail: Part) -> bool:
    """Whether a program wrote it in which people write, or it came over a mailing list."""
    written_with = f"{mail.get('user-agent')} {mail.get('x-mailer')}"[:200]
    return bool(_PEOPLES_PROGRAMS.search(written_with)) or any(mail.get(name) for name in _PEOPLES_FIELDS)


def _divided(sender: str) -> tuple[str, list[str]]:
    """The address, and what stands around it: a name, or a comment as Postfix and Sendmail write."""
    found = _ADDRESS.search(sender)
    comments = re.findall(r"\(([^()]*)\)", sender)
    bare = re.sub(r"\([^()]*\)", " ", sender)
    address = found[1] if found else bare
    names = [*comments, _ADDRESS.sub(" ", bare)] if found else comments
    return address.strip(" \t\"'"), [each.strip(" \t\"'") for each in names if each.strip(" \t\"'")]
