-- The lifecycle of every known customer: before the first order non-buyer, then from each order day on
-- active, churning, lapsed, until the next order day. No customer is in two states or in none on any day.
with customers as (

  select * from {{ ref('int_customers') }}

),

order_days as (

  select * from {{ ref('int_customer_days') }}

),

states as (

  select tier, 'active' as state, 0 as starts_after, active_days + 1 as ends_after
  from {{ ref('int_lifecycle_thresholds') }}
  union all
  select tier, 'churning' as state, active_days + 1 as starts_after, lapse_days + 1 as ends_after
  from {{ ref('int_lifecycle_thresholds') }}
  union all
  select tier, 'lapsed' as state, lapse_days + 1 as starts_after, null as ends_after
  from {{ ref('int_lifecycle_thresholds') }}

),

buyers as (

  select
    states.state || '_' || states.tier as segment,
    order_days.customer_key,
    {{ add_days('order_days.ordered_on', 'states.starts_after') }} as entered_on,
    {{ earliest_day([add_days('order_days.ordered_on', 'states.ends_after'), 'order_days.next_ordered_on']) }} as exited_on
  from order_days
  inner join states
    on states.tier = order_days.tier
    and (order_days.next_ordered_on is null or {{ add_days('order_days.ordered_on', 'states.starts_after') }} < order_days.next_ordered_on)

),

non_buyers as (

  select
    'non_buyer' as segment,
    customers.customer_key,
    customers.known_from as entered_on,
    min(order_days.ordered_on) as exited_on
  from customers
  left join order_days on order_days.customer_key = customers.customer_key
  group by customers.customer_key, customers.known_from

)

select * from buyers
union all
select * from non_buyers
where exited_on is null or entered_on < exited_on
