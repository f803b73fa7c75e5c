"""Validates the URLs of servers. Its error messages quote no part of a URL, since a password may stand in it."""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from pydantic import AfterValidator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from db.values import as_line, is_host_name

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9]+)?")
_ENCODE = "In a user or a password write % as %25, # as %23, / as %2F, ? as %3F, @ as %40 and a space as %20"
_BAD_PORT = "its port is no number from 1 to 65535"


def _begins(value: str, *schemes: str) -> str:
    scheme = value.partition(":")[0].lower() if ":" in value else ""
    if scheme not in schemes:
        raise ValueError("it begins with none of " + ", ".join(f"{known}:" for known in schemes))
    return scheme


def _split(value: str) -> SplitResult:
    """The parts of a URL. Raises ValueError for an unescaped character, such as # or @ in a password, at which the
    parser would cut the password or the host short."""
    try:
        parts = urlsplit(value)
    except ValueError:  # urlsplit takes a [ in the password for the start of an IPv6 address
        raise ValueError(f"its host cannot be read. {_ENCODE}, [ as %5B and ] as %5D") from None
    strays = "#" in value or parts.netloc.count("@") > 1 or "@" in parts.path + parts.query
    if strays or re.search(r"\s", value):
        raise ValueError(f"it holds a character that ends the password or the host too early. {_ENCODE}")
    try:
        port = parts.port
    except ValueError:
        raise ValueError(_BAD_PORT) from None
    if port == 0:
        raise ValueError(_BAD_PORT)
    if parts.hostname and not _HOST.fullmatch(parts.hostname):
        raise ValueError("its host is no name and no IP address")
    return parts


def _folder(value: str) -> str:
    if not value.partition(":")[2].removeprefix("//"):
        raise ValueError("it names no folder")
    return value


def _server(value: str) -> str:
    """A mail server, or an inbox at one: a host, perhaps a port and a login, and nothing else."""
    parts = _split(value)
    if not parts.hostname:
        raise ValueError("it names no host")
    if parts.path not in ("", "/") or parts.query:
        raise ValueError("something follows its host and port")
    if parts.password and not parts.username:
        raise ValueError("it has a password and no user")
    return value


def _mail(value: str) -> str:
    scheme = _begins(value, "maildir", "smtp", "smtp+starttls", "smtps")
    return _folder(value) if scheme == "maildir" else _server(value)


def _inbox(value: str) -> str:
    if _begins(value, "maildir", "imaps") == "maildir":
        return _folder(value)
    parts = _split(value)
    _server(parts._replace(path="").geturl())
    if not parts.username:
        raise ValueError("it names no user")
    return value


# ---- Redis -------------------------------------------------------------------------------------------------


def _redis(value: str) -> str:
    scheme = _begins(value, "redis", "rediss", "unix")
    if not value.partition(":")[2].startswith("//"):
        raise ValueError("two slashes are missing after its first colon")
    parts = _split(value)
    if scheme == "unix":
        if parts.hostname or not parts.path.strip("/"):
            raise ValueError("unix: needs the path of a socket, as unix:///PATH or unix://:PASSWORD@/PATH?db=0")
        if parts.query and not re.fullmatch(r"db=\d{1,4}", parts.query):
            raise ValueError("the only parameter that unix: takes is the database's number, as ?db=0")
        return value
    if not parts.hostname:
        raise ValueError("it names no host")
    if parts.query:
        raise ValueError(
            "it takes no parameters; the database's number follows a slash, a server's certificate is "
            "always checked with rediss:, and one's own CA stands in REDIS_CA_FILE"
        )
    if not re.fullmatch(r"/?|/\d{1,4}", parts.path):
        raise ValueError("its database is no number")
    return value


def broker_url(redis_url: str) -> str:
    """The same Redis server as a URL for Celery; its library kombu writes redis+socket: where redis-py writes unix:."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    number = dict(parse_qsl(parts.query)).get("db", "0")
    login = parts.netloc.rpartition("@")[0]
    path = quote(parts.path, safe="/%")
    return f"redis+socket://{login}{'@' if login else ''}{path}?virtual_host={number}"


# ---- databases ---------------------------------------------------------------------------------------------

_OF_SQLITE_FILES = {"uri", "mode", "cache", "immutable", "nolock", "psow", "vfs"}
_NUMBERS = ("port", "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count")


def _database(value: str) -> str:
    scheme = _begins(value, "sqlite", "postgresql", "postgres", "postgresql+psycopg", "postgres+psycopg")
    try:
        address = make_url(value)
    except ValueError:  # SQLAlchemy calls int() on the port
        raise ValueError(_BAD_PORT) from None
    except ArgumentError:
        raise ValueError("it cannot be read") from None
    if scheme == "sqlite":
        if address.host or address.username:
            raise ValueError("sqlite: names a file and no host; an absolute path begins with a fourth slash")
        if not address.database or address.database == ":memory:":
            raise ValueError("it names no file, and every process would have a database of its own")
        if not set(address.query) <= (_OF_SQLITE_FILES if "uri" in address.query else set()):
            raise ValueError("it has a parameter that the driver does not know")
        return value
    hosts = (address.host or "").split(",")
    if address.host and not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError(f"its host is no name and no IP address. {_ENCODE}")
    if address.port is not None and not 1 <= address.port <= 65535:
        raise ValueError(_BAD_PORT)
    _known_to_libpq(dict(address.query))
    if not address.database and not {"dbname", "service"} & set(address.query):
        raise ValueError("it names no database")
    return value


def _known_to_libpq(query: dict[str, str | tuple[str, ...]]) -> None:
    if not query:
        return
    from psycopg import pq  # only where there is something to look up

    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    if not set(query) <= known:
        raise ValueError("it has a parameter that the driver does not know")
    values = {name: (given,) if isinstance(given, str) else given for name, given in query.items()}
    for name in _NUMBERS:
        if not all(re.fullmatch(r"\d{1,5}(,\d{1,5})*", one) for one in values.get(name, ())):
            raise ValueError(f"its parameter {name} is no number")


def check_database(value: str) -> str:
    """The URL of a database. Raises ValueError, whose words quote no part of it."""
    return _database(as_line(value))


def _line_first(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda value: check(as_line(value)))


DATABASE, REDIS, MAIL, INBOX = (_line_first(check) for check in (_database, _redis, _mail, _inbox))


_NEVER_PUBLIC = ("localhost", "local", "internal", "test", "home.arpa")
"""Names that the public DNS never holds: RFC 6761, RFC 6762, RFC 8375, and ICANN's resolution on .internal."""

_PRIVATE = tuple(
    ipaddress.ip_network(each)
    for each in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
                 "::1/128", "fc00::/7", "fe80::/10")
)  # fmt: skip
"""Loopback, private and link-local addresses: RFC 1122, 1918, 3927, 4193 and 4291. `ipaddress` would count more as
private, such as the addresses of documentation."""


def is_public(base_url: str) -> bool:
    """Whether a site at this address may have readers elsewhere: it is https, or its host is neither a loopback or
    private address, nor a name that only a local network knows."""
    parts = urlsplit(base_url)
    return parts.scheme == "https" or not is_near((parts.hostname or "").rstrip("."))


def is_full_name(name: str) -> bool:
    """Whether this is a host's name with a domain, as the DNS may hold it (no underscore, as containers have)."""
    return is_host_name(name) and "." in name and not name.endswith(".localdomain")


def is_near(host: str) -> bool:
    """Whether a host is a loopback or private address, or a name that only a local network knows."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "." not in host or host.endswith(tuple(f".{each}" for each in _NEVER_PUBLIC))
    return any(address in each for each in _PRIVATE)
