internal import FileBytes
package import TensorTypes

/// A metadata entry that the user sets with `--override-kv KEY=TYPE:VALUE`.
package struct KeyValueOverride: Hashable, Sendable {
  /// The entry as it is written: `uint32`, `float32`, `bool` or `string`.
  package var entry: MetadataEntry
  /// The number was negative and only its magnitude is stored, as llama-quantize does.
  package var signDropped: Bool

  /// Parses `KEY=TYPE:VALUE`; TYPE is `int`, `float`, `bool` or `str`, key and text at most 127 bytes.
  ///
  /// llama-quantize stops at the first character that is not part of a number; here the number must be all
  /// there is.
  ///
  /// - Throws: ``RecipeError`` with `malformedOverride`.
  package init(parsing text: String) throws {
    func malformed(_ expected: String, _ found: String) -> RecipeError {
      RecipeError(.malformedOverride, Fault(subject: text, expected: expected, found: found))
    }
    guard let equals = text.firstIndex(of: "="), equals != text.startIndex,
      let colon = text[equals...].firstIndex(of: ":")
    else { throw malformed("KEY=TYPE:VALUE", "\"\(text)\"") }
    let key = String(text[..<equals])
    guard key.utf8.count < 128 else { throw malformed("a key of at most 127 bytes", "\(key.utf8.count)") }
    let type = text[text.index(after: equals)..<colon]
    let value = String(text[text.index(after: colon)...])
    signDropped = false
    switch type {
    case "int":
      guard let number = Int64(value), let magnitude = UInt32(exactly: number.magnitude) else {
        throw malformed("an integer of at most \(UInt32.max)", "\"\(value)\"")
      }
      signDropped = number < 0
      entry = MetadataEntry(key, .uint32(magnitude))
    case "float":
      guard let number = Double(value) else { throw malformed("a number", "\"\(value)\"") }
      entry = MetadataEntry(key, .float32(Float(number)))
    case "bool":
      guard value == "true" || value == "false" else { throw malformed("true or false", "\"\(value)\"") }
      entry = MetadataEntry(key, .bool(value == "true"))
    case "str":
      guard value.utf8.count < 128 else {
        throw malformed("text of at most 127 bytes", "\(value.utf8.count)")
      }
      entry = MetadataEntry(key, .string(value))
    default:
      throw malformed("the type int, float, bool or str", "\"\(type)\"")
    }
  }

  /// Parses several overrides; llama.cpp's loader would take the first and the file the last of two with one
  /// key, so that is refused.
  ///
  /// - Throws: ``RecipeError`` with `malformedOverride` or `duplicateOverride`.
  package static func parse(_ texts: [String]) throws -> [KeyValueOverride] {
    var seen = Set<String>()
    return try texts.map { text in
      let parsed = try KeyValueOverride(parsing: text)
      guard seen.insert(parsed.entry.key).inserted else {
        throw RecipeError(
          .duplicateOverride,
          Fault(
            subject: parsed.entry.key, expected: "one override", found: "several", remedy: "keep one of them")
        )
      }
      return parsed
    }
  }
}
