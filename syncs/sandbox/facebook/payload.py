"""The payload of a membership call: schema, rows, and which rows are usable. Pure functions."""

import hashlib
import re
from dataclasses import dataclass

from syncs.sandbox.facebook.problems import refuse

MAX_ROWS = 10_000
MAX_SAMPLES = 100
HASHED = frozenset(
    {
        "EMAIL", "PHONE", "GEN", "DOBY", "DOBM", "DOBD", "LN", "FN", "FI", "CT", "ST", "ZIP",
        "COUNTRY",
    },
)  # fmt: skip
PLAIN = frozenset({"EXTERN_ID", "MADID", "APPUID", "PAGEUID", "UID", "LOOKALIKE_VALUE"})
_OPTIONS = frozenset(
    {
        "DATA_PROCESSING_OPTIONS",
        "DATA_PROCESSING_OPTIONS_COUNTRY",
        "DATA_PROCESSING_OPTIONS_STATE",
    },
)
_SINGLE = {
    "EMAIL_SHA256": "EMAIL",
    "PHONE_SHA256": "PHONE",
    "MOBILE_ADVERTISER_ID": "MADID",
    "EXTERN_ID": "EXTERN_ID",
}
_MEMBERS = frozenset(
    {
        "schema", "data", "is_raw", "app_ids", "page_ids", "ig_account_ids", "data_source",
    },
)  # fmt: skip
_HASH = re.compile(r"[0-9a-f]{64}")
EMPTY_HASH = hashlib.sha256(b"").hexdigest()
MULTI = "MULTI_HASHES"
SINGLE = "HASHES_OR_USER_IDS"


@dataclass(frozen=True, slots=True)
class Member:
    """One usable row: the cells a person is found by, and the key of the whole row."""

    key: bytes
    email: str
    phone: str
    extern_id: str
    madid: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A well-formed payload.

    Attributes:
        keys: The schema's columns.
        style: How the vendor files the schema; an audience keeps the style of its first upload.
        received: Rows sent.
        members: Usable rows.
        invalid: Rows with a malformed cell, or with nothing to match on.
        samples: Some malformed cells, echoed as the vendor does.
    """

    keys: tuple[str, ...]
    style: str
    received: int
    members: tuple[Member, ...]
    invalid: int
    samples: dict[str, str]


def read_payload(payload: object, *, value_based: bool) -> Upload:
    """Reads a payload.

    Raises:
        RefusedError: It is malformed as a whole; a malformed cell only makes its row invalid.
    """
    if not isinstance(payload, dict):
        raise refuse(100, "(#100) Missing parameter(s): payload")
    unknown = payload.keys() - _MEMBERS
    if unknown:
        raise refuse(100, "(#100) Unexpected key in param payload")
    if not isinstance(payload.get("is_raw", True), bool):
        raise refuse(100, "(#100) is_raw must be a boolean")
    schema, rows = payload.get("schema"), payload.get("data")
    keys, style = _read_schema(schema)
    if value_based != ("LOOKALIKE_VALUE" in keys):
        raise refuse(100, "(#100) LOOKALIKE_VALUE is for value-based audiences, and only there")
    if not isinstance(rows, list) or not rows:
        raise refuse(100, "(#100) Data is missing or does not match schema")
    if len(rows) > MAX_ROWS:
        raise refuse(1, "Please reduce the amount of data", subcode=99)
    if isinstance(schema, str) and not isinstance(rows[0], list):
        rows = [[cell] for cell in rows]
    return _read_rows(keys, style, rows)


def _read_schema(schema: object) -> tuple[tuple[str, ...], str]:
    if isinstance(schema, str) and schema in _SINGLE:
        return (_SINGLE[schema],), SINGLE
    allowed = HASHED | PLAIN | _OPTIONS
    if (
        not isinstance(schema, list)
        or not schema
        or not all(isinstance(key, str) and key in allowed for key in schema)
        or len(set(schema)) != len(schema)
    ):
        raise refuse(100, "(#100) Param payload has an invalid schema")
    return tuple(schema), MULTI if len(schema) > 1 else SINGLE


def _read_rows(keys: tuple[str, ...], style: str, rows: list[object]) -> Upload:
    width = len(keys)
    hashed = [index for index, key in enumerate(keys) if key in HASHED]
    named = {key: index for index, key in enumerate(keys)}
    lookup = [named.get(key) for key in ("EMAIL", "PHONE", "EXTERN_ID", "MADID")]
    identity = [i for i, key in enumerate(keys) if key in HASHED or key == "MADID"]
    members: list[Member] = []
    samples: dict[str, str] = {}
    invalid = 0
    for number, row in enumerate(rows):
        if (
            not isinstance(row, list)
            or len(row) != width
            or not all(isinstance(cell, str | int | list) for cell in row)
        ):
            raise refuse(100, "(#100) Data is missing or does not match schema")
        bad = [i for i in hashed if row[i] != "" and not _is_hash(row[i])]
        email, phone, extern_id, madid = (
            "" if index is None else str(row[index]) for index in lookup
        )
        if bad or not (extern_id or any(row[i] for i in identity)):
            invalid += 1
            if bad and len(samples) < MAX_SAMPLES:
                samples[str(number)] = str(row[bad[0]])
            continue
        # A person is the whole row but for the identifier the advertiser gave.
        text = "\x1f".join(f"{keys[i]}={row[i]}" for i in identity if row[i]) or extern_id
        key = hashlib.blake2b(text.encode(), digest_size=16).digest()
        members.append(Member(key, email, phone, extern_id, madid))
    return Upload(keys, style, len(rows), tuple(members), invalid, samples)


def _is_hash(cell: object) -> bool:
    return isinstance(cell, str) and _HASH.fullmatch(cell) is not None and cell != EMPTY_HASH
