-- What the shop earned with a customer up to and with each day of a valid order.
with orders as (

  select * from {{ ref('int_orders_owned') }}
  where customer_key is not null and is_valid

),

days as (

  select
    customer_key,
    ordered_on,
    {{ total('contribution') }} as contribution,
    -- One order with an unknown cost makes the sum unknown.
    count(*) filter (where contribution is null) as unknown_orders
  from orders
  group by customer_key, ordered_on

)

select
  customer_key,
  ordered_on,
  lead(ordered_on) over (partition by customer_key order by ordered_on) as next_ordered_on,
  case
    when sum(unknown_orders) over (partition by customer_key order by ordered_on) = 0
      then cast(sum(contribution) over (partition by customer_key order by ordered_on) as decimal(18, 4))
  end as contribution
from days
