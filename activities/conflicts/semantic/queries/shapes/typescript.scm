; What TypeScript and TSX have beside ecmascript.scm.

(abstract_class_declaration name: (_) @name) @type.class
(abstract_class_declaration) @mark.abstract
(class_heritage (extends_clause value: (_) @base))
(class_heritage (implements_clause [(type_identifier) (generic_type) (nested_type_identifier)] @base))
(abstract_method_signature name: (_) @name) @method
(abstract_method_signature) @mark.abstract
(class_body (public_field_definition name: (_) @name) @attribute)
(method_definition (override_modifier)) @mark.override
(method_definition (accessibility_modifier) @_access (#not-eq? @_access "public")) @mark.hidden
(public_field_definition (accessibility_modifier) @_access (#not-eq? @_access "public")) @mark.hidden

(interface_declaration name: (_) @name) @type.interface
(interface_declaration (extends_type_clause (_) @base))
(type_alias_declaration name: (_) @name value: (object_type)) @type.interface
(property_signature name: (_) @name) @field
(property_signature
  name: (_) @name type: (type_annotation (literal_type (string (string_fragment) @value)))) @field
(property_signature "?") @mark.optional
(method_signature name: (_) @name) @method
(interface_body (method_signature) @mark.abstract)
(interface_body (method_signature "?") @mark.optional)

(enum_declaration name: (_) @name) @type.enum
(enum_body name: (_) @name @variant)
(enum_assignment name: (_) @name) @variant
(type_alias_declaration name: (_) @name value: [(union_type) (literal_type)]) @type.union
(union_type (type_identifier) @name @variant)
(union_type (literal_type (string (string_fragment) @name)) @variant)
(union_type
  (object_type . (property_signature type: (type_annotation (literal_type (string (string_fragment) @name))))) @variant)

(export_statement declaration: (abstract_class_declaration name: (_) @export))
(export_statement declaration: (interface_declaration name: (_) @export))
(export_statement declaration: (type_alias_declaration name: (_) @export))
(export_statement declaration: (enum_declaration name: (_) @export))
(export_statement declaration: (function_signature name: (_) @export))
(export_statement declaration: (ambient_declaration) @export.unknown)

(variable_declarator type: (type_annotation (type_identifier) @of) value: (object) @literal)
(variable_declarator
  type: (type_annotation (array_type (type_identifier) @of)) value: (array (object) @literal))
(satisfies_expression (object) @literal (type_identifier) @of)
(arrow_function return_type: (type_annotation (type_identifier) @of) body: (parenthesized_expression (object) @literal))
(function_declaration
  return_type: (type_annotation (type_identifier) @of) body: (statement_block (return_statement (object) @literal)))
(variable_declarator
  type: (type_annotation
    (generic_type name: (_) @_table type_arguments: (type_arguments . (type_identifier) @of)))
  value: (object) @literal.table
  (#eq? @_table "Record"))
(satisfies_expression
  (object) @literal.table
  (generic_type name: (_) @_table type_arguments: (type_arguments . (type_identifier) @of))
  (#eq? @_table "Record"))

(function_declaration return_type: (_) @returns)
(method_definition return_type: (_) @returns)
(arrow_function return_type: (_) @returns)

[(function_declaration) (method_definition) (arrow_function) (function_expression)] @match
(type_annotation (predefined_type) @exhaustive (#eq? @exhaustive "never"))
(satisfies_expression (predefined_type) @exhaustive (#eq? @exhaustive "never"))
(call_expression
  function: (_) @exhaustive (#match? @exhaustive "(?i)^(assert|ensure|expect)?(never|unreachable|exhaustive|exhaustiveness|absurd)$"))
(function_declaration
  return_type: (_) body: (statement_block (switch_statement body: (switch_body . (switch_case))) @exhaustive.unless_open .))
(method_definition
  return_type: (_) body: (statement_block (switch_statement body: (switch_body . (switch_case))) @exhaustive.unless_open .))
(switch_default) @open
(switch_case value: (string (string_fragment) @label))
(switch_case value: (member_expression) @label)
(binary_expression right: (string (string_fragment) @label))
(binary_expression right: (member_expression) @label)
