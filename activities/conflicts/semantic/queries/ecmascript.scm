; Captures are explained in capture_reader.py. This part is the same in JavaScript, TypeScript and TSX.

(import_statement) @import

(class_declaration name: (_) @name) @definition.class
(function_declaration name: (_) @name parameters: (_) @parameters) @definition.function
(generator_function_declaration name: (_) @name parameters: (_) @parameters) @definition.function
(method_definition name: (_) @name parameters: (_) @parameters) @definition.function

(variable_declarator name: (identifier) @name) @definition.value
(variable_declarator
  name: (identifier) @name
  value: [
    (arrow_function parameters: (_) @parameters)
    (function_expression parameters: (_) @parameters)
  ]) @definition.value
(variable_declarator name: [(object_pattern) (array_pattern)]) @closed
[(arrow_function) (function_expression) (statement_block) (object)] @closed

[(if_statement) (try_statement) (with_statement) (for_statement)] @repeats

(call_expression function: (_) @called arguments: (_) @arguments) @call
(call_expression
  function: (member_expression object: (_) @receiver property: (_) @name) @called
  arguments: (_) @arguments) @call
(new_expression constructor: (_) @called) @call
(new_expression constructor: (_) @called arguments: (_) @arguments) @call
(new_expression
  constructor: (member_expression object: (_) @receiver property: (_) @name) @called) @call
(new_expression
  constructor: (member_expression object: (_) @receiver property: (_) @name) @called
  arguments: (_) @arguments) @call

(member_expression object: (_) @receiver property: (_) @name) @member
[(identifier) (property_identifier) (shorthand_property_identifier)] @reference

; Names that hide those of the file within a function.
(arrow_function parameter: (identifier) @bound)
(statement_block (lexical_declaration (variable_declarator name: (identifier) @bound)))
(statement_block (variable_declaration (variable_declarator name: (identifier) @bound)))

(await_expression (call_expression) @how.awaited)
(variable_declarator name: (identifier) @variable value: (call_expression) @how.assigned)
(variable_declarator name: [(object_pattern) (array_pattern)] value: (call_expression) @how.member)
(member_expression object: (call_expression) @how.member . property: (_) @property)
(subscript_expression object: (call_expression) @how.index)

(if_statement condition: (parenthesized_expression (member_expression) @how.guarded))
(unary_expression operator: "typeof" argument: (member_expression) @how.guarded)
(binary_expression left: (call_expression) @how.used operator: ["+" "-" "*" "/" "%" "<" ">" "<=" ">="])
(template_substitution (call_expression) @how.used)
(for_in_statement right: (call_expression) @how.used)
