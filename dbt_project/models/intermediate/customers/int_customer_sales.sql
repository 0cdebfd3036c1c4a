-- What a customer bought. Counts and dates are over the orders that count, money is over all valid orders;
-- the two differ only for subscription renewals when recurring_orders is not `count`.
{%- set by_day = enum_var('order_grain') == 'customer_day' %}
with orders as (

  select * from {{ ref('int_orders_owned') }}
  where customer_key is not null and is_valid

),

order_days as (

  select * from {{ ref('int_customer_days') }}

),

latest_addresses as (

  select customer_key, {{ unpacked('latest') }}
  from (
    select
      customer_key,
      arg_max({{ packed(['ship_country', 'ship_region', 'ship_city', 'ship_postal_code']) }}, (ordered_at, order_id)) as latest
    from orders
    where coalesce(ship_country, ship_region, ship_city, ship_postal_code) is not null
    group by customer_key
  ) as of_customer

),

money as (

  select
    customer_key,
    {{ total('gross_amount') }} as gross_sales,
    {{ total('net_amount') }} as net_sales,
    {{ total('discount_amount') }} as discount_amount,
    {{ total('refunded_amount') }} as refunded_amount,
    {{ 'count(distinct ordered_on)' if by_day else 'count(*)' }} as paid_orders,
    arg_max(first_code, (ordered_at, order_id)) filter (where first_code is not null) as last_code,
    {{ 'count(distinct ordered_on)' if by_day else 'count(*)' }} filter (where counts and has_code) as code_order_count,
    coalesce(bool_or(counts and has_discount), false) as has_discount,
    bool_or(is_recurring) as is_subscriber,
    max(highest_unit_price) as highest_unit_price,
    arg_max(main_category, (ordered_at, order_id)) filter (where main_category is not null) as last_category,
    -- One order with an unknown cost makes the sum unknown.
    case when count(contribution) = count(*) then {{ total('contribution') }} end as contribution,
    -- Rounded before it is summed: floating-point sums depend on the order of rows, and all known is exactly 1.
    {{ total('cast(net_amount * costed_share as decimal(18, 4))') }} / nullif({{ total('net_amount') }}, 0) as cost_coverage
  from orders
  group by customer_key

),

frequency as (

  select
    customer_key,
    min(ordered_on) as first_order_on,
    min(ordered_on) filter (where lifetime_orders >= 2) as second_order_on,
    max(ordered_on) as last_order_on,
    max(lifetime_orders) as order_count
  from order_days
  group by customer_key

)

select
  money.*,
  frequency.* exclude (customer_key),
  latest_addresses.* exclude (customer_key),
  latest_addresses.customer_key is not null as has_ship_address
from money
left join frequency on frequency.customer_key = money.customer_key
left join latest_addresses on latest_addresses.customer_key = money.customer_key
