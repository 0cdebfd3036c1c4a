select
  customer_key,
  ordered_on as entered_on,
  next_ordered_on as exited_on
from {{ ref('int_customer_profit_days') }}
where contribution < {{ signed_number_var('profit_threshold') }}
