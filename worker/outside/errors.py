"""Why a request to somebody else's server failed, in sentences that tell an operator what to do.

No sentence holds more of a URL than its host: its path, its query and a login in it may be secrets.
"""


class OutsideError(Exception):
    """A request that failed."""


class BadUrl(OutsideError):
    """No request can be made to this URL, now or later."""


class ForbiddenAddress(OutsideError):
    """The host's name leads to an address that is not of the public Internet."""


class NameNotFound(OutsideError):
    """The host's name leads to no address, or no name server said to which."""


class Unreachable(OutsideError):
    """No connection came about, or the server broke it off."""


class CertificateRefused(OutsideError):
    """The server's certificate is not one for this host that this machine trusts."""


class TooSlow(OutsideError):
    """The time for a whole request was over."""


class BrokenAnswer(OutsideError):
    """What the server sent is no HTTP answer, or one with more headers than anybody needs."""


class Redirected(OutsideError):
    """The server pointed elsewhere, where nobody has allowed a request."""
