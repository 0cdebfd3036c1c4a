-- Every place an order was shipped to or an account names: a few thousand rows that rules are matched with once.
with named as (

  select distinct ship_country as country, ship_region as region, ship_city as city
  from {{ ref('int_orders_owned') }}
  union
  select distinct country, region, city
  from {{ ref('int_customer_accounts') }}

)

select distinct
  {{ place_hash('country', 'region', 'city') }} as place,
  lower(country) as country,
  lower(region) as region,
  lower(city) as city
from named
