-- Second pass of identity: components without any address are one person where they share a phone, and
-- are part of a component with an address when their phones lead to exactly one. Two components with
-- addresses are never joined by a phone.
with recursive sightings as (

  select * from {{ ref('int_identity_components') }}

),

phones as materialized (

  select distinct component, has_email, is_phone_only, phone
  from sightings
  where phone is not null

),

shared_phones as materialized (

  select phone
  from phones
  where not is_phone_only
  group by phone
  having count(*) > {{ whole_number_var('max_cluster') }}

),

personal_phones as materialized (

  select phones.*
  from phones
  anti join shared_phones on shared_phones.phone = phones.phone

),

without_email as materialized (

  select component, min(phone) as phone
  from personal_phones
  where not has_email
  group by component

),

links as materialized (

  select without_email.phone as a, personal_phones.phone as b
  from personal_phones
  inner join without_email on without_email.component = personal_phones.component
  where personal_phones.phone <> without_email.phone

),

{{ component_ctes('links') }},

clusters as (

  select distinct
    personal_phones.phone,
    coalesce(components.root, personal_phones.phone) as cluster
  from personal_phones
  left join components on components.node = personal_phones.phone
  where not personal_phones.has_email

),

claims as (

  select clusters.cluster, min(personal_phones.component) as component
  from clusters
  inner join personal_phones on personal_phones.phone = clusters.phone
  where personal_phones.has_email
  group by clusters.cluster
  having count(distinct personal_phones.component) = 1

),

people as (

  select
    without_email.component,
    coalesce(claims.component, 'cluster:' || clusters.cluster) as person
  from without_email
  inner join clusters on clusters.phone = without_email.phone
  left join claims on claims.cluster = clusters.cluster

)

select
  sightings.* exclude (phone, component, has_email),
  case when shared_phones.phone is null then sightings.phone end as phone,
  coalesce(people.person, sightings.component) as person
from sightings
left join shared_phones on shared_phones.phone = sightings.phone
left join people on people.component = sightings.component
where not (sightings.is_phone_only and shared_phones.phone is not null)
