-- Started checkouts of known customers, with the day on which each was finished. A checkout of somebody who never
-- bought and has no account belongs to nobody we know.
with checkouts as (

  select * from {{ ref('stg_checkouts') }}
  where created_on <= {{ as_of_date() }}

),

identities as (

  select * from {{ ref('int_customer_identities') }}
  where resolves_orders

),

-- An order with the token finished the checkout, whoever placed it and whatever became of it since.
finished as (

  select checkout_token, min(ordered_on) as ordered_on
  from {{ ref('int_orders_known') }}
  where checkout_token in (select checkout_token from checkouts)
  group by checkout_token

)

select
  checkouts.checkout_token,
  coalesce(by_email.customer_key, by_customer_id.customer_key, by_phone.customer_key) as customer_key,
  checkouts.created_at,
  checkouts.updated_at,
  checkouts.total_amount,
  {{ earliest_day(['checkouts.completed_on', 'finished.ordered_on']) }} as completed_on
from checkouts
left join finished on finished.checkout_token = checkouts.checkout_token
left join identities as by_email
  on by_email.id_type = 'email' and by_email.id_value = checkouts.email
left join identities as by_customer_id
  on by_customer_id.id_type = 'customer_id' and by_customer_id.id_value = checkouts.customer_id
left join identities as by_phone
  on by_phone.id_type = 'phone' and by_phone.id_value = checkouts.phone
where coalesce(by_email.customer_key, by_customer_id.customer_key, by_phone.customer_key) is not null
