{# An amount as it is published: two decimals, in shop currency. Sums keep four until here. #}
{% macro money(expression) -%}
  cast({{ expression }} as decimal(18, 2))
{%- endmacro %}
