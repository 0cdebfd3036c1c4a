{{ config(meta={'dagster': {'ref': {'name': 'int_customer_identities'}}}) }}
-- An address or an account id names exactly one customer, and a phone at most one for orders without both.
select id_type, id_value, count(*) as customers
from {{ ref('int_customer_identities') }}
where resolves_orders
group by id_type, id_value
having count(*) > 1
