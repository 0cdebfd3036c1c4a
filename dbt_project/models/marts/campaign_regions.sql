with campaigns as (

  select campaign_id, name from {{ ref('int_campaigns') }}

),

sales as (

  select * from {{ ref('int_campaign_sales') }}
  where not is_total

)

select
  sales.campaign_id,
  campaigns.name,
  sales.ship_country as country,
  sales.ship_region as region,
  sales.orders,
  sales.customers,
  sales.new_customers,
  {{ money('sales.gmv') }} as gmv,
  {{ money('sales.discount_amount') }} as discount_amount,
  {{ money('sales.net_sales') }} as net_sales,
  {{ money('sales.average_order_value') }} as average_order_value,
  {{ money('sales.margin') }} as margin,
  sales.margin_basis
from sales
inner join campaigns on campaigns.campaign_id = sales.campaign_id
