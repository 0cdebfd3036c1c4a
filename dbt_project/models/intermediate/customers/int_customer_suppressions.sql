-- Who must not be reached, by any identifier the customer ever had. A suppression without a known channel
-- and a request for erasure close all channels; what becomes known after the as-of date holds as well. Who asked
-- to be forgotten stays forgotten, also when the same address orders again.
with identities as (

  select
    customer_key,
    id_type,
    case when id_type = 'email' then {{ email_identity('id_value') }} else id_value end as id_value
  from {{ ref('int_customer_identities') }}

),

suppressions as (

  select * from {{ ref('stg_suppressions') }}

),

erasures as (

  select * from {{ ref('int_erasures_named') }}

),

blocked as (

  select 'email' as id_type, {{ email_identity('email') }} as id_value, channel, false as is_erasure from suppressions
  union all
  select 'phone' as id_type, phone as id_value, channel, false as is_erasure from suppressions
  union all
  select id_type, match_value as id_value, 'all' as channel, true as is_erasure from erasures
  union all
  -- Who was forgotten is so even when the request itself is gone.
  select id_type, id_value, 'all' as channel, true as is_erasure from identities
  where id_type = 'customer_id' and {{ is_pseudonym('id_value') }}

),

closed as (

  select
    id_type,
    id_value,
    case when channel in ('email', 'sms', 'ads') then channel else 'all' end as channel,
    is_erasure
  from blocked
  where id_value is not null

)

select
  identities.customer_key,
  bool_or(closed.channel in ('email', 'all')) as email_suppressed,
  bool_or(closed.channel in ('sms', 'all')) as sms_suppressed,
  bool_or(closed.channel in ('ads', 'all')) as ads_suppressed,
  bool_or(closed.is_erasure) as is_erased
from identities
inner join closed
  on closed.id_type = identities.id_type and closed.id_value = identities.id_value
group by identities.customer_key
