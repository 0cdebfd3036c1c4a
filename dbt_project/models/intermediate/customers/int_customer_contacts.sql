-- The one address and the one phone under which a customer is reached: what the most recently seen account
-- holds today, else what the latest order was placed with, else what was seen last anywhere.
with accounts as (

  select * from {{ ref('int_customer_accounts') }}

),

identities as (

  select * from {{ ref('int_customer_identities') }}
  where id_type in ('email', 'phone')

),

candidates as (

  select customer_key, 'email' as id_type, email as id_value, 1 as choice, last_seen_at from accounts
  union all
  select customer_key, 'phone' as id_type, phone as id_value, 1 as choice, last_seen_at from accounts
  union all
  select customer_key, id_type, id_value, 2 as choice, last_ordered_at as last_seen_at from identities
  where last_ordered_at is not null
  union all
  select customer_key, id_type, id_value, 3 as choice, last_seen_at from identities

),

-- Only identifiers that survived the rules of identity: no relay address, no till's phone.
usable as (

  select candidates.*
  from candidates
  semi join identities
    on identities.customer_key = candidates.customer_key
    and identities.id_type = candidates.id_type
    and identities.id_value = candidates.id_value

),

chosen as (

  select customer_key, id_type, id_value
  from usable
  qualify row_number() over (
    partition by customer_key, id_type order by choice, last_seen_at desc nulls last, id_value
  ) = 1

)

select
  customer_key,
  max(id_value) filter (where id_type = 'email') as email,
  max(id_value) filter (where id_type = 'phone') as phone
from chosen
group by customer_key
