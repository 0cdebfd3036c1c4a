{{ config(materialized='table') }}
-- One row per order in another currency than the shop's: stored, so that the amounts of all the others are joined with
-- what is nothing in most shops. Worked out once a currency and day, because a rate a day for years is many rates.
with orders as (

  select
    order_id,
    upper(trim(currency)) as currency,
    {{ shop_date('ordered_at') }} as ordered_on
  from {{ source('raw', 'orders') }}
  where currency <> {{ shop_currency() }} and upper(trim(currency)) not in ('', {{ shop_currency() }})

),

rates as (

  select
    currency,
    rate,
    valid_from,
    lead(valid_from) over (partition by currency order by valid_from nulls first) as next_from
  from {{ source('raw', 'exchange_rates') }}

),

days as (

  select distinct currency, ordered_on
  from orders

),

day_rates as (

  select
    days.currency,
    days.ordered_on,
    rates.rate
  from days
  inner join rates
    on rates.currency = days.currency
    and (rates.valid_from is null or rates.valid_from <= days.ordered_on)
    and (rates.next_from is null or rates.next_from > days.ordered_on)

)

select
  orders.order_id,
  orders.currency,
  orders.ordered_on,
  day_rates.rate
from orders
left join day_rates
  on day_rates.currency = orders.currency
  and day_rates.ordered_on = orders.ordered_on
