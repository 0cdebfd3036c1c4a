-- What the platform counts for its accounts against what was loaded, in one row. Its counts are of the day of the
-- load: who ordered after the as-of date cannot be compared.
with accounts as (

  select * from {{ ref('int_customer_accounts') }}
  where reported_orders is not null or reported_spent is not null

),

later as (

  select customer_id, email from {{ ref('stg_orders') }}
  where ordered_at >= {{ end_of_as_of_date() }}

),

too_late as (

  select customer_key from accounts where customer_id in (select customer_id from later)
  union
  select customer_key from accounts where email in (select email from later)

),

reported as (

  select
    customer_key,
    sum(reported_orders) as orders,
    {{ total('reported_spent') }} as spent
  from accounts
  where customer_key not in (select customer_key from too_late)
  group by customer_key

),

placed as (

  select
    customer_key,
    count(*) as orders,
    {{ total('total_amount') }} as paid,
    {{ total('refunded_amount') }} as refunded
  from {{ ref('int_orders_owned') }}
  where is_placed and customer_key in (select customer_key from reported)
  group by customer_key

),

compared as (

  select
    reported.orders,
    reported.spent,
    coalesce(placed.orders, 0) as placed_orders,
    coalesce(placed.paid, 0) as paid,
    coalesce(placed.paid - placed.refunded, 0) as kept
  from reported
  left join placed on placed.customer_key = reported.customer_key

)

select
  count(orders) as with_orders,
  count(*) filter (where placed_orders < orders) as with_fewer_orders,
  count(*) filter (where placed_orders > orders) as with_more_orders,
  count(spent) as with_spent,
  -- Platforms differ in whether they take refunds off; both are right. One percent is rounding and exchange.
  count(*) filter (where spent < 0.99 * kept or spent > 1.01 * paid) as with_other_spent
from compared
