with periods as (

  select * from {{ ref('segment_periods') }}

),

days as (

  select
    segment,
    {{ each_day('min(entered_on)', as_of_date()) }} as day
  from periods
  group by segment

),

entries as (

  select segment, entered_on as day, count(*) as customers
  from periods
  group by segment, entered_on

),

exits as (

  select segment, exited_on as day, count(*) as customers
  from periods
  where exited_on is not null
  group by segment, exited_on

),

moves as (

  select
    days.segment,
    days.day,
    coalesce(entries.customers, 0) as entered,
    coalesce(exits.customers, 0) as exited
  from days
  left join entries on entries.segment = days.segment and entries.day = days.day
  left join exits on exits.segment = days.segment and exits.day = days.day

)

select
  segment,
  day,
  cast(sum(entered - exited) over (partition by segment order by day) as bigint) as members,
  cast(entered as bigint) as entered,
  cast(exited as bigint) as exited
from moves
