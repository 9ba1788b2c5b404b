; What JavaScript has beside ecmascript.scm.

(formal_parameters (assignment_pattern) @parameter.optional)
(formal_parameters (rest_pattern) @parameter.rest)
(formal_parameters (identifier) @parameter.self (#any-of? @parameter.self "self" "cls" "this"))
(formal_parameters (identifier) @bound)

(call_expression function: (member_expression) @how.guarded (optional_chain))
