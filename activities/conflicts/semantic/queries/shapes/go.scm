; Captures are explained in shape_reader.py.

(type_spec name: (_) @name type: (struct_type)) @type.struct
(type_spec name: (_) @name type: (interface_type)) @type.interface
(field_declaration name: (_) @name) @field
(field_declaration !name type: (_) @embedded)
(method_elem name: (_) @name) @method
(method_elem) @mark.abstract
(interface_type (type_elem (_) @base))

(method_declaration
  receiver: (parameter_list
    (parameter_declaration
      type: [
        (type_identifier) @owner
        (generic_type type: (_) @owner)
        (pointer_type (type_identifier) @owner)
        (pointer_type (generic_type type: (_) @owner))
      ]))
  name: (_) @name) @function
(function_declaration name: (_) @name) @function
(method_declaration result: (_) @returns)
(function_declaration result: (_) @returns)

(composite_literal type: (type_identifier) @of body: (_) @literal)
(composite_literal type: (qualified_type name: (_) @of) body: (_) @literal)
(composite_literal
  type: (slice_type element: (type_identifier) @of) body: (literal_value (literal_element (literal_value) @literal)))
(composite_literal
  type: (slice_type element: (qualified_type name: (_) @of))
  body: (literal_value (literal_element (literal_value) @literal)))
(composite_literal
  type: (map_type value: (type_identifier) @of)
  body: (literal_value (keyed_element value: (literal_element (literal_value) @literal))))

(import_spec) @import
(package_clause (package_identifier) @package)
