{{ config(materialized='view') }}
select
  orders.*,
  numbers.order_number
from {{ ref('int_orders_owned') }} as orders
left join {{ ref('int_order_numbers') }} as numbers on numbers.order_id = orders.order_id
