-- Spend beyond the first order: one large first order is a wedding, not a trade.
with order_days as (

  select
    customer_key,
    ordered_on,
    next_ordered_on,
    lifetime_net_spend - first_value(first_order_amount) over (partition by customer_key order by ordered_on) as repeat_spend
  from {{ ref('int_customer_days') }}

)

select
  customer_key,
  ordered_on as entered_on,
  next_ordered_on as exited_on
from order_days
where repeat_spend > {{ number_var('reseller_min_repeat_spend') }}
