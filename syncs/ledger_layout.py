"""What we believe each destination holds, and what is on its way there.

One DuckDB file per destination account. Nobody but its destination's run writes it. It holds no
e-mail, phone or plain hash: people are ``keyed()`` hashes (see :mod:`syncs.identity`), and, where a
later removal needs them, the destination's own hashed identifiers.

``rows``      one row per sync and identifier: the last state acknowledged, the last attempted.
``outbox``    the rows of a running sync, by batch.
``batches``   the log of each batch: ``sending`` before its requests, ``started`` when the vendor
              works on a job it gave an id for, ``settled`` at the end.
``outcomes``  rows of a batch that ended differently from the rest of it (``planned``: not sent).
``runs``      one row per run.
``objects``   by sync: the vendor's ids of what it owns there, and what its last run worked from.
``erased``    identifiers of people who asked to be forgotten, as keyed hashes, and how far that is.

What is delivered is known by a mark of 64 bits, see ``marked()``.

A run that ends, by itself or by a signal, is *folded*: what is settled goes into ``rows``, what was
``sending`` becomes ``unknown``, what was only planned vanishes. Folding is one SELECT
(:data:`FOLD`), so a plan made beside a dead run sees the same picture as the next apply.
"""

from __future__ import annotations

from typing import Final

SCHEMA: Final = "ledger"

UNCERTAIN: Final = 0
"""The mark of a row whose last request was never answered, or that was seen to differ.

It equals no real one, so the row counts as delivered (somebody who left is removed) and as
different (a member is sent again).
"""

LEFT: Final = 1
"""The mark of a row that says that somebody left."""

LAYOUT: Final = "2"
_OUTBOX: Final = """{s}.outbox (
    run_id varchar not null, sync varchar not null, batch integer not null,
    position integer not null, row_key uuid not null, customer uhugeint, subject varchar,
    operation varchar not null, fingerprint ubigint not null, recipe ubigint not null,
    vendor_row varchar)"""
_BATCHES: Final = """{s}.batches (
    run_id varchar not null, sync varchar not null, batch integer not null, step tinyint not null,
    outcome varchar, reason varchar, reference varchar, noted_at timestamptz not null)"""
_OUTCOMES: Final = """{s}.outcomes (
    run_id varchar not null, batch integer not null, row_key uuid not null,
    state varchar not null, reason varchar, code varchar)"""
WORKING: Final = (_OUTBOX, _BATCHES, _OUTCOMES)
KEPT: Final = (
    """{s}.rows (
    sync varchar not null, row_key uuid not null, customer uhugeint, subject varchar,
    operation varchar not null, state varchar not null, delivered ubigint, attempted ubigint,
    recipe ubigint, vendor_row varchar, has_left boolean not null, reason varchar, code varchar,
    attempts integer not null, updated_at timestamptz not null, run_id varchar not null)""",
    """{s}.runs (
    run_id varchar not null, sync varchar not null, destination varchar not null, as_of date,
    publication_id varchar, plan_id varchar, idempotent boolean not null, status varchar not null,
    started_at timestamptz not null, finished_at timestamptz, counts varchar, reasons varchar,
    error varchar)""",
    "{s}.objects (sync varchar not null, name varchar not null, value varchar not null)",
    """{s}.erased (
    identifier uuid not null, customer uhugeint, requested_on date, state varchar not null,
    reference varchar, reason varchar, updated_at timestamptz not null)""",
    """{s}.drift (
    sync varchar not null, row_key uuid not null, customer uhugeint, kind varchar not null,
    detail varchar, found_at timestamptz not null, repaired boolean not null)""",
)

SENDING, STARTED, SETTLED = 0, 1, 2

# How far each batch of an unfolded run is.
PROGRESS: Final = """(
    select run_id, sync, batch, max(step) as step, any_value(outcome) as outcome,
        any_value(reason) as reason, any_value(reference) as reference, max(noted_at) as noted_at
    from ledger.batches group by run_id, sync, batch)"""

# The rows that unfolded runs leave behind. A row is in the outbox of one run only, because a sync
# folds before it plans.
FOLD: Final = f"""
with ended as (
    select o.* exclude (position), r.idempotent, x.code,
        case when b.step < {SETTLED} then 'unknown' else coalesce(x.state, b.outcome) end
            as state,
        case when b.step < {SETTLED} then 'the run ended before the answer came'
            else coalesce(x.reason, b.reason) end as reason,
        b.noted_at as updated_at
    from ledger.outbox as o
    join {PROGRESS} as b using (run_id, batch)
    join ledger.runs as r using (run_id)
    left join ledger.outcomes as x using (run_id, batch, row_key)
)
select e.sync, e.row_key, e.customer, e.subject, e.operation, e.state,
    case
        when e.state in ('accepted', 'confirmed') then e.fingerprint
        when e.state = 'unknown' then case when e.idempotent then {UNCERTAIN} end
        -- No profile was found: perhaps this once. Somebody told before is told when they leave.
        when e.state = 'skipped' then
            case when e.operation = 'upsert' and p.delivered is not null then {UNCERTAIN} end
        else p.delivered
    end as delivered,
    e.fingerprint as attempted, e.recipe,
    -- Who left an audience need not be found there again.
    case when e.operation <> 'remove' or e.state not in ('accepted', 'confirmed')
        then e.vendor_row end as vendor_row,
    -- Somebody who left and has no profile any more has left all the same.
    case
        when e.state in ('accepted', 'confirmed', 'skipped') then e.operation = 'remove'
        when e.state = 'unknown' then false
        else coalesce(p.has_left, false)
    end as has_left,
    e.reason, e.code,
    1 + case when p.state in ('accepted', 'confirmed') then 0 else coalesce(p.attempts, 0) end
        as attempts,
    e.updated_at, e.run_id
from ended as e
left join ledger.rows as p on p.sync = e.sync and p.row_key = e.row_key
where e.state <> 'planned'
"""

_COLUMNS: Final = """sync, row_key, customer, subject, operation, state, delivered, attempted,
    recipe, vendor_row, has_left, reason, code, attempts, updated_at, run_id"""
KNOWN: Final = f"""select {_COLUMNS}, run_id in (
    select run_id from ledger.runs where status = 'stopped') as run_was_stopped from ledger.rows"""
