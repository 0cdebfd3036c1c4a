select
  customer_key,
  min(ordered_on) as entered_on,
  min(ordered_on) filter (where has_discount) as exited_on
from {{ ref('int_customer_days') }}
group by customer_key
