"""Tells by a mail's sender, subject and header whether it is a bounce at all."""

import re

from emails.bounces import automatic, encoded
from emails.bounces.mime import Part
from emails.bounces.patterns import one_of

_READ = 2000

_DAEMON = one_of(r"""
    mailer[-_. ]?daemon
    mail[-_. ]?(?:delivery|deliverer)[-_. ](?:sub)?system
    mdaemon
    microsoftexchange[0-9a-f]{16}
""")
_MAYBE_PERSON = one_of(r"""
    post[-_. ]?master
    mail(?:[-_. ]?(?:delivery|system|admin\w*|deliver\w*|robot|server))
    delivery (?:sub|sys)
    system administrator
    administrator@
    bounces?\b
    no-?reply
""")
_FAILED = one_of(r"""
    undeliver|non-?deliver
    returned (?:mail|message|to sender)
    delivery (?:status|fail|error|report|problem|notif|has|unsuccess)
    (?:mail|message|delivery|transport|sending)(?: delivery| system)? ?(?:fail\w*|error|problem)
    failure notice
    failed (?:mail|delivery|message|to deliver)
    (?:could not|couldn['’]t|cannot|can['’]t|unable to) (?:be )?deliver
    not (?:been |be )?deliver
    message you sent blocked|was rejected|error message
    unzustellbar|nicht zugestellt|zustell\w*fehl
    non remis|échec|non distribu|pas (?:été|pu être) remis
    no se (?:puede|pudo|ha podido) entregar|no entregado
    n[aã]o (?:foi |pôde ser )?entreg|falha na entrega
    mancat[ao] (?:recapito|consegna)|non (?:è stato )?(?:recapitat|consegnat)
    onbestelbaar|niet (?:afgeleverd|bezorgd)
    niedostarcz|nie dostarczono
    недоставлен|не (?:может быть )?доставлен
    配信(?:不能|失敗|エラー|できません)|送信(?:エラー|失敗)|エラーメール
    退信|退件|无法投递|投递失败|未送达
""")
_REPLY = re.compile(r"^\W{0,12}[45]\d\d[ -]", re.MULTILINE)


def is_bounce(mail: Part, words: str, letter: Part | None) -> bool:
    """Whether a mail server wrote this because it could not deliver; a person may write from postmaster@ too."""
    if mail.get("x-failed-recipients"):
        return True
    if mail.type == "multipart/report":
        return not automatic.is_read_receipt(mail)
    sender, subject = encoded.words(mail.get("from")), encoded.words(mail.get("subject"))
    if _DAEMON.search(sender):
        return True
    if automatic.replies_by_itself(mail):
        return False
    answers = automatic.is_answer(subject)
    named = not answers and bool(_FAILED.search(subject))
    if _MAYBE_PERSON.search(sender) or mail.get("return-path").strip() == "<>":
        return named or (bool(_FAILED.search(words[:_READ])) and (not answers or bool(_REPLY.search(words[:_READ]))))
    return named and letter is not None and not automatic.is_a_persons(mail)


def is_wrapped(letter: Part | None) -> bool:
    """Whether the returned letter is itself a bounce, which a gateway on the way wrapped into another."""
    if letter is None:
        return False
    sender, subject = encoded.words(letter.get("from")), encoded.words(letter.get("subject"))
    return bool((_DAEMON.search(sender) or _MAYBE_PERSON.search(sender)) and _FAILED.search(subject))
