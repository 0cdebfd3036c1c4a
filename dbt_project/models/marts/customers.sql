with customers as (

  select * from {{ ref('int_customers') }}

),

suppressions as (select * from {{ ref('int_customer_suppressions') }}),

erased as (select customer_key from suppressions where is_erased),

-- Someone who asked to be forgotten is left as a number in the statistics, without anything personal.
accounts as (

  select
    customer_key,
    {{ sorted_list('id_value', "id_type = 'customer_id'") }} as customer_ids
  from {{ ref('customer_identities') }}
  group by customer_key

),

contacts as (select * from {{ ref('int_customer_contacts') }} anti join erased using (customer_key)),

profiles as (select * from {{ ref('int_customer_profiles') }} anti join erased using (customer_key)),

consents as (select * from {{ ref('int_customer_consents') }} anti join erased using (customer_key)),

sales as (select * from {{ ref('int_customer_sales') }}),

today as (select * from {{ ref('int_customer_today') }}),

traits as (select * from {{ ref('int_customer_traits') }}),

discounts as (

  select coalesce(bool_or(present), false) as are_known
  from {{ ref('int_source_tables') }}
  where table_name = 'order_discounts'

)

select
  customers.customer_key,
  coalesce(accounts.customer_ids, {{ empty_list() }}) as customer_ids,
  contacts.email,
  contacts.phone,
  profiles.first_name,
  profiles.last_name,
  profiles.country,
  profiles.region,
  profiles.city,
  profiles.postal_code,
  consents.email_consent,
  consents.sms_consent,
  sales.first_order_on,
  sales.second_order_on,
  sales.last_order_on,
  cast(coalesce(sales.order_count, 0) as integer) as order_count,
  {{ money('coalesce(sales.gross_sales, 0)') }} as gross_sales,
  {{ money('coalesce(sales.net_sales, 0)') }} as net_sales,
  {{ money('coalesce(sales.discount_amount, 0)') }} as discount_amount,
  {{ money('coalesce(sales.refunded_amount, 0)') }} as refunded_amount,
  {{ money('sales.net_sales / nullif(sales.paid_orders, 0)') }} as average_order_value,
  case when discounts.are_known then cast(coalesce(sales.code_order_count, 0) as integer) end as code_order_count,
  case when discounts.are_known then sales.last_code end as last_code,
  cast({{ days_between('sales.last_order_on', as_of_date()) }} as integer) as days_since_last_order,
  today.lifecycle,
  today.customer_segment,
  case when discounts.are_known and sales.order_count > 0 then sales.code_order_count > 0 end as ever_used_discount_code,
  case
    when not discounts.are_known then null
    when sales.code_order_count > 0 then 'code_user'
    when sales.has_discount then 'other_discount_only'
    when sales.order_count > 0 then 'full_price_only'
    else 'non_buyer'
  end as discount_behavior,
  {{ as_of_date() }} as as_of,
  customers.known_from,
  coalesce(suppressions.email_suppressed, false) as email_suppressed,
  coalesce(suppressions.sms_suppressed, false) as sms_suppressed,
  coalesce(suppressions.ads_suppressed, false) as ads_suppressed,
  traits.signed_up_on,
  sales.is_subscriber,
  traits.spend_tier,
  {{ money('traits.amount_to_next_tier') }} as amount_to_next_tier,
  cast(traits.code_order_share as decimal(18, 4)) as code_order_share,
  case when discounts.are_known then cast(sales.discount_amount / nullif(sales.gross_sales, 0) as decimal(18, 4)) end as discount_share,
  traits.discount_dependence,
  cast(traits.discount_ladder_step as integer) as discount_ladder_step,
  traits.discount_ladder_code,
  cast(traits.coupon_abuse_score as integer) as coupon_abuse_score,
  sales.last_category,
  traits.preferred_brand,
  {{ money('sales.highest_unit_price') }} as highest_unit_price,
  {{ money('sales.contribution') }} as contribution,
  case
    when sales.contribution is not null then case when sales.cost_coverage >= 1 then 'costs' else 'estimated' end
  end as contribution_basis,
  cast(sales.cost_coverage as decimal(18, 4)) as cost_coverage,
  traits.is_loyalty_member,
  traits.loyalty_tier,
  cast(traits.loyalty_points as decimal(18, 2)) as loyalty_points,
  cast(traits.referral_count as integer) as referral_count,
  traits.is_referred,
  {{ money('traits.abandoned_cart_amount') }} as abandoned_cart_amount
from customers
left join suppressions on suppressions.customer_key = customers.customer_key
left join accounts on accounts.customer_key = customers.customer_key
left join contacts on contacts.customer_key = customers.customer_key
left join profiles on profiles.customer_key = customers.customer_key
left join consents on consents.customer_key = customers.customer_key
left join sales on sales.customer_key = customers.customer_key
left join traits on traits.customer_key = customers.customer_key
left join today on today.customer_key = customers.customer_key
cross join discounts
