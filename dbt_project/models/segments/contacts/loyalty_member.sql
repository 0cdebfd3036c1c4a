select
  customer_key,
  joined_on as entered_on,
  left_on as exited_on
from {{ ref('int_customer_loyalty') }}
