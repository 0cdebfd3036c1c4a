-- Codes on orders of known customers, one row a code. An order that a code made free is no purchase, but its code was
-- redeemed.
with codes as (

  select distinct order_id, code
  from {{ ref('stg_order_discounts') }}
  where code is not null and {{ is_discount('kind') }}

),

orders as (

  select * from {{ ref('int_orders_owned') }}
  where customer_key is not null

),

numbers as (

  select * from {{ ref('int_order_numbers') }}

)

select
  codes.code,
  orders.order_id,
  orders.customer_key,
  orders.ordered_at,
  orders.ordered_on,
  orders.counts,
  orders.is_valid,
  numbers.order_number,
  orders.refunded_amount,
  orders.is_placed as is_redemption
from codes
inner join orders on orders.order_id = codes.order_id
left join numbers on numbers.order_id = codes.order_id
