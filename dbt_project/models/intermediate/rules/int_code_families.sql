-- seeds/reference/code_families.csv: codes that belong together, such as all personal codes of one offer.
with rows_given as (

  {{ reference_rows('code_families', ['family', 'pattern', 'once_per_customer', 'is_referral']) }}

),

judged as (

  select
    *,
    coalesce(
      {{ segment_name_problem('family') }},
      {{ missing_problem('pattern') }},
      case
        when {{ code_matches("''", 'pattern') }} is null
          then 'pattern "' || pattern || '" is no regular expression'
        when lower(coalesce(once_per_customer, 'false')) not in ('true', 'false')
          then 'once_per_customer "' || once_per_customer || '" is neither true nor false'
        when lower(coalesce(is_referral, 'false')) not in ('true', 'false')
          then 'is_referral "' || is_referral || '" is neither true nor false'
        when count(*) over (partition by family) > 1
          then 'there is another family "' || family || '"; write one pattern for it, such as A-[0-9]+|B-[0-9]+'
      end
    ) as problem
  from rows_given

)

select
  line,
  {{ unless_wrong('family', 'problem', 'code_families') }} as family,
  'redeemed_' || family || '_this_month' as segment,
  'Redeemed ' || family || ' this month' as title,
  'Used a code of the family ' || family || ' (' || pattern || ') on an order of the current calendar month. '
    || 'Everybody leaves on the first of the next month.' as description,
  pattern,
  {{ literal_prefix('pattern') }} as pattern_prefix,
  lower(coalesce(once_per_customer, 'false')) = 'true' as once_per_customer,
  lower(coalesce(is_referral, 'false')) = 'true' as is_referral
from judged
