internal import FileBytes
internal import TensorTypes

/// Turns the JSON text of a header into checked entries.
struct SafetensorsHeaderParser {
  /// Offsets stay below this, so that adding a header length never overflows.
  static let offsetLimit = Int.max - 8 - SafetensorsHeader.maximumByteCount

  private var scanner: JSONScanner
  /// The tensors found so far, in the order of the text.
  private(set) var entries: [SafetensorsEntry] = []
  /// The strings under `__metadata__`.
  private(set) var metadata: [String: String] = [:]
  private var file: String { scanner.file }

  init(_ scanner: JSONScanner) { self.scanner = scanner }

  /// Reads the whole text.
  mutating func parse() throws(SafetensorsError) {
    guard let first = scanner.bytes.first, first == UInt8(ascii: "{") else {
      throw scanner.refusal(.notAnObject, expected: "a header that starts with an opening brace", at: 0)
    }
    // Names are compared as Swift strings: two names that differ only in Unicode normalization count as
    // duplicates, because everything after this looks tensors up by such strings.
    var seen: Set<String> = []
    var text = scanner
    var entries: [SafetensorsEntry] = []
    var metadata: [String: String] = [:]
    try SafetensorsError.translating {
      try text.forEachMember { key, scanner in
        guard seen.insert(key).inserted else {
          throw Self.duplicate(key, in: "the header", file: scanner.file)
        }
        if key == "__metadata__" {
          metadata = try Self.metadata(&scanner)
        } else {
          entries.append(try Self.entry(key, &scanner))
        }
      }
      try text.finish()
    }
    self.entries = entries
    self.metadata = metadata
    scanner = text
  }

  private static func duplicate(_ key: String, in place: String, file: String) -> SafetensorsError {
    SafetensorsError(
      .duplicateKey,
      Fault(
        file: file, subject: key, expected: "each key once in \(place)", found: "a second one",
        remedy: "the file is damaged or hostile; do not use it"))
  }

  /// Reads `__metadata__`.
  private static func metadata(_ scanner: inout JSONScanner) throws -> [String: String] {
    guard scanner.next() == UInt8(ascii: "{") else {
      throw scanner.refusal(.badMetadata, subject: "__metadata__", expected: "an object of strings")
    }
    var result: [String: String] = [:]
    try scanner.forEachMember { key, scanner in
      guard scanner.next() == UInt8(ascii: "\"") else {
        throw scanner.refusal(.badMetadata, subject: "__metadata__ \(key)", expected: "a string")
      }
      let value = try scanner.string("a string")
      guard result.updateValue(value, forKey: key) == nil else {
        throw duplicate(key, in: "__metadata__", file: scanner.file)
      }
    }
    return result
  }

  /// Reads the description of the tensor `name`.
  private static func entry(_ name: String, _ scanner: inout JSONScanner) throws -> SafetensorsEntry {
    guard scanner.next() == UInt8(ascii: "{") else {
      throw scanner.refusal(
        .missingField, subject: name, expected: "an object with dtype, shape and data_offsets")
    }
    var elementType: ElementType?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.forEachMember { key, scanner in
      switch key {
      case "dtype":
        guard elementType == nil else { throw duplicate(name, in: "dtype", file: scanner.file) }
        elementType = try Self.elementType(name, &scanner)
      case "shape":
        guard shape == nil else { throw duplicate(name, in: "shape", file: scanner.file) }
        shape = try counts("a dimension", name, &scanner, limit: .max)
      case "data_offsets":
        guard offsets == nil else { throw duplicate(name, in: "data_offsets", file: scanner.file) }
        offsets = try counts("an offset", name, &scanner, limit: 2)
      default:
        // The reference reader skips fields that it does not know.
        try scanner.skipValue()
      }
    }
    guard let elementType, let shape, let offsets else {
      let missing = [
        elementType == nil ? "dtype" : nil, shape == nil ? "shape" : nil,
        offsets == nil ? "data_offsets" : nil,
      ]
      throw SafetensorsError(
        .missingField,
        Fault(
          file: scanner.file, subject: name, expected: "dtype, shape and data_offsets",
          found: "no " + missing.compactMap { $0 }.joined(separator: ", no "),
          remedy: "the file is damaged; fetch it again"))
    }
    let tensor = SourceTensor(name: name, elementType: elementType, shape: shape)
    return try checked(tensor, offsets, scanner.file)
  }

