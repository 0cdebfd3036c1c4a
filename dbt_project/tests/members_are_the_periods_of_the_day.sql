{{ config(meta={'dagster': {'ref': {'name': 'segment_members'}}}) }}
with periods as (

  select segment, customer_key, entered_on
  from {{ ref('segment_periods') }}
  where entered_on <= {{ as_of_date() }} and (exited_on is null or exited_on > {{ as_of_date() }})

),

members as (

  select segment, customer_key, entered_on
  from {{ ref('segment_members') }}

)

(select * from periods except all select * from members)
union all
(select * from members except all select * from periods)
