-- Money of the valid orders that redeemed a campaign's code: one row per campaign in total, and one per place.
with redemptions as (

  -- An order with two codes of one campaign is one order.
  select distinct campaign_id, order_id
  from {{ ref('int_campaign_redemptions') }}
  where is_valid

),

orders as (

  select * from {{ ref('int_orders_owned') }}

),

numbers as (

  select * from {{ ref('int_order_numbers') }}

)

select
  redemptions.campaign_id,
  orders.ship_country,
  orders.ship_region,
  grouping(orders.ship_country) = 1 as is_total,
  count(distinct orders.customer_key) filter (where numbers.order_number = 1) as new_customers,
  {{ sales_measures() }}
from redemptions
inner join orders on orders.order_id = redemptions.order_id
left join numbers on numbers.order_id = redemptions.order_id
group by grouping sets ((redemptions.campaign_id), (redemptions.campaign_id, orders.ship_country, orders.ship_region))
