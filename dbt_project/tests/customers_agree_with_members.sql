{{ config(meta={'dagster': {'ref': {'name': 'customers'}}}) }}
-- A customer's own columns and the segment tables are computed on different ways and must say the same.
with customers as (

  select * from {{ ref('customers') }}

),

members as (

  select * from {{ ref('segment_members') }}

),

said_by_customers as (

  select customer_key, lifecycle as segment from customers
  union all
  select customer_key, 'ever_used_discount_code' from customers where ever_used_discount_code
  union all
  select customer_key, discount_behavior from customers where discount_behavior in ('other_discount_only', 'full_price_only')

),

said_by_members as (

  select customer_key, segment
  from members
  where
    segment in ({{ "'" ~ lifecycle_ids() | join("', '") ~ "'" }})
    or segment in ('ever_used_discount_code', 'other_discount_only', 'full_price_only')

)

-- Counted up by the one and down by the other.
select customer_key, segment
from (
  select customer_key, segment, 1 as said from said_by_customers
  union all
  select customer_key, segment, -1 as said from said_by_members
) as both_sides
group by customer_key, segment
having sum(said) <> 0
