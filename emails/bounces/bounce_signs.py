"""Tells by a mail's sender, subject and header whether it is a bounce at all."""

from emails.bounces import automatic, encoded, senders
from emails.bounces.mime import Part
from emails.bounces.patterns import one_of

_READ = 2000

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
_OTHER_REPORTS = ("disposition-notification", "feedback-report", "tlsrpt")
"""The types of reports that tell of no delivery: RFC 8098, 5965 and 8460."""


def is_bounce(mail: Part, words: str, letter: Part | None, *, reports: bool) -> bool:
    """Whether a mail server wrote this because it could not deliver; `reports` is whether there is a delivery report
    (RFC 3464) in it. A person may write from postmaster@ too, answer with a bounce quoted, and forward one."""
    writer = senders.writer_of(mail)
    if writer == "server":
        return True
    if automatic.answers_or_forwards(mail) or mail.param("report-type").lower() in _OTHER_REPORTS:
        return False
    if mail.type == "multipart/report" or mail.get("x-failed-recipients"):
        return True
    if senders.is_from_a_peoples_program(mail) or automatic.replies_by_itself(mail):
        return False
    by_server = senders.has_null_sender(mail)
    named, said = (bool(_FAILED.search(each)) for each in (encoded.words(mail.get("subject")), words[:_READ]))
    if writer == "postmaster":
        return named or reports or (said and (by_server or letter is not None))
    if writer == "program":
        return (named or said or reports) and (by_server or letter is not None)
    if by_server:
        return named or reports or (said and letter is not None)
    return named and letter is not None and not is_wrapped(letter) and not automatic.is_a_persons(mail)


def is_wrapped(letter: Part | None) -> bool:
    """Whether the returned letter is itself a bounce, which a gateway on the way wrapped into another."""
    if letter is None:
        return False
    subject = encoded.words(letter.get("subject"))
    return senders.writer_of(letter) in ("server", "postmaster", "program") and bool(_FAILED.search(subject))
