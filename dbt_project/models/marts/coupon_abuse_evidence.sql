{{ config(materialized='view') }}
select
  customer_key,
  flag,
  cast(weight as integer) as weight,
  entered_on as raised_on,
  detail
from {{ ref('int_abuse_flags') }}
where entered_on <= {{ as_of_date() }} and (exited_on is null or exited_on > {{ as_of_date() }})
