; Captures are explained in capture_reader.py.

[(import_declaration) (package_declaration)] @import

[
  (class_declaration name: (_) @name)
  (interface_declaration name: (_) @name)
  (enum_declaration name: (_) @name)
  (record_declaration name: (_) @name)
] @definition.class
(method_declaration name: (_) @name parameters: (_) @parameters) @definition.function
(constructor_declaration name: (_) @name parameters: (_) @parameters) @definition.function
(lambda_expression) @closed

; Classes without a name, in one branch or the other.
[(if_statement) (try_statement) (for_statement)] @repeats

(receiver_parameter) @parameter.self
(spread_parameter) @parameter.rest

(method_invocation !object name: (_) @called arguments: (_) @arguments) @call
(method_invocation object: (_) @receiver name: (_) @called arguments: (_) @arguments) @call
(object_creation_expression type: (_) @called arguments: (_) @arguments) @call

(field_access object: (_) @receiver field: (_) @name) @member
[(identifier) (type_identifier)] @reference
(variable_declarator name: (_) @not_reference)

(record_declaration name: (_) @name parameters: (_) @parameters) @definition.class

(try_statement) @how.safe
(try_with_resources_statement) @how.safe
(method_declaration (throws)) @how.safe
(constructor_declaration (throws)) @how.safe

(local_variable_declaration type: (_) @of declarator: (variable_declarator name: (_) @variable)) @typed
(field_declaration type: (_) @of declarator: (variable_declarator name: (_) @variable)) @typed
(formal_parameter type: (_) @of name: (_) @variable) @typed
(enhanced_for_statement type: (_) @of name: (_) @variable) @typed
(local_variable_declaration type: (_) @of declarator: (variable_declarator value: (method_invocation) @how.typed))
(method_invocation object: (method_invocation) @how.member name: (_) @property)
(explicit_constructor_invocation constructor: (super) @called arguments: (_) @arguments) @call

(formal_parameter name: (_) @not_reference)
(scoped_type_identifier (type_identifier) @not_reference)
(formal_parameter name: (identifier) @bound)
(local_variable_declaration declarator: (variable_declarator name: (identifier) @bound))
