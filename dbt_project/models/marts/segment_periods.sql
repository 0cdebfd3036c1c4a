-- The one place where segments become periods: only what was known on the as-of date, and one period where
-- two of them overlap or touch.
with definitions as (

  {% for segment in segment_ids() -%}
  select
    '{{ segment }}' as segment,
    customer_key,
    cast(entered_on as date) as entered_on,
    cast(exited_on as date) as exited_on
  from {{ ref(segment) }}
  {{ 'union all' if not loop.last }}
  {% endfor %}

),

availability as (

  select * from {{ ref('int_segment_availability') }}

),

begun as (

  select definitions.*
  from definitions
  inner join availability on availability.segment = definitions.segment
  where
    availability.is_available
    and definitions.entered_on <= {{ as_of_date() }}
    and (definitions.exited_on is null or definitions.entered_on < definitions.exited_on)

),

separated as (

  select
    *,
    -- Where no earlier period reaches this one, a new stay begins. A period without end reaches everything.
    coalesce(
      entered_on > max(coalesce(exited_on, {{ end_of_time() }})) over (
        partition by segment, customer_key
        order by entered_on, exited_on
        rows between unbounded preceding and 1 preceding
      ),
      true
    ) as begins_stay
  from begun

),

stays as (

  select
    *,
    sum(case when begins_stay then 1 else 0 end) over (
      partition by segment, customer_key
      order by entered_on, exited_on
      rows between unbounded preceding and current row
    ) as stay
  from separated

),

merged as (

  select
    segment,
    customer_key,
    min(entered_on) as entered_on,
    max(coalesce(exited_on, {{ end_of_time() }})) as exited_on
  from stays
  group by segment, customer_key, stay

)

select
  segment,
  customer_key,
  entered_on,
  case when exited_on <= {{ as_of_date() }} then exited_on end as exited_on
from merged
