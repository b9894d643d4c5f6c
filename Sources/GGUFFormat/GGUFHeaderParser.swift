internal import FileBytes
internal import TensorTypes

/// Why parsing stopped.
enum GGUFParseStop: Error {
  /// The bytes given end inside the header, the file does not.
  case needsMoreBytes
  /// The header is wrong.
  case rejected(GGUFError)
}

/// Turns header bytes into checked values; see ``GGUFHeader`` for the layout.
struct GGUFHeaderParser {
  /// The smallest metadata entry: key length, one byte of key, type, one byte of value.
  private static let minimumEntryByteCount = 14
  /// The smallest tensor info: name length, dimension count, type, offset.
  private static let minimumInfoByteCount = 24

  private(set) var version: UInt32 = 0
  private(set) var metadata: [MetadataEntry] = []
  private(set) var keys: [String: Int] = [:]
  private(set) var tensors: [GGUFTensorInfo] = []
  private(set) var alignment = GGUFConstants.defaultAlignment
  private(set) var dataStart = 0

  private var cursor: ByteCursor
  private let fileByteCount: Int
  private let file: String
  private let allowsForeignTypes: Bool

  init(_ bytes: UnsafeRawBufferPointer, fileByteCount: Int, file: String, allowsForeignTypes: Bool) {
    cursor = ByteCursor(bytes)
    self.fileByteCount = max(fileByteCount, bytes.count)
    self.file = file
    self.allowsForeignTypes = allowsForeignTypes
  }

  /// Reads everything up to the data section.
  mutating func parse() throws(GGUFParseStop) {
    try readMagicAndVersion()
    let tensorCount = try readCount("tensors", smallest: Self.minimumInfoByteCount)
    let entryCount = try readCount("metadata entries", smallest: Self.minimumEntryByteCount)
    // Room is reserved from what the bytes can hold, not from what the file claims.
    metadata.reserveCapacity(min(entryCount, cursor.remaining / Self.minimumEntryByteCount))
    for index in 0..<entryCount { try readEntry(index) }
    try readAlignment()
    tensors.reserveCapacity(min(tensorCount, cursor.remaining / Self.minimumInfoByteCount))
    try readTensors(tensorCount)
    try findDataStart()
  }

  // MARK: - Primitives

  /// Bytes between the cursor and the end of the file.
  private var fileRemaining: Int { fileByteCount - cursor.offset }

  private func rejected(
    _ code: GGUFError.Code, subject: String = "", expected: String, found: String,
    remedy: String = "the file is damaged; fetch it again"
  ) -> GGUFParseStop {
    .rejected(
      GGUFError(code, Fault(file: file, subject: subject, expected: expected, found: found, remedy: remedy)))
  }

  /// The stop for `count` bytes that the bytes given do not have.
  private func short(_ count: Int, _ what: String) -> GGUFParseStop {
    guard count > fileRemaining else { return .needsMoreBytes }
    return rejected(
      .headerTruncated, subject: what, expected: "\(count) bytes at \(cursor.offset)",
      found: "\(fileRemaining) bytes before the end of the file")
  }

  private mutating func integer<T: FixedWidthInteger>(_ what: String, as type: T.Type = T.self)
    throws(GGUFParseStop) -> T
  {
    guard let value = cursor.read(T.self) else { throw short(MemoryLayout<T>.size, what) }
    return value
  }

  /// Reads a length-prefixed string's bytes.
  private mutating func stringBytes(_ what: String) throws(GGUFParseStop) -> UnsafeRawBufferPointer {
    let count = try integer(what, as: UInt64.self)
    guard count <= UInt64(GGUFConstants.maximumStringByteCount) else {
      throw rejected(
        .stringTooLong, subject: what, expected: "a string of at most 2^30 bytes", found: "\(count)")
    }
    guard count <= UInt64(fileRemaining) else {
      throw rejected(
        .stringTooLong, subject: what, expected: "a string that fits the \(fileRemaining) bytes left",
        found: "\(count) bytes")
    }
    guard let bytes = cursor.take(Int(count)) else { throw .needsMoreBytes }
    return bytes
  }

  /// Reads a string that must be UTF-8.
  private mutating func name(_ what: @autoclosure () -> String) throws(GGUFParseStop) -> String {
    let bytes = try stringBytes(what())
    guard let text = String(utf8: bytes) else {
      throw rejected(
        .notUTF8, subject: what(), expected: "a name in UTF-8",
        found: "\"\(String(decoding: bytes.prefix(80), as: UTF8.self))\"")
    }
    return text
  }

