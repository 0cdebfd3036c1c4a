select
  customer_key,
  ordered_on as entered_on,
  next_ordered_on as exited_on
from {{ ref('int_customer_days') }}
where is_only_with_discount
