"""What mail servers write around or instead of an SMTP reply, and whose it is.

Replies in English are known to emails/reply_table.py; here stand the words of bounces alone: a program that failed, a
queue that gave up, a domain that nobody serves, a group that is closed. The first that fits decides.
"""

import re
import unicodedata

from emails.bounces.languages import pattern_of
from emails.bounces.patterns import one_of
from emails.reply_table import Whose

_READ = 1000

SENTENCES: tuple[tuple[Whose, re.Pattern[str]], ...] = (
    # Programs that deliver; a "no such user" of theirs is about a user of that host.
    (
        "relay",
        one_of(r"""
            ^\W*(?:procmail|maildrop|deliver|/\S+|(?:ba)?sh|perl|php|python|vacation):\s
            \bpipe to \|
            command (?:died|failed|output|not found)
        """),
    ),
    # Null MX (RFC 7505), as Exim and old versions of Postfix report it.
    (
        "address",
        one_of(r"""
            type=mx: malformed or unexpected name server reply
            indicated no smtp service
            (?:no|null) ?mx\b
            domain \S{1,80} does(?: not|n['’]t) (?:accept|receive) (?:any )?(?:e-?)?mail(?! from)
        """),
    ),
    (
        "domain",
        one_of(r"""
            (?:host|domain) not found, try again
            aborted after [\d.]+ hours?
        """),
    ),
    # The reason may be no more than the address of a list of bad senders.
    ("sender", one_of("spamhaus|spamcop|barracudacentral|dnsbl|senderscore|/bl\\?ip=")),
    # Google and Microsoft say in one sentence that a group may not exist or that we may not write to it.
    (
        "sender",
        one_of(r"""
            groups\.google\.\w{2,3}/support
            only accepts? .. (?:messages|mail|e-?mail) from
            (?:group|gruppe|groupe|groep|grup[oa]|gruppo|група|группа)\b.{0,400}(?:permi[st]|berechtig|autori[sz]|toestemming)
            (?:グループ|群组|群組).{0,400}(?:権限|权限|權限|許可)
        """),
    ),
    ("mailbox", pattern_of("full")),
    ("address", pattern_of("gone")),
    # Nobody by that name, in the words of Exchange, Domino, GroupWise, Gmail and Yahoo.
    (
        "address",
        one_of(r"""
            (?:recipient|addressee|address|user|account) (?:name|address) is not (?:recogni[sz]ed|known)
            \(000c05a6\) unknown recipient
            user ["'‘“].{1,64}["'’”] (?:was )?not found
            (?:not listed|not found) in .{0,40}(?:directory|address book)
            (?:wasn['’]t found|doesn['’]t exist) at
            (?:recipient|addressee) unknown
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
        one_of(r"""
            (?:host|domain) or domain name not found
            name or service not known
            unrout(?:e)?able (?:mail|address|domain)
            (?:unknown|no such|non-?existent|invalid) (?:mail |remote )?(?:host|domain)
            (?:host|domain)(?: name)?(?: \S{1,80})? (?:unknown|not found|does(?: not|n['’]t) exist)
            (?:couldn['’]t|could not|cannot|can['’]t) find (?:any |a )?(?:host|domain|mx|(?:mail )?exchanger)
            mx records point to non-?existent hosts
            no (?:mail )?(?:exchanger|server)s? .. (?:found|for (?:domain|host))
            nxdomain
            (?:domain|domäne|domaine|domini?o|domínio) .. (?:unbekannt|existiert nicht|inconnu|introuvable)
            (?:domini?o|domínio) .. (?:desconocido|no existe|sconosciuto|inesistente|inexistente|n[aã]o existe)
            ドメイン[^。]{0,20}(?:存在しません|見つかりません)
            (?:域名|主机)[^。]{0,6}(?:不存在|找不到|无法解析)
        """),
    ),
    # Refused for what it says or who sent it, in other languages.
    (
        "sender",
        one_of(r"""
            (?:als|wegen) spam .. (?:abgelehnt|eingestuft)
            (?:inhalt|nachricht|absender) .. (?:abgelehnt|blockiert|gesperrt)
            (?:message|expéditeur|courrier) .. (?:rejeté|refusé|bloqué)
            (?:mensaje|remitente|correo) .. (?:rechazado|bloqueado)
            (?:mensagem|remetente) .. (?:rejeitad[oa]|bloquead[oa])
            (?:messaggio|mittente) .. (?:rifiutat[oa]|bloccat[oa]|respint[oa])
            (?:wiadomość|nadawca) .. (?:odrzucon[ay]|zablokowan[ay])
            垃圾邮件|拒收|反垃圾|迷惑メール|受信(?:を)?拒否
        """),
    ),
    # A loop, a queue that gave up, a server that nobody reaches.
    (
        "domain",
        one_of(r"""
            (?:mail|routing|forwarding|delivery) loop
            too many hops
            hop count exceeded
            more than the maximum .{0,20}times
            loops back to (?:myself|me)
            (?:retry|delivery) (?:time(?:out)?|period|attempts?) (?:has )?(?:exceeded|expired)
            (?:message|mail|delivery|queue) (?:has )?(?:expired|timed out|timeout)
            could not (?:send|deliver|be (?:sent|delivered)) .. (?:for (?:the )?(?:past|last)|within)
            (?:too long in|been in|from) (?:the )?queue
            in the queue too long
            n[o'’]t been? (?:delivered|able to deliver).{0,40}(?:after|for|within|since) .{0,20}(?:hours?|days?)
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
    plain = unicodedata.normalize("NFKC", words[:_READ])
    return next((each for each, pattern in SENTENCES if pattern.search(plain)), None)
