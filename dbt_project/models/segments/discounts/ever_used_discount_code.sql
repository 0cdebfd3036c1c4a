select
  customer_key,
  min(ordered_on) as entered_on,
  cast(null as date) as exited_on
from {{ ref('int_customer_days') }}
where has_code
group by customer_key
