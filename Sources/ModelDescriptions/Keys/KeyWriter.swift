package import TensorTypes

/// Collects the entries of a file under an architecture's name, in order.
package struct KeyWriter {
  /// The value of `general.architecture`.
  package let architecture: String
  /// The entries so far.
  package private(set) var entries: [MetadataEntry] = []

  /// Begins without entries.
  package init(architecture: String) { self.architecture = architecture }

  /// Adds a value; nothing for `nil`, or for a number that a file cannot hold.
  package mutating func add<Value: KeyValue>(_ key: TypedKey<Value>, _ value: Value?) {
    guard let value = value?.metadata else { return }
    entries.append(MetadataEntry(key.name(in: architecture), value))
  }

  /// Adds one number for each block.
  mutating func add(_ key: TypedKey<Int>, perBlock numbers: [Int]) {
    entries.append(
      MetadataEntry(key.name(in: architecture), .array(.int32(numbers.map { Int32(clamping: $0) }))))
  }

  /// Adds an entry that is under no architecture's name.
  mutating func add(_ entry: MetadataEntry) { entries.append(entry) }
}
