; Captures are explained in shape_reader.py.

(struct_item name: (_) @name) @type.struct
(enum_item name: (_) @name) @type.enum
(enum_variant name: (_) @name) @variant
(struct_item body: (field_declaration_list (field_declaration name: (_) @name) @field))
(trait_item name: (_) @name) @type.interface
(impl_item !trait type: (_) @name) @type.impl
(impl_item trait: (_) @base type: (_) @name) @type.impl
(function_signature_item name: (_) @name) @method
(function_signature_item) @mark.abstract
(declaration_list (function_item name: (_) @name) @method)

(function_item name: (_) @name) @function
(function_item return_type: (_) @returns)
(function_item (function_modifiers "async" @async))

(struct_expression name: (type_identifier) @of body: (_) @literal)
(struct_expression name: (scoped_type_identifier name: (_) @of) body: (_) @literal)

(match_expression) @match
(match_expression) @exhaustive.unless_open
((match_pattern) @open (#eq? @open "_"))
(match_pattern (identifier) @open (#match? @open "^[a-z_]"))
(match_pattern (tuple_pattern) @open)
(match_pattern (scoped_identifier) @label)
(or_pattern (scoped_identifier) @label)
(tuple_struct_pattern type: (scoped_identifier) @label)
(struct_pattern type: (scoped_type_identifier) @label)

(function_item (visibility_modifier) @_pub name: (_) @export (#any-of? @_pub "pub" "pub(crate)"))
(struct_item (visibility_modifier) @_pub name: (_) @export (#any-of? @_pub "pub" "pub(crate)"))
(enum_item (visibility_modifier) @_pub name: (_) @export (#any-of? @_pub "pub" "pub(crate)"))
(trait_item (visibility_modifier) @_pub name: (_) @export (#any-of? @_pub "pub" "pub(crate)"))
(type_item (visibility_modifier) @_pub name: (_) @export (#any-of? @_pub "pub" "pub(crate)"))
(const_item (visibility_modifier) @_pub name: (_) @export (#any-of? @_pub "pub" "pub(crate)"))
(static_item (visibility_modifier) @_pub name: (_) @export (#any-of? @_pub "pub" "pub(crate)"))
(mod_item (visibility_modifier) @_pub name: (_) @export (#any-of? @_pub "pub" "pub(crate)"))
(union_item (visibility_modifier) @_pub name: (_) @export (#any-of? @_pub "pub" "pub(crate)"))
(use_declaration (visibility_modifier) argument: (_) @export.use)
(macro_definition name: (_) @export)

(use_declaration) @import

(_ (visibility_modifier) @_pub name: (_) @export.public (#eq? @_pub "pub"))