  // MARK: - Parts

  private mutating func readMagicAndVersion() throws(GGUFParseStop) {
    let magic = try integer("magic", as: UInt32.self)
    guard magic == 0x4655_4747 else {
      throw rejected(
        .badMagic, expected: "the bytes 47 47 55 46 (GGUF)",
        found: withUnsafeBytes(of: magic.littleEndian) { $0.hexadecimal(uppercase: true, separator: " ") },
        remedy: "this is not a GGUF file")
    }
    version = try integer("version")
    if version != 0, version & 0xFFFF == 0 {
      throw rejected(
        .otherByteOrder, expected: "a little-endian file", found: "version \(version), which is byte-swapped",
        remedy: "big-endian files are not supported; convert it with gguf-py first")
    }
    guard version == 2 || version == 3 else {
      throw rejected(
        .badVersion, expected: "version 2 or 3", found: "\(version)",
        remedy: version == 1 ? "version 1 is too old; make the file again" : "this version is not supported")
    }
  }

  private mutating func readCount(_ what: String, smallest: Int) throws(GGUFParseStop) -> Int {
    let count = try integer(what, as: Int64.self)
    // Every entry takes some bytes, so a count that the file cannot hold is a lie.
    guard count >= 0, count <= Int64(fileRemaining / smallest) else {
      throw rejected(
        .badCount, subject: what,
        expected: "a count from 0 to \(fileRemaining / smallest), which the file can hold",
        found: "\(count)")
    }
    return Int(count)
  }

  private mutating func readEntry(_ index: Int) throws(GGUFParseStop) {
    let key = try name("metadata key \(index)")
    guard !key.isEmpty else {
      throw rejected(.emptyKey, subject: "metadata key \(index)", expected: "a key", found: "an empty string")
    }
    guard keys.updateValue(index, forKey: key) == nil else {
      throw rejected(
        .duplicateKey, subject: key, expected: "each key once", found: "a second one (entry \(index))",
        remedy: "the file is damaged or hostile; do not use it")
    }
    let type = try integer(key, as: Int32.self)
    metadata.append(MetadataEntry(key, try readValue(key, type)))
  }

  private mutating func readValue(_ key: String, _ type: Int32) throws(GGUFParseStop) -> MetadataValue {
    switch type {
    case 0: return .uint8(try integer(key))
    case 1: return .int8(try integer(key))
    case 2: return .uint16(try integer(key))
    case 3: return .int16(try integer(key))
    case 4: return .uint32(try integer(key))
    case 5: return .int32(try integer(key))
    case 6: return .float32(Float(bitPattern: try integer(key)))
    case 7: return .bool(try integer(key, as: UInt8.self) != 0)
    case 8:
      let bytes = try stringBytes(key)
      return String(utf8: bytes).map { .string($0) } ?? .rawString([UInt8](bytes))
    case 9: return .array(try readArray(key))
    case 10: return .uint64(try integer(key))
    case 11: return .int64(try integer(key))
    case 12: return .float64(Double(bitPattern: try integer(key)))
    default:
      throw rejected(.badValueType, subject: key, expected: "a value type from 0 to 12", found: "\(type)")
    }
  }

  private mutating func readArray(_ key: String) throws(GGUFParseStop) -> MetadataArray {
    let type = try integer(key, as: Int32.self)
    guard type != 9 else {
      throw rejected(
        .nestedArray, subject: key, expected: "an array of plain values or strings",
        found: "an array of arrays",
        remedy: "llama.cpp does not read such files either")
    }
    guard let size = Self.elementSize(type) else {
      throw rejected(
        .badValueType, subject: key, expected: "an element type from 0 to 12 except 9", found: "\(type)")
    }
    let count64 = try integer(key, as: UInt64.self)
    guard count64 <= UInt64(GGUFConstants.maximumElementCount) else {
      throw rejected(.arrayTooLong, subject: key, expected: "at most 2^30 elements", found: "\(count64)")
    }
    let count = Int(count64)
    guard count * size <= fileRemaining else {
      throw rejected(
        .arrayTooLong, subject: key, expected: "elements that fit the \(fileRemaining) bytes left",
        found: "\(count) elements of at least \(size) bytes")
    }
    if type == 8 { return try readStrings(key, count) }
    guard let bytes = cursor.take(count * size) else { throw .needsMoreBytes }
    return switch type {
    case 0: .uint8([UInt8](bytes))
    case 1: .int8(Self.integers(bytes, count))
    case 2: .uint16(Self.integers(bytes, count))
    case 3: .int16(Self.integers(bytes, count))
    case 4: .uint32(Self.integers(bytes, count))
    case 5: .int32(Self.integers(bytes, count))
    case 6: .float32(Self.integers(bytes, count).map { Float(bitPattern: $0) })
    case 7: .bool(bytes.map { $0 != 0 })
    case 10: .uint64(Self.integers(bytes, count))
    case 11: .int64(Self.integers(bytes, count))
    default: .float64(Self.integers(bytes, count).map { Double(bitPattern: $0) })
    }
  }

