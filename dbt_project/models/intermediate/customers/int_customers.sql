-- Known customers and the day since which each is known.
with identities as (

  select distinct customer_key from {{ ref('int_customer_identities') }}

),

accounts as (

  select customer_key, min(created_on) as created_on
  from {{ ref('int_customer_accounts') }}
  group by customer_key

),

orders as (

  -- Orders of any validity: who only cancelled is known, as a non-buyer.
  select customer_key, min(ordered_on) as ordered_on
  from {{ ref('int_orders_owned') }}
  where customer_key is not null
  group by customer_key

),

history as (

  select coalesce(min(ordered_on), {{ as_of_date() }}) as starts_on
  from {{ ref('int_orders_known') }}

)

select
  identities.customer_key,
  coalesce(
    least(
      coalesce(accounts.created_on, orders.ordered_on),
      coalesce(orders.ordered_on, accounts.created_on)
    ),
    history.starts_on
  ) as known_from
from identities
left join accounts on accounts.customer_key = identities.customer_key
left join orders on orders.customer_key = identities.customer_key
cross join history
