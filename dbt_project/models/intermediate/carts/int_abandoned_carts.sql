-- Stays of customers with abandoned carts. A cart is abandoned when abandoned_cart_hours have passed before a day
-- begins, so a job that runs once a day finds it on the day its period says; several carts at once are one stay.
with checkouts as (

  select * from {{ ref('int_checkouts_owned') }}

),

customers as (

  select * from {{ ref('int_customers') }}

),

orders as (

  select customer_key, ordered_at, ordered_on
  from {{ ref('int_orders_owned') }}
  where counts

),

abandoned as (

  select
    *,
    {{ day_after('updated_at', whole_number_var('abandoned_cart_hours')) }} as abandoned_on
  from checkouts

),

-- The first order since the checkout began ends it, also when it was placed another way.
next_orders as (

  select
    abandoned.checkout_token,
    min(orders.ordered_on) as ordered_on
  from abandoned
  inner join orders
    on orders.customer_key = abandoned.customer_key
    and orders.ordered_at >= abandoned.created_at
  group by abandoned.checkout_token

),

periods as (

  select
    'abandoned_cart' as segment,
    abandoned.customer_key,
    greatest(abandoned.abandoned_on, customers.known_from) as entered_on,
    {{ earliest_day([
      add_days('abandoned.abandoned_on', whole_number_var('abandoned_cart_days')), 'abandoned.completed_on', 'next_orders.ordered_on'
    ]) }} as exited_on
  from abandoned
  inner join customers on customers.customer_key = abandoned.customer_key
  left join next_orders on next_orders.checkout_token = abandoned.checkout_token

),

begun as (

  select * from periods
  where entered_on < exited_on

),

{{ merged_period_ctes('begun') }}

select
  customer_key,
  entered_on,
  exited_on,
  row_number() over (partition by customer_key order by entered_on) as stay
from merged