  /// Bytes per element; for strings the length alone, which every element has.
  private static func elementSize(_ type: Int32) -> Int? {
    switch type {
    case 0, 1, 7: 1
    case 2, 3: 2
    case 4, 5, 6: 4
    case 8, 10, 11, 12: 8
    default: nil
    }
  }

  /// Decodes `count` little-endian integers; the caller has taken exactly as many bytes.
  private static func integers<T: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, _ count: Int) -> [T] {
    [T](unsafeUninitializedCapacity: count) { output, initialized in
      for index in 0..<count {
        let value = bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<T>.size, as: T.self)
        output.initializeElement(at: index, to: T(littleEndian: value))
      }
      initialized = count
    }
  }

  private mutating func readStrings(_ key: String, _ count: Int) throws(GGUFParseStop) -> MetadataArray {
    // At least 8 bytes each: with fewer the array goes on after the bytes given.
    guard count * 8 <= cursor.remaining else { throw .needsMoreBytes }
    let start = cursor
    var strings: [String] = []
    strings.reserveCapacity(count)
    for _ in 0..<count {
      let bytes = try stringBytes(key)
      guard let text = String(utf8: bytes) else {
        cursor = start
        return .rawString(try readRawStrings(key, count))
      }
      strings.append(text)
    }
    return .string(strings)
  }

  private mutating func readRawStrings(_ key: String, _ count: Int) throws(GGUFParseStop) -> [[UInt8]] {
    var strings: [[UInt8]] = []
    strings.reserveCapacity(count)
    for _ in 0..<count { strings.append([UInt8](try stringBytes(key))) }
    return strings
  }

  private mutating func readAlignment() throws(GGUFParseStop) {
    guard let index = keys["general.alignment"] else { return }
    guard case .uint32(let value) = metadata[index].value, value > 0, value & (value - 1) == 0 else {
      throw rejected(
        .badAlignment, subject: "general.alignment", expected: "a u32 that is a power of two",
        found: "\(metadata[index].value)")
    }
    alignment = Int(value)
  }

  private mutating func readTensors(_ count: Int) throws(GGUFParseStop) {
    var seen: Set<String> = []
    seen.reserveCapacity(tensors.capacity)
    var nextOffset = 0
    for index in 0..<count {
      let info = try readTensor(index)
      try measureForeign(until: info.offset, &nextOffset)
      guard seen.insert(info.name).inserted else {
        throw rejected(
          .duplicateTensor, subject: info.name, expected: "each tensor once",
          found: "a second one (tensor \(index))", remedy: "the file is damaged or hostile; do not use it")
      }
      guard info.offset == nextOffset else {
        throw rejected(
          .badOffset, subject: info.name, expected: "offset \(nextOffset), right after the tensor before",
          found: describe(offset: info.offset, wanted: nextOffset),
          remedy: "the file is damaged or hostile; do not use it")
      }
      guard let padded = GGUFConstants.padded(info.byteCount, to: alignment),
        case let (sum, overflow) = nextOffset.addingReportingOverflow(padded), !overflow,
        sum <= Int.max - GGUFConstants.maximumHeaderByteCount - alignment - cursor.bytes.count
      else {
        throw rejected(
          .sizeOverflow, subject: info.name, expected: "tensor data below 2^63 bytes",
          found: "\(nextOffset) + \(info.byteCount)")
      }
      nextOffset = sum
      tensors.append(info)
    }
  }

  /// An offset, and what it means that it is another than the one wanted.
  private func describe(offset: Int, wanted: Int) -> String {
    if offset % alignment != 0 { return "\(offset), which is not aligned to \(alignment)" }
    return offset < wanted
      ? "\(offset): it overlaps the tensor before by \(wanted - offset) bytes"
      : "\(offset): a gap of \(offset - wanted) bytes"
  }

  /// Takes the size of a tensor of an unknown layout from where the next one starts, padding included.
  private mutating func measureForeign(until offset: Int, _ nextOffset: inout Int) throws(GGUFParseStop) {
    guard let last = tensors.last, !last.type.isKnown, offset != nextOffset else { return }
    guard offset > nextOffset, offset % alignment == 0 else {
      throw rejected(
        .badOffset, subject: last.name, expected: "the next tensor at a multiple of \(alignment) after it",
        found: "\(offset)", remedy: "the file is damaged or hostile; do not use it")
    }
    tensors[tensors.count - 1].byteCount = offset - last.offset
    nextOffset = offset
  }

  private mutating func readTensor(_ index: Int) throws(GGUFParseStop) -> GGUFTensorInfo {
    let nameStart = cursor.offset
    let name = try name("tensor name \(index)")
    let byteCount = cursor.offset - nameStart - 8
    guard byteCount <= GGUFConstants.maximumNameByteCount, !name.utf8.contains(0) else {
      throw rejected(
        .badName, subject: String(name.prefix(80)),
        expected: "a name of at most \(GGUFConstants.maximumNameByteCount) bytes without NUL",
        found: "\(byteCount) bytes")
    }
    let dimensionCount = try integer(name, as: UInt32.self)
    guard dimensionCount <= UInt32(GGUFConstants.maximumDimensionCount) else {
      throw rejected(
        .tooManyDimensions, subject: name,
        expected: "at most \(GGUFConstants.maximumDimensionCount) dimensions",
        found: "\(dimensionCount)")
    }
    var shape: [Int] = []
    shape.reserveCapacity(Int(dimensionCount))
    for _ in 0..<dimensionCount { shape.append(Int(try integer(name, as: Int64.self))) }
    let type = try tensorType(name, integer(name, as: Int32.self))
    let offset = try integer(name, as: UInt64.self)
    if !type.isKnown { return try foreign(name, type, shape, offset) }
    switch TensorSize.byteCount(type: type, ggmlShape: shape) {
    case .failure(let problem):
      throw rejected(
        TensorSize.code(problem), subject: name, expected: TensorSize.expectation(problem, type),
        found: "shape \(shape)")
    case .success(let byteCount):
      guard let offset = Int(exactly: offset) else {
        throw rejected(.badOffset, subject: name, expected: "an offset below 2^63", found: "\(offset)")
      }
      return GGUFTensorInfo(name: name, type: type, ggmlShape: shape, offset: offset, byteCount: byteCount)
    }
  }

  /// A tensor whose layout is not known: its size shows later, from where the next one starts.
  private func foreign(
    _ name: String, _ type: TensorType, _ shape: [Int], _ offset: UInt64
  ) throws(GGUFParseStop) -> GGUFTensorInfo {
    if case .failure(let problem) = TensorSize.byteCount(type: .i8, ggmlShape: shape) {
      throw rejected(
        TensorSize.code(problem), subject: name, expected: TensorSize.expectation(problem, .i8),
        found: "shape \(shape)")
    }
    guard let offset = Int(exactly: offset) else {
      throw rejected(.badOffset, subject: name, expected: "an offset below 2^63", found: "\(offset)")
    }
    return GGUFTensorInfo(name: name, type: type, ggmlShape: shape, offset: offset, byteCount: 0)
  }

  private func tensorType(_ name: String, _ id: Int32) throws(GGUFParseStop) -> TensorType {
    let number = UInt32(bitPattern: id)
    if let type = TensorType(rawValue: number) { return type }
    if allowsForeignTypes { return .other(number) }
    if ForeignTensorTypes.isWithdrawn(number) {
      throw rejected(
        .removedTensorType, subject: name, expected: "a current tensor type",
        found: "type \(id), which llama.cpp has removed", remedy: "make the file again with current tools")
    }
    throw rejected(
      .unknownTensorType, subject: name, expected: "a tensor type of llama.cpp, from 0 to 42",
      found: TensorType.other(number).name,
      remedy: ForeignTensorTypes.name(number) == nil
        ? "this type is not supported yet; the file may be newer than this program"
        : "only that program computes with it; pouch-inspect and pouch-estimate show the file")
  }

  private mutating func findDataStart() throws(GGUFParseStop) {
    dataStart = cursor.offset
    guard !tensors.isEmpty else { return }
    dataStart = GGUFConstants.padded(cursor.offset, to: alignment) ?? .max
    guard dataStart <= fileByteCount else {
      throw rejected(
        .headerTruncated, expected: "tensor data at \(dataStart)", found: "a file of \(fileByteCount) bytes",
        remedy: "the file is incomplete; fetch it again")
    }
    if let last = tensors.last, !last.type.isKnown {
      tensors[tensors.count - 1].byteCount = max(0, fileByteCount - dataStart - last.offset)
    }
  }
}
