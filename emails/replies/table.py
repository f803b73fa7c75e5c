"""The table that says whose a refusal is: ordered rules, of which the first that fits decides.

A rule names words, codes or both. Words come before codes, because servers use one code for everything: Gmail's 5.7.1
is a policy, a missing header or a spam verdict, Microsoft's 5.2.2 a full mailbox or the sender's quota, and 421 any
reason to close the connection. Among the words, the more telling ones come first.

The words are matched against the reply in lower case, without punctuation. A name in capitals stands for one of the
words in VOCABULARY, `..` for up to four words, and `...` for any number of them. Each line is an alternative.
"""

import re
from typing import Literal, NamedTuple

Whose = Literal["address", "mailbox", "message", "sender", "relay", "domain", "unclear"]

VOCABULARY = {
    "USER": r"users?|mailbox(?:es)?|inbox|recipients?|account|addressee|destinataire|alias|maildrop|konto|postfach",
    "NAMED": r"address|addr|adresse|e ?mail(?: account| address)?|local part|name|person|destination|here",
    "GONE": r"unknown|not found|non ?existent|not exists?|doesn ?t exist|does not exist|invalide?|undeliverable|"
    r"unallocated|not known|no longer \w+|closed|discontinued|terminated|deleted|cancell?ed|wasn ?t found|"
    r"could not be found|not listed|unbekannt|not a valid|unrout\w+|not local",
    "FULL": r"full|over ?quota|pleine|voll|quota (?:is )?exceeded|exceed\w* .{0,20}quota|out of storage|exhausted|"
    r"storage (?:space|allocation|quota|limit)|(?:disk|mailbox|mail|recipient|extended) quota|ueberschritten",
    "REFUSED": r"rejected|refused|denied|blocked|declined|not accepted|not allowed|not permitted|prohibited|"
    r"disallowed|forbidden|banned|black ?listed|listed|not authori[sz]ed|deferred|not welcome|weren t sent|limited",
    "LIMIT": r"limits?|limited|quota|rate|threshold|frequency|credits|volume",
    "HOURLY": r"daily|hourly|24 ?hours?|per (?:hour|day|minute|second)|messages? (?:a|per|\d+) (?:hour|day)|"
    r"(?:this|an|each|exceeded|a|the) (?:hour|day)|last \d+|today|\d+ hour",
    "SENDING": r"sending|senders?|submission|outgoing|outbound|send|sent|smtp relay|your|tenant|client|customer",
    "SERVICE": r"system|server|service|resources?|smtp|host",
    "DOWN": r"unavailable|not available|overload\w*|problem|error|failure|busy|down|unreachable|not responding|"
    r"not accepting network messages",
}


class Rule(NamedTuple):
    """One rule; `codes` is searched in the SMTP code, a space and the enhanced code (RFC 3463), if there is one."""

    whose: Whose
    words: re.Pattern[str] | None
    codes: re.Pattern[str] | None

    def fits(self, words: str, codes: str) -> bool:
        """Whether this rule speaks of a reply with these words and codes."""
        return (not self.codes or bool(self.codes.search(codes))) and (not self.words or bool(self.words.search(words)))


def _rule(whose: Whose, words: str = "", codes: str = "") -> Rule:
    return Rule(whose, _compiled(words) if words else None, re.compile(codes) if codes else None)


def _compiled(words: str) -> re.Pattern[str]:
    joined = "|".join(line.strip() for line in words.splitlines() if line.strip())
    spelled = re.sub("[A-Z]{4,}", lambda name: f"(?:{VOCABULARY[name[0]]})", joined)
    return re.compile(rf"\b(?:{spelled.replace(' ... ', ' (?:.* )?').replace(' .. ', r' (?:[^ ]+ ){0,4}')})\b")


