; What TypeScript and TSX have beside ecmascript.scm.

(abstract_class_declaration name: (_) @name) @definition.class
(interface_declaration name: (_) @name) @definition.type
(type_alias_declaration name: (_) @name) @definition.type
(enum_declaration name: (_) @name) @definition.type

; Interfaces of one name add up.
(interface_declaration) @repeats

(optional_parameter) @parameter.optional
(required_parameter value: (_)) @parameter.optional
(required_parameter pattern: (rest_pattern)) @parameter.rest

(type_identifier) @reference
(required_parameter pattern: (identifier) @bound)
(optional_parameter pattern: (identifier) @bound)

(interface_declaration name: (_) @name type_parameters: (_) @parameters) @definition.type
(type_alias_declaration name: (_) @name type_parameters: (_) @parameters) @definition.type
(type_parameter value: (_)) @parameter.optional
(generic_type name: (_) @called type_arguments: (_) @arguments) @call

(required_parameter pattern: (identifier) @variable type: (type_annotation (_) @of)) @typed
(optional_parameter pattern: (identifier) @variable type: (type_annotation (_) @of)) @typed
(variable_declarator name: (identifier) @variable type: (type_annotation (_) @of)) @typed
(public_field_definition name: (_) @variable type: (type_annotation (_) @of)) @typed
(variable_declarator type: (type_annotation (_) @of) value: (call_expression) @how.typed)

(call_expression function: (member_expression) @how.guarded "?.")
