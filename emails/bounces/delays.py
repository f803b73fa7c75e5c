"""Tells a warning that a letter is late, while the mail server goes on trying, from a bounce."""

from emails.bounces.patterns import folded, one_of_folded

_READ = 4000

LATE = one_of_folded(r"""
    \(delay(?:ed)?\)
    (?:delivery|message|mail)(?: \S{1,60})?(?: is| was| has been)? (?:temporarily )?delayed
    delayed (?:mail|delivery|message)
    delivery (?:delay|incomplete)
    still being retried
    this is a warning (?:message )?only
    do(?: not|n['’]t) need to re-?(?:send|transmit)
    no action is required
    (?:will|continue|going|keep)(?: to)?(?: be)? (?:try\w*|retr\w+|attempt\w*) .{0,60}(?:for|until|again|up to|during)
    (?:will|shall) (?:continue|keep)|(?:we|server) (?:continue|keep) trying|still (?:in|on) (?:the )?queue
    warning: (?:could not send|message)
    not yet been delivered
    zustellung .{0,20}verz(?:ö|oe)gert
    noch nicht zugestellt
    weiter(?:hin)? versuch
    (?:livraison|remise|distribution) .{0,20}(?:retard|différée)
    (?:entrega|envío|envio) .{0,20}(?:retras|demor|atras|adiad)
    (?:consegna|recapito) .{0,20}(?:ritard|differit)
    vertraagd|opóźnion|задержива|отложен|затриму|forsinke[lt]|fördröj|försenad|viivästy|zpožděn|zpoždění|késik|késlelte
    gecik[mt]|지연|întârzi
    配[信送達][^。]{0,6}遅
    遅延|延迟|延遲
""")
_GIVEN_UP = one_of_folded(r"""
    (?:will|could|can|shall)(?: not|['’]t|not)(?: be)? (?:retr|continue|further|deliver|sent)
    not going to
    permanent|fatal
    in the queue too long
    (?:giving|given|gave) up
    no (?:further|more) attempts
    returned to sender
""")


def is_late(subject: str, words: str) -> bool:
    """Whether a mail server says that it goes on trying. What also says that it gave up is no such warning."""
    subject, said = folded(subject), folded(words[:_READ])
    return bool(LATE.search(subject) or (LATE.search(said) and not _GIVEN_UP.search(said)))
