; Captures are explained in shape_reader.py.

(class_declaration name: (_) @name) @type.class
(interface_declaration name: (_) @name) @type.interface
(enum_declaration name: (_) @name) @type.enum
(record_declaration name: (_) @name) @type.class
(class_declaration (modifiers "abstract") @_modifiers) @mark.abstract
(class_declaration (modifiers ["final" "sealed"])) @mark.final
(interface_declaration (modifiers "sealed")) @mark.final
(field_declaration (modifiers "private") declarator: (variable_declarator name: (_) @_name) @mark.hidden)
(method_declaration (modifiers "private")) @mark.hidden
(superclass (_) @base)
(super_interfaces (type_list (_) @base))
(extends_interfaces (type_list (_) @base))

(method_declaration name: (_) @name) @method
(method_declaration (modifiers "abstract")) @mark.abstract
(interface_body (method_declaration !body) @mark.abstract)
(method_declaration (modifiers (marker_annotation name: (_) @_name)) (#eq? @_name "Override")) @mark.override
(field_declaration declarator: (variable_declarator name: (_) @name) @attribute)
(enum_constant name: (_) @name) @variant

(method_declaration name: (_) @name) @function
(method_declaration type: (_) @returns)
(throws (_) @throws)

(switch_expression) @match
(expression_statement (switch_expression) @mark.statement)
(block (switch_expression) @mark.statement)
(switch_block_statement_group (switch_expression) @mark.statement)
(constructor_body (switch_expression) @mark.statement)
(switch_label (_) @label)
(switch_label "default" @open)
(switch_expression) @exhaustive.unless_open

(class_declaration (modifiers "public") name: (_) @export)
(interface_declaration (modifiers "public") name: (_) @export)
(enum_declaration (modifiers "public") name: (_) @export)
(record_declaration (modifiers "public") name: (_) @export)
(method_declaration (modifiers ["public" "protected"]) name: (_) @export)
(interface_body (method_declaration name: (_) @export))
(field_declaration (modifiers ["public" "protected"]) declarator: (variable_declarator name: (_) @export))

(import_declaration) @import
