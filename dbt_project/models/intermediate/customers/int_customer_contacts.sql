-- The one address and the one phone under which a customer is reached: what the most recently seen account
-- holds today, else what the latest order was placed with, else what was seen last anywhere.
with accounts as (

  select * from {{ ref('int_customer_accounts') }}

),

held as (

  select customer_key, id_type, id_value, max(last_seen_at) as last_seen_at
  from (
    select customer_key, 'email' as id_type, email as id_value, last_seen_at from accounts
    union all
    select customer_key, 'phone' as id_type, phone as id_value, last_seen_at from accounts
  ) as of_accounts
  group by customer_key, id_type, id_value

),

-- Only identifiers that survived the rules of identity: no relay address, no till's phone.
usable as (

  select
    identities.customer_key,
    identities.id_type,
    identities.id_value,
    case when held.id_value is not null then 1 when identities.last_ordered_at is not null then 2 else 3 end as choice,
    case when held.id_value is not null then held.last_seen_at else coalesce(identities.last_ordered_at, identities.last_seen_at) end as moment
  from {{ ref('int_customer_identities') }} as identities
  left join held
    on held.customer_key = identities.customer_key
    and held.id_type = identities.id_type
    and held.id_value = identities.id_value
  where identities.id_type in ('email', 'phone')

),

chosen as (

  select customer_key, id_type, id_value
  from usable
  qualify row_number() over (
    partition by customer_key, id_type order by choice, moment desc nulls last, id_value
  ) = 1

)

select
  customer_key,
  max(id_value) filter (where id_type = 'email') as email,
  max(id_value) filter (where id_type = 'phone') as phone
from chosen
group by customer_key
