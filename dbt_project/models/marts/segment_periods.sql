-- The one place where segments become periods: only what was known on the as-of date, and one period where
-- two of them overlap or touch.
with definitions as (

  select * from {{ ref('int_segment_definitions') }}

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

{{ merged_period_ctes('begun') }}

select
  segment,
  customer_key,
  entered_on,
  case when exited_on <= {{ as_of_date() }} then exited_on end as exited_on
from merged
