; What JavaScript has beside ecmascript.scm.

(class_declaration (class_heritage (_) @base))
(class_body (field_definition property: (_) @name) @attribute)
