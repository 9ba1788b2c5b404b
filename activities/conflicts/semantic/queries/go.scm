; Captures are explained in capture_reader.py.

(import_declaration) @import

(function_declaration name: (_) @name parameters: (_) @parameters) @definition.function
(method_declaration name: (_) @name parameters: (_) @parameters) @definition.function
(method_declaration
  receiver: (parameter_list
    (parameter_declaration
      type: [
        (type_identifier) @owner
        (generic_type type: (_) @owner)
        (pointer_type (type_identifier) @owner)
        (pointer_type (generic_type type: (_) @owner))
      ]))
  name: (_) @name
  parameters: (_) @parameters) @definition.function
[(type_spec name: (_) @name) (type_alias name: (_) @name)] @definition.type
(func_literal) @closed

(variadic_parameter_declaration) @parameter.rest

(short_var_declaration left: (expression_list (identifier) @bound))
(parameter_declaration name: (identifier) @bound)

(call_expression function: (_) @called arguments: (_) @arguments) @call
(call_expression
  function: [
    (selector_expression operand: (_) @receiver field: (_) @name)
    (qualified_type package: (_) @receiver name: (_) @name)
  ] @called
  arguments: (_) @arguments) @call

(selector_expression operand: (_) @receiver field: (_) @name) @member
(qualified_type package: (_) @receiver name: (_) @name) @member
[(identifier) (field_identifier) (type_identifier)] @reference

(source_file (const_declaration (const_spec name: (_) @name) @definition.entry))
(source_file (var_declaration (var_spec name: (_) @name) @definition.entry))
(source_file (var_declaration (var_spec_list (var_spec name: (_) @name) @definition.entry)))

(short_var_declaration left: (expression_list) @left right: (expression_list . (call_expression) @how.unpacked .))
(assignment_statement left: (expression_list) @left right: (expression_list . (call_expression) @how.unpacked .))
(binary_expression (call_expression) @how.single)
(selector_expression operand: (call_expression) @how.single)
(argument_list (_) (call_expression) @how.single)
(argument_list (call_expression) @how.single (_))
(if_statement condition: (call_expression) @how.single)
(keyed_element value: (literal_element (call_expression) @how.single))

(parameter_declaration name: (identifier) @variable type: (_) @of) @typed
(var_spec name: (identifier) @variable type: (_) @of) @typed
(field_declaration name: (_) @variable type: (_) @of) @typed
