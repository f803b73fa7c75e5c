"""The settings, read from environment variables once and validated."""

import ipaddress
import os
from datetime import time, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from db.secret_key import kept_key
from db.setting_errors import BadSettings, in_words
from db.urls import DATABASE, INBOX, MAIL, REDIS
from db.values import (
    CaFile,
    DayTime,
    Domain,
    Duration,
    EhloName,
    FieldNames,
    IpAddress,
    Line,
    Mailbox,
    Networks,
    Paths,
    Rates,
    Seconds,
    Selectors,
    SiteUrl,
    Token,
    Topics,
    WeeklyTime,
    named,
)

VAR = Path("var")
"""The data folder of a one-machine site, below the working directory."""
_KEY_FILE = VAR / "secret_key"


def _set(default: Any, caption: str, write: str, **more: Any) -> Any:
    """One setting: its default (or a function of earlier settings), its caption, and its format."""
    key = "default_factory" if callable(default) else "default"
    return Field(**{key: default}, description=caption, json_schema_extra={"write": write}, **more)


# ---- the settings ------------------------------------------------------------------------------------------


class Settings(BaseModel):
    """All settings; the defaults work on one machine without a mail server."""

    model_config = ConfigDict(frozen=True, validate_default=True)

    @classmethod
    def read(cls) -> "Settings":
        """From the environment variables, whose names may be written in small letters; an empty one counts as unset."""
        found = {name.upper(): value for name, value in os.environ.items() if value}
        return cls.model_validate(
            {
                field.validation_alias or name: found[variable(name)]
                for name, field in cls.model_fields.items()
                if variable(name) in found
            }
        )

    port: int = _set(8000, "The port that the site listens on.", "a number from 1 to 65535", ge=1, le=65535)
    web_host: IpAddress = _set(
        "127.0.0.1",
        "The IP address at which the web processes listen: one of this machine's, or `0.0.0.0` for all of them. With "
        "the default only this machine reaches them; with another, only your proxy should (a firewall).",
        "an IP address of this machine, such as 10.0.0.5, or 0.0.0.0",
    )
    site_name: Line = _set(
        "Weekly AI Tool Verdicts", "The newsletter's name, on pages and letters.", "one line", max_length=80
    )
    base_url: SiteUrl = _set(
        lambda before: f"http://localhost:{before['port']}",
        "Where readers reach the site; every link in a letter begins with it.",
        "an address such as https://verdicts.example",
    )
    secret_key: str | None = _set(
        None,
        "Signs the links in letters, voters' cookies and operators' sessions, and encrypts the secrets of their "
        "second factor. It may hold several keys, separated by commas, newest first: the first signs, and all are "
        "accepted. Without it a key is made in `var/secret_key` on first use; it must be given when `BASE_URL` is "
        "https or the database is PostgreSQL. All processes need the same.",
        "a long random text, such as the output of: openssl rand -hex 32",
    )
    trusted_proxies: int = _set(
        0,
        "How many proxies stand in front of the site. That many hops of `X-Forwarded-For` are read; with 0 the "
        "header is ignored.",
        "a number from 0 to 9",
        ge=0,
        le=9,
    )
    votes_per_network: int = _set(
        60,
        "Votes without a voter's cookie that one network (an IPv4 address, an IPv6 /64) may cast in a minute, divided "
        "among the web processes; 0 sets no limit.",
        "a number from 0 to 1000000",
        ge=0,
        le=1_000_000,
    )
    signups_per_network: int = _set(
        20,
        "Sign-ups that one network may send in an hour, over all hosts; 0 sets no limit.",
        "a number from 0 to 1000000",
        ge=0,
        le=1_000_000,
    )
    signups_per_address: int = _set(
        3,
        "Confirmation emails that one mailbox gets in a day, over all hosts and all spellings of its address; 0 sets "
        "no limit.",
        "a number from 0 to 1000000",
        ge=0,
        le=1_000_000,
    )
    operator_two_factor: Literal["optional", "required"] = _set(
        "optional",
        "Whether operators need a second factor (TOTP): with `required`, an operator without one sees only the page "
        "that sets it up.",
        "optional or required",
    )
    database_url: Annotated[str, DATABASE] = _set(
        "sqlite:///var/verdicts.sqlite3",
        "The database that holds everything.",
        "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME",
    )
    redis_given: Annotated[str, REDIS] | None = _set(
        None,
        "The Redis over which the processes wake one another; nothing in it needs to be kept. Without this setting "
        "`verdicts up` starts its own Redis and writes the address to `var/redis.url`.",
        "redis://:PASSWORD@HOST:PORT/0, rediss://… or unix:///PATH",
        validation_alias="REDIS_URL",
    )
    redis_ca_file: CaFile | None = _set(
        None,
        "Your own certificate authority as a PEM file, if it signed the certificate of a `rediss:` server. The "
        "certificate is always checked; without this file, against the authorities that this machine trusts.",
        "the path of a PEM file",
    )
    mail_url: Annotated[str, MAIL] = _set(
        "maildir:var/outbox",
        "Where letters go. With `maildir:` they stay on this machine and can be read at `/outbox`.",
        "maildir:FOLDER, smtp://USER:PASSWORD@HOST:PORT, smtp+starttls://… or smtps://…",
    )
    mail_token_command: Line | None = _set(
        None,
        "A command that prints an access token, with which the user in `MAIL_URL` logs in in place of a password "
        "(XOAUTH2, which Microsoft and Google ask for). It may take ten seconds, and is asked again when the mail "
        "server no longer takes the token.",
        "a command line, such as: /usr/local/bin/mail-token digest@verdicts.example",
    )
    mail_from: Mailbox = _set(
        lambda before: named(before["site_name"], "digest@localhost.localdomain"),
        "The name and address that letters are sent from.",
        "an address such as Weekly Verdicts <digest@verdicts.example>",
    )
    mail_reply_to: Mailbox | None = _set(
        None,
        "Who gets readers' answers (Reply-To). Without it they go to `MAIL_FROM`.",
        "an address such as Ana <ana@verdicts.example>",
    )
    mail_postal_address: Line = _set(
        "", "The postal address at the foot of each letter, which many countries ask for.", "one line"
    )
    mail_bounce_domain: Domain | None = _set(
        None,
        "A domain whose mail you receive: each letter's bounces go to its own address there. Without it they go to a"
        " plus address of `MAIL_FROM`.",
        "a domain such as bounce.verdicts.example",
    )
    mail_verp: bool = _set(
        True,
        "Whether each letter has an envelope sender of its own (VERP), which tells whose mail came back. Write 0 for a "
        "relay that lets you send from one address alone: all letters are sent from that of `MAIL_FROM` then.",
        "1 or 0",
    )
    mail_ehlo: EhloName | None = _set(
        None,
        "The name that a sender gives to the mail server (EHLO). Without it, the host's own name; the domain of "
        "`MAIL_FROM` if that has no dot, or an underscore.",
        "a name such as mail.verdicts.example, or an address such as [192.0.2.1]",
    )
    inbox_url: Annotated[str, INBOX] | None = _set(
        None,
        "The mailbox that is read for bounces, complaints and mails that unsubscribe: all mail for the address of "
        "`MAIL_FROM`, its plus addresses and `MAIL_BOUNCE_DOMAIN` has to arrive there. What was handled is deleted; "
        "answers of people stay as they are. Without it letters do not offer to unsubscribe by mail.",
        "maildir:FOLDER or imaps://USER:PASSWORD@HOST:PORT/MAILBOX (without /MAILBOX it is INBOX)",
    )
    inbox_token_command: Line | None = _set(
        None,
        "The same as `MAIL_TOKEN_COMMAND`, for the user in `INBOX_URL`.",
        "a command line, such as: /usr/local/bin/mail-token digest@verdicts.example",
    )
    webhook_secret: Token | None = _set(
        None,
        "Whoever sends it may tell of bounces and complaints at `/webhooks/ses`, `/webhooks/postmark` and "
        "`/webhooks/generic`: as the password of basic authentication, or as `?secret=…` in the URL. Without this "
        "setting nothing is taken there.",
        "at least 16 letters and digits, such as the output of: openssl rand -hex 32",
    )
    ses_topics: Topics = _set(
        (),
        "The topics of Amazon SNS to which SES tells of bounces and complaints. Messages of other topics are refused: "
        "any AWS account can sign one.",
        "resource names such as arn:aws:sns:eu-west-1:123456789012:bounces",
    )
    dkim_domain: Domain | None = _set(None, "The domain that signs letters (DKIM).", "a domain")
    dkim_selectors: Selectors = _set(
        (),
        "The selector under which the DKIM key is published in the DNS; with two keys, both of them.",
        "a name, or two such as w47,w47e",
        validation_alias="DKIM_SELECTOR",
    )
    dkim_key_files: Paths = _set(
        (),
        "The private DKIM key, RSA or ed25519, as a PEM file; or one of each, and both sign. Sign with RSA in any "
        "case: not every receiver knows ed25519.",
        "a path, or two such as rsa.pem,ed25519.pem",
        validation_alias="DKIM_KEY_FILE",
    )
    dkim_signed: FieldNames = _set(
        (),
        "The header fields that DKIM signs, if not all: for a relay that rewrites some, such as Message-ID and Date, "
        "over which a signature would not hold.",
        "names of header fields such as from,to,subject,list-unsubscribe,list-unsubscribe-post",
    )
    digest_schedule: WeeklyTime = _set(
        DayTime(1, time(9)), "When the weekly digest is due.", "a weekday and a time, such as TUE 09:00"
    )
    digest_timezone: ZoneInfo = _set(
        ZoneInfo("UTC"), "The time zone of `DIGEST_SCHEDULE`.", "a zone such as Europe/Madrid"
    )
    digest_lead: Duration = _set(
        timedelta(hours=24),
        "How long before its due time a digest's draft is opened.",
        "a length such as 24h or 90m",
    )
    digest_lateness: Duration = _set(
        timedelta(days=6),
        "How late a missed digest is still sent; after that it expires.",
        "a length such as 6d",
    )
    digest_local_time: bool = _set(
        False, "Send to each reader when the schedule's hour strikes in their own zone.", "true or false"
    )
    on_unknown: Literal["hold", "resend"] = _set(
        "hold",
        "What happens to a digest letter when nobody can know whether it arrived: `hold` waits for an operator's "
        "decision, `resend` sends it again, so that some readers may get it twice.",
        "hold or resend",
    )
    send_window: int = _set(
        8,
        "How many letters a sender may begin before it stores what became of them.",
        "a number from 1 to 16",
        ge=1,
        le=16,
    )
    send_lease: Seconds = _set(
        30,
        "Seconds without a sign of life after which other senders take over a sender's letters.",
        "a number from 1 to 600",
        ge=1,
        le=600,
    )
    send_rate: float = _set(
        0.0, "Letters a second at most, over all connections; 0 sets no limit.", "a number from 0 on", ge=0
    )
    send_daily: int = _set(
        0,
        "Letters in any 24 hours at most, over all senders on all hosts; 0 sets no limit. A digest leaves some of them "
        "free, so that confirm letters need not wait.",
        "a number from 0 on",
        ge=0,
    )
    send_connections: int = _set(
        1,
        "Connections to the mail server that are at work at the same time, over all senders on all hosts.",
        "a number from 1 to 32",
        ge=1,
        le=32,
    )
    send_domain_rates: Rates = _set(
        (),
        "Letters a second at most to a recipient's domain, over all senders.",
        "domains and rates such as gmail.com=20,outlook.com=5",
    )
    outside_networks: Networks = _set(
        (),
        "Networks that the outside line may connect to although they are not of the public Internet: for webhooks "
        "whose URL leads to a machine of yours. Without this setting such URLs are refused.",
        "networks such as 10.20.0.0/16, fd12:3456::/32",
    )
    metrics_token: Token | None = _set(
        None,
        "Whoever sends it may read `/metrics`, as `Authorization: Bearer …`: at least 16 letters and digits. Without "
        "this setting only programs on the same machine may.",
        "at least 16 letters and digits, such as the output of: openssl rand -hex 32",
    )
    log_format: Literal["text", "json"] = _set(
        "text", "How the log reads: lines for people, or one JSON object a line.", "text or json"
    )
    alert_age: Duration = _set(
        timedelta(minutes=15),
        "How long a vote, a job or a letter may wait before operators are alerted.",
        "a length such as 15m",
    )
    alert_failures: int = _set(
        20,
        "Operators are alerted when more attempts at jobs than this fail within an hour.",
        "a number from 1 on",
        ge=1,
    )

    @model_validator(mode="after")
    def _dkim_is_whole(self) -> "Settings":
        selectors, files = self.dkim_selectors, self.dkim_key_files
        given = (self.dkim_domain, selectors, files)
        if any(given) and not all(given):
            raise ValueError("DKIM needs all of DKIM_DOMAIN, DKIM_SELECTOR and DKIM_KEY_FILE, or none of them.")
        if len(selectors) != len(files) or len(selectors) > 2:
            raise ValueError("DKIM_SELECTOR and DKIM_KEY_FILE need one name and one file for each key, at most two.")
        if len(set(selectors)) < len(selectors):
            raise ValueError("DKIM_SELECTOR names the same selector twice: each key is published under one of its own.")
        return self

    @model_validator(mode="after")
    def _tokens_have_a_user_and_tls(self) -> "Settings":
        parts = urlsplit(self.mail_url)
        if self.mail_token_command and (parts.scheme not in ("smtp+starttls", "smtps") or not parts.username):
            raise ValueError(
                "MAIL_TOKEN_COMMAND needs a user and TLS in MAIL_URL: write smtp+starttls://USER@HOST:PORT, with @ in "
                "USER as %40."
            )
        if self.mail_token_command and parts.password:
            raise ValueError("MAIL_URL has a password, and MAIL_TOKEN_COMMAND prints another: leave one of them out.")
        return self

    @model_validator(mode="after")
    def _inbox_can_be_opened(self) -> "Settings":
        url, command = self.inbox_url or "", self.inbox_token_command
        password = urlsplit(url).password if url.lower().startswith("imaps:") else None
        if url.lower().startswith("imaps:") and bool(password) == bool(command):
            raise ValueError(
                "INBOX_URL needs either a password, as imaps://USER:PASSWORD@HOST, or INBOX_TOKEN_COMMAND, which "
                "prints an access token."
            )
        if command and not url.lower().startswith("imaps:"):
            raise ValueError("INBOX_TOKEN_COMMAND needs a user in INBOX_URL: write imaps://USER@HOST.")
        if (
            self.outbox is not None
            and self.inbox_folder is not None
            and self.outbox.resolve() == self.inbox_folder.resolve()
        ):
            raise ValueError("INBOX_URL and MAIL_URL name the same folder: what we send is not what comes back.")
        return self

    @property
    def inbox_folder(self) -> Path | None:
        """The Maildir's folder, when INBOX_URL is a Maildir."""
        scheme, _, folder = (self.inbox_url or "").partition(":")
        return Path(folder.removeprefix("//")) if scheme.lower() == "maildir" else None

    @property
    def redis_url(self) -> str:
        """REDIS_URL, or the address that a running `verdicts up` wrote. Raises BadSettings if there is neither."""
        if self.redis_given:
            return self.redis_given
        try:
            return (VAR / "redis.url").read_text().strip()
        except FileNotFoundError:
            raise BadSettings("No Redis runs here. Start one with `verdicts up`, or set REDIS_URL.") from None

    @cached_property
    def keys(self) -> tuple[bytes, ...]:
        """The signing keys, newest first; never empty."""
        if given := self._given_keys:
            return given
        if why := self._why_to_be_given:
            raise BadSettings(
                f"SECRET_KEY is missing, and {why}. Set SECRET_KEY to the site's key; for a new site, to a long random "
                "text, such as the output of: openssl rand -hex 32"
            )
        return (kept_key(_KEY_FILE),)

    @property
    def would_make_a_key(self) -> bool:
        """Whether `keys` would make a new key, since there is none yet. A process keeps the key that it has read."""
        return not ("keys" in self.__dict__ or self._given_keys or self._why_to_be_given or _KEY_FILE.exists())

    @property
    def _given_keys(self) -> tuple[bytes, ...]:
        return tuple(key.strip().encode() for key in (self.secret_key or "").split(",") if key.strip())

    @property
    def _why_to_be_given(self) -> str:
        if not self.database_url.startswith("sqlite"):
            return "the database is PostgreSQL: all hosts that share it need the same key"
        if self.base_url.startswith("https:"):
            return "BASE_URL is https: a site that others reach needs a key kept with its settings"
        return ""

    @property
    def outbox(self) -> Path | None:
        """The Maildir's folder, when MAIL_URL is a Maildir."""
        scheme, _, folder = self.mail_url.partition(":")
        return Path(folder.removeprefix("//")) if scheme == "maildir" else None

    @property
    def is_local(self) -> bool:
        """Whether BASE_URL is a loopback address, so that only this machine's users can see the site."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")


@cache
def settings() -> Settings:
    """This process's settings. Raises BadSettings, which names each invalid variable and what to write instead."""
    try:
        return Settings.read()
    except ValidationError as error:
        fields = {variable(name): field for name, field in Settings.model_fields.items()}
        raise BadSettings("\n".join(in_words(error, fields))) from None


def variable(field: str) -> str:
    """The environment variable that sets this field."""
    return str(Settings.model_fields[field].validation_alias or field).upper()
