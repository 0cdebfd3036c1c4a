-- seeds/reference/discount_ladder.csv: what is offered after how many days of silence, by lifecycle tier.
with rows_given as (

  {{ reference_rows('discount_ladder', ['lifecycle_tier', 'step', 'min_days', 'offer_code', 'max_discount_pct']) }}

),

judged as (

  select
    *,
    coalesce(
      case
        when lifecycle_tier is null or lifecycle_tier not in ('single', 'multi', 'hvc')
          then 'lifecycle_tier "' || coalesce(lifecycle_tier, '') || '" is not one of: single, multi, hvc'
      end,
      {{ missing_problem('step') }},
      {{ missing_problem('min_days') }},
      {{ whole_number_problem('step') }},
      {{ whole_number_problem('min_days') }},
      {{ amount_problem('max_discount_pct') }},
      case when {{ as_number('max_discount_pct') }} > 100 then 'max_discount_pct "' || max_discount_pct || '" is more than 100' end
    ) as problem
  from rows_given

),

steps as (

  select
    line,
    {{ unless_wrong('lifecycle_tier', 'problem', 'discount_ladder') }} as lifecycle_tier,
    {{ as_whole_number('step') }} as step,
    {{ as_whole_number('min_days') }} as min_days,
    upper(offer_code) as offer_code,
    {{ as_number('max_discount_pct') }} as max_discount_pct
  from judged

),

sequenced as (

  select
    *,
    row_number() over (partition by lifecycle_tier order by step, line) as expected_step,
    lag(min_days) over (partition by lifecycle_tier order by step, line) as previous_min_days,
    lead(min_days) over (partition by lifecycle_tier order by step, line) as next_min_days
  from steps

),

checked as (

  select
    *,
    case
      when step <> expected_step
        then 'step ' || step || ' of ' || lifecycle_tier || ' should be ' || expected_step || ': steps are counted 1, 2, 3'
      when min_days <= previous_min_days
        then 'step ' || step || ' of ' || lifecycle_tier || ' comes after ' || min_days || ' days, not later than the step before it'
    end as problem
  from sequenced

)

select
  line,
  lifecycle_tier,
  {{ unless_wrong('step', 'problem', 'discount_ladder') }} as step,
  'discount_ladder_step_' || step as segment,
  min_days,
  next_min_days,
  offer_code,
  max_discount_pct
from checked
