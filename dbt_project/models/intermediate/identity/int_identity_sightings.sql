-- Where and when a combination of account, address and phone was seen. Identifiers that belong to no
-- single person are blanked here, so that they join nobody further on.
with customers as (

  select * from {{ ref('stg_customers') }}
  where created_at is null or created_at < {{ end_of_as_of_date() }}

),

orders as (

  select * from {{ ref('int_orders_known') }}

),

checkouts as (

  select * from {{ ref('stg_checkouts') }}
  where created_at < {{ end_of_as_of_date() }}

),

seen as (

  select
    'customer' as source, customer_id, email, phone,
    -- An account without a date has always been there.
    coalesce(created_at, {{ beginning_of_time() }}) as seen_at
  from customers
  union all
  select 'order' as source, customer_id, email, phone, ordered_at as seen_at from orders
  union all
  select 'checkout' as source, customer_id, email, phone, created_at as seen_at from checkouts

),

combinations as (

  select
    source,
    customer_id,
    case when not {{ is_denied_email('email') }} then email end as email,
    phone,
    min(seen_at) as first_seen_at,
    max(seen_at) as last_seen_at
  from seen
  group by source, customer_id, email, phone

),

mailboxes as (

  select
    *,
    {{ email_identity('email') }} as mailbox
  from combinations

),

shared_accounts as (

  select customer_id
  from mailboxes
  where customer_id is not null
  group by customer_id
  having count(distinct mailbox) > {{ whole_number_var('max_cluster') }}

)

select
  mailboxes.source,
  case when shared_accounts.customer_id is null then mailboxes.customer_id end as customer_id,
  mailboxes.email,
  mailboxes.mailbox,
  mailboxes.phone,
  mailboxes.first_seen_at,
  mailboxes.last_seen_at
from mailboxes
left join shared_accounts on shared_accounts.customer_id = mailboxes.customer_id
where
  mailboxes.mailbox is not null
  or mailboxes.phone is not null
  or (mailboxes.customer_id is not null and shared_accounts.customer_id is null)
