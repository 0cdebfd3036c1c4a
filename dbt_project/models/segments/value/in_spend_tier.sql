with order_days as (

  select * from {{ ref('int_customer_days') }}

),

tiers as (

  select segment, starts_at, next_starts_at from {{ ref('int_spend_tiers') }}
  union all
  -- Below the lowest is no tier, but whoever falls to there leaves one.
  select null, null, min(starts_at) from {{ ref('int_spend_tiers') }}

),

-- The days on which a customer came from another tier.
moves as (

  select
    order_days.customer_key,
    order_days.ordered_on,
    tiers.segment
  from order_days
  inner join tiers
    on (tiers.starts_at is null or order_days.spend_per_order >= tiers.starts_at)
    and (tiers.next_starts_at is null or order_days.spend_per_order < tiers.next_starts_at)
  where
    order_days.previous_spend_per_order is null
    or order_days.previous_spend_per_order < tiers.starts_at
    or order_days.previous_spend_per_order >= tiers.next_starts_at

),

stays as (

  select
    segment,
    customer_key,
    ordered_on as entered_on,
    lead(ordered_on) over (partition by customer_key order by ordered_on) as exited_on
  from moves

)

select segment, customer_key, entered_on, exited_on
from stays
where segment is not null
