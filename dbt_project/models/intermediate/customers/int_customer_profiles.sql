-- Names and home address from the platform's accounts: each taken as a whole from the most recently seen
-- account that has one, so that no half of one address meets half of another.
with accounts as (

  select * from {{ ref('int_customer_accounts') }}

),

names as (

  select customer_key, first_name, last_name
  from accounts
  where coalesce(first_name, last_name) is not null
  qualify row_number() over (partition by customer_key order by recency) = 1

),

addresses as (

  select customer_key, country, region, city, postal_code
  from accounts
  where coalesce(country, region, city, postal_code) is not null
  qualify row_number() over (partition by customer_key order by recency) = 1

),

sales as (

  select * from {{ ref('int_customer_sales') }}

),

customers as (

  select * from {{ ref('int_customers') }}

)

-- Where the last valid order was shipped to is newer than what an account says.
select
  customers.customer_key,
  names.first_name,
  names.last_name,
  {% for part in ['country', 'region', 'city', 'postal_code'] -%}
  case when sales.has_ship_address then sales.ship_{{ part }} else addresses.{{ part }} end as {{ part }}{{ ',' if not loop.last }}
  {% endfor %}
from customers
left join names on names.customer_key = customers.customer_key
left join addresses on addresses.customer_key = customers.customer_key
left join sales on sales.customer_key = customers.customer_key
