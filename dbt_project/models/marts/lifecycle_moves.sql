-- From which state to which customers moved over each month, first day to first day, and to the as-of date in the end.
-- Who was not known yet comes from `unknown`. Only customers with a change in a month are looked at one by one; the
-- others of a state's size stayed.
with periods as (

  select
    segment,
    customer_key,
    entered_on,
    lag(segment) over (partition by customer_key order by entered_on) as previous_segment
  from {{ ref('segment_periods') }}
  where segment in ({{ "'" ~ lifecycle_ids() | join("', '") ~ "'" }})

),

-- A change on the first of a month belongs to the month that ends with it.
changes as (

  select
    {{ first_of_month(add_days('entered_on', -1)) }} as since,
    customer_key,
    arg_min(coalesce(previous_segment, 'unknown'), entered_on) as from_segment,
    arg_max(segment, entered_on) as to_segment
  from periods
  group by {{ first_of_month(add_days('entered_on', -1)) }}, customer_key

),

moves as (

  select since, from_segment, to_segment, count(*) as customers
  from changes
  group by since, from_segment, to_segment

),

stays as (

  select
    sizes.day as since,
    sizes.segment as from_segment,
    sizes.segment as to_segment,
    sizes.members - coalesce(sum(moves.customers), 0) as customers
  from {{ ref('segment_sizes') }} as sizes
  left join moves on moves.since = sizes.day and moves.from_segment = sizes.segment
  where
    sizes.segment in ({{ "'" ~ lifecycle_ids() | join("', '") ~ "'" }})
    and sizes.day = {{ first_of_month('sizes.day') }}
    and sizes.day < {{ as_of_date() }}
  group by sizes.day, sizes.segment, sizes.members

),

all_moves as (

  select * from moves
  union all
  select * from stays

)

select
  since,
  least({{ next_month('since') }}, {{ as_of_date() }}) as until,
  from_segment,
  to_segment,
  cast(sum(customers) as bigint) as customers
from all_moves
group by since, from_segment, to_segment
having sum(customers) > 0
