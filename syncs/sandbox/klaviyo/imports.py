"""Klaviyo's bulk profile import: accepted at once, applied later, its failures listed."""

import base64
import json
import math
import re
import secrets
import sqlite3

from syncs.sandbox.calls import Call, JsonObject, Operation, Reply
from syncs.sandbox.config import Settings
from syncs.sandbox.faults import Rule
from syncs.sandbox.klaviyo import queries
from syncs.sandbox.klaviyo.bodies import read_document
from syncs.sandbox.klaviyo.checks import as_object, is_oversized, row_problems
from syncs.sandbox.klaviyo.problems import (
    MAX_PROFILE_BYTES,
    document,
    missing,
    problem,
    refuse,
    timestamp,
)
from syncs.sandbox.klaviyo.profiles import IdentityConflictError, Roster, UnknownProfileError
from syncs.sandbox.store import Store

MAX_PROFILES = 10_000
KEPT_SECONDS = 7 * 86_400
_ROWS = "/data/attributes/profiles/data"
_QUEUED_SHARE = 0.25


class Imports:
    """The import jobs of the account."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        # Unknown after a start, so the first call looks; afterwards only due jobs cost a query.
        self._next_due = 0.0

    def operations(self) -> tuple[Operation, ...]:
        """The endpoints of bulk import."""
        jobs = "/api/profile-bulk-import-jobs"
        one = rf"{jobs}/(?P<job_id>[^/]+)"
        return (
            Operation("bulk_import_profiles", "POST", re.compile(f"{jobs}/?"), True, self.create),
            Operation(
                "get_bulk_import_profiles_jobs", "GET", re.compile(f"{jobs}/?"), False, self.listing
            ),
            Operation(
                "get_bulk_import_profiles_job", "GET", re.compile(f"{one}/?"), False, self.show
            ),
            Operation(
                "get_errors_for_bulk_import_profiles_job",
                "GET",
                re.compile(f"{one}/import-errors/?"),
                False,
                self.errors,
            ),
        )

    def forget(self) -> None:
        """Looks for due jobs at the next call."""
        self._next_due = 0.0

    def create(self, call: Call) -> Reply:
        """Accepts a job, or refuses all of it for one malformed row."""
        rows, problems = _rows_of(read_document(call, "profile-bulk-import-job"))
        if not problems:
            problems = _forced_problems(rows, call.rule)
        if problems:
            raise refuse(problems)
        config = self._settings.config
        seconds = config.klaviyo_job_seconds + len(rows) * config.klaviyo_job_seconds_per_row
        job_id = base64.urlsafe_b64encode(secrets.token_bytes(46)).decode().rstrip("=")
        finishes = call.now + seconds
        connection = self._store.connection
        connection.execute(
            "insert into klaviyo_jobs (id, body, rule, created, started, finishes, total)"
            " values (?, ?, ?, ?, ?, ?, ?)",
            (
                job_id,
                call.body,
                call.rule.model_dump_json() if call.rule else None,
                call.now,
                call.now + seconds * _QUEUED_SHARE,
                finishes,
                len(rows),
            ),
        )
        self._next_due = min(self._next_due, finishes)
        return document(202, {"data": self._resource(call, job_id)}, rows=len(rows))

    def listing(self, call: Call) -> Reply:
        """The jobs that have not expired, newest first unless sorted otherwise."""
        queries.check_parameters(call, frozenset({"filter", "sort", "page[size]", "page[cursor]"}))
        order = call.query.get("sort", "-created_at")
        if order not in {"created_at", "-created_at"}:
            raise refuse([problem("Invalid sort.", parameter="sort")])
        wanted = queries.parse_filter(call, {"status": frozenset({"any", "equals"})})
        rows = self._store.connection.execute(
            "select id from klaviyo_jobs where created > ? order by number"
            + (" desc" if order.startswith("-") else ""),
            (call.now - KEPT_SECONDS,),
        ).fetchall()
        jobs = [self._resource(call, job_id) for (job_id,) in rows]
        if wanted:
            jobs = [job for job in jobs if job["attributes"]["status"] in wanted.values]
        size, offset = queries.page_size(call, 20, 100), queries.page_offset(call)
        page = jobs[offset : offset + size]
        links = queries.page_links(call, offset, len(page), len(jobs))
        return document(200, {"data": page, "links": links})

    def show(self, call: Call) -> Reply:
        """One job."""
        return document(200, {"data": self._resource(call, call.params["job_id"])})

    def errors(self, call: Call) -> Reply:
        """Why profiles of a job failed, a page at a time."""
        queries.check_parameters(call, frozenset({"page[size]", "page[cursor]"}))
        job_id = call.params["job_id"]
        self._resource(call, job_id)
        size, offset = queries.page_size(call, 20, 100), queries.page_offset(call)
        connection = self._store.connection
        (total,) = connection.execute(
            "select count(*) from klaviyo_import_errors where job_id = ?", (job_id,)
        ).fetchone()
        rows = connection.execute(
            "select number, error from klaviyo_import_errors where job_id = ?"
            " order by number limit ? offset ?",
            (job_id, size, offset),
        ).fetchall()
        data = [
            {"type": "import-error", "id": str(number), "attributes": json.loads(error)}
            for number, error in rows
        ]
        links = queries.page_links(call, offset, len(data), total)
        return document(200, {"data": data, "links": links})

    def _resource(self, call: Call, job_id: str) -> JsonObject:
        row = self._store.connection.execute(
            "select created, started, finishes, done, total, completed, failed"
            " from klaviyo_jobs where id = ?",
            (job_id,),
        ).fetchone()
        if row is None or row[0] + KEPT_SECONDS <= call.now:
            detail = "Invalid job id"
            raise missing(detail)
        created, started, finishes, done, total, completed, failed = row
        status = done or ("queued" if call.now < started else "processing")
        own = f"{call.base}/api/profile-bulk-import-jobs/{job_id}/"
        return {
            "type": "profile-bulk-import-job",
            "id": job_id,
            "attributes": {
                "status": status,
                "created_at": timestamp(created),
                "total_count": total,
                "completed_count": completed,
                "failed_count": failed,
                "completed_at": timestamp(finishes) if done else None,
                "expires_at": timestamp(created + KEPT_SECONDS),
                "started_at": None if status == "queued" else timestamp(started),
            },
            "relationships": {
                "lists": {"data": [], "links": {"related": f"{own}lists/"}},
                "import-errors": {"links": {"related": f"{own}import-errors/"}},
            },
            "links": {"self": own},
        }

    def settle(self, now: float) -> None:
        """Applies the jobs that are due, oldest first, each in its own transaction."""
        if now < self._next_due:
            return
        connection = self._store.connection
        due = connection.execute(
            "select id, body, rule, finishes from klaviyo_jobs"
            " where done is null and finishes <= ? order by number",
            (now,),
        ).fetchall()
        for job_id, body, rule, finishes in due:
            with self._store.transaction():
                _apply(connection, job_id, body, rule, finishes)
        (following,) = connection.execute(
            "select min(finishes) from klaviyo_jobs where done is null"
        ).fetchone()
        self._next_due = math.inf if following is None else following


def _rows_of(attributes: JsonObject) -> tuple[list[JsonObject], list[JsonObject]]:
    profiles = as_object(attributes.get("profiles"), "/data/attributes/profiles")
    if isinstance(profiles, list):
        return [], profiles
    rows = profiles.get("data")
    if not isinstance(rows, list) or not rows:
        return [], [problem("At least one profile is required.", pointer=_ROWS)]
    if len(rows) > MAX_PROFILES:
        detail = f"At most {MAX_PROFILES} profiles can be imported in one job."
        return [], [problem(detail, pointer=_ROWS)]
    problems: list[JsonObject] = []
    for index, row in enumerate(rows):
        problems += row_problems(row, f"{_ROWS}/{index}", phones=False)
    return rows, problems


def _forced_problems(rows: list[JsonObject], rule: Rule | None) -> list[JsonObject]:
    if rule is None or rule.action != "reject-rows" or rule.form == "import-errors":
        return []
    hit = [i for i, row in enumerate(rows) if rule.rejects(row["attributes"].get("email"))]
    if hit and rule.form == "no-pointer":
        return [problem("Invalid email address")]
    return [
        problem("Invalid email address", pointer=f"{_ROWS}/{index}/attributes/email")
        for index in hit
    ]


def _apply(
    connection: sqlite3.Connection, job_id: str, body: bytes, rule_text: str | None, at: float
) -> None:
    rule = Rule.model_validate_json(rule_text) if rule_text else None
    rows: list[JsonObject] = json.loads(body)["data"]["attributes"]["profiles"]["data"]
    cancelled = rule is not None and rule.action == "cancel-job"
    errors: list[JsonObject] = []
    if not cancelled:
        # Only a body over the limit of one profile can hold a profile over it.
        measured = len(body) > MAX_PROFILE_BYTES
        roster = Roster(connection, rows, at)
        for index, row in enumerate(rows):
            failure = _fault_of(row, index, rule)
            if failure is None and measured and is_oversized(row):
                failure = _error(row, index, "invalid", "The profile is larger than 100 KB.")
            if failure is None:
                failure = _upsert(roster, row, index)
            if failure is not None:
                errors.append(failure)
        roster.save()
    connection.executemany(
        "insert into klaviyo_import_errors (job_id, error) values (?, ?)",
        [(job_id, json.dumps(error)) for error in errors],
    )
    connection.execute(
        "update klaviyo_jobs set done = ?, completed = ?, failed = ?, body = null where id = ?",
        (
            "cancelled" if cancelled else "complete",
            0 if cancelled else len(rows) - len(errors),
            len(errors),
            job_id,
        ),
    )


def _upsert(roster: Roster, row: JsonObject, index: int) -> JsonObject | None:
    try:
        roster.upsert(row, nulls_clear=False)
    except IdentityConflictError:
        detail = "A profile already exists with one of these identifiers."
        return _error(row, index, "duplicate_profile", detail)
    except UnknownProfileError:
        return _error(row, index, "invalid", "No usable identifier was provided.")
    return None


def _fault_of(row: JsonObject, index: int, rule: Rule | None) -> JsonObject | None:
    if rule is None or rule.form != "import-errors":
        return None
    if not rule.rejects(row["attributes"].get("email")):
        return None
    return _error(row, index, "invalid", "Invalid email address", pointers=rule.pointers)


def _error(
    row: JsonObject, index: int, code: str, detail: str, *, pointers: bool = True
) -> JsonObject:
    return {
        "code": code,
        "title": "Invalid input.",
        "detail": detail,
        "source": {"pointer": f"{_ROWS}/{index}"} if pointers else {},
        "original_payload": row["attributes"],
    }
