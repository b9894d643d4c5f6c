internal import FileBytes
public import TensorTypes

extension [MetadataEntry] {
  /// The value stored under `key`.
  public func value(_ key: String) -> MetadataValue? { first { $0.key == key }?.value }

  /// Sets a value as llama.cpp does: an existing entry is removed, the new one goes to the end.
  public mutating func set(_ key: String, _ value: MetadataValue) {
    remove(key)
    append(MetadataEntry(key, value))
  }

  /// Removes the entry with `key`, if there is one.
  public mutating func remove(_ key: String) { removeAll { $0.key == key } }

  /// The entries as llama.cpp copies them from one file to another: it passes text as C strings, which ends each
  /// string and each element of a string array at its first NUL.
  package func copiedAsCStrings() -> [MetadataEntry] {
    map { entry in
      switch entry.value {
      case .string(let text) where text.utf8.contains(0):
        MetadataEntry(entry.key, Self.text(Self.cut([UInt8](text.utf8))))
      case .rawString(let bytes) where bytes.contains(0):
        MetadataEntry(entry.key, Self.text(Self.cut(bytes)))
      case .array(.string(let texts)) where texts.contains(where: { $0.utf8.contains(0) }):
        // Cutting valid UTF-8 before a NUL leaves valid UTF-8.
        MetadataEntry(
          entry.key,
          .array(.string(texts.map { String(decoding: Self.cut([UInt8]($0.utf8)), as: UTF8.self) })))
      case .array(.rawString(let strings)) where strings.contains(where: { $0.contains(0) }):
        MetadataEntry(entry.key, .array(Self.texts(strings.map(Self.cut))))
      default: entry
      }
    }
  }

  private static func cut(_ bytes: [UInt8]) -> [UInt8] { [UInt8](bytes.prefix { $0 != 0 }) }

  /// A string value in the form in which the reader would give it.
  private static func text(_ bytes: [UInt8]) -> MetadataValue {
    bytes.withUnsafeBytes { String(utf8: $0) }.map { .string($0) } ?? .rawString(bytes)
  }

  /// A string array in the form in which the reader would give it.
  private static func texts(_ strings: [[UInt8]]) -> MetadataArray {
    var texts: [String] = []
    for bytes in strings {
      guard let text = bytes.withUnsafeBytes({ String(utf8: $0) }) else { return .rawString(strings) }
      texts.append(text)
    }
    return .string(texts)
  }
}
