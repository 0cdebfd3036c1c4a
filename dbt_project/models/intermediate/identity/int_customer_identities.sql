-- Every identifier of every known customer, and the customer's key. The key is made of the identifier
-- that was seen first: a customer who is merged with a newer one, or gains an address, keeps it.
with sightings as (

  select * from {{ ref('int_identity_people') }}

),

known_people as (

  -- A started checkout is evidence of who belongs together, but makes nobody a customer.
  select distinct person
  from sightings
  where source in ('customer', 'order')

),

identifiers as (

  select *, 'email' as id_type, email as id_value, 1 as precedence from sightings where email is not null
  union all
  select *, 'phone' as id_type, phone as id_value, 2 as precedence from sightings where phone is not null
  union all
  select *, 'customer_id' as id_type, customer_id as id_value, 3 as precedence from sightings where customer_id is not null

),

per_person as (

  select
    identifiers.person,
    identifiers.id_type,
    identifiers.id_value,
    identifiers.precedence,
    min(identifiers.first_seen_at) as first_seen_at,
    max(identifiers.last_seen_at) as last_seen_at,
    max(identifiers.last_seen_at) filter (where identifiers.source = 'order') as last_ordered_at,
    -- A phone may belong to several people; an order that has nothing else goes to the one found for it.
    identifiers.id_type <> 'phone' or bool_or(identifiers.is_phone_only) as resolves_orders
  from identifiers
  inner join known_people on known_people.person = identifiers.person
  group by identifiers.person, identifiers.id_type, identifiers.id_value, identifiers.precedence

),

key_candidates as (

  -- A shared phone can name only the person who had it first, or two people would have one key.
  select
    *,
    row_number() over (partition by id_type, id_value order by first_seen_at, person) = 1 as is_own
  from per_person

),

first_identifiers as (

  select
    person,
    arg_min(struct_pack(id_type := id_type, id_value := id_value), (first_seen_at, precedence, id_value)) filter (where is_own) as own,
    min(case when not is_own then {{ customer_key("'shared_phone'", 'id_value') }} end) as shared_key
  from key_candidates
  group by person

),

keys as (

  select
    person,
    coalesce({{ customer_key('own.id_type', 'own.id_value') }}, shared_key) as customer_key
  from first_identifiers

)

select
  keys.customer_key,
  per_person.id_type,
  per_person.id_value,
  per_person.first_seen_at,
  per_person.last_seen_at,
  per_person.last_ordered_at,
  per_person.resolves_orders
from per_person
inner join keys on keys.person = per_person.person
