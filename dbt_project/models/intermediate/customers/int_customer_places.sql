-- Where a customer is, over time: what the account says until an order is shipped, then each order's address until
-- the next one's. Addresses are taken as a whole.
with orders as (

  select customer_key, ordered_at, ordered_on, order_id, ship_country, ship_region, ship_city
  from {{ ref('int_orders_numbered') }}
  where
    customer_key is not null
    and is_valid
    and coalesce(ship_country, ship_region, ship_city, ship_postal_code) is not null

),

shipped as (

  select
    customer_key,
    ordered_on as since,
    {% for part in ['country', 'region', 'city'] -%}
    arg_max(lower(coalesce(ship_{{ part }}, '')), (ordered_at, order_id)) as {{ part }}{{ ',' if not loop.last }}
    {% endfor %}
  from orders
  group by customer_key, ordered_on

),

accounts as (

  select
    accounts.customer_key,
    customers.known_from as since,
    {% for part in ['country', 'region', 'city'] -%}
    lower(coalesce(accounts.{{ part }}, '')) as {{ part }}{{ ',' if not loop.last }}
    {% endfor %}
  from {{ ref('int_customer_accounts') }} as accounts
  inner join {{ ref('int_customers') }} as customers on customers.customer_key = accounts.customer_key
  where coalesce(accounts.country, accounts.region, accounts.city, accounts.postal_code) is not null
  qualify row_number() over (partition by accounts.customer_key order by accounts.recency) = 1

),

known as (

  select *, 1 as choice from shipped
  union all
  select *, 2 as choice from accounts

),

-- On the day of the first order its address is the newer one.
of_day as (

  select * exclude (choice)
  from known
  qualify row_number() over (partition by customer_key, since order by choice) = 1

)

select
  *,
  lead(since) over (partition by customer_key order by since) as until
from of_day
