-- Signs that customers live together: a phone they share, the family name at one postal code, or two spellings of one
-- mailbox. Each is a weak sign by itself; none of them makes two customers one.
with identities as (

  select * from {{ ref('int_customer_identities') }}

),

profiles as (

  select * from {{ ref('int_customer_profiles') }}

)

select distinct
  customer_key,
  'phone' as kind,
  'phone|' || id_value as sign
from identities
where id_type = 'phone'
union all
select distinct
  customer_key,
  'mailbox' as kind,
  'mailbox|' || {{ folded_email('id_value') }} as sign
from identities
where id_type = 'email'
union all
select
  customer_key,
  'household' as kind,
  'household|' || concat_ws('|', lower(last_name), upper(replace(postal_code, ' ', '')), upper(country)) as sign
from profiles
where last_name is not null and postal_code is not null
