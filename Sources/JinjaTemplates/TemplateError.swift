/// Why a template cannot be read or rendered.
package struct TemplateError: Error, Hashable, Sendable {
  /// The kinds of failure, after the exceptions that Python raises in the same place.
  package enum Kind: Hashable, Sendable {
    /// The text is no template.
    case syntax
    /// Something that Jinja has and this interpreter has not.
    case notSupported
    /// More work, text or nesting than any real template needs.
    case limit
    /// The template itself refuses, with `raise_exception`.
    case raised
    /// An operation on an undefined value.
    case undefined
    /// A value of a kind that an operation does not take.
    case type
    /// A value that an operation does not take.
    case value
    /// A key or an index that is not there.
    case lookup
    /// Something that the sandbox forbids, such as changing a list.
    case security
  }

  /// The kind.
  package var kind: Kind
  /// What happened, in the template's terms.
  package var message: String
  /// The line of the template, from 1; 0 if it is not known.
  package var line: Int

  /// Creates an error.
  package init(_ kind: Kind, _ message: String, line: Int = 0) {
    self.kind = kind
    self.message = message
    self.line = line
  }

  /// Whether Python code that expects wrong values, such as the filter `int`, would take this one for such.
  var isTypeOrValue: Bool { kind == .type || kind == .value }
}
