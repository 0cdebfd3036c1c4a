"""What the stand-ins hold, in one SQLite file that outlives the process.

`synchronous = OFF` with a write-ahead log means that a killed process loses nothing it has
acknowledged; only a crash of the whole machine could.
"""

import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
create table if not exists settings (config text not null);
create table if not exists requests (
    id integer primary key, at real not null, seconds real not null, vendor text not null,
    operation text not null, method text not null, writes integer not null,
    status integer, row_count integer not null, target text not null,
    throttled integer not null, fault text);

create table if not exists klaviyo_profiles (
    id text primary key, email text, email_key text, phone text, external_id text,
    fields text not null, properties text not null,
    created real not null, updated real not null, last_event real) without rowid;
create index if not exists klaviyo_by_email on klaviyo_profiles (email_key)
    where email_key is not null;
create index if not exists klaviyo_by_phone on klaviyo_profiles (phone) where phone is not null;
create index if not exists klaviyo_by_external on klaviyo_profiles (external_id)
    where external_id is not null;
create table if not exists klaviyo_jobs (
    number integer primary key, id text not null unique, body blob, rule text,
    created real not null, started real not null, finishes real not null,
    done text, total integer not null, completed integer not null default 0,
    failed integer not null default 0);
create table if not exists klaviyo_import_errors (
    number integer primary key, job_id text not null, error text not null);
create index if not exists klaviyo_errors_of_job on klaviyo_import_errors (job_id);
create table if not exists klaviyo_metrics (
    number integer primary key, id text not null unique, name text not null unique,
    created real not null);
create table if not exists klaviyo_events (
    number integer primary key, id text not null unique, profile_id text not null,
    metric_id text not null, unique_id text not null, at integer not null,
    value real, currency text, properties text not null, backfill integer not null,
    unique (profile_id, metric_id, unique_id));
create table if not exists klaviyo_deletions (
    profile_id text primary key, finishes real not null) without rowid;

create table if not exists attentive_people (
    id integer primary key, phone text unique, email text unique, client_user_id text unique,
    subscribed_text integer not null default 0, subscribed_email integer not null default 0);
create table if not exists attentive_custom_ids (
    name text not null, value text not null, person integer not null,
    primary key (name, value)) without rowid;
create table if not exists attentive_attribute_types (
    name text primary key, type text not null) without rowid;
create table if not exists attentive_attributes (
    person integer not null, name text not null, value text not null,
    primary key (person, name)) without rowid;
create table if not exists attentive_events (
    id integer primary key, person integer not null, type text not null, external_id text,
    occurred_at real not null, received_at real not null, starts_journey integer not null,
    properties text not null);
create table if not exists attentive_deletions (
    id text primary key, person integer, requested real not null, finishes real not null,
    done integer not null default 0);

create table if not exists facebook_audiences (
    number integer primary key, id text not null unique, account text not null,
    name text not null, fields text not null, style text, is_value_based integer not null,
    created real not null, updated real not null, replacing_until real not null default 0,
    replacing_session text);
create table if not exists facebook_members (
    audience_id text not null, key blob not null, email text not null, phone text not null,
    extern_id text not null, madid text not null,
    primary key (audience_id, key)) without rowid;
create index if not exists facebook_by_email on facebook_members (audience_id, email);
create index if not exists facebook_by_phone on facebook_members (audience_id, phone);
create table if not exists facebook_forced_status (
    audience_id text primary key, code integer not null, until real not null) without rowid;
create table if not exists facebook_sessions (
    account text not null, session_id text not null, target text not null, kind text not null,
    schema text not null, started real not null, last_at real not null,
    batch_seq integer not null, finished integer not null,
    received integer not null, invalid integer not null,
    primary key (account, session_id)) without rowid;
"""


class Store:
    """One connection to the state file of a home folder.

    Args:
        home: Folder of the deployment; the state is `sandbox/state.sqlite` below it.
    """

    def __init__(self, home: Path) -> None:
        path = state_file(home)
        path.parent.mkdir(parents=True, exist_ok=True)
        # The application is built in one thread and may be served from another, never from two.
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.close = weakref.finalize(self, self.connection.close)
        self.connection.execute("pragma busy_timeout = 5000")
        self.connection.execute("pragma synchronous = off")
        self.connection.execute("pragma journal_mode = wal")
        self.connection.executescript(f"begin;{SCHEMA}commit;")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: commits on success, rolls back on any exception."""
        self.connection.execute("begin immediate")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("rollback")
            raise
        self.connection.execute("commit")

    def empty(self) -> None:
        """Deletes everything the vendors hold, the request log and the configuration."""
        names = self.connection.execute("select name from sqlite_master where type = 'table'")
        tables = [name for (name,) in names.fetchall()]
        with self.transaction() as connection:
            for table in tables:
                connection.execute(f'delete from "{table}"')


def state_file(home: Path) -> Path:
    """Where the state of a home folder is kept."""
    return home / "sandbox" / "state.sqlite"
