{{ config(meta={'dagster': {'ref': {'name': 'segment_periods'}}}) }}
-- Lifecycle periods of a customer follow one another without gap or overlap from known_from to the as-of date.
with periods as (

  select
    customer_key,
    entered_on,
    exited_on,
    row_number() over (partition by customer_key order by entered_on) as position,
    lead(entered_on) over (partition by customer_key order by entered_on) as next_entered_on
  from {{ ref('segment_periods') }}
  where segment in ({{ "'" ~ lifecycle_ids() | join("', '") ~ "'" }})

)

select customers.customer_key, periods.entered_on, periods.exited_on, periods.next_entered_on
from {{ ref('customers') }} as customers
left join periods on periods.customer_key = customers.customer_key
where
  periods.customer_key is null
  or (periods.position = 1 and periods.entered_on <> customers.known_from)
  or periods.exited_on is distinct from periods.next_entered_on
