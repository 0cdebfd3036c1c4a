-- Stored once, because every rule starts here: nothing after the as-of date exists behind this model.
with orders as (

  select * from {{ ref('stg_orders') }}

)

select *
from orders
where ordered_on <= {{ as_of_date() }}
