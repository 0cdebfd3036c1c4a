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
  where
    definitions.segment in (select segment from availability where is_available)
    and definitions.entered_on <= {{ as_of_date() }}
    and (definitions.exited_on is null or definitions.entered_on < definitions.exited_on)

),

joinable as (

  select * from begun
  where not is_separate

),

{{ merged_period_ctes('joinable') }},

periods as (

  select segment, customer_key, entered_on, exited_on from merged
  union all
  select segment, customer_key, entered_on, exited_on from begun
  where is_separate

)

select
  segment,
  customer_key,
  entered_on,
  case when exited_on <= {{ as_of_date() }} then exited_on end as exited_on
from periods
