{{ config(materialized='view') }}
with orders as (

  select * from {{ ref('int_orders_known') }}

),

discounts as (

  select * from {{ ref('int_order_discounts_summarised') }}

),

refunds as (

  select order_id, {{ total('amount') }} as refunded_amount
  from {{ ref('stg_refunds') }}
  group by order_id

),

goods as (

  select * from {{ ref('int_order_goods') }}

),

amounts as (

  select
    orders.* exclude (discount_amount, refunded_amount),
    cast(coalesce(orders.discount_amount, discounts.merchandise_amount, 0) as decimal(18, 4)) as discount_amount,
    case
      -- The status is all some sources tell about a refund.
      when orders.financial_status = 'refunded' and orders.refunded_amount is null and refunds.refunded_amount is null
        then coalesce(orders.total_amount, 0)
      else greatest(coalesce(orders.refunded_amount, 0), coalesce(refunds.refunded_amount, 0))
    end as refunded_amount,
    coalesce(discounts.has_code, false) as has_code,
    discounts.order_id is not null as has_discount,
    discounts.first_code,
    coalesce(goods.is_gift_card_only, false) as is_gift_card_only,
    -- The share of the goods whose cost is known; without lines nothing is, and what all came back costs nothing.
    case
      when goods.kept_amount > 0 then least(goods.costed_amount / goods.kept_amount, 1)
      when goods.is_costed then 1
      else 0
    end as costed_share,
    coalesce(goods.goods_cost, 0) as goods_cost,
    goods.highest_unit_price,
    goods.main_category,
    coalesce(
      orders.financial_status in ({{ list_var('draft_financial_statuses') }})
      or orders.source_name in ({{ list_var('draft_sources') }}),
      false
    ) as is_draft,
    coalesce(orders.source_name in ({{ list_var('recurring_sources') }}), false)
      or {{ has_any_tag('orders.tags', 'recurring_tags') }} as is_recurring
  from orders
  left join discounts on discounts.order_id = orders.order_id
  left join refunds on refunds.order_id = orders.order_id
  left join goods on goods.order_id = orders.order_id

),

sales as (

  select
    * exclude (gross_amount),
    cast(coalesce(
      gross_amount, total_amount - coalesce(shipping_amount, 0) - coalesce(tax_amount, 0) + discount_amount
    ) as decimal(18, 4)) as gross_amount
  from amounts

),

netted as (

  select
    *,
    cast(gross_amount - discount_amount - refunded_amount as decimal(18, 4)) as net_amount
  from sales

),

judged as (

  select
    *,
    cast(net_amount - {{ order_cost() }} as decimal(18, 4)) as contribution,
    case
      when is_test then 'test'
      when cancelled_at is not null then 'cancelled'
      when financial_status in ({{ list_var('invalid_financial_statuses') }}) then 'voided'
      {% if bool_var('exclude_zero_value') -%}
      when total_amount <= 0 then 'zero_value'
      {% endif -%}
      when is_gift_card_only then 'gift_card_only'
      when
        source_name in ({{ list_var('wholesale_sources') }})
        or {{ has_any_tag('tags', 'wholesale_tags') }} then 'wholesale'
      when is_draft then 'draft'
      {% if enum_var('refunded_orders') == 'exclude' -%}
      when total_amount > 0 and refunded_amount >= total_amount then 'fully_refunded'
      {% endif -%}
    end as invalid_reason
  from netted

)

select
  *,
  invalid_reason is null as is_valid,
  -- Placed by somebody, and not called off: whatever came of it, its codes were used.
  not (
    is_test or is_draft or cancelled_at is not null
    or coalesce(financial_status in ({{ list_var('invalid_financial_statuses') }}), false)
  ) as is_placed
from judged
