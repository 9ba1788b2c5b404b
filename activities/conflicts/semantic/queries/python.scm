; Captures are explained in capture_reader.py.

[(import_statement) (import_from_statement)] @import

(class_definition name: (_) @name) @definition.class
(function_definition name: (_) @name parameters: (_) @parameters) @definition.function
(lambda) @closed

; One branch or the other; `@overload`, `@property` and its setter, and the definition after them.
[
  (if_statement)
  (try_statement)
  (with_statement)
  (for_statement)
  (match_statement)
  (decorated_definition)
] @repeats
((decorated_definition) . (comment)* . (_) @repeats)

[(default_parameter) (typed_default_parameter)] @parameter.optional
(parameters [(list_splat_pattern) (dictionary_splat_pattern)] @parameter.rest)
(typed_parameter . [(list_splat_pattern) (dictionary_splat_pattern)]) @parameter.rest
[(keyword_separator) (positional_separator)] @parameter.separator
(parameters (identifier) @parameter.self (#any-of? @parameter.self "self" "cls" "this"))

(call function: (_) @called arguments: (_) @arguments) @call
(call
  function: (attribute object: (_) @receiver attribute: (_) @name) @called
  arguments: (_) @arguments) @call
[(list_splat) (dictionary_splat)] @argument.spread
(keyword_argument) @argument.keyword

(attribute object: (_) @receiver attribute: (_) @name) @member
(identifier) @reference
(keyword_argument (identifier) @not_reference)

(module (expression_statement (assignment left: (identifier) @name) @definition.constant))

(await (call) @how.awaited)
(assignment left: (pattern_list) @left right: (call) @how.unpacked)
(assignment left: (identifier) @variable right: (call) @how.assigned)
(call function: (identifier) @_called arguments: (argument_list (call) @how.len) (#eq? @_called "len"))
(subscript value: (call) @how.index)
(attribute object: (call) @how.member)

(typed_parameter . (identifier) @variable type: (_) @of) @typed
(typed_default_parameter name: (identifier) @variable type: (_) @of) @typed
(assignment left: (identifier) @variable type: (_) @of) @typed
(assignment left: (attribute attribute: (identifier) @variable) type: (_) @of) @typed

(comparison_operator (call) @how.used)
(binary_operator (call) @how.used)
(for_statement right: (call) @how.used)
(for_in_clause right: (call) @how.used)
(interpolation (call) @how.used)
