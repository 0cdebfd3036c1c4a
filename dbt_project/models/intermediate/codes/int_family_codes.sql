-- Which code belongs to which families. A code may be in several.
with codes as (

  select distinct code
  from {{ ref('int_order_codes') }}

),

families as (

  select * from {{ ref('int_code_families') }}

)

select
  codes.code,
  families.family,
  families.segment,
  families.once_per_customer,
  families.is_referral
from codes
inner join families
  on starts_with(codes.code, families.pattern_prefix)
  and {{ code_matches('codes.code', 'families.pattern') }}
