internal import FileBytes
package import TensorTypes

/// Typed access to the entries under an architecture's name.
package struct KeyReader: Sendable {
  /// The name that errors give.
  package let file: String
  /// The value of `general.architecture`.
  package let architecture: String
  private let values: [String: MetadataValue]

  /// Looks at entries; of several with one name the first counts.
  ///
  /// - Throws: ``DescriptionError`` with `invalidMetadata` for entries without an architecture.
  package init(_ metadata: [MetadataEntry], file: String) throws {
    self.file = file
    values = Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }
    guard let architecture = values["general.architecture"]?.text, !architecture.isEmpty else {
      throw DescriptionError(
        .invalidMetadata,
        Fault(
          file: file, subject: "general.architecture", expected: "a name",
          found: values["general.architecture"]?.summary ?? "no such key"))
    }
    self.architecture = architecture
  }

  /// The full name of a key.
  package func name(_ key: TypedKey<some KeyValue>) -> String { key.name(in: architecture) }

  /// What the file has under a key, whatever it is; `nil` when the key is absent.
  package func raw(_ key: TypedKey<some KeyValue>) -> MetadataValue? { values[name(key)] }

  /// The whole number under a key, of any size; `nil` when it is absent or something else.
  package func count(_ key: TypedKey<Int>) -> Int? { raw(key)?.integer }

  /// Whether the file has routed experts.
  var hasExperts: Bool { (count(.expertCount) ?? 0) > 0 }

  /// The elements of a list; `nil` for anything else.
  func elementCount(_ name: String) -> Int? {
    if case .array(let list)? = values[name] { list.count } else { nil }
  }

  /// An error about a key.
  package func fault(
    _ key: TypedKey<some KeyValue>, expected: String, found: String? = nil
  ) -> DescriptionError {
    DescriptionError(
      .invalidMetadata,
      Fault(
        file: file, subject: name(key), expected: expected,
        found: found ?? raw(key)?.summary ?? "no such key"))
  }

  /// An error about a key that has another value in some layers than in others.
  func unevenLayers(_ key: TypedKey<some KeyValue>, expected: String) -> DescriptionError {
    var error = fault(key, expected: expected)
    error.code = .notSupported
    error.fault.remedy = "layers of different sizes are not supported yet"
    return error
  }

  /// The value that the file states; `nil` when the key is absent.
  ///
  /// - Throws: ``DescriptionError`` with `invalidMetadata` for another type or a value out of range.
  package func stated<Value: KeyValue>(_ key: TypedKey<Value>) throws -> Value? {
    guard let stored = raw(key) else { return nil }
    guard let value = Value.value(of: stored), key.key.range.contains(stored) else {
      throw fault(key, expected: key.key.readPhrase)
    }
    return value
  }

  /// The same for whole numbers; where there may be one for each block, a list will do in which all are equal.
  package func stated(_ key: TypedKey<Int>) throws -> Int? { try stated(key, in: key.key.integers) }

  /// The same in another range: what a forward pass takes, where that is less than loaders take.
  package func stated(_ key: TypedKey<Int>, in range: ClosedRange<Int>) throws -> Int? {
    guard let stored = raw(key) else { return nil }
    let list = key.key.form == .singleOrPerBlock ? stored.integers : nil
    guard let number = stored.integer ?? (list == nil ? nil : stored.commonInteger), range.contains(number)
    else {
      let isList = list.map { Set($0).count > 1 && $0.allSatisfy(range.contains) } ?? false
      throw isList
        ? unevenLayers(key, expected: "one number for all layers")
        : fault(key, expected: MetadataKey.phrase(range))
    }
    return number
  }

  /// The value that the file states, or what the absence of the key stands for.
  ///
  /// - Throws: ``DescriptionError`` with `invalidMetadata`, also for an absent key that stands for nothing.
  package func value<Value: KeyValue>(_ key: TypedKey<Value>) throws -> Value {
    guard let value = try stated(key) ?? key.assumed else { throw fault(key, expected: key.key.readPhrase) }
    return value
  }

  /// The same for whole numbers.
  package func value(_ key: TypedKey<Int>) throws -> Int { try value(key, in: key.key.integers) }

  /// The same in another range.
  package func value(_ key: TypedKey<Int>, in range: ClosedRange<Int>) throws -> Int {
    guard let value = try stated(key, in: range) ?? key.assumed else {
      throw fault(key, expected: MetadataKey.phrase(range))
    }
    return value
  }
}

extension MetadataKey {
  /// The whole numbers that the key takes.
  fileprivate var integers: ClosedRange<Int> {
    if case .integers(let range) = range { range } else { 0...Int(UInt32.max) }
  }

  fileprivate static func phrase(_ range: ClosedRange<Int>) -> String {
    "a whole number from \(range.lowerBound) to \(range.upperBound)"
  }

  /// What readers here want, who do not care for the width of a number.
  fileprivate var readPhrase: String {
    switch (range, form) {
    case (.any, .single) where element == .f32: "a finite number"
    case (.any, .single): element.phrase
    case (.any, _): phrase(blockCount: nil)
    case (.integers(let range), _): Self.phrase(range)
    default: rangePhrase
    }
  }
}
