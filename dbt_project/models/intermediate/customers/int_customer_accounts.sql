-- The platform's accounts with the customer each belongs to, the most recently seen account first.
with customers as (

  select * from {{ ref('stg_customers') }}
  where created_at is null or created_at < {{ end_of_as_of_date() }}

),

identities as (

  select * from {{ ref('int_customer_identities') }}

),

owned as (

  select
    customers.*,
    coalesce(by_email.customer_key, by_customer_id.customer_key, by_phone.customer_key) as customer_key,
    coalesce(by_customer_id.last_seen_at, customers.created_at) as last_seen_at
  from customers
  left join identities as by_email
    on by_email.id_type = 'email' and by_email.id_value = customers.email
  left join identities as by_customer_id
    on by_customer_id.id_type = 'customer_id' and by_customer_id.id_value = customers.customer_id
  left join identities as by_phone
    on by_phone.id_type = 'phone' and by_phone.id_value = customers.phone and by_phone.resolves_orders

)

select
  *,
  row_number() over (
    partition by customer_key order by last_seen_at desc nulls last, customer_id desc
  ) as recency
from owned
where customer_key is not null
