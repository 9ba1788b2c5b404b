; Captures are explained in shape_reader.py. This part is the same in JavaScript, TypeScript and TSX.

(class_declaration name: (_) @name) @type.class
(class_body (method_definition name: (_) @name) @method)

(function_declaration name: (_) @name) @function
(function_declaration "async" @async)
(generator_function_declaration name: (_) @name) @function
(method_definition name: (_) @name) @function
(method_definition "async" @async)
(variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression)] @function)
[(arrow_function) (function_expression)] @closure
(arrow_function "async" @async)
(function_expression "async" @async)
(method_definition "get" @property)
(yield_expression) @yield

(export_statement declaration: (function_declaration name: (_) @export))
(export_statement declaration: (generator_function_declaration name: (_) @export))
(export_statement declaration: (class_declaration name: (_) @export))
(export_statement declaration: (_ (variable_declarator name: (identifier) @export)))
(export_statement declaration: (_ (variable_declarator name: (object_pattern) @export.unknown)))
(export_statement (export_clause (export_specifier !alias name: (_) @export)))
(export_statement (export_clause (export_specifier alias: _ @export)))
(export_statement (namespace_export (_) @export))
(export_statement "*" @export.unknown)
(export_statement "default" @export)

; CommonJS
(assignment_expression
  left: (member_expression object: (identifier) @_exports property: (_) @export) (#eq? @_exports "exports"))
(assignment_expression
  left: (member_expression
    object: (member_expression object: (identifier) @_module property: (_) @_exports) property: (_) @export)
  (#eq? @_module "module") (#eq? @_exports "exports"))
(assignment_expression
  left: (member_expression object: (identifier) @_module property: (_) @_exports)
  right: (object [
    (shorthand_property_identifier) @export
    (pair key: (property_identifier) @export)
    (method_definition name: (property_identifier) @export)
    (spread_element) @export.unknown
  ])
  (#eq? @_module "module") (#eq? @_exports "exports"))
(assignment_expression
  left: (member_expression object: (identifier) @_module property: (_) @_exports)
  right: [(identifier) (call_expression) (new_expression)] @export.unknown
  (#eq? @_module "module") (#eq? @_exports "exports"))
(call_expression
  arguments: (arguments . (member_expression property: (_) @export.unknown)) (#eq? @export.unknown "exports"))

(import_statement) @import
(export_statement source: (_)) @import
(variable_declarator
  name: [(identifier) (object_pattern)]
  value: (call_expression function: (identifier) @_require arguments: (arguments . (string))) (#eq? @_require "require")) @import

(assignment_expression left: (member_expression object: (this) property: (property_identifier) @name) @attribute)

; An object of the module, with what is read of it by its name.
(program (lexical_declaration (variable_declarator name: (identifier) @name value: (object)) @type.object))
(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name value: (object)) @type.object)))
(program (lexical_declaration
  (variable_declarator value: (object [(pair key: (property_identifier) @name) (method_definition name: (_) @name)] @attribute))))
(program (export_statement (lexical_declaration
  (variable_declarator value: (object [(pair key: (property_identifier) @name) (method_definition name: (_) @name)] @attribute)))))
(program (lexical_declaration (variable_declarator value: (object (shorthand_property_identifier) @name @attribute))))
(program (export_statement
  (lexical_declaration (variable_declarator value: (object (shorthand_property_identifier) @name @attribute)))))
(program (lexical_declaration (variable_declarator value: (object (spread_element) @embedded))))
(program (export_statement (lexical_declaration (variable_declarator value: (object (spread_element) @embedded)))))
