; Captures are explained in shape_reader.py.

(class_definition name: (_) @name) @type.class
(class_definition superclasses: (argument_list [(identifier) (attribute) (subscript)] @base))
(class_definition superclasses: (argument_list (keyword_argument value: (_) @base)))
((class_definition superclasses: (argument_list (_) @_base)) @mark.enum
  (#match? @_base "(^|\\.)(Enum|IntEnum|StrEnum|Flag|IntFlag)$"))
(decorated_definition
  (decorator (_) @_name) definition: (class_definition) @mark.record
  (#match? @_name "^(dataclass|dataclasses\\.dataclass|define|frozen|attrs?\\.(define|frozen|s))"))
((class_definition superclasses: (argument_list (_) @_base)) @mark.record
  (#match? @_base "(^|\\.)(NamedTuple|BaseModel)$"))
(decorated_definition
  (decorator (_) @_name) definition: (class_definition) @mark.final (#match? @_name "^(typing\\.)?final$"))

(class_definition body: (block (expression_statement (assignment left: (identifier) @name) @field)))
(class_definition body: (block (expression_statement (assignment right: (_)) @mark.optional)))
(class_definition body: (block (function_definition name: (_) @name) @method))
(class_definition body: (block (decorated_definition definition: (function_definition name: (_) @name) @method)))
(assignment left: (attribute object: (identifier) @_self attribute: (_) @name) @attribute (#eq? @_self "self"))

(decorated_definition
  (decorator (_) @_name) definition: (function_definition) @mark.abstract (#match? @_name "abstract"))
(decorated_definition
  (decorator (_) @_name) definition: (function_definition) @mark.property
  (#match? @_name "property$|\\.(setter|deleter)$"))
(decorated_definition
  (decorator (_) @_name) definition: (function_definition) @mark.override (#match? @_name "(^|\\.)override$"))

(function_definition name: (_) @name) @function
(function_definition return_type: (_) @returns)
(function_definition "async" @async)
(yield) @yield
(return_statement (_) @return)

; A function that says that it names every variant.
(call function: (_) @exhaustive (#match? @exhaustive "(^|\\.)assert_never$"))
(function_definition) @match
(dotted_name (identifier) (identifier)) @label
(attribute object: (identifier) attribute: (identifier)) @label

[(import_statement) (import_from_statement)] @import
