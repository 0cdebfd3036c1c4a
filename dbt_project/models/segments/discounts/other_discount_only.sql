select
  customer_key,
  min(ordered_on) filter (where has_discount) as entered_on,
  min(ordered_on) filter (where has_code) as exited_on
from {{ ref('int_customer_days') }}
group by customer_key
having bool_or(has_discount)
