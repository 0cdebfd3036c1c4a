-- seeds/reference/spend_tiers.csv: half-open tiers. Exactly 50.00 is in the tier that starts at 50.
with rows_given as (

  {{ reference_rows('spend_tiers', ['tier', 'title', 'starts_at']) }}

),

judged as (

  select
    *,
    coalesce(
      {{ segment_name_problem('tier') }},
      {{ missing_problem('title') }},
      {{ missing_problem('starts_at') }},
      {{ amount_problem('starts_at') }},
      case
        when count(*) over (partition by {{ as_number('starts_at') }}) > 1
          then 'another tier starts at ' || starts_at || ' as well'
      end
    ) as problem
  from rows_given

),

tiers as (

  select
    line,
    {{ unless_wrong('tier', 'problem', 'spend_tiers') }} as tier,
    title,
    {{ as_number('starts_at') }} as starts_at
  from judged

)

select
  line,
  tier,
  'spend_' || tier as segment,
  title,
  'Spends {{ 'on average' if enum_var('spend_tier_basis') == 'average_order_value' else 'at the last order' }} '
    || starts_at
    || coalesce(' or more but less than ' || lead(starts_at) over (order by starts_at), ' or more')
    || ' an order, after discounts and before shipping and tax.' as description,
  starts_at,
  lead(starts_at) over (order by starts_at) as next_starts_at
from tiers
