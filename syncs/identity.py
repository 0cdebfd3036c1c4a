"""Identifiers: normalise, validate, hash. The rules live here and nowhere else.

E-mail and phone go out in the one form that all three vendors accept. Facebook's matching keys are
normalised as its customer-list guide says and hashed with SHA-256 (UTF-8, lowercase hex); an
unknown value is an empty cell, never the hash of an empty string.

Everything is DuckDB SQL (temporary macros of one connection), so that a million rows are hashed
without a Python loop. The exception is a phone number that is not yet in E.164: it needs the
numbering plans of the ``phonenumbers`` library and goes through a Python function.
"""

from __future__ import annotations

import base64
import os
import secrets
from functools import cache
from pathlib import Path

import duckdb
import phonenumbers
import pycountry
from duckdb.func import FunctionNullHandling
from duckdb.sqltypes import VARCHAR

# Klaviyo takes at most 100 characters and refuses one-letter top-level domains.
EMAIL_PATTERN = r"^[^@\s\"(),:;<>\[\]\\]+@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$"
EMAIL_LENGTH = 100
# A subset of the above that needs no normalising: at most 98 characters.
_PLAIN_EMAIL = r"[a-z0-9._+-]{1,40}@([a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?\.){1,3}[a-z]{2,10}"
E164_PATTERN = r"^\+[1-9]\d{6,14}$"

_INVISIBLE = "[\\s\u00a0\u200b-\u200d\u2060\ufeff]"


