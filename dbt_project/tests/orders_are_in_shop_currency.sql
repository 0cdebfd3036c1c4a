{{ config(meta={'dagster': {'ref': {'name': 'int_orders_known'}}}) }}
-- Sums and spend thresholds over several currencies mean nothing: convert the amounts before the load, or
-- set shop_currency to the currency the amounts are in. (The number of orders is in `orders`.)
select currency, count(*) as orders
from {{ ref('int_orders_known') }}
where currency <> '{{ var("shop_currency") | upper }}'
group by currency
