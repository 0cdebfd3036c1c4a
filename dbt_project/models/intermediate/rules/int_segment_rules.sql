-- Every segment that is a row of somebody's list and not a file: rules of seeds/reference, and the source's campaigns.
with campaigns as (

  select * from {{ ref('int_campaigns') }}

),

ladder as (

  select
    segment,
    step,
    min(line) as line,
    string_agg(min_days || ' days for ' || lifecycle_tier, ', ' order by lifecycle_tier desc) as days
  from {{ ref('int_discount_ladder') }}
  group by segment, step

),

given as (

  select 'redeemed_family_this_month' as family, 'code_families' as rules, line, segment, title, description, {{ empty_list() }} as requires,
    cast(null as date) as orders_from
  from {{ ref('int_code_families') }}
  union all
  select 'on_discount_ladder', 'discount_ladder', line, segment, 'Discount ladder, step ' || step,
    'Silent long enough for step ' || step || ' of the discount ladder (' || days || ') and not for the next one; an order '
      || 'starts it over. Who buys with a code only is on no step.', {{ empty_list() }}, null
  from ladder
  union all
  select 'in_spend_tier', 'spend_tiers', line, segment, title, description, {{ empty_list() }}, null
  from {{ ref('int_spend_tiers') }}
  union all
  select 'ordered_by_rule', 'order_count_rules', line, segment, title, description, {{ empty_list() }}, null
  from {{ ref('int_order_count_rules') }}
  union all
  select 'bought_by_rule', 'product_rules', line, segment, title, description, requires,
    -- Who ever had Y is out, however long ago.
    case when never_any_of is null then {{ add_days(as_of_date(), '1 - within_days') }} end
  from {{ ref('int_product_rules') }}
  union all
  select 'lives_in_place', 'place_rules', line, segment, title, description, {{ empty_list() }}, null
  from {{ ref('int_place_rules') }}
  {%- for group, title, words in [
    ('recipients', 'sent', 'Was sent the campaign'),
    ('pending', 'pending', 'Was sent the campaign, has not redeemed a code of it yet, and still can'),
    ('redeemers', 'redeemed', 'Was sent the campaign and redeemed a code of it on an order before it closed'),
    ('non_redeemers', 'not redeemed', 'Was sent the campaign and redeemed no code of it before it closed'),
    ('organic_redeemers', 'redeemed unasked', 'Redeemed a code of the campaign without having been sent it'),
  ] %}
  union all
  select 'campaign_{{ group }}', 'campaigns', null, prefix || '_{{ group }}', name || ': {{ title }}',
    '{{ words }} (' || name || ', ' || starts_on || ' to ' || ends_on || ').', {{ empty_list() }},
    {{ 'null' if group == 'recipients' else 'starts_on' }}
  from campaigns
  {%- endfor %}

),

-- A name is taken once: by a file, or by the first rule that bears it.
taken as (

  select segment, 'segment ' || segment as owner
  from (
    {% for id in segment_ids() -%}
    select '{{ id }}' as segment
    {{ 'union all' if not loop.last }}
    {% endfor %}
  ) as files

),

counted as (

  select
    given.*,
    case
      when taken.segment is not null then 'there is a segment ' || given.segment || ' already; choose another name'
      when row_number() over (partition by given.segment order by given.rules, given.line) > 1
        then 'another rule makes a segment ' || given.segment || '; choose another name'
    end as problem
  from given
  left join taken on taken.segment = given.segment

)

select
  family,
  line,
  case
    when problem is null then segment
    when rules = 'campaigns' then {{ stop_with("'campaign segment ' || segment || ': ' || problem") }}
    else {{ stop_with("'seeds/reference/' || rules || '.csv line ' || line || ': ' || problem") }}
  end as segment,
  title,
  description,
  requires,
  orders_from
from counted
