{{ config(materialized='view') }}
with periods as (

  select * from {{ ref('segment_periods') }}

)

select
  segment,
  customer_key,
  entered_on,
  {{ as_of_date() }} as as_of
from periods
where exited_on is null
