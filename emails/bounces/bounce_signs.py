"""Tells by a mail's sender, subject and header whether it is a bounce at all."""

from emails.bounces import automatic, delays, encoded, senders
from emails.bounces.mime import RETURNED, Part
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
    (?:did not|didn['’]t|has not|could not) reach
    (?:user|recipient|addressee) (?:unknown|not known)|(?:unknown|no such) (?:user|recipient)
    message you sent blocked|was rejected|error message
    unzustellbar|nicht (?:zugestellt|erreicht|zustellbar|ausgeliefert)|zustell\w*fehl|fehler .{0,20}zustell
    non remis|échec|non distribu|pas (?:été |pu |être )*(?:remis|distribué|livré|atteint|parvenu)
    no se (?:puede|pudo|ha podido) (?:entregar|enviar)|no (?:ha )?(?:sido )?entregado|no (?:ha )?lleg(?:ado|ó)
    fallo .{0,20}(?:entrega|envío)
    n[aã]o (?:foi |pôde ser |pode ser )?(?:possível )?entreg|falha (?:na|de) (?:entrega|envio)|n[aã]o chegou
    mancat[ao] (?:recapito|consegna)|non (?:è stat[oa] )?(?:recapitat|consegnat|arrivat)
    impossibile (?:recapitare|consegnare)
    onbestelbaar|niet (?:afgeleverd|bezorgd|bereikt|besteld)
    niedostarcz|nie (?:dostarczono|można dostarczyć|została? dostarczon)
    недоставлен|не (?:может быть |было |была )?доставлен|не удалось доставить|невозможно доставить
    配[信送達](?:不能|失敗|エラー|(?:が|に)?(?:でき|失敗))|送信(?:エラー|失敗|でき(?:ません|なかった))|(?:お届け|届け)(?:でき|られ)|届きません|エラーメール
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
    if senders.is_from_a_peoples_program(mail):
        return False
    by_server = senders.has_null_sender(mail)
    subject = encoded.words(mail.get("subject"))
    named, said = bool(_FAILED.search(subject)) or delays.is_late(subject, ""), bool(_FAILED.search(words[:_READ]))
    # MailEnable and others write "Auto-Submitted: auto-replied" into their bounces.
    if automatic.replies_by_itself(mail) and not (writer == "postmaster" and named):
        return False
    if writer == "postmaster":
        return named or reports or (said and (by_server or letter is not None))
    if writer == "program":
        return (named or said or reports) and (by_server or letter is not None)
    # A person, and some vacation programs, quote the letter in their text.
    attached = letter is not None and any(each.type in RETURNED for each in mail.leaves())
    if by_server:
        return named or reports or (said and attached)
    return named and attached and not is_wrapped(letter) and not automatic.is_a_persons(mail)


def is_challenge(mail: Part, words: str) -> bool:
    """Whether a service asks us to prove to be human, also in a mail made up as a bounce, as Boxbe does."""
    by_program = mail.type == "multipart/report" or not automatic.is_a_persons(mail)
    return by_program and senders.writer_of(mail) != "server" and automatic.asks_for_proof(words)


def is_wrapped(letter: Part | None) -> bool:
    """Whether the returned letter is itself a bounce, which a gateway on the way wrapped into another."""
    if letter is None:
        return False
    subject = encoded.words(letter.get("subject"))
    return senders.writer_of(letter) in ("server", "postmaster", "program") and bool(_FAILED.search(subject))
