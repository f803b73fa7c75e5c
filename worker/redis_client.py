"""Connects to Redis, with the same address and the same TLS certificate check in our own clients and in Celery."""

import ssl
from typing import Any

import redis

from db.settings import Settings
from db.urls import broker_url

PREFIX = "verdicts:"
"""Before each of our keys: a queue's messages are in the list PREFIX + queue."""


def connect(config: Settings, seconds: float) -> redis.Redis:
    """A client for the Redis of these settings, which waits that long for a connection and for each answer."""
    return redis.Redis.from_url(
        config.redis_url, socket_connect_timeout=seconds, socket_timeout=seconds, **_certificates(config)
    )


def broker(config: Settings) -> dict[str, Any]:
    """Celery's settings for the same Redis. Without `broker_use_ssl` kombu checks no certificate."""
    return {"broker_url": broker_url(config.redis_url), "broker_use_ssl": _certificates(config) or None}


def _certificates(config: Settings) -> dict[str, Any]:
    if not config.redis_url.startswith("rediss:"):
        return {}
    checked = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    return {**checked, "ssl_ca_certs": str(config.redis_ca_file)} if config.redis_ca_file else checked
