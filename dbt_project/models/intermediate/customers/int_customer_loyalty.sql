-- Who is or was in the loyalty programme, by the list of members or by a tag of the account.
with members as (

  select * from {{ ref('stg_loyalty_members') }}

),

accounts as (

  select * from {{ ref('int_customer_accounts') }}

),

customers as (

  select * from {{ ref('int_customers') }}

),

identities as (

  select customer_key, id_value as customer_id
  from {{ ref('int_customer_identities') }}
  where id_type = 'customer_id'

),

memberships as (

  select
    identities.customer_key,
    members.tier,
    members.points,
    members.joined_on,
    members.left_on,
    -- A status that ended without a date says nothing about when, so there is no membership to speak of.
    coalesce(members.status in ({{ list_var('loyalty_active_statuses') }}), members.left_on is null) as is_active
  from members
  inner join identities on identities.customer_id = members.customer_id
  union all
  select
    customer_key,
    null as tier,
    null as points,
    null as joined_on,
    null as left_on,
    true as is_active
  from accounts
  where {{ has_any_tag('tags', 'loyalty_tags') }}

)

select
  memberships.customer_key,
  memberships.tier,
  memberships.points,
  greatest(memberships.joined_on, customers.known_from) as joined_on,
  memberships.left_on
from memberships
inner join customers on customers.customer_key = memberships.customer_key
where memberships.is_active or memberships.left_on is not null
