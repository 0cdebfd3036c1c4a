select
  customer_key,
  entered_on,
  exited_on
from {{ ref('int_abandoned_carts') }}
