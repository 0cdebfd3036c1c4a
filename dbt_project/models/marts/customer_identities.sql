{{ config(materialized='view') }}
with identities as (

  select * from {{ ref('int_customer_identities') }}

),

erased as (

  select customer_key
  from {{ ref('int_customer_suppressions') }}
  where is_erased

)

select
  identities.customer_key,
  identities.id_type,
  identities.id_value
from identities
anti join erased on erased.customer_key = identities.customer_key
