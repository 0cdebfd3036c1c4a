{#
  The segment models with their YAML, in the order of segment_ids(). Known only while something runs; while
  dbt parses, the list is empty.
#}
{% macro segment_models() -%}
  {%- set models = [] -%}
  {%- if execute -%}
    {%- for id in segment_ids() -%}
      {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == id -%}
        {%- do models.append(node) -%}
      {%- endfor -%}
    {%- endfor -%}
  {%- endif -%}
  {{- return(models) -}}
{%- endmacro %}
