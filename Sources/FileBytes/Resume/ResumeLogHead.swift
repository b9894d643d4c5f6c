/// The first bytes of a ``ResumeLog``: that it is one, and of which job.
///
/// | bytes | what |
/// |---|---|
/// | 8 | `PouchLog` |
/// | 4 | u32 version of the format, 1 |
/// | 4 | u32 bytes of all fields |
/// | 8 | u64 XXH64 of the 16 bytes above |
/// | … | per field: u8 role, u32 bytes and text of the name, u32 bytes and text of the value |
/// | 8 | u64 XXH64 of the fields, seeded with the hash above |
///
/// The length has a hash of its own, since a head that ends too early is one thing (the run died while it wrote it, and
/// nothing is recorded), and one whose length is damaged another (records of hours may follow).
struct ResumeLogHead {
  private static let magic = Array("PouchLog".utf8)
  private static let version: UInt32 = 1
  private static let fixedByteCount = 24
  /// More than any head has.
  static let mostBytes = 16 << 20

  /// The head of a log.
  let bytes: [UInt8]
  /// The seed of the first record's hash.
  let chain: UInt64

  init(_ fingerprint: Fingerprint) {
    var fields: [UInt8] = []
    for field in fingerprint.fields {
      fields.append(field.role.rawValue)
      fields.appendText(field.name)
      fields.appendText(field.value)
    }
    var bytes = Self.magic
    bytes.appendLittleEndian(Self.version)
    bytes.appendLittleEndian(UInt32(clamping: fields.count))
    let seed = bytes.withUnsafeBytes { XXHash64.hash($0) }
    bytes.appendLittleEndian(seed)
    chain = fields.withUnsafeBytes { XXHash64.hash($0, seed: seed) }
    bytes += fields
    bytes.appendLittleEndian(chain)
    self.bytes = bytes
  }

  /// What the first bytes of a file say.
  enum Finding {
    /// Nothing was recorded: no bytes, the beginning of a head, or zeros, which is what a power failure may leave.
    case nothing
    case job(Fingerprint)
    case damaged
    case otherVersion(UInt32)
    case somethingElse
  }

  static func read(_ content: UnsafeRawBufferPointer) -> Finding {
    let start = content.prefix(magic.count)
    guard start.elementsEqual(magic.prefix(start.count)) else {
      return content.allSatisfy { $0 == 0 } ? .nothing : .somethingElse
    }
    var cursor = ByteCursor(content, offset: magic.count)
    guard content.count >= fixedByteCount, let version: UInt32 = cursor.read(),
      let count: UInt32 = cursor.read(), let check: UInt64 = cursor.read()
    else { return .nothing }
    let seed = XXHash64.hash(UnsafeRawBufferPointer(rebasing: content[..<16]))
    guard check == seed else { return .damaged }
    guard version == Self.version else { return .otherVersion(version) }
    guard let fields = cursor.take(Int(count)), let chain: UInt64 = cursor.read() else { return .nothing }
    guard chain == XXHash64.hash(fields, seed: seed) else { return .damaged }
    return fingerprint(fields).map { .job($0) } ?? .damaged
  }

  private static func fingerprint(_ bytes: UnsafeRawBufferPointer) -> Fingerprint? {
    var cursor = ByteCursor(bytes)
    var fields: [Fingerprint.Field] = []
    while cursor.remaining > 0 {
      guard let role = cursor.read(UInt8.self).flatMap(Fingerprint.Role.init), let name = cursor.readText(),
        let value = cursor.readText()
      else { return nil }
      fields.append(Fingerprint.Field(name: name, value: value, role: role))
    }
    return Fingerprint(fields: fields)
  }
}
