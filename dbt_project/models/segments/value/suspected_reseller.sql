-- Spend beyond the first order: one large first order is a wedding, not a trade.
with order_days as (

  select * from {{ ref('int_customer_days') }}

),

first_orders as (

  select customer_key, first_order_amount
  from order_days
  where previous_ordered_on is null

)

select
  order_days.customer_key,
  order_days.ordered_on as entered_on,
  order_days.next_ordered_on as exited_on
from order_days
inner join first_orders on first_orders.customer_key = order_days.customer_key
where order_days.lifetime_net_spend - first_orders.first_order_amount > {{ number_var('reseller_min_repeat_spend') }}
