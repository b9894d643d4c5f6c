package import TensorTypes

/// One key under an architecture's name with the type that its values have here.
///
/// A key is spelled once, as a static member in the file of the part that it tells of. Writing goes by it
/// (``KeyWriter``), reading (``KeyReader``), and checking (``MetadataKey/complaint(about:blockCount:)``): name, type,
/// range, default and whether there may be one value for each block are in that line alone.
package struct TypedKey<Value: KeyValue>: Sendable {
  /// What a file has.
  package var key: MetadataKey
  /// What an absent key stands for; `nil` when that is nothing or depends on other keys.
  package var assumed: Value?

  /// The name in a file of `architecture`.
  package func name(in architecture: String) -> String { key.fullName(architecture) }

  /// The same key with another meaning of its absence.
  func absent(_ absence: MetadataKey.Absence, _ assumed: Value? = nil) -> TypedKey {
    var copy = self
    copy.key.absence = absence
    copy.assumed = assumed
    return copy
  }

  /// The same key for other values.
  func allowing(_ range: MetadataKey.Range) -> TypedKey {
    var copy = self
    copy.key.range = range
    return copy
  }
}

extension TypedKey {
  /// A key that loaders refuse to do without.
  static func required(
    _ name: String, in range: MetadataKey.Range = .any, form: MetadataKey.Form = .single
  ) -> TypedKey {
    TypedKey(key: .own(name, Value.element, .required, or: Value.alternatives, form: form, in: range))
  }

  /// A key whose absence stands for a value.
  static func optional(
    _ name: String, else assumed: Value, in range: MetadataKey.Range = .any, form: MetadataKey.Form = .single
  ) -> TypedKey {
    TypedKey(
      key: .own(
        name, Value.element, .assumes(assumed.text), or: Value.alternatives, form: form, in: range),
      assumed: assumed)
  }

  /// A key whose absence stands for nothing, or for what other keys say, as the text tells.
  static func optional(
    _ name: String, as text: String, in range: MetadataKey.Range = .any, form: MetadataKey.Form = .single
  ) -> TypedKey {
    TypedKey(
      key: .own(name, Value.element, .assumes(text), or: Value.alternatives, form: form, in: range))
  }
}

extension TypedKey where Value == Int {
  /// A whole number that loaders refuse to do without.
  static func required(
    _ name: String, in range: ClosedRange<Int>, form: MetadataKey.Form = .single
  ) -> TypedKey {
    required(name, in: .integers(range), form: form)
  }

  /// A whole number whose absence stands for one.
  static func optional(
    _ name: String, else assumed: Int, in range: ClosedRange<Int>, form: MetadataKey.Form = .single
  ) -> TypedKey {
    optional(name, else: assumed, in: .integers(range), form: form)
  }

  /// A whole number whose absence stands for nothing, or for what other keys say.
  static func optional(
    _ name: String, as text: String, in range: ClosedRange<Int>, form: MetadataKey.Form = .single
  ) -> TypedKey {
    optional(name, as: text, in: .integers(range), form: form)
  }
}

extension MetadataKey {
  /// Keys of whole numbers, for tables.
  static func counts(_ keys: TypedKey<Int>...) -> [MetadataKey] { keys.map(\.key) }
  /// Keys of real numbers, for tables.
  static func reals(_ keys: TypedKey<Double>...) -> [MetadataKey] { keys.map(\.key) }
  /// Keys of Booleans, for tables.
  static func flags(_ keys: TypedKey<Bool>...) -> [MetadataKey] { keys.map(\.key) }
}

/// A type of values under keys.
package protocol KeyValue: Sendable {
  /// The type of the value or of a list's elements as converters write them.
  static var element: MetadataElement { get }
  /// Other types that a list's elements may have.
  static var alternatives: [MetadataElement] { get }
  /// What a file holds; `nil` for what does not fit.
  var metadata: MetadataValue? { get }
  /// The value in messages.
  var text: String { get }

  /// Reads a value; `nil` for another type.
  static func value(of metadata: MetadataValue) -> Self?
}

