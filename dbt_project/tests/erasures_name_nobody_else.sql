{{ config(meta={'dagster': {'ref': {'name': 'erasures'}}}) }}
-- Nothing by which a published customer is known may be erased at a vendor.
select erasures.id_type, count(*) as identifiers
from {{ ref('erasures') }} as erasures
inner join {{ ref('customer_identities') }} as identities
  on identities.id_type = erasures.id_type and identities.id_value = erasures.id_value
group by erasures.id_type
