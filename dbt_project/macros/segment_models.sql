{#
  The segment models with their YAML, in the order of segment_ids() and segment_families(). Known only
  while something runs; while dbt parses, the list is empty.
#}
{% macro segment_models() -%}
  {%- set models = [] -%}
  {%- if execute -%}
    {%- for id in segment_ids() + segment_families() -%}
      {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == id -%}
        {%- do models.append(node) -%}
      {%- endfor -%}
    {%- endfor -%}
  {%- endif -%}
  {{- return(models) -}}
{%- endmacro %}

{# Whether a requirement is about a variable, and met: `var x`, or `var x is y`. #}
{% macro is_given_var(requirement) -%}
  {%- set words = requirement.split(' ') -%}
  {%- if words[0] != 'var' -%}
    false
  {%- elif words | length == 4 -%}
    {{ 'true' if var(words[1]) | string == words[3] else 'false' }}
  {%- else -%}
    {{ 'true' if var(words[1]) is not none else 'false' }}
  {%- endif -%}
{%- endmacro %}
