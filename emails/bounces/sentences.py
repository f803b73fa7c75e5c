"""What mail servers write around or instead of an SMTP reply, and whose it is.

Replies in English are known to emails/replies/table.py; here stand the words of bounces alone: a program that failed, a
queue that gave up, a domain that nobody serves, a group that is closed. The first that fits decides.
"""

import re
import unicodedata

from emails.bounces.guesses import is_said
from emails.bounces.languages import of_sender, pattern_of
from emails.bounces.patterns import folded, one_of_folded
from emails.replies.table import Whose

_READ = 1000

# A null MX (RFC 7505), as Exim, Sendmail and old versions of Postfix report it.
_NO_MAIL = one_of_folded(r"""
    type=mx: malformed (?:or unexpected )?name server reply
    indicated no smtp service
    (?:no|null) ?mx\b
    (?:host|domain)(?: \S{1,80})? does(?: not|n['’]t) (?:accept|receive) (?:any )?(?:e-?)?mail(?! from)
""")

SENTENCES: tuple[tuple[Whose, re.Pattern[str]], ...] = (
    # A full mailbox, also where a program says so.
    (
        "mailbox",
        one_of_folded(r"""
            disk (?:quota|space)(?: limit)? (?:is |was |has been )?(?:full|exceeded|reached)
            (?:exceed\w*|over|reached) .. (?:disk ?quota|mailbox (?:size|quota)|disk space)
            mail(?:box|folder) (?:is |was )?(?:over ?)?full\b(?! errors)
            command output: .. quota
            (?:overdrawn|exceeded) .. disk ?space
            quota usage
            (?:account|mailbox|user)(?:\(s\))?(?: \S{1,80})? (?:does(?: not|n['’]t)|do(?: not|n['’]t)) have enough space
            has not been collected
        """),
    ),
    # Programs that deliver; a "no such user" of theirs is about a user of that host.
    (
        "relay",
        one_of_folded(r"""
            ^\W*(?:procmail|maildrop|deliver|/\S+|(?:ba)?sh|perl|php|python|vacation):\s
            \bpipe to \|
            command (?:died|failed|output|not found)
        """),
    ),
    ("address", _NO_MAIL),
    (
        "domain",
        one_of_folded(r"""
            (?:host|domain) not found, try again
            aborted after [\d.]+ hours?
        """),
    ),
    # The reason may be no more than the address of a list of bad senders.
    ("sender", one_of_folded("spamhaus|spamcop|barracudacentral|dnsbl|senderscore|/bl\\?ip=")),
    # Google and Microsoft say in one sentence that a group may not exist or that we may not write to it.
    (
        "sender",
        one_of_folded(r"""
            groups\.google\.\w{2,3}/support
            only accepts? .. (?:messages|mail|e-?mail) from
            (?:group|gruppe|groupe|groep|grup[oa]|gruppo|група|группа)\b.{0,400}(?:permi[st]|berechtig|autori[sz]|toestemming)
            (?:グループ|群组|群組).{0,400}(?:権限|权限|權限|許可)
        """),
    ),
    # A command was refused; Gmail's "Send mail as" by another server.
    (
        "sender",
        one_of_folded(r"""
            protocol (?:violation|error)(?! \d)
            (?:command|parameter) not (?:implemented|recogni[sz]ed|supported)
            (?:bad|improper|invalid|wrong) (?:command )?(?:sequence|order) of commands
            (?:unrecogni[sz]ed|unknown) command
            ['‘“"]send mail as['’”"]
            not advertise auth
        """),
    ),
    ("mailbox", pattern_of("full")),
    ("sender", of_sender()),
    ("address", pattern_of("gone")),
    # Nobody by that name, in the words of Exchange, Domino, GroupWise, Gmail and Yahoo.
    (
        "address",
        one_of_folded(r"""
            (?:recipient|addressee|address|user|account) (?:name|address) is not (?:recogni[sz]ed|known)
            \(000c05a6\) unknown recipient
            user ["'‘“].{1,64}["'’”] (?:was )?not found
            (?:not listed|not found) in .{0,40}(?:directory|address book)
            (?:wasn['’]t found|doesn['’]t exist) at
            (?:recipient|addressee) unknown
            mailbox unavailable \(-?\d
            address (?:you entered )?(?:couldn['’]t|could not|can['’]?t|cannot) be found
            address not found
            wurde unter .. nicht gefunden
            delivery error: dd .{0,100}(?:user doesn['’]t have|not a valid recipient|is no longer valid)
            ^\W*unknown user: \S+@
            (?:user|recipient|address) has (?:moved|changed)
            moved to a new address
        """),
    ),
    # The domain is nobody's.
    (
        "address",
        one_of_folded(r"""
            (?:host|domain) or domain name not found
            name or service not known
            unrout(?:e)?able (?:mail|address|domain)
            (?:unknown|no such|non-?existent|invalid) (?:mail |remote )?(?:host|domain)(?! .. (?:sender|from|helo)\b)
            (?:host|domain)(?: name)?(?: \S{1,80})? (?:unknown|not found|does(?: not|n['’]t) exist)
            (?:couldn['’]t|could not|cannot|can['’]t) find (?:any |a )?(?:host|domain|mx|(?:mail )?exchanger)
            mx records point to non-?existent hosts
            no (?:mail )?(?:exchanger|server|host)s? .. (?:found|for (?:the )?(?:domain|host))
            nxdomain
            (?:domain|domäne|domaine|domini?o|domínio) .. (?:unbekannt|existiert nicht|inconnu|introuvable)
            domaine n['’]existe pas
            (?:domini?o|domínio) .. (?:desconocido|no existe|sconosciuto|inesistente|inexistente|n[aã]o existe)
            ドメイン[^。]{0,20}(?:存在しません|見つかりません)
            (?:域名|主机)[^。]{0,6}(?:不存在|找不到|无法解析)
        """),
    ),
    # Too large, in other languages.
    (
        "message",
        one_of_folded(r"""
            (?:nachricht|e-?mail) .. zu gro(?:ß|ss)
            (?:message|courriel|courrier) .. trop (?:volumineux|gros|grand)
            (?:mensaje|correo) .. demasiado grande
            mensagem .. (?:muito|demasiado) grande
            messaggio .. troppo grande
            bericht .. te groot
            wiadomość .. (?:za|zbyt) duża
            (?:сообщение|письмо) .. слишком больш
            サイズ[^。]{0,12}(?:大きすぎ|大き過ぎ|超え|超過|制限|上限)
            (?:邮件|郵件|附件)[^。]{0,8}(?:过大|太大|超过|超出)
        """),
    ),
    # Refused for what it says or who sent it, in other languages.
    (
        "sender",
        one_of_folded(r"""
            (?:als|wegen) spam .. (?:abgelehnt|eingestuft)
            (?:inhalt|nachricht|absender) .. (?:abgelehnt|blockiert|gesperrt)
            (?:message|expéditeur|courrier) .. (?:rejeté|refusé|bloqué)
            (?:mensaje|remitente|correo) .. (?:rechazado|bloqueado)
            (?:mensagem|remetente) .. (?:rejeitad[oa]|bloquead[oa])
            (?:messaggio|mittente) .. (?:rifiutat[oa]|bloccat[oa]|respint[oa])
            (?:wiadomość|nadawca) .. (?:odrzucon[ay]|zablokowan[ay])
            (?:bericht|afzender) .. (?:geweigerd|geblokkeerd|afgewezen)
            (?:сообщение|письмо|отправитель) .. (?:отклонен|отвергнут|заблокирован)
            垃圾邮件|拒收|反垃圾|迷惑メール|受信(?:を)?拒否|스팸|수신 ?거부
        """),
    ),
    # A loop, a server that nobody reaches.
    (
        "domain",
        one_of_folded(r"""
            name service error
            (?:mail|routing|forwarding|delivery) loop
            message (?:is )?looping
            all hosts .{0,80}have been failing
            too many hops
            hop count exceeded
            more than the maximum .{0,20}times
            loops back to (?:myself|me)
            (?:connection|operation|session|network|read|write|connect) .. (?:timed out|time-?out|refused|reset|lost)
            (?:connection|session|network|connect) .. (?:unreachable|dropped|closed|failed)
            (?:network|host) (?:is )?unreachable
            no route to host
            (?:couldn['’]t|could not|wasn['’]t able to|unable to) (?:establish|open|make) .{0,20}(?:connection|smtp)
            (?:server|host|mx|exchanger)s? .. (?:is|are|was) (?:not responding|unavailable|unreachable|down)
        """),
    ),
)


def whose(words: str) -> Whose | None:
    """Whose it is by a sentence of these, or None."""
    plain = folded(unicodedata.normalize("NFKC", words[:_READ]))
    return next((each for each, pattern in SENTENCES if _says(each, pattern, plain)), None)


def _says(whose: Whose, pattern: re.Pattern[str], words: str) -> bool:
    """Whether the words say so; that nobody is there has to be said, and not only thought possible."""
    return is_said(pattern, words) if whose == "address" else bool(pattern.search(words))


def takes_no_mail(words: str) -> bool:
    """Whether the recipient's domain, and not the sender's, takes no mail at all."""
    plain = folded(words[:_READ])
    return bool(_NO_MAIL.search(plain)) and "sender" not in plain