extension KeyValue {
  package static var alternatives: [MetadataElement] { [] }
  package var text: String { "\(self)" }
}

extension Int: KeyValue {
  package static var element: MetadataElement { .u32 }
  package static var alternatives: [MetadataElement] { [.i32] }
  package var metadata: MetadataValue? { UInt32(exactly: self).map { .uint32($0) } }
  /// Any integer type will do.
  package static func value(of metadata: MetadataValue) -> Int? { metadata.integer }
}

extension Double: KeyValue {
  package static var element: MetadataElement { .f32 }
  package var metadata: MetadataValue? { .float32(Float(self)) }
  package var text: String { Int(exactly: self).map(String.init) ?? "\(self)" }
  /// A finite number of either width.
  package static func value(of metadata: MetadataValue) -> Double? {
    switch metadata {
    case .float32(let number) where number.isFinite: Double(number)
    case .float64(let number) where number.isFinite: number
    default: nil
    }
  }
}

extension Bool: KeyValue {
  package static var element: MetadataElement { .bool }
  package var metadata: MetadataValue? { .bool(self) }
  package static func value(of metadata: MetadataValue) -> Bool? {
    if case .bool(let flag) = metadata { flag } else { nil }
  }
}

extension String: KeyValue {
  package static var element: MetadataElement { .string }
  package var metadata: MetadataValue? { .string(self) }
  package var text: String { self }
  package static func value(of metadata: MetadataValue) -> String? { metadata.text }
}

/// A type of elements of lists under keys.
package protocol KeyListElement: Sendable {
  /// The type of the elements as converters write them.
  static var listElement: MetadataElement { get }
  /// Other types that they may have.
  static var listAlternatives: [MetadataElement] { get }

  /// What a file holds.
  static func metadata(_ list: [Self]) -> MetadataArray
  /// Reads a list; `nil` for another type.
  static func list(of metadata: MetadataValue) -> [Self]?
}

extension Array: KeyValue where Element: KeyListElement {
  package static var element: MetadataElement { Element.listElement }
  package static var alternatives: [MetadataElement] { Element.listAlternatives }
  package var metadata: MetadataValue? { .array(Element.metadata(self)) }
  package static func value(of metadata: MetadataValue) -> [Element]? { Element.list(of: metadata) }
}

extension Int: KeyListElement {
  package static var listElement: MetadataElement { .i32 }
  package static var listAlternatives: [MetadataElement] { [.u32] }
  package static func metadata(_ list: [Int]) -> MetadataArray { .int32(list.map { Int32(clamping: $0) }) }
  package static func list(of metadata: MetadataValue) -> [Int]? { metadata.integers }
}

extension Double: KeyListElement {
  package static var listElement: MetadataElement { .f32 }
  package static var listAlternatives: [MetadataElement] { [] }
  package static func metadata(_ list: [Double]) -> MetadataArray { .float32(list.map { Float($0) }) }
  /// Finite numbers.
  package static func list(of metadata: MetadataValue) -> [Double]? {
    guard case .array(.float32(let list)) = metadata, list.allSatisfy(\.isFinite) else { return nil }
    return list.map(Double.init)
  }
}

extension Bool: KeyListElement {
  package static var listElement: MetadataElement { .bool }
  package static var listAlternatives: [MetadataElement] { [.u32, .i32] }
  package static func metadata(_ list: [Bool]) -> MetadataArray { .bool(list) }
  /// Numbers other than 0 are true.
  package static func list(of metadata: MetadataValue) -> [Bool]? {
    if case .array(.bool(let list)) = metadata { list } else { metadata.integers?.map { $0 != 0 } }
  }
}

extension String: KeyListElement {
  package static var listElement: MetadataElement { .string }
  package static var listAlternatives: [MetadataElement] { [] }
  package static func metadata(_ list: [String]) -> MetadataArray { .string(list) }
  package static func list(of metadata: MetadataValue) -> [String]? {
    if case .array(.string(let list)) = metadata { list } else { nil }
  }
}
