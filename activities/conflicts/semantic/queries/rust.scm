; Captures are explained in capture_reader.py.

(use_declaration) @import

(trait_item name: (_) @name) @definition.class
(mod_item name: (_) @name) @definition.class
(function_item name: (_) @name parameters: (_) @parameters) @definition.function
(function_signature_item name: (_) @name parameters: (_) @parameters) @definition.function
[
  (struct_item name: (_) @name)
  (enum_item name: (_) @name)
  (type_item name: (_) @name)
  (const_item name: (_) @name)
  (static_item name: (_) @name)
  (union_item name: (_) @name)
] @definition.type
; A trait's methods are not those of the type, nor of another trait.
(impl_item !trait type: (_) @type) @scope
(impl_item trait: (_) @trait type: (_) @type) @scope
(closure_expression) @closed

; `#[cfg(…)]`
((attribute_item) . [(line_comment) (block_comment)]* . (_) @repeats)

(self_parameter) @parameter.self

(let_declaration pattern: [(identifier) @bound (mut_pattern (identifier) @bound) (tuple_pattern (identifier) @bound)])
(parameter pattern: [(identifier) @bound (mut_pattern (identifier) @bound) (tuple_pattern (identifier) @bound)])
(closure_parameters [(identifier) @bound (mut_pattern (identifier) @bound) (tuple_pattern (identifier) @bound)])

(call_expression function: (_) @called arguments: (_) @arguments) @call
(call_expression
  function: [
    (field_expression value: (_) @receiver field: (_) @name)
    (scoped_identifier path: (_) @receiver name: (_) @name)
    (scoped_identifier !path name: (_) @name)
  ] @called
  arguments: (_) @arguments) @call

(field_expression value: (_) @receiver field: (_) @name) @member
(scoped_identifier !path name: (_) @name) @member
(scoped_identifier path: (_) @receiver name: (_) @name) @member
(scoped_type_identifier !path name: (_) @name) @member
(scoped_type_identifier path: (_) @receiver name: (_) @name) @member
[(identifier) (field_identifier) (type_identifier)] @reference

(await_expression (call_expression) @how.awaited)
(match_expression
  value: (call_expression) @how.matched
  body: (match_block (match_arm pattern: (match_pattern (tuple_struct_pattern type: (identifier) @pattern)))))
(let_condition pattern: (tuple_struct_pattern type: (identifier) @pattern) value: (call_expression) @how.matched)
(let_declaration pattern: (tuple_struct_pattern type: (identifier) @pattern) value: (call_expression) @how.matched)

(parameter pattern: (identifier) @variable type: (_) @of) @typed
(let_declaration pattern: (identifier) @variable type: (_) @of) @typed
(field_declaration name: (_) @variable type: (_) @of) @typed
(let_declaration type: (_) @of value: (call_expression) @how.typed)
(let_declaration pattern: (identifier) @variable value: (call_expression) @how.assigned)
(field_expression value: (call_expression) @how.member field: (_) @property)
