select
  customer_key,
  entered_on,
  exited_on
from {{ ref('int_lifecycle_periods') }}
where segment = 'non_buyer'
