"""The secret resolver: the only other place, beside ``settings``, that reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from syncs.errors import CredentialsError

# What each vendor's stand-in accepts. They open nothing anywhere else.
_DEMO = {
    "KLAVIYO_API_KEY": "pk_demo",
    "ATTENTIVE_API_KEY": "demo",
    "FACEBOOK_ACCESS_TOKEN": "demo",
    "FACEBOOK_AD_ACCOUNT_ID": "1000000000",
}


@dataclass(frozen=True)
class Credentials:
    """What one destination account needs to be reached; never printed."""

    token: str = field(repr=False)
    account_id: str = field(default="", repr=False)
    app_secret: str | None = field(default=None, repr=False)


def resolve(account: str, *, demo: bool) -> Credentials:
    """Read the credentials of ``klaviyo``, ``attentive`` or ``facebook`` from the environment.

    Args:
        account: the destination account.
        demo: fall back to the stand-ins' own credentials where none is set.

    Raises:
        CredentialsError: a variable is not set; names it.
    """

    def read(name: str) -> str:
        value = os.environ.get(name, "").strip() or (_DEMO.get(name) if demo else None)
        if not value:
            message = f"{name} is not set: {account} cannot be reached without it"
            raise CredentialsError(message)
        if not (value.isascii() and value.isprintable()):
            message = f"{name} holds characters that no key has; copy it again"
            raise CredentialsError(message)
        return value

    if account == "facebook":
        return Credentials(
            token=read("FACEBOOK_ACCESS_TOKEN"),
            account_id=read("FACEBOOK_AD_ACCOUNT_ID").removeprefix("act_"),
            app_secret=os.environ.get("FACEBOOK_APP_SECRET") or None,
        )
    return Credentials(token=read(f"{account.upper()}_API_KEY"))
