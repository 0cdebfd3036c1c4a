-- One row per question about the source; `value` is a number, `detail` says what it means.
with orders as (

  select * from {{ ref('int_orders_owned') }}

),

order_facts as (

  select
    count(*) as orders,
    count(*) filter (where customer_key is null) as without_customer,
    count(*) filter (where ship_country is null) as without_country,
    count(*) filter (where discount_amount > 0 and not has_discount) as unexplained_discounts,
    min(ordered_on) as first_day
  from orders

),

-- What the platform counts for its accounts against the orders that were loaded: what is missing is missing here.
reported as (

  select customer_key, sum(reported_orders) as orders
  from {{ ref('int_customer_accounts') }}
  where reported_orders is not null
  group by customer_key

),

placed as (

  select customer_key, count(*) as orders
  from orders
  where is_placed and customer_key in (select customer_key from reported)
  group by customer_key

),

reconciled as (

  select
    count(*) as customers,
    count(*) filter (where coalesce(placed.orders, 0) < reported.orders) as with_fewer,
    count(*) filter (where coalesce(placed.orders, 0) > reported.orders) as with_more
  from reported
  left join placed on placed.customer_key = reported.customer_key

),

answers as (

  select 'orders' as check_name, cast(orders as double) as value, 'orders up to the as-of date' as detail from order_facts
  union all
  select 'orders_without_customer_share', without_customer / nullif(orders, 0), without_customer || ' orders have no identifier and are in no segment' from order_facts
  union all
  select 'orders_without_ship_country_share', without_country / nullif(orders, 0), without_country || ' orders have no shipping country' from order_facts
  union all
  select 'orders_with_unexplained_discount', unexplained_discounts, 'orders with a discount amount but no discount record' from order_facts
  union all
  select 'history_days', {{ days_between('first_day', as_of_date()) }} + 1, 'history starts on ' || first_day || '; who bought before is taken for new' from order_facts
  union all
  select 'orders_invalid', count(*), invalid_reason from orders where not is_valid group by invalid_reason
  union all
  select 'orders_in_currency', count(*), coalesce(currency, 'not given') from orders group by currency
  union all
  -- One that has no rate stops the build before.
  select 'orders_converted', count(*), currency from orders where currency <> {{ shop_currency() }} group by currency
  union all
  select 'discount_records_of_kind', count(*), coalesce(kind, 'not given') from {{ ref('stg_order_discounts') }} group by kind
  union all
  select 'refunds_without_order', count(*), 'refunds of orders that were not loaded'
  from {{ ref('stg_refunds') }} as refunds
  anti join {{ ref('stg_orders') }} as known_orders on known_orders.order_id = refunds.order_id
  union all
  select 'discount_records_without_order', count(*), 'discount records of orders that were not loaded'
  from {{ ref('stg_order_discounts') }} as order_discounts
  anti join {{ ref('stg_orders') }} as known_orders on known_orders.order_id = order_discounts.order_id
  union all
  select 'rejected_rows', count(*), table_name || ': ' || coalesce(reason, 'no reason given')
  from {{ ref('stg_rejected_rows') }} group by table_name, reason
  union all
  select 'customers_with_missing_orders_share', with_fewer / customers, with_fewer || ' of ' || customers || ' customers have fewer orders than the platform counts' from reconciled where customers > 0
  union all
  select 'customers_with_surplus_orders_share', with_more / customers, with_more || ' of ' || customers || ' customers have more orders than the platform counts' from reconciled where customers > 0
  union all
  select 'segment_unavailable', 1, segment || ': ' || reason
  from {{ ref('int_segment_availability') }} where not is_available

)

select
  check_name as "check",
  cast(value as decimal(18, 4)) as value,
  detail
from answers
