-- The score over time, one row per customer and day it changed. A flag counts once however often it was raised.
with flags as (

  select flag as segment, customer_key, entered_on, exited_on
  from {{ ref('int_abuse_flags') }}
  where exited_on is null or entered_on < exited_on

),

{{ merged_period_ctes('flags') }},

weights as (

  {% for flag, weight in abuse_weights().items() -%}
  select '{{ flag }}' as flag, {{ weight }} as weight
  {{ 'union all' if not loop.last }}
  {% endfor %}

),

moves as (

  select customer_key, entered_on as day, weight
  from merged
  inner join weights on weights.flag = merged.segment
  union all
  select customer_key, exited_on as day, -weight
  from merged
  inner join weights on weights.flag = merged.segment
  where exited_on < {{ end_of_time() }}

),

changes as (

  select customer_key, day, sum(weight) as change
  from moves
  group by customer_key, day

)

select
  customer_key,
  day as since,
  lead(day) over (partition by customer_key order by day) as until,
  cast(least(sum(change) over (partition by customer_key order by day), 100) as integer) as score
from changes
