-- First pass of identity: account ids and addresses that were seen together, over any number of steps, are
-- one component. Phones do not take part, because households share them.
with recursive sightings as (

  select * from {{ ref('int_identity_sightings') }}

),

pairs as materialized (

  select distinct customer_id, mailbox
  from sightings
  where customer_id is not null and mailbox is not null

),

accounts as materialized (

  select customer_id, min(mailbox) as mailbox
  from pairs
  group by customer_id

),

-- A guest has one address and many account ids: only accounts with several addresses link anything.
links as materialized (

  select accounts.mailbox as a, pairs.mailbox as b
  from pairs
  inner join accounts on accounts.customer_id = pairs.customer_id
  where pairs.mailbox <> accounts.mailbox

),

{{ component_ctes('links') }},

anchored as (

  select
    sightings.*,
    coalesce(sightings.mailbox, accounts.mailbox) as anchor
  from sightings
  left join accounts on accounts.customer_id = sightings.customer_id

)

select
  anchored.* exclude (anchor),
  anchored.anchor is not null as has_email,
  anchored.anchor is null and anchored.customer_id is null as is_phone_only,
  case
    when anchored.anchor is not null then 'email:' || coalesce(components.root, anchored.anchor)
    when anchored.customer_id is not null then 'customer_id:' || anchored.customer_id
    else 'phone:' || anchored.phone
  end as component
from anchored
left join components on components.node = anchored.anchor
