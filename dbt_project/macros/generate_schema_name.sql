{#
  The schema is the configured name as it is: one warehouse file holds one shop, so schemas need no
  prefix for a developer or an environment.
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
  {{- custom_schema_name | trim if custom_schema_name else target.schema -}}
{%- endmacro %}
