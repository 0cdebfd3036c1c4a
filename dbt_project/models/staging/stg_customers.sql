with customers as (

  select * from {{ source('raw', 'customers') }}

),

phone_numbers as (

  select * from {{ source('raw', 'phone_numbers') }}

)

select
  trim(customers.customer_id) as customer_id,
  {{ normalise_email('customers.email') }} as email,
  phone_numbers.e164 as phone,
  {{ clean_text('customers.first_name') }} as first_name,
  {{ clean_text('customers.last_name') }} as last_name,
  customers.created_at,
  {{ shop_date('customers.created_at') }} as created_on,
  nullif(trim(customers.country), '') as country,
  nullif(trim(customers.region), '') as region,
  nullif(trim(customers.city), '') as city,
  nullif(trim(customers.postal_code), '') as postal_code,
  lower(nullif(trim(customers.email_consent), '')) as email_consent,
  customers.email_consent_at,
  lower(nullif(trim(customers.sms_consent), '')) as sms_consent,
  customers.sms_consent_at,
  customers.tags,
  customers.reported_orders,
  customers.reported_spent
from customers
left join phone_numbers
  on phone_numbers.phone = customers.phone
