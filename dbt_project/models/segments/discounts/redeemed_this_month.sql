with first_days as (

  select customer_key, min(ordered_on) as entered_on
  from {{ ref('int_customer_days') }}
  where has_code
  group by customer_key, date_trunc('month', ordered_on)

)

select
  customer_key,
  entered_on,
  {{ next_month('entered_on') }} as exited_on
from first_days
