{{ config(materialized='view') }}
-- Every rule starts here: nothing after the as-of date exists behind this model. Not stored, because writing all
-- columns of all orders takes longer than the few models that read them here take to work them out.
with orders as (

  select * from {{ ref('stg_orders') }}

)

select *
from orders
where ordered_at < {{ end_of_as_of_date() }}