  private static func elementType(_ name: String, _ scanner: inout JSONScanner) throws -> ElementType {
    guard scanner.next() == UInt8(ascii: "\"") else {
      throw scanner.refusal(.unknownElementType, subject: name, expected: "a dtype in quotes")
    }
    let text = try scanner.string("a dtype in quotes")
    guard let type = ElementType(rawValue: text) else {
      throw SafetensorsError(
        .unknownElementType,
        Fault(
          file: scanner.file, subject: name, expected: "a dtype such as BF16, F16 or F32",
          found: "\"\(text)\"",
          remedy: "this element type is not supported yet"))
    }
    return type
  }

  /// Reads an array of whole numbers, exactly `limit` of them unless it is `Int.max`.
  private static func counts(
    _ what: String, _ name: String, _ scanner: inout JSONScanner, limit: Int
  ) throws -> [Int] {
    var result: [Int] = []
    guard scanner.next() == UInt8(ascii: "[") else {
      throw scanner.refusal(.badNumber, subject: name, expected: "an array, each element \(what)")
    }
    try scanner.forEachElement { scanner in
      guard result.count < limit else {
        throw scanner.refusal(.badOffsets, subject: name, expected: "\(limit) offsets, not more")
      }
      result.append(try scanner.count(what, subject: name))
    }
    guard limit == .max || result.count == limit else {
      throw scanner.refusal(.badOffsets, subject: name, expected: "\(limit) offsets, not \(result.count)")
    }
    return result
  }

  /// Checks that the size which follows from type and shape is the one the offsets span.
  private static func checked(
    _ tensor: SourceTensor, _ offsets: [Int], _ file: String
  ) throws(SafetensorsError) -> SafetensorsEntry {
    let name = tensor.name
    let begin = offsets[0]
    let end = offsets[1]
    guard begin <= end, end <= offsetLimit else {
      throw SafetensorsError(
        .badOffsets,
        Fault(
          file: file, subject: name, expected: "0 <= begin <= end <= \(offsetLimit)",
          found: "data_offsets [\(begin), \(end)]", remedy: "the file is damaged; fetch it again"))
    }
    var bits = tensor.elementType.bitCount
    for dimension in tensor.shape {
      let (product, overflow) = bits.multipliedReportingOverflow(by: dimension)
      guard !overflow else {
        throw SafetensorsError(
          .shapeOverflow,
          Fault(
            file: file, subject: name, expected: "a size below 2^63 bits", found: "shape \(tensor.shape)",
            remedy: "the file is damaged; fetch it again"))
      }
      bits = product
    }
    guard bits % 8 == 0 else {
      throw SafetensorsError(
        .partialByte,
        Fault(
          file: file, subject: name, expected: "a whole number of bytes",
          found: "\(bits) bits (\(tensor.elementType.rawValue), shape \(tensor.shape))",
          remedy: "the file is damaged; fetch it again"))
    }
    guard end - begin == bits / 8 else {
      throw SafetensorsError(
        .sizeMismatch,
        Fault(
          file: file, subject: name,
          expected: "\(bits / 8) bytes (\(tensor.elementType.rawValue), shape \(tensor.shape))",
          found: "\(end - begin) (data_offsets [\(begin), \(end)])",
          remedy: "the file is damaged; fetch it again"))
    }
    return SafetensorsEntry(tensor: tensor, begin: begin, end: end)
  }

  /// Puts the entries into the order of their bytes and checks that each starts where the one before ends.
  mutating func sortAndCheckLayout() throws(SafetensorsError) {
    func precedes(_ a: SafetensorsEntry, _ b: SafetensorsEntry) -> Bool {
      (a.begin, a.end) < (b.begin, b.end)
    }
    if !zip(entries, entries.dropFirst()).allSatisfy({ !precedes($1, $0) }) {
      // Swift's sort is stable, so empty tensors keep their order.
      entries.sort(by: precedes)
    }
    var previousEnd = 0
    var previousName = ""
    for entry in entries {
      guard entry.begin == previousEnd else {
        let isGap = entry.begin > previousEnd
        let place = previousName.isEmpty ? "the start of the data" : "the end of \(previousName)"
        throw SafetensorsError(
          isGap ? .gap : .overlap,
          Fault(
            file: file, subject: entry.tensor.name, expected: "data at offset \(previousEnd), \(place)",
            found: "offset \(entry.begin), "
              + (isGap
                ? "a gap of \(entry.begin - previousEnd)" : "an overlap of \(previousEnd - entry.begin)")
              + " bytes",
            remedy: "the file is damaged or hostile; do not use it"))
      }
      previousEnd = entry.end
      previousName = entry.tensor.name
    }
  }
}
