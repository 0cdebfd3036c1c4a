"""What may be done with the address of something that lies elsewhere."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def without_secrets(location: str) -> str:
    """`location` as it may stand in a log: without user, password, query and fragment."""
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_private(address: str) -> bool:
    """Whether nobody between here and there can read along: https, or http to this machine."""
    parts = urlsplit(address)
    if not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