def normalise_phone(raw: str | None, region: str | None) -> str | None:
    """E.164 of a phone number, or None.

    Args:
        raw: the number as somebody typed it.
        region: ISO 3166-1 alpha-2 of the country to assume when it has no country code.

    A number must be *possible* (length and prefix of its plan), not assigned: vendors publish
    samples from unassigned ranges and expect them to be taken.
    """
    if not raw:
        return None
    try:
        number = phonenumbers.parse(raw.lstrip("'"), (region or "").upper() or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@cache
def _countries() -> dict[str, str]:
    """Every spelling of a country we know, lower-case, and its alpha-2 code."""
    spellings = {"uk": "gb", "usa": "us", "great britain": "gb", "england": "gb"}
    for country in pycountry.countries:
        code = country.alpha_2.lower()
        for attribute in ("alpha_2", "alpha_3", "name", "official_name", "common_name"):
            spelling = getattr(country, attribute, None)
            if spelling:
                spellings.setdefault(spelling.lower(), code)
    return spellings


@cache
def _us_states() -> dict[str, str]:
    """Names of the states, lower-case without blanks, and their codes."""
    states = pycountry.subdivisions.get(country_code="US")  # type: ignore[no-untyped-call]
    return {s.name.lower().replace(" ", ""): s.code[3:].lower() for s in states}


def install(con: duckdb.DuckDBPyConnection, *, key: str) -> None:
    """Define the macros in one in-memory database.

    ``keyed(v)`` is a 128-bit hash under this installation's own key, as a UUID: what the ledger
    stores in place of an identifier. ``alias_of(v)`` is the same for a customer key, which is a
    hash already, so a cheaper one will do. ``marked(v)`` is a 64-bit mark under the same key, never
    0: it tells whether a text is still the same, nothing more. ``email_of(v)`` and ``phone_of(v,
    region)`` give the normalised identifier or null. Cells of a Facebook customer list are built
    by :func:`facebook_cell`.

    Args:
        con: a private in-memory connection; its cursors see the macros, too.
        key: 64 hexadecimal digits, from :func:`ledger_key`.
    """
    secret = base64.b64encode(bytes.fromhex(key)[:16]).decode().rstrip("=")
    con.create_function(
        "parse_phone",
        normalise_phone,
        [VARCHAR, VARCHAR],
        VARCHAR,
        null_handling=FunctionNullHandling.SPECIAL,
    )
    con.execute(
        "create table country_codes as "
        "select unnest($spellings) as spelling, unnest($codes) as code",
        {"spellings": list(_countries()), "codes": list(_countries().values())},
    )
    states = ", ".join(f"'{name}': '{code}'" for name, code in sorted(_us_states().items()))
    for macro in (
        # 128 bits of key in 22 characters leave most addresses in one SHA-256 block, which halves
        # the price; truncation rules out extending a known hash.
        f"keyed(v) as cast(left(sha256('{secret}' || v), 32) as uuid)",
        f"alias_of(v) as md5_number('{secret}' || v)",
        f"marked(v) as greatest(md5_number_lower('{secret}' || v), 1)",
        f"squeezed(v) as regexp_replace(lower(v), '{_INVISIBLE}', '', 'g')",
        # Nearly every address is published in its normal form already: one match, no replacing.
        f"""email_of(v) as case when regexp_full_match(v, '{_PLAIN_EMAIL}') then v
              when length(squeezed(v)) <= {EMAIL_LENGTH}
              and regexp_matches(squeezed(v), '{EMAIL_PATTERN}') then squeezed(v) end""",
        f"""phone_of(v, region) as case when regexp_matches(v, '{E164_PATTERN}') then v
              else parse_phone(v, region) end""",
        "letters_of(v) as regexp_replace(lower(nfc_normalize(v)), '[^\\p{L}\\p{M}]', '', 'g')",
        "ascii_of(v) as regexp_replace(lower(strip_accents(v)), '[^a-z]', '', 'g')",
        """country_of(v) as (select code from country_codes
              where spelling = lower(trim(v)))""",
        f"""state_of(v, country) as case when country_of(country) = 'us'
              then coalesce(map {{{states}}}[ascii_of(v)], ascii_of(v)) else ascii_of(v) end""",
        """zip_of(v, country) as case when country_of(country) = 'us'
              then left(regexp_replace(lower(v), '[\\s-]', '', 'g'), 5)
              else regexp_replace(lower(v), '[\\s-]', '', 'g') end""",
        """gender_of(v) as case when lower(trim(v)) in ('m', 'male', 'man') then 'm'
              when lower(trim(v)) in ('f', 'female', 'woman') then 'f' end""",
        """padded_of(v, low, high) as case when try_cast(trim(v) as integer) between low and high
              then lpad(cast(cast(trim(v) as integer) as varchar), 2, '0') end""",
        """year_of(v) as case when try_cast(trim(v) as integer) between 1900 and 2100
              then trim(v) end""",
        "hashed(v) as coalesce(case when v <> '' then sha256(v) end, '')",
    ):
        con.execute(f"create macro {macro}")


_FACEBOOK = {
    "EMAIL": "hashed(email_of({v}))",
    "PHONE": "hashed(substr(phone_of({v}, {country}), 2))",
    "FN": "hashed(letters_of({v}))",
    "LN": "hashed(letters_of({v}))",
    "FI": "hashed(left(letters_of({v}), 1))",
    "GEN": "hashed(gender_of({v}))",
    "DOBY": "hashed(year_of({v}))",
    "DOBM": "hashed(padded_of({v}, 1, 12))",
    "DOBD": "hashed(padded_of({v}, 1, 31))",
    "CT": "hashed(ascii_of({v}))",
    "ST": "hashed(state_of({v}, {country}))",
    "ZIP": "hashed(zip_of({v}, {country}))",
    "COUNTRY": "hashed(country_of({v}))",
    "MADID": "coalesce(lower(trim({v})), '')",
    "EXTERN_ID": "coalesce({v}, '')",
}
FACEBOOK_KEYS = tuple(_FACEBOOK)


def facebook_cell(kind: str, value: str, country: str) -> str:
    """SQL of one cell of a Facebook customer list.

    Args:
        kind: a key of :data:`FACEBOOK_KEYS`.
        value: SQL of the raw value (varchar).
        country: SQL of the person's country, used for phone, state and postal code.
    """
    return _FACEBOOK[kind].format(v=value, country=country)


def ledger_key(folder: Path) -> str:
    """This installation's key for :func:`install`, made on first use (file mode 0600).

    Without it the ledger's rows cannot be tied to people, by us or by anybody else: back it up
    together with the ledger.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "key"
    fresh = folder / f"key.{os.getpid()}"
    if not path.exists():
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        try:
            # A link fails when the name exists: of two first runs only one key survives.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()
