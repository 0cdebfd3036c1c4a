"""Entries that moved: the same occasion under another date, which must not be told of twice.

An entry is known by its day. A late order, a cancellation, a threshold that changed or an abandoned
checkout that was touched again moves the day, and then the history has an entry nobody was told of
in place of one somebody was.
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


def leave_out(spec: EventSpec, work: Workspace) -> None:
    """Mark the rows of ``wanted`` whose entry replaces one that was told of and is no longer there.

    Each vanished entry stands for one entry nobody was told of: the nearest.
    """
    edge = f"{spec.event.on}_on"
    mark = "" if spec.event.on == "entered" else "#exited"
    names = ", ".join(f"'{name}'" for name in spec.entered)
    work.con.execute(
        f"""update wanted set left_out = '{LEFT_OUT}'
        from (
            with told as (
                select distinct customer, subject,
                    split_part(subject, '@', 1) as segment,
                    try_cast(split_part(split_part(subject, '@', 2), '#', 1) as date) as day
                from known
                where sync = $sync and (
                    state in ('accepted', 'confirmed') or (state = 'unknown' and delivered is null))
                    and customer in (select customer from wanted where left_out is null)
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
            )
            select untold.customer, untold.subject
            from vanished join untold using (customer, segment)
            where abs(untold.day - vanished.day) <= {WITHIN_DAYS}
            qualify row_number() over (
                partition by vanished.customer, vanished.subject
                order by abs(untold.day - vanished.day), untold.day) = 1
        ) as moved
        where wanted.left_out is null
            and wanted.customer = moved.customer and wanted.subject = moved.subject""",
        {"sync": spec.name},
    )
