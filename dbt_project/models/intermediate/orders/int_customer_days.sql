{%- set by_day = enum_var('order_grain') == 'customer_day' -%}
{%- set recent_only = enum_var('frequency_window') == '365d' -%}
{%- set spend_tier_basis = enum_var('spend_tier_basis') -%}
-- One row per customer and day with an order that counts. Between two such days nothing about a customer
-- changes except the time that has passed, so every period follows from these rows and day thresholds.
with orders as (

  select * from {{ ref('int_orders_owned') }}
  where counts

),

days as (

  select
    customer_key,
    ordered_on,
    {{ '1' if by_day else 'count(*)' }} as orders_on_day,
    {{ total('net_amount') }} as net_amount,
    {{ 'cast(bool_or(has_code) as integer)' if by_day else 'count(*) filter (where has_code)' }} as code_orders_on_day,
    {{ total('net_amount') if by_day else 'arg_max(net_amount, (ordered_at, order_id))' }} as last_order_amount,
    {{ total('net_amount') if by_day else 'arg_min(net_amount, (ordered_at, order_id))' }} as first_order_amount,
    bool_or(has_code) as has_code,
    bool_or(has_discount) as has_discount,
    {{ 'bool_or(has_code)' if by_day else 'arg_min(has_code, (ordered_at, order_id))' }} as first_has_code
  from orders
  group by customer_key, ordered_on

),

sequenced as (

  select
    *,
    cast(sum(orders_on_day) over history as bigint) as lifetime_orders,
    cast(sum(code_orders_on_day) over history as bigint) as lifetime_code_orders,
    cast(sum(net_amount) over history as decimal(18, 4)) as lifetime_net_spend,
    cast(sum(orders_on_day) over counted_history as bigint) as orders,
    cast(sum(net_amount) over counted_history as decimal(18, 4)) as net_spend,
    lag(ordered_on) over history as previous_ordered_on,
    lag(last_order_amount) over history as previous_order_amount,
    lead(ordered_on) over history as next_ordered_on
  from days
  window
    history as (partition by customer_key order by ordered_on),
    counted_history as (
      partition by customer_key order by ordered_on
      {% if recent_only %}{{ frame_365_days() }}{% endif %}
    )

)

select
  * exclude (previous_order_amount),
  previous_ordered_on is null and first_has_code as is_first_order_with_code,
  lifetime_orders >= 2 and lifetime_code_orders = lifetime_orders as is_only_with_discount,
  -- Exact enough that 50.00 an order is 50 after any number of orders a person can place.
  {% if spend_tier_basis == 'last_order' -%}
  cast(last_order_amount as decimal(18, 6)) as spend_per_order,
  cast(previous_order_amount as decimal(18, 6)) as previous_spend_per_order,
  {%- else -%}
  cast(lifetime_net_spend / lifetime_orders as decimal(18, 6)) as spend_per_order,
  cast((lifetime_net_spend - net_amount) / nullif(lifetime_orders - orders_on_day, 0) as decimal(18, 6)) as previous_spend_per_order,
  {%- endif %}
  case
    when
      orders >= {{ whole_number_var('hvc_min_orders') }}
      {%- if var('hvc_min_spend') is not none %}
      and net_spend >= {{ number_var('hvc_min_spend') }}
      {%- endif %} then 'hvc'
    when orders >= 2 then 'multi'
    else 'single'
  end as tier
from sequenced
