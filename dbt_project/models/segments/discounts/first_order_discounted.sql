select
  customer_key,
  ordered_on as entered_on,
  cast(null as date) as exited_on
from {{ ref('int_customer_days') }}
where is_first_order_with_code
