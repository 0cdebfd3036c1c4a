{{ config(meta={'dagster': {'ref': {'name': 'segment_periods'}}}) }}
with periods as (

  select
    *,
    lead(entered_on) over (partition by segment, customer_key order by entered_on, exited_on) as next_entered_on
  from {{ ref('segment_periods') }}

)

select segment, customer_key, entered_on, exited_on, next_entered_on
from periods
where
  exited_on <= entered_on
  or exited_on > {{ as_of_date() }}
  or entered_on > {{ as_of_date() }}
  or (next_entered_on is not null and coalesce(exited_on >= next_entered_on, true))
