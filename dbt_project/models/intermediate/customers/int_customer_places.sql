-- Where a customer is, over time: what the account says until an order is shipped, then each order's address until
-- another one. Addresses are taken as a whole.
with shipped as (

  select
    customer_key,
    ordered_on as since,
    arg_max({{ place_hash('ship_country', 'ship_region', 'ship_city') }}, (ordered_at, order_id)) as place
  from {{ ref('int_orders_owned') }}
  where
    customer_key is not null
    and is_valid
    and coalesce(ship_country, ship_region, ship_city, ship_postal_code) is not null
  group by customer_key, ordered_on

),

accounts as (

  select
    accounts.customer_key,
    customers.known_from as since,
    {{ place_hash('accounts.country', 'accounts.region', 'accounts.city') }} as place
  from {{ ref('int_customer_accounts') }} as accounts
  inner join {{ ref('int_customers') }} as customers on customers.customer_key = accounts.customer_key
  where coalesce(accounts.country, accounts.region, accounts.city, accounts.postal_code) is not null
  qualify row_number() over (partition by accounts.customer_key order by accounts.recency) = 1

),

-- On the day of the first order its address is the newer one.
known as (

  select * from shipped
  union all
  select accounts.* from accounts
  anti join shipped on shipped.customer_key = accounts.customer_key and shipped.since <= accounts.since

),

compared as (

  select
    *,
    lag(place) over (partition by customer_key order by since) as previous_place
  from known

)

select
  customer_key,
  place,
  since,
  lead(since) over (partition by customer_key order by since) as until
from compared
where previous_place is null or previous_place <> place