RULES: tuple[Rule, ...] = (
    # ---- The message: its size, its format, a virus in it. From RFC 3463 (X.3.4, X.6), Postfix, Exim, Gmail, Amavis.
    _rule("message", codes=r" [45]\.(?:2\.3|3\.4|6\.\d+)$"),
    _rule(
        "message",
        r"""
        (?:message|mail|email|file|data|it) (?:is )?too (?:big|large|long)
        (?:message|mail|email) size .. (?:limits?|exceed\w*|maximum|permitted|fixed)
        (?:maximum|max) (?:incoming |allowed |permitted )?(?:message|mail|email) size
        size of your (?:message|mail|email)
        line (?:is too long|length)
        bare (?:line ?feed|lf|cr)
        headers? (?:are |is )?(?:too (?:large|long|big|many)|not)
        too many (?:received|hops)
        (?:mail|routing|forwarding|delivery) loop
        loop detected
        rfc ?\d+ .. (?:compliant|violation)
        not (?:rfc|compliant)
        8 bit data
        (?:duplicate|missing|malformed|multiple|invalid) .. headers?
        headers? (?:fails?|failed|errors?|syntax)
        (?:fails?|failed|failure) .. one or more recipients? .. blocked
        malformed
        virus(?:es)?
        malware
        infected
        phishing
        banned file
        attachments?
        same message id
        """,
    ),
    # ---- The domain as a whole. From RFC 7505, Postfix (unverified recipients), Exim, Sendmail, Mimecast, Microsoft.
    _rule(
        "address",
        r"""
        null ?mx
        domain .. does not accept (?:any )?(?:e ?mail|messages)
        banned recipient
        """,
    ),
    _rule("sender", r"not accepting connections", codes="^554"),
    # A host that takes no mail, for ever (RFC 7504).
    _rule("address", r"not accept\w* (?:any |network )?(?:e ?mail|mail|messages)", codes="^5(?:21|56)"),
    _rule(
        "domain",
        r"""
        (?:unable to|can ?not|could not|failed to) (?:look ?up|check|resolve|load) .. (?:mx|mail exchanger|host|domain)
        (?:connect to|lost connection with|conversation with) ... (?:timed out|refused|unreachable|no route .*)
        (?:recipients?|destination|remote|receiving)(?: s)? (?:mail )?(?:server|host|mx|system|domain) .. DOWN
        license (?:has )?expired
        inbounds? disabled
        domain (?:failure|frequency|policy size|is receiving .*)
        organi[sz]ation queue quota
        recipients? domain .. quota
        prohibited disk quota
        incoming temporarily suspended
        domain (?:is |was |has been )?(?:temporarily |currently )?(?:disabled|suspended|unavailable|overloaded)
        """,
    ),
    _rule("domain", r"(?:host|domain|domain name) .. (?:GONE|does not exist)", codes="^4"),
    # ---- Who the sender is and may do: login, right to send, relaying, the sending domain's records. From RFC 4954,
    # Microsoft's list of NDRs (5.7.60, 5.2.252, 5.7.5xx), Gmail (5.7.25 to 5.7.32), Yahoo, Amazon SES, Postfix.
    _rule(
        "relay",
        r"""
        (?:unable to|can ?not) authenticate .. (?:present|temporary|system|problem)
        temporary authentication failure
        (?:tls|starttls) (?:is )?(?:currently )?(?:not available|unavailable|currently unavailable)
        """,
    ),
    _rule("mailbox", r"not (?:an? )?(?:longer )?active (?:USER|NAMED)"),
    _rule(
        "sender",
        r"""
        send ?as ?denied
        (?:allowed|permissions?|permitted|authori[sz]ed|right) to (?:send|relay|submit)
        bad outbound
        authenticat\w+ .. (?:required|failed|failure|data|credentials|unsuccessful|level|first)
        (?:not|un) ?authenticated
        (?:smtp|auth) (?:authentication|auth|command|domain)
        (?:starttls|tls|ssl|encryption) ... (?:required|not allowed|first)
        (?:username|password|log ?in|credentials?|activate\w*|activated|probation|sandbox)
        not verified
        (?:sending|submission) .. (?:paused|disabled|suspended|blocked|stopped)
        message sending for this account
        relay(?:ing)? .. (?:REFUSED|fail|failed|not local)
        (?:not|no|unable to|can ?not|deny|do not|don t) (?:allow )?relay(?:ing)?
        relay check
        rcpthosts
        can ?not deliver mail for
        (?:dmarc|spf|dkim|ptr|rdns|fcrdns|reverse dns)
        anti spoofing
        spoof(?:ed|ing)
        (?:helo|ehlo) .. (?:REFUSED|invalid|fqdn|qualified)
        (?:client host|hostname) REFUSED
        can ?not find your .. hostname
        ip name lookup
        (?:reverse|ptr|rdns) .. (?:look ?up|failed|failure|missing)
        unverif\w+ .. ips?
        no (?:valid )?mx .. your
        doesn t match auth domain
        mismatch\w* (?:with )?(?:client |sending |your )?ip
        (?:organi[sz]ation|email|domain|administrative|target domain) polic(?:y|ies)
        polic(?:y|ies) that prohibited
        transport rules \w+
        """,
    ),
    # The envelope sender. From Postfix, Sendmail (5.1.8), qmail (badmailfrom), Exim (sender verify).
    _rule("sender", r"ip(?: addr(?:ess)?)? (?:is |was |has been )?REFUSED by"),
    _rule("mailbox", r"REFUSED (?:by|due to) (?:this |the |its )?(?:recipients?|user)"),
    _rule(
        "sender",
        r"""
        (?:sender|from|envelope)(?: e ?mail)?(?: address| domain| ip)? (?:is |was |has been )?(?:REFUSED|GONE)
        (?:sender|from) (?:verify|verification|reputation)
        (?:domain of|address of|envelope|bad|unauthenticated|untrusted|this|poor reputation) senders?
        (?:domain|address) of sender
        (?:sending|sender) (?:address|domain|ip)
        badmailfrom
        mail from
        """,
    ),
    _rule("sender", codes=r" [45]\.7\.[5-7]\d\d$"),
    # ---- A mailbox that is full or gets too much. From RFC 3463 (X.2.2), Gmail (OverQuota, ReceivingRate), Exchange,
    # Dovecot, Cyrus, Postfix policy servers.
    _rule("domain", codes=r"^4\d\d 4\.7\.28$"),
    _rule(
        "sender",
        r"too (?:many|much) (?!.*(?:connection|session))(?:[^ ]+ ){0,4}from (?:.* )?(?:ip|sender|your|client|customer)",
    ),
    _rule(
        "mailbox",
        r"""
        (?:recipient|user|mailbox) .. (?:limit|number of) .. messages? they can receive
        to this recipient per hour
        receiv(?:ing|ed) .. (?:too (?:quickly|much|many|fast)|at a rate)
        (?:deliveries|connections) for (?:this )?(?:user|recipient)
        recipient (?:thread|message rate)
        USER .. accepts? .. from
        too many recent messages
        too much mail data
        messages to addr deferred
        gr[ea]y ?list\w*
        """,
    ),
    _rule(
        "sender",
        r"""
        SENDING .. (?:quota|LIMIT) .. (?:exceed\w*|reached|limited|over)
        (?:exceed\w*|reached|over) .. (?:SENDING|HOURLY) .. LIMIT
        (?:user|account|domain) .. exceeded (?:its|the|your|their|max) .. (?:emails?|messages?|defers)
        SENDING .. (?:frequency|rate|quota|limit)
        HOURLY
        throttl\w+
        """,
    ),
    _rule(
        "mailbox",
        r"""
        USER ... (?:FULL)
        (?:FULL|storage) ... (?:mailbox|user|recipient|inbox|konto\w*)
        over (?:storage |disk )?quota
        (?:overquota|storage (?:quota|space|allocation|limit))
        (?:disk )?quota exceeded
        exceed\w* .. (?:mailbox|user|recipient|account|disk|allowed) .. (?:quota|size|space|limit)
        mail ?box .. size limit
        too many (?:e ?mails|messages) on the server
        zu ?viele (?:e ?mails|mails|nachrichten) auf
        quota violation
        """,
    ),
    # Lists of bad senders. From Spamhaus, Barracuda, Microsoft, GMX, NetEase (HL, MI).
    _rule(
        "sender",
        r"""
        (?:block|black) ?list(?:ed|s)?
        blocked using
        (?:spamhaus|barracudacentral|dnsbl|rbl|spamcop|senderscore|proofpoint|cloudmark)
        (?:client|client host|host) (?:ip )?REFUSED
        (?:hl|mi) [a-z]{3}
        reputation
        """,
    ),
    # ---- The server we talk to has trouble of its own. From RFC 5321, RFC 3463 (X.3), Postfix, Exim, Sendmail, qmail.
    _rule(
        "relay",
        r"""
        too many (?:concurrent |simultaneous |open |parallel |smtp )*(?:connections?|sessions?|errors|processes)
        (?:too many|max\w*) messages? (?:in|per) (?:this |one )?connection
        trop de connexions
        concurrent (?:smtp )?connections?
        too much load
        insufficient (?:system|disk|storage|resources|memory)
        out of (?:memory|disk)
        (?:no|space|disk) (?:space|shortage|full)
        queue file
        (?:spool|write error|read error|qqt|replicated|database|lookup failure)
        (?:configuration|internal|local) (?:server )?(?:error|problem)
        (?:out of (?:sequence|order)|bad sequence|need (?:mail|rcpt)|(?:mail|rcpt) first|synchroni[sz]ation|pipelining)
        (?:unrecogni[sz]ed command|command not (?:implemented|recogni[sz]ed)|syntax error)
        time ?out
        timed out
        shutting down
        (?:closing (?:the )?(?:connection|transmission|channel)|closing)
        (?:too |server |service )busy
        ports are busy
        (?:try|use) another server
        come back later
        (?:temporary )?(?:SERVICE) (?:is )?(?:currently |temporarily )?(?:DOWN|failed)
        temporary .. (?:error|failure|problem)
        (?:unable|can ?not) (?:to )?process connection
        trouble
        """,
    ),
    # ---- How much the sender sends, and its name. From Amazon SES, hosting panels' hourly limits, Yahoo (TSS),
    # Microsoft (RP-, SC-, S3150), Spamhaus, Cisco.
    _rule(
        "sender",
        r"""
        rate ?limit(?:ed|ing)?
        (?:message|mail|recipient|connection) (?:rate|frequency)
        (?:frequent|frequency) \w+
        too many (?:login|bad|invalid|failed|recipient|recipients|emails|users|messages from|unknown)
        too (?:much|many) (?:e ?mails?|mails?|messages?) from
        (?:user complaints|unsolicited email|spamming|spam abuse|abuse)
        ip ... REFUSED
        REFUSED ... (?:from )?ip
        (?:messages?|mails?|emails?|originating|sent|volume) .. from (?:your|ip|this ip)
        your (?:access|ip|host|server|mail is not welcome|network|email address)
        unusual (?:sending|amount|rate|volume)
        (?:sending|sent) (?:you )?too (?:many|much)
        excessive (?:sending|volume|mail)
        suspected .. (?:bounce|attacks?|spam)
        rp (?:trc|cel)
        (?:emetteur|expediteur) .. (?:invalide|refuse|rejete|bloque)
        suspended for (?!inactiv|non|lack)[^ ]+
        banned
        """,
    ),
    # ---- A mailbox that is there and takes nothing. From Gmail (5.2.1), Yahoo, mail.ru, Orange, web.de.
    _rule("mailbox", r"polic\w+ .. (?:target|recipient)"),
    _rule("address", r"(?:disabled or discontinued|marked as invalid)"),
    _rule("address", r"in ?active .. (?:address|account)", codes=r"^5\d\d 5\.1\.1$"),
    _rule(
        "mailbox", r"(?:in ?active|inactivity|not active|disabled|suspended|locked|frozen|bloque|deactivated|gesperrt)"
    ),
    _rule("mailbox", r"USER ... (?:temporar\w+|polic\w+|preferences|blocked|want|restrict\w+)"),
    # ---- The address: it never existed, or is closed for ever. From RFC 3463 (X.1) and every server's own words.
    _rule(
        "address",
        r"""
        (?:unknown|no such|non ?existent|invalide?|bad|unallocated|not a valid|no) .. (?:USER|NAMED)
        (?:USER|NAMED) .. (?:GONE)
        (?:host|domain) (?:name )?(?:is )?(?:GONE)
        (?:that you tried to reach does not exist|unrout\w+|badrcptto|doesn t have .. account)
        find the recipient domain
        (?<!ip )(?<!your )address rejected
        requested action not taken mailbox unavailable
        """,
    ),
    _rule(
        "address",
        r"""
        (?:nobody|no one) .. (?:by|with) .. name
        not an? (?:known|existing|recogni[sz]ed|registered|legal) (?:USER|NAMED)
        no mail box
        (?:know|find) (?:anybody|anyone|any (?:such )?USER)
        (?:USER|NAMED|person) (?:has |have )?(?:been )?(?:removed|left|retired)
        (?:left|no longer (?:at|with|works?)) .. (?:company|organi[sz]ation|here|employed)
        (?:not|no longer) accept .. for this (?:person|user|address)
        not our (?:customer|user)
        rp unk
        """,
        codes="^5",
    ),
    _rule("address", r"recipients? (?:address )?rejected", codes=r" 5\.1\.1$"),
    # ---- A mailbox that takes nothing now, or nothing from us. From RFC 6647 (greylisting), Postfix, Mimecast.
    _rule(
        "mailbox",
        r"""
        verification in progress
        unverified address
        (?:USER|target) ... (?:unavailable|not available|REFUSED)
        REFUSED ... (?:recipients?|user entry)
        delivery restrict\w+
        """,
    ),
    # ---- The message, for what it says. From Gmail, Yahoo (PH01), SpamAssassin and commercial filters.
    _rule(
        "message",
        r"""
        spam\w*
        (?:junk|ube|spm|unsolicited|suspicious|content|poison\w*)
        (?:security|local) polic(?:y|ies)
        (?:message|mail|email) (?:was |is |has been )?(?:not )?(?:accepted|allowed|REFUSED)
        """,
    ),
    _rule("address", r"access denied", codes=r" 5\.4\.1$"),
    _rule(
        "sender", r"(?:polic(?:y|ies)|prohibit\w*|prohibition|access|REFUSED|go away|unauthori[sz]ed|unauthenticated)"
    ),
    # ---- Codes alone, where the words tell nothing. From RFC 5321, RFC 3463, RFC 5248 and Gmail's 4.7.28.
    _rule("address", codes=r"^5\d\d 5\.1\.(?:0|1|2|3|6|10)$"),
    _rule("sender", codes=r" [45]\.1\.[789]$"),
    _rule("mailbox", codes=r" [45]\.(?:1|2)\.\d+$"),
    _rule("domain", r"too many", codes="^4"),
    _rule("domain", codes=r"^4(?!21)\d\d 4\.3\.2$"),
    _rule("domain", codes=r" [45]\.4\.[1-4]$"),
    _rule("relay", codes=r"^(?:421|\d+ [45]\.3\.\d+)"),
    _rule("mailbox", r"(?:try|retry|come back) .. (?:later|in \d+)", codes="^4"),
    _rule("sender", codes=r" [45]\.7\.\d+$"),
    _rule("relay", codes=r"^(?:500|502|503|504|555|454|452)"),
    _rule("sender", codes=r"^(?:530|534|535|538)"),
)
