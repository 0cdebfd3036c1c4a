{%- set days = whole_number_var('new_contact_days') if var('new_contact_days') is not none else 'null' %}
with contacts as (

  select customer_key
  from {{ ref('int_customer_contacts') }}
  where coalesce(email, phone) is not null

),

non_buyers as (

  select * from {{ ref('int_lifecycle_periods') }}
  where segment = 'non_buyer'

)

select
  non_buyers.customer_key,
  non_buyers.entered_on,
  {{ earliest_day(['non_buyers.exited_on', add_days('non_buyers.entered_on', days)]) }} as exited_on
from non_buyers
semi join contacts on contacts.customer_key = non_buyers.customer_key
