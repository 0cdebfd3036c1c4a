{{ config(meta={'dagster': {'ref': {'name': 'segment_sizes'}}}) }}
-- Every day continues the one before, none is missing, and the last one is what segment_members says.
with sizes as (

  select
    *,
    lag(members, 1, 0) over (partition by segment order by day) as members_before,
    lag(day) over (partition by segment order by day) as day_before
  from {{ ref('segment_sizes') }}

),

members as (

  select segment, count(*) as members
  from {{ ref('segment_members') }}
  group by segment

)

select sizes.segment, sizes.day, sizes.members
from sizes
left join members on members.segment = sizes.segment
where
  sizes.members <> sizes.members_before + sizes.entered - sizes.exited
  or sizes.members < 0
  or {{ days_between('sizes.day_before', 'sizes.day') }} <> 1
  or (sizes.day = {{ as_of_date() }} and sizes.members <> coalesce(members.members, 0))
