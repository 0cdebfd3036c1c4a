-- Everything by which people who asked to be forgotten were ever known: what vendors are told to erase. Of a
-- person who was forgotten everywhere nothing is left to list, because the loader lets nothing of them in.
with named as (

  select *
  from {{ ref('int_erasures_named') }}
  where not (id_type = 'customer_id' and {{ is_pseudonym('id_value') }})

),

identities as (

  select
    customer_key,
    id_type,
    id_value,
    case when id_type = 'email' then {{ email_identity('id_value') }} else id_value end as match_value
  from {{ ref('int_customer_identities') }}
  where not (id_type = 'customer_id' and {{ is_pseudonym('id_value') }})

),

matches as (

  select named.request, named.requested_on, identities.customer_key
  from identities
  inner join named
    on named.id_type = identities.id_type and named.match_value = identities.match_value

),

people as (

  select customer_key, min(requested_on) as requested_on
  from matches
  group by customer_key

),

-- Households share phones: what somebody who asked for nothing is known by as well is not to be erased.
of_others as (

  select distinct id_type, id_value
  from identities
  anti join people on people.customer_key = identities.customer_key
  where id_type = 'phone'

),

of_people as (

  select people.customer_key, people.requested_on, identities.id_type, identities.id_value
  from identities
  inner join people on people.customer_key = identities.customer_key
  anti join of_others
    on of_others.id_type = identities.id_type and of_others.id_value = identities.id_value

),

-- An account or a phone of a customer or an order that still identifies nobody is a till's or an office's.
of_many as (

  select 'customer_id' as id_type, customer_id as id_value from {{ ref('stg_customers') }}
  union all
  select 'phone' as id_type, phone as id_value from {{ ref('stg_customers') }}
  union all
  select 'customer_id' as id_type, customer_id as id_value from {{ ref('int_orders_known') }}
  union all
  select 'phone' as id_type, phone as id_value from {{ ref('int_orders_known') }}

),

of_nobody as (

  select named.*
  from named
  anti join identities
    on identities.id_type = named.id_type and identities.id_value = named.id_value
  anti join of_many
    on of_many.id_type = named.id_type and of_many.id_value = named.id_value
  where not (named.id_type = 'email' and {{ is_denied_email('named.id_value') }})

),

-- A vendor may know what the shop does not: it is erased with the person the same request names.
requests as (

  select
    of_nobody.request,
    coalesce(
      min(matches.customer_key),
      min({{ customer_key('of_nobody.id_type', 'of_nobody.match_value') }})
    ) as customer_key
  from of_nobody
  left join matches on matches.request = of_nobody.request
  group by of_nobody.request

),

listed as (

  select * from of_people
  union all
  select requests.customer_key, of_nobody.requested_on, of_nobody.id_type, of_nobody.id_value
  from of_nobody
  inner join requests on requests.request = of_nobody.request

)

select
  customer_key,
  min(requested_on) as requested_on,
  id_type,
  id_value
from listed
group by customer_key, id_type, id_value
