"""What a sync wants, compared with what its destination acknowledged: makes the table ``planned``.

Set-based throughout. ``wanted`` has a row for everybody in the audience and for whoever has to
leave; those with a ``cause`` are planned.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from syncs import moved
from syncs.causes import Why
from syncs.ledger_layout import LEFT, UNCERTAIN
from syncs.past import Past
from syncs.records import Cause, Shape
from syncs.spec import AnySpec, EventSpec
from syncs.wanted import Properties, entries_sql, people_sql
from syncs.workspace import Workspace

# A refused row is tried again when it changes, and else once a week.
RETRY_REFUSED = timedelta(days=7)

# Of somebody who left only the hash is known yet: about an address and what is reset.
_LEAVER_BYTES = 200

_COLUMNS = """ref, row_key, customer, subject, operation, change, cause, fingerprint, identifier,
    told_before, bytes, vendor_row, segment, happened_on, is_history,
    cast(null as integer) as aside"""


def state(
    spec: AnySpec,
    shape: Shape,
    properties: Properties,
    why: Why,
    work: Workspace,
    *,
    recipe: int,
    now: datetime,
) -> None:
    """Plan a sync that keeps a state true: properties, or membership of an audience."""
    con = work.con
    people = people_sql(spec, shape, properties, why.before, why.flags)
    refresh = spec.reconcile.refresh_days
    stale = f"h.updated_at < {_instant(now - timedelta(days=refresh))}" if refresh else "false"
    con.execute(
        f"""create or replace table wanted as
        with held as (select * from known where sync = $sync),
        joined as (
            select p.*, h.customer as known_as, h.vendor_row,
                coalesce(p.row_key, h.row_key) as any_key,
                coalesce(h.delivered is not null and not h.has_left, false) as told_before,
                -- What was said first stays said: only what is said anew names what is gone.
                case when told_before and h.delivered is distinct from p.fingerprint
                    then p.told else p.fingerprint end as said,
                case when p.left_out is null and p.silent and not told_before
                    then 'nothing_to_say' else p.left_out end as out,
                case
                    when p.ref is null or out is not null then
                        case when not told_before then null
                            when h.operation = 'remove' and h.state in ('rejected', 'unknown')
                                then '{Cause.RETRY}'
                            else {why.went} end
                    when h.row_key is null then {why.came}
                    when h.delivered = said and told_before then
                        case when {stale} then '{Cause.REFRESH}' end
                    when h.state = 'skipped' then '{Cause.RECHECK}'
                    when h.state = 'rejected' and h.attempted = said and h.recipe = {recipe}
                        and h.updated_at > {_instant(now - RETRY_REFUSED)}
                        and not h.run_was_stopped then null
                    when h.state in ('rejected', 'unknown', 'held') and h.attempted = said
                        then '{Cause.RETRY}'
                    when h.delivered = {UNCERTAIN} then
                        case when h.reason = 'drift' then '{Cause.DRIFT}'
                            else '{Cause.RETRY}' end
                    when not told_before then {why.came}
                    else {why.changed}
                end as reason_why
            from ({people}) as p
            full outer join held as h on h.row_key = p.row_key
        )
        select ref, any_key as row_key, out as left_out, told_before,
            coalesce(said, {LEFT}) as fingerprint, bytes,
            reason_why as cause,
            case when ref is null or out is not null then 'remove' else 'upsert' end as operation,
            case when ref is null or out is not null then vendor_row end as vendor_row,
            case when reason_why is not null
                then coalesce(alias_of(customer_key), known_as) end
                as customer{properties.flag_columns}
        from joined where ref is not null or reason_why is not null""",
        {"sync": spec.name},
    )
    _settle_duplicates(work)
    con.execute(
        f"""create or replace table planned as
        select {_COLUMNS}{properties.flag_columns} from (
            select * replace (coalesce(bytes, strlen(vendor_row), {_LEAVER_BYTES}) as bytes),
                cast(null as varchar) as subject, vendor_row as identifier,
                case when operation = 'remove' then 'remove' when told_before then 'update'
                    else 'add' end as change,
                cast(null as varchar) as segment, cast(null as date) as happened_on,
                false as is_history
            from wanted where cause is not null)"""
    )


def _instant(at: datetime) -> str:
    return f"timestamptz '{at.isoformat()}'"


def nothing(work: Workspace) -> None:
    """Plan nothing."""
    work.con.execute(
        f"""create or replace table planned as select {_COLUMNS} from (
            select cast(null as bigint) as ref, cast(null as uuid) as row_key,
                cast(null as uhugeint) as customer, '' as subject, '' as operation, '' as change,
                '' as cause, cast(null as ubigint) as fingerprint, '' as identifier,
                false as told_before, 0 as bytes, '' as vendor_row, '' as segment,
                cast(null as date) as happened_on, false as is_history
        ) where false"""
    )


def _settle_duplicates(work: Workspace) -> None:
    """One row for each identifier: of several customers the one who bought last speaks."""
    con = work.con
    con.execute(
        """create or replace table doubles as
        select row_key from wanted where ref is not null and row_key is not null
        group by row_key having count(*) > 1"""
    )
    if con.execute("select 1 from doubles limit 1").fetchone() is None:
        return
    con.execute(
        """update wanted set cause = null, left_out = coalesce(left_out, 'duplicate_identifier')
        from (
            select w.rowid as place, row_number() over (
                partition by w.row_key order by w.left_out is null desc,
                c.last_order_on desc nulls last, c.customer_key) as rank
            from wanted as w join pub.main.customers as c on c.rowid = w.ref
            where w.row_key in (from doubles)
        ) as ranked
        where wanted.rowid = place and rank > 1"""
    )


def events(
    spec: EventSpec,
    shape: Shape,
    properties: Properties,
    before: Past | None,
    work: Workspace,
) -> None:
    """Plan a sync that tells of entries: each once, for ever."""
    con = work.con
    first = before.first_as_of if before else work.publication.as_of.isoformat()
    con.execute(
        f"create or replace table wanted as {entries_sql(spec, shape, properties, work)}",
        {"since": first},
    )
    moved.settle(spec, work)
    rules_moved = before is not None and before.rules != work.publication.rules
    cause = f"'{Cause.DATA}'"
    if before is not None and rules_moved:
        cause = f"""case when happened_on <= date '{before.day}' then '{Cause.RULE}'
            else '{Cause.DATA}' end"""
    con.execute(
        f"""create or replace table planned as
        -- Unanswered and uncertain is sent again: the destination drops what it already has.
        -- Unanswered and nothing delivered means it promises no such thing: a person decides.
        with held as (
            select *,
                state in ('accepted', 'confirmed') or (state = 'unknown' and delivered is null)
                    as done
            from known where sync = $sync
        ),
        by_key as (
            select row_key, any_value(state) as state, any_value(reason) as reason from held
            where not done group by row_key
        ),
        -- The same entry of the same customer under another address, or of two customers who
        -- turned out to be one, is still the same entry.
        done_keys as (select row_key from held where done),
        done_customers as (select distinct customer, subject from held where done),
        aliases as (
            select distinct w.row_key from wanted as w
            join pub.main.customer_identities as i using (customer_key)
            where w.left_out is null
                and keyed(i.id_value || '|' || w.subject) in (select row_key from done_keys)
        )
        select {_COLUMNS}{properties.flag_columns} from (
            select w.*, 'event' as operation, 'event' as change,
                case when w.is_too_old then '{Cause.TOO_OLD}'
                    when k.row_key is null or k.reason = 'too_old' then {cause}
                    when k.state = 'skipped' then '{Cause.RECHECK}'
                    else '{Cause.RETRY}' end as cause,
                cast(null as varchar) as identifier, false as told_before,
                cast(null as varchar) as vendor_row
            from wanted as w
            left join by_key as k using (row_key)
            left join done_customers as c on c.customer = w.customer and c.subject = w.subject
            where w.left_out is null and c.customer is null
                and not (w.is_too_old and k.row_key is not null)
                and w.row_key not in (
                    select row_key from done_keys union all select row_key from aliases)
        )""",
        {"sync": spec.name},
    )
    con.execute(f"update planned set aside = {TOO_OLD} where cause = '{Cause.TOO_OLD}'")


# Batch numbers below 1 are of rows that are not sent; see the engine.
TOO_OLD = -3


def find_leavers(spec: AnySpec, shape: Shape, work: Workspace) -> None:
    """Give leavers their identifier back: the ledger has only its keyed hash.

    Every address a customer ever had is published, so a changed e-mail is found, too.
    """
    leavers = work.con.execute("select 1 from planned where operation = 'remove' limit 1")
    if leavers.fetchone() is None:
        return
    kind = "phone" if "phone" in next(iter(spec.identify_by)) else "email"
    old = shape.key.replace(shape.source, "c.id_value").replace("c.country", "null")
    work.con.execute(
        f"""update planned set identifier = i.identifier
        from (
            select identifier, keyed(identifier) as row_key from (
                select {shape.key} as identifier from pub.main.customers as c
                union
                select {old} from pub.main.customer_identities as c where c.id_type = $kind
            ) where identifier is not null
        ) as i
        where operation = 'remove' and planned.row_key = i.row_key""",
        {"kind": kind},
    )
    # Whoever asked to be forgotten is told to the destination by the erasure itself. Anybody else
    # whose address is gone is reported once, stays open, and goes out when it is known again.
    work.con.execute(
        f"""delete from planned where operation = 'remove' and identifier is null and (
            cause = '{Cause.ERASED}'
            or row_key in (select row_key from known where sync = ? and state = 'held'))""",
        [spec.name],
    )


def add_sharers_again(shape: Shape, work: Workspace) -> None:
    """Add whoever stays again after a removal that may have met them.

    The destination finds a person by e-mail or phone: that is one who shares either with somebody
    who is removed. It may know one person by several addresses: that is one of whom another row is
    removed, as when two customers turned out to be one.
    """
    con = work.con
    if con.execute("select 1 from planned where operation = 'remove' limit 1").fetchone() is None:
        return
    shared = " or ".join(
        f"{cell} in (select json_extract_string(identifier, '$[{position}]') as cell from planned "
        "where operation = 'remove' and cell <> '')"
        for position, cell in shape.shared
    )
    con.execute(
        f"""insert into planned by name
        select w.ref, w.row_key, alias_of(c.customer_key) as customer, 'upsert' as operation,
            'update' as change, '{Cause.SHARED}' as cause, fingerprint, told_before, bytes,
            false as is_history
        from wanted as w join pub.main.customers as c on c.rowid = w.ref
        where w.left_out is null and w.cause is null and ({shared} or alias_of(c.customer_key) in (
            select customer from planned where operation = 'remove' and customer is not null))"""
    )
