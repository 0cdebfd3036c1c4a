{{ config(meta={'dagster': {'ref': {'name': 'int_orders_known'}}}) }}
-- The load refuses orders in a currency without a rate. What comes past it (rates that were loaded alone, another
-- shop_currency than at the load) has amounts nobody can add up: load again, with exchange_rates or with the
-- shop_currency the amounts are in. (The number of orders is in `orders`.)
select orders.currency, count(*) as orders
from {{ ref('int_orders_known') }} as orders
left join {{ ref('stg_order_rates') }} as order_rates
  on order_rates.order_id = orders.order_id
where orders.currency <> {{ shop_currency() }} and order_rates.rate is null
group by orders.currency
