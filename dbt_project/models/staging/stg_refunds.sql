with refunds as (

  select * from {{ source('raw', 'refunds') }}

)

select
  refund_id,
  order_id,
  refunded_at,
  amount
from refunds
