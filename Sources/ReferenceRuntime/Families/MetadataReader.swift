internal import FileBytes
internal import TensorTypes

/// Metadata values with checks, under the prefix of an architecture.
struct MetadataReader {
  /// The file, for messages.
  let file: String
  /// The value of `general.architecture`.
  let architecture: String
  private let values: [String: MetadataValue]

  /// Reads the architecture.
  ///
  /// - Throws: ``RuntimeError`` with `badMetadata`.
  init(_ metadata: [MetadataEntry], file: String) throws {
    self.file = file
    values = Dictionary(metadata.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    guard let name = values["general.architecture"]?.text else {
      throw RuntimeError(
        .badMetadata,
        Fault(
          file: file, subject: "general.architecture", expected: "the name of an architecture", found: "none")
      )
    }
    architecture = name
  }

  private func fault(_ key: String, expected: String) -> RuntimeError {
    let full = architecture + "." + key
    let found = values[full].map { "\($0)" } ?? "no such key"
    return RuntimeError(
      .badMetadata, Fault(file: file, subject: full, expected: expected, found: String(found.prefix(80))))
  }

  /// An integer in range; absent is `nil`.
  func optional(_ key: String, _ range: ClosedRange<Int> = 1...(1 << 24)) throws -> Int? {
    guard let value = values[architecture + "." + key] else { return nil }
    guard let number = value.integer ?? Self.onlyElement(value), range.contains(number) else {
      throw fault(key, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// An integer in range.
  func integer(_ key: String, _ range: ClosedRange<Int> = 1...(1 << 24)) throws -> Int {
    guard let value = try optional(key, range) else {
      throw fault(key, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  /// A finite number; absent is `nil`.
  func number(_ key: String) throws -> Double? {
    switch values[architecture + "." + key] {
    case nil: return nil
    case .float32(let value) where value.isFinite: return Double(value)
    case .float64(let value) where value.isFinite: return value
    default: throw fault(key, expected: "a finite number")
    }
  }

  /// True or false; absent is `nil`.
  func flag(_ key: String) throws -> Bool? {
    switch values[architecture + "." + key] {
    case nil: return nil
    case .bool(let flag): return flag
    default: throw fault(key, expected: "true or false")
    }
  }

  /// A list of flags; absent is `nil`.
  func flags(_ key: String) throws -> [Bool]? {
    switch values[architecture + "." + key] {
    case nil: return nil
    case .array(.bool(let list)): return list
    default: throw fault(key, expected: "a list of booleans")
    }
  }

  /// Per-layer lists whose elements are all equal stand for one number.
  private static func onlyElement(_ value: MetadataValue) -> Int? {
    guard case .array(let array) = value else { return nil }
    let numbers: [Int]
    switch array {
    case .int32(let list): numbers = list.map { Int($0) }
    case .uint32(let list): numbers = list.map { Int($0) }
    default: return nil
    }
    guard let first = numbers.first, numbers.allSatisfy({ $0 == first }) else { return nil }
    return first
  }
}
