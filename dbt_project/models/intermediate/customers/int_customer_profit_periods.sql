-- What the shop earned with a customer, up to and with each day of a valid order: enough, too little or unknown. One row
-- for as long as the answer stays the same.
with orders as (

  select * from {{ ref('int_orders_owned') }}
  where customer_key is not null and is_valid

),

days as (

  select
    customer_key,
    ordered_on,
    coalesce({{ total('contribution') }}, 0) as contribution,
    -- One order with an unknown cost makes the sum unknown.
    count(*) filter (where contribution is null) as unknown_orders
  from orders
  group by customer_key, ordered_on

),

sums as (

  select
    *,
    sum(contribution) over history as earned,
    sum(unknown_orders) over history as unknown,
    lag(ordered_on) over history is null as is_first_day
  from days
  window history as (partition by customer_key order by ordered_on)

),

answers as (

  select
    customer_key,
    ordered_on,
    is_first_day,
    case when unknown = 0 then earned >= {{ signed_number_var('profit_threshold') }} end as is_profitable,
    case when unknown = unknown_orders then earned - contribution >= {{ signed_number_var('profit_threshold') }} end as was_profitable
  from sums

)

select
  customer_key,
  ordered_on as entered_on,
  lead(ordered_on) over (partition by customer_key order by ordered_on) as exited_on,
  is_profitable
from answers
where is_first_day or is_profitable is distinct from was_profitable
