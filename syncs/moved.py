"""Entries that moved: the same occasion under another date, which must not be told of twice.

An entry is known by its day. A late order, a cancellation, a threshold that changed or an abandoned
checkout that was touched again moves the day, and then the history has an entry nobody was told of
in place of one somebody was.

Of an entry whose event was sent and never answered nobody knows whether it was told. At a
destination that drops what it already has (Klaviyo's ``unique_id``), what stands in its place is
sent as that same event: told once, whichever way it went.
"""

from __future__ import annotations

from syncs.spec import EventSpec
from syncs.workspace import Workspace

WITHIN_DAYS = 60
"""An entry further away from the one that vanished is another occasion.

Corrections arrive within days or weeks; an abandoned checkout touched again moves by the 14 days it
is worth a message and what came before.
"""

LEFT_OUT = "entry_moved"
"""Why a moved entry is left out of the plan."""


def settle(spec: EventSpec, work: Workspace) -> None:
    """Settle the rows of ``wanted`` whose entry replaces one that is no longer there.

    Each vanished entry stands for one entry nobody was told of, the nearest: that is left out when
    the vanished one was told, and takes over its ``row_key`` and ``subject`` when that is unknown.
    """
    edge = f"{spec.event.on}_on"
    mark = "" if spec.event.on == "entered" else "#exited"
    names = ", ".join(f"'{name}'" for name in spec.entered)
    work.con.execute(
        f"""update wanted set left_out = case when is_told then '{LEFT_OUT}' end,
            row_key = case when is_told then wanted.row_key else moved.row_key end,
            subject = case when is_told then wanted.subject else moved.was end
        from (
            with told as (
                select customer, subject, any_value(row_key) as row_key,
                    split_part(subject, '@', 1) as segment,
                    try_cast(split_part(split_part(subject, '@', 2), '#', 1) as date) as day,
                    bool_or(state <> 'unknown' or delivered is null) as is_told
                from known
                where sync = $sync and state in ('accepted', 'confirmed', 'unknown')
                    and customer in (select customer from wanted where left_out is null)
                group by customer, subject
            ),
            entries as (
                select alias_of(customer_key) as customer, segment, {edge} as day,
                    segment || '@' || cast({edge} as varchar) || '{mark}' as subject
                from pub.main.segment_periods
                where segment in ({names}) and {edge} is not null and customer_key in (
                    select customer_key from wanted where left_out is null
                        and customer in (select customer from told))
            ),
            vanished as (
                select told.* from told anti join entries using (customer, subject)
            ),
            untold as (
                select entries.* from entries anti join told using (customer, subject)
            ),
            nearest as (
                select untold.customer, untold.subject, vanished.subject as was,
                    vanished.row_key, vanished.is_told
                from vanished join untold using (customer, segment)
                where abs(untold.day - vanished.day) <= {WITHIN_DAYS}
                qualify row_number() over (
                    partition by vanished.customer, vanished.subject
                    order by abs(untold.day - vanished.day), untold.day) = 1
            )
            select customer, subject, bool_or(is_told) as is_told, min(was) as was,
                min_by(row_key, was) as row_key
            from nearest group by customer, subject
        ) as moved
        where wanted.left_out is null
            and wanted.customer = moved.customer and wanted.subject = moved.subject
            and (is_told or moved.row_key not in (
                select row_key from wanted where left_out is null))""",
        {"sync": spec.name},
    )
