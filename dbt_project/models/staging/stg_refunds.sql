with refunds as (

  select * from {{ source('raw', 'refunds') }}

),

order_rates as (

  select * from {{ ref('stg_order_rates') }}

)

-- Not rounded before it is summed: the refunds of an order that came back whole have to make its total.
select
  refunds.refund_id,
  refunds.order_id,
  refunds.refunded_at,
  case when order_rates.order_id is null then refunds.amount else {{ exact_in_shop_currency('refunds.amount') }} end as amount
from refunds
left join order_rates
  on order_rates.order_id = refunds.order_id
