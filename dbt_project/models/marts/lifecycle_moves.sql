-- From which state to which customers moved over each month, first day to first day, and to the as-of date in the end.
-- Who was not known yet comes from `unknown`.
with periods as (

  select segment, customer_key, entered_on, coalesce(exited_on, {{ end_of_time() }}) as exited_on
  from {{ ref('segment_periods') }}
  where segment in ({{ "'" ~ lifecycle_ids() | join("', '") ~ "'" }})

),

days as (

  select distinct least({{ next_month('day') }}, {{ as_of_date() }}) as until, day as since
  from (
    select distinct {{ first_of_month('day') }} as day
    from (select {{ each_day('min(entered_on)', as_of_date()) }} as day from periods) as all_days
  ) as months

),

moves as (

  select
    days.since,
    days.until,
    coalesce(before.segment, 'unknown') as from_segment,
    after.segment as to_segment,
    count(*) as customers
  from days
  inner join periods as after
    on after.entered_on <= days.until and after.exited_on > days.until
  left join periods as before
    on before.customer_key = after.customer_key and before.entered_on <= days.since and before.exited_on > days.since
  where days.since < days.until
  group by days.since, days.until, before.segment, after.segment

)

select since, until, from_segment, to_segment, customers
from moves
