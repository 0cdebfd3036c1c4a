{{ config(meta={'dagster': {'ref': {'name': 'orders'}}}) }}
-- Joining discounts, lines, refunds and identities must neither lose nor repeat an order or its money.
with source_orders as (

  select count(*) as orders, sum(total_amount) as total_amount
  from {{ ref('stg_orders') }}
  where ordered_on <= {{ as_of_date() }}

),

published_orders as (

  select
    count(*) as orders,
    sum(total_amount) as total_amount,
    sum(net_amount) filter (where is_valid and customer_key is not null) as net_sales
  from {{ ref('int_orders_owned') }}

),

published_customers as (

  select sum(net_sales) as net_sales
  from {{ ref('int_customer_sales') }}

),

published_identities as (

  select count(*) as identities, count(distinct (id_type, id_value)) as distinct_identities
  from {{ ref('int_customer_identities') }}
  where id_type <> 'phone'

),

order_rows as (

  select count(*) as orders from {{ ref('orders') }}

)

select *
from source_orders
cross join published_orders
cross join published_customers
cross join published_identities
cross join order_rows
where
  source_orders.orders <> published_orders.orders
  or source_orders.orders <> order_rows.orders
  or source_orders.total_amount is distinct from published_orders.total_amount
  or published_orders.net_sales is distinct from published_customers.net_sales
  or published_identities.identities <> published_identities.distinct_identities
