select
  customer_key,
  entered_on,
  exited_on
from {{ ref('int_customer_profit_periods') }}
where is_profitable
