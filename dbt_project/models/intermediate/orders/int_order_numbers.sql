-- Counting needs the orders sorted by customer, which is cheap for three columns and not for forty.
select
  order_id,
  row_number() over (partition by customer_key order by ordered_at, order_id) as order_number
from {{ ref('int_orders_owned') }}
where counts
