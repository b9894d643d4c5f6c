internal import BlockQuantization
internal import FileBytes
package import TensorTypes

/// A rule that gives all tensors whose name contains a match of a pattern one type.
///
/// The pattern is an ECMAScript regular expression as llama-quantize takes it: lower-cased first (so `\D`
/// becomes `\d`, and a name with capitals can only be matched by other means), then searched for anywhere
/// in the name. Constructs that the C++ library lacks or reads differently are refused, see `RulePattern`.
package struct TensorTypeRule: Hashable, Sendable {
  /// The pattern as typed.
  package let pattern: String
  /// The type for tensors that match.
  package let type: TensorType
  /// The compiled pattern.
  let compiled: RulePattern

  /// Compiles a rule.
  ///
  /// - Throws: ``RecipeError`` with `badPattern` or `patternNotSupported`.
  package init(pattern: String, type: TensorType) throws {
    self.pattern = pattern
    self.type = type
    compiled = try RulePattern(pattern)
  }

  /// Parses `PATTERN=TYPE`; the first equals sign divides.
  ///
  /// - Throws: ``RecipeError`` with `malformedRule`, `unknownType`, `badPattern` or `patternNotSupported`.
  package init(parsing text: String) throws {
    guard let equals = text.firstIndex(of: "="), equals != text.startIndex,
      text.index(after: equals) != text.endIndex
    else {
      throw RecipeError(
        .malformedRule,
        Fault(subject: text, expected: "PATTERN=TYPE, such as ffn_down_exps=q6_K", found: "\"\(text)\""))
    }
    try self.init(
      pattern: String(text[..<equals]),
      type: Self.tensorType(named: String(text[text.index(after: equals)...])))
  }

  /// Parses the content of a rule file: rules separated by spaces, tabs or line ends.
  ///
  /// - Throws: ``RecipeError`` as ``init(parsing:)``, with `file` in the message.
  package static func parseFile(_ content: String, file: String) throws -> [TensorTypeRule] {
    try content.split(whereSeparator: { $0.isASCII && $0.isWhitespace }).map { entry in
      do {
        return try TensorTypeRule(parsing: String(entry))
      } catch var error as RecipeError {
        error.fault.file = file
        throw error
      }
    }
  }

  /// Finds a type for a flag such as `--output-tensor-type`.
  ///
  /// - Throws: ``RecipeError`` with `unknownType`, naming the nearest type that can be written.
  package static func tensorType(named name: String) throws -> TensorType {
    if let type = TensorType(name: name) { return type }
    let names = writableTypes.map(\.name)
    let near = nearestNames(to: name.lowercased(), among: names.map { $0.lowercased() }, count: 1, limit: 2)
    let suggestion = near.first.flatMap { TensorType(name: $0) }
    throw RecipeError(
      .unknownType,
      Fault(
        subject: name, expected: "one of " + names.joined(separator: ", "), found: "\"\(name)\"",
        remedy: suggestion.map { "did you mean \($0.name)?" } ?? ""))
  }

  private static var writableTypes: [TensorType] {
    TensorType.allCases.filter { BlockQuantizer.canQuantize($0) }
  }

  /// Refuses a type that has no quantizer, whatever tensors it is for.
  ///
  /// - Throws: ``RecipeError`` with `mixNotSupported`, naming the types that have one.
  package static func requireWritable(_ type: TensorType) throws {
    guard BlockQuantizer.canQuantize(type) else {
      throw RecipeError(
        .mixNotSupported,
        Fault(
          subject: type.name, expected: "a type that Pouch can write",
          found: "\(type.name), which it cannot write yet",
          remedy: "choose one of " + writableTypes.map(\.name).joined(separator: ", ")))
    }
  }

  /// True when the pattern occurs in `name`.
  package func matches(_ name: String) -> Bool { compiled.occurs(in: name) }
}
