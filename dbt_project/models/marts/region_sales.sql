-- Where the shop sells how, at which price, and which brand: a row per country, and one per region of it.
with orders as (

  select * from {{ ref('int_orders_owned') }}
  where is_valid

),

sales as (

  select
    ship_country,
    ship_region,
    grouping(ship_region) = 1 as is_country,
    {{ sales_measures() }}
  from orders
  group by grouping sets ((ship_country), (ship_country, ship_region))

),

lines as (

  select
    bought.ship_country,
    bought.ship_region,
    bought.unit_price,
    bought.kept_amount,
    products.vendor
  from {{ ref('int_lines_bought') }} as bought
  inner join {{ ref('int_products') }} as products on products.product = bought.product
  where bought.kept_quantity > 0

),

prices as (

  select
    ship_country,
    ship_region,
    grouping(ship_region) = 1 as is_country,
    quantile_cont(unit_price, [0.25, 0.5, 0.75]) as quartiles
  from lines
  group by grouping sets ((ship_country), (ship_country, ship_region))

),

brands as (

  select
    ship_country,
    ship_region,
    grouping(ship_region) = 1 as is_country,
    vendor,
    {{ total('kept_amount') }} as amount
  from lines
  where vendor is not null
  group by grouping sets ((ship_country, vendor), (ship_country, ship_region, vendor))

),

favourites as (

  select
    ship_country,
    ship_region,
    is_country,
    vendor as preferred_brand,
    amount / nullif(sum(amount) over place, 0) as brand_share
  from brands
  window place as (partition by ship_country, ship_region, is_country)
  qualify row_number() over (partition by ship_country, ship_region, is_country order by amount desc, vendor) = 1

)

select
  sales.ship_country as country,
  sales.ship_region as region,
  case when sales.is_country then 'country' else 'region' end as level,
  sales.orders,
  sales.customers,
  {{ money('sales.gmv') }} as gmv,
  {{ money('sales.discount_amount') }} as discount_amount,
  {{ money('sales.net_sales') }} as net_sales,
  {{ money('sales.average_order_value') }} as average_order_value,
  {{ money('sales.margin') }} as margin,
  sales.margin_basis,
  {{ money('prices.quartiles[1]') }} as price_lower_quartile,
  {{ money('prices.quartiles[2]') }} as price_median,
  {{ money('prices.quartiles[3]') }} as price_upper_quartile,
  favourites.preferred_brand,
  cast(favourites.brand_share as decimal(18, 4)) as brand_share
from sales
left join prices
  on prices.ship_country is not distinct from sales.ship_country
  and prices.ship_region is not distinct from sales.ship_region
  and prices.is_country = sales.is_country
left join favourites
  on favourites.ship_country is not distinct from sales.ship_country
  and favourites.ship_region is not distinct from sales.ship_region
  and favourites.is_country = sales.is_country
