/// Builds GGUF files field by field, right or wrong, without the code under test.
public struct GGUFBytes: Sendable {
  /// What has been written.
  public var bytes: [UInt8] = []

  /// Starts with magic, version and counts.
  public init(magic: String = "GGUF", version: UInt32 = 3, tensorCount: Int64 = 0, entryCount: Int64 = 0) {
    bytes.append(contentsOf: magic.utf8)
    append(version)
    append(tensorCount)
    append(entryCount)
  }

  /// Appends a little-endian integer.
  public mutating func append<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Appends a string with its length, or with a false one.
  public mutating func append(_ text: String, claimedLength: UInt64? = nil) {
    append(claimedLength ?? UInt64(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }

  /// Appends a key and a value type; the value follows.
  public mutating func key(_ key: String, type: Int32) {
    append(key)
    append(type)
  }

  /// Appends a u32 entry.
  public mutating func entry(_ key: String, _ value: UInt32) {
    self.key(key, type: 4)
    append(value)
  }

  /// Appends a u16 entry.
  public mutating func entry(_ key: String, _ value: UInt16) {
    self.key(key, type: 2)
    append(value)
  }

  /// Appends an i32 entry.
  public mutating func entry(_ key: String, _ value: Int32) {
    self.key(key, type: 5)
    append(value)
  }

  /// Appends a string entry.
  public mutating func entry(_ key: String, _ value: String) {
    self.key(key, type: 8)
    append(value)
  }

  /// Appends a tensor info.
  public mutating func tensor(
    _ name: String, dimensions: [Int64], type: Int32 = 0, offset: UInt64, claimedDimensionCount: UInt32? = nil
  ) {
    append(name)
    append(claimedDimensionCount ?? UInt32(dimensions.count))
    for dimension in dimensions { append(dimension) }
    append(type)
    append(offset)
  }

  /// Appends zeros up to a multiple of `alignment`.
  public mutating func pad(to alignment: Int = 32) {
    while bytes.count % alignment != 0 { bytes.append(0) }
  }

  /// Appends zeros.
  public mutating func zeros(_ count: Int) {
    bytes.append(contentsOf: repeatElement(0, count: count))
  }
}
