import FileBytes
import GGUFFormat
import ImportanceData
import TensorTypes
import TestSupport
import Testing

@Suite("Damaged and hostile importance files")
struct HostileImportanceTests {
  /// A file and the code it is refused with.
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var bytes: [UInt8]
    var code: ImportanceError.Code
    var subject: String?
    var testDescription: String { name }
  }

  private static let good = Build.entry("a.weight", calls: 1, [1, 2])

  /// Legacy files.
  static let legacy: [Case] = [
    Case(name: "empty file", bytes: [], code: .truncated),
    Case(name: "two bytes", bytes: [1, 0], code: .truncated),
    Case(name: "no entries", bytes: Build.legacy([]), code: .empty),
    Case(name: "negative number of entries", bytes: Build.legacy([good], count: -1), code: .badEntryCount),
    Case(
      name: "absurd number of entries", bytes: Build.legacy([good], count: .max), code: .badEntryCount),
    Case(
      name: "fewer entries than said", bytes: Build.legacy([good, good.dropLast(4) + []], count: 2),
      code: .truncated),
    Case(
      name: "negative name length", bytes: Build.legacy([Build.entry("a", calls: 1, [1], nameLength: -5)]),
      code: .badName),
    Case(
      name: "absurd name length", bytes: Build.legacy([Build.entry("a", calls: 1, [1], nameLength: .max)]),
      code: .badName),
    Case(
      name: "name longer than the file",
      bytes: Build.legacy([Build.entry("a", calls: 1, [1], nameLength: 1000)]),
      code: .truncated),
    Case(name: "empty name", bytes: Build.legacy([Build.entry("", calls: 1, [1, 2])]), code: .badName),
    Case(name: "name with a zero", bytes: Build.legacy([Build.entry("a\0b", calls: 1, [1])]), code: .badName),
    Case(
      name: "name that is not text",
      bytes: Build.legacy([Build.little(Int32(1)) + [0xFF] + Build.entry("a", calls: 1, [1]).dropFirst(5)]),
      code: .badName),
    Case(name: "no values", bytes: Build.legacy([Build.entry("aaaa", calls: 1, [])]), code: .badValueCount),
    Case(
      name: "negative number of values",
      bytes: Build.legacy([Build.entry("a", calls: 1, [1], valueCount: -1)]), code: .badValueCount),
    Case(
      name: "absurd number of values",
      bytes: Build.legacy([Build.entry("a", calls: 1, [1], valueCount: .max)]), code: .truncated),
    Case(
      name: "negative calls", bytes: Build.legacy([Build.entry("a", calls: -3, [1])]), code: .negativeCount),
    Case(name: "NaN", bytes: Build.legacy([Build.entry("a", calls: 1, [1, .nan])]), code: .nonFiniteValue),
    Case(
      name: "infinity", bytes: Build.legacy([Build.entry("a", calls: 1, [.infinity])]), code: .nonFiniteValue),
    Case(
      name: "negative value", bytes: Build.legacy([Build.entry("a", calls: 1, [-1])]), code: .negativeValue),
    Case(name: "name twice", bytes: Build.legacy([good, good]), code: .duplicateName, subject: "a.weight"),
    Case(name: "half a number of chunks", bytes: Build.legacy([good], tail: [1, 0]), code: .truncated),
    Case(
      name: "dataset longer than the file",
      bytes: Build.legacy([good], tail: Build.little(Int32(1)) + Build.little(Int32(99)) + [65]),
      code: .truncated),
    Case(
      name: "negative length of the dataset",
      bytes: Build.legacy([good], tail: Build.little(Int32(1)) + Build.little(Int32(-1))), code: .truncated),
    Case(
      name: "bytes after the end",
      bytes: Build.legacy([good], tail: Build.little(Int32(1)) + Build.little(Int32(1)) + [65, 66]),
      code: .trailingBytes),
  ]

  @Test("legacy", arguments: legacy)
  func legacyCase(_ item: Case) throws {
    try expect(item)
  }

  @Test("any prefix of a good legacy file is refused or complete")
  func prefixes() throws {
    let tail = Build.little(Int32(1)) + Build.little(Int32(2)) + [65, 66]
    let bytes = Build.legacy([Self.good], tail: tail)
    let folder = try TemporaryFolder()
    // It may end before the number of chunks and before the length of the dataset's name.
    let complete = [bytes.count - tail.count, bytes.count - tail.count + 4, bytes.count]
    for count in 0...bytes.count {
      let path = try folder.write("prefix", Array(bytes.prefix(count)))
      if complete.contains(count) {
        #expect(throws: Never.self) { _ = try ImportanceFile(path: path) }
      } else {
        #expect(throws: ImportanceError.self) { _ = try ImportanceFile(path: path) }
      }
    }
  }

  @Test("random changes never crash", arguments: 0..<4)
  func mutations(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let folder = try TemporaryFolder()
    let originals = [
      Build.legacy([Self.good, Build.entry("b", calls: 2, [3, 4, 5])], tail: Build.little(Int32(1))),
      try Build.gguf(Build.pair("a.weight", columns: 2, sums: [1, 2, 3, 4], counts: [1, 2])),
    ]
    for round in 0..<200 {
      var bytes = originals[round % 2]
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
          in: 0...255, using: &generator)
      }
      let path = try folder.write("mutated", bytes)
      // Refusals are structured errors; what is accepted is sound.
      do {
        let file = try ImportanceFile(path: path)
        #expect(file.records.allSatisfy { $0.sums.allSatisfy { $0 >= 0 && $0.isFinite } })
        #expect(file.records.allSatisfy { $0.counts.allSatisfy { $0 >= 0 } })
      } catch {
        #expect(error is any FaultError)
      }
    }
  }

  private static func metadata(_ key: String, _ value: MetadataValue?) -> [MetadataEntry] {
    Build.metadata.compactMap { entry in
      guard entry.key == key else { return entry }
      return value.map { MetadataEntry(key, $0) }
    }
  }

  /// GGUF files.
  static func gguf() throws -> [Case] {
    let pair = Build.pair("a.weight", columns: 2, sums: [1, 2, 3, 4], counts: [1, 1])
    func replaced(_ sums: [Float], _ counts: [Float], columns: Int = 2) throws -> [UInt8] {
      try Build.gguf(Build.pair("a.weight", columns: columns, sums: sums, counts: counts))
    }
    var cases = [
      Case(name: "no tensors", bytes: try Build.gguf([]), code: .empty),
      Case(
        name: "only other tensors", bytes: try Build.gguf([Build.Tensor(name: "x", shape: [1], values: [1])]),
        code: .empty),
      Case(
        name: "sums without counts", bytes: try Build.gguf([pair[0]]), code: .missingPair, subject: "a.weight"
      ),
      Case(
        name: "counts without sums", bytes: try Build.gguf([pair[1]]), code: .missingPair, subject: "a.weight"
      ),
      Case(
        name: "suffixes alone", bytes: try Build.gguf(Build.pair("", columns: 1, sums: [1], counts: [1])),
        code: .badName),
      Case(
        name: "sums in f16",
        bytes: try Build.gguf(
          [Build.Tensor(name: "a.in_sum2", shape: [2, 2], values: [], type: .f16), pair[1]]
            .map { tensor in
              var renamed = tensor
              if tensor.name == "a.weight.counts" { renamed.name = "a.counts" }
              return renamed
            }),
        code: .wrongTensorType),
      Case(
        name: "counts in i32",
        bytes: try Build.gguf([
          pair[0], Build.Tensor(name: "a.weight.counts", shape: [1, 2], values: [], type: .i32),
        ]), code: .wrongTensorType),
      Case(
        name: "sums not a multiple of counts", bytes: try replaced([1, 2, 3, 4], [1, 1, 1]),
        code: .shapeMismatch,
        subject: "a.weight"),
      Case(
        name: "NaN sum", bytes: try replaced([1, 2, 3, .nan], [1, 1]), code: .nonFiniteValue,
        subject: "a.weight, expert 1, column 1"),
      Case(
        name: "infinite sum", bytes: try replaced([1, -.infinity, 3, 4], [1, 1]), code: .nonFiniteValue,
        subject: "a.weight, expert 0, column 1"),
      Case(
        name: "negative sum", bytes: try replaced([1, 2, -0.5, 4], [1, 1]), code: .negativeValue,
        subject: "a.weight, expert 1, column 0"),
      Case(
        name: "negative count", bytes: try replaced([1, 2, 3, 4], [1, -1]), code: .negativeCount,
        subject: "a.weight, expert 1"),
      Case(name: "NaN count", bytes: try replaced([1, 2, 3, 4], [.nan, 1]), code: .badCount),
      Case(name: "huge count", bytes: try replaced([1, 2, 3, 4], [1, 1e19]), code: .badCount),
    ]
    for key in ["imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"] {
      cases.append(
        Case(
          name: "no \(key)", bytes: try Build.gguf(pair, metadata: metadata(key, nil)),
          code: .missingMetadata,
          subject: key))
      cases.append(
        Case(
          name: "\(key) of another type", bytes: try Build.gguf(pair, metadata: metadata(key, .float32(1))),
          code: .badMetadata, subject: key))
    }
    cases.append(
      Case(
        name: "absurd number of chunks",
        bytes: try Build.gguf(pair, metadata: metadata("imatrix.chunk_count", .uint32(.max))),
        code: .badMetadata))
    return cases
  }

  @Test("GGUF")
  func ggufCases() throws {
    for item in try Self.gguf() { try expect(item) }
  }

  @Test("container errors pass through: a truncated file, a name twice")
  func containers() throws {
    let folder = try TemporaryFolder()
    let bytes = try Build.gguf(
      Build.pair("a.weight", columns: 64, sums: .init(repeating: 1, count: 64), counts: [1]))
    let short = try folder.write("short.gguf", Array(bytes.prefix(bytes.count - 200)))
    #expect(throws: GGUFError.self) { _ = try ImportanceFile(path: short) }
    // "a.weight.in_sum2" twice, by renaming the second of two tensors in place.
    var twice = try Build.gguf([
      Build.Tensor(name: "a.in_sum2", shape: [1], values: [1]),
      Build.Tensor(name: "b.in_sum2", shape: [1], values: [1]),
    ])
    let wanted = Array("b.in_sum2".utf8)
    let place = try #require((0..<twice.count - 9).first { Array(twice[$0..<$0 + 9]) == wanted })
    twice[place] = UInt8(ascii: "a")
    let path = try folder.write("twice.gguf", twice)
    #expect(
      try #require(throws: GGUFError.self) { _ = try ImportanceFile(path: path) }.code == .duplicateTensor)
  }

  @Test("a missing file")
  func missing() throws {
    let error = try #require(throws: FileError.self) {
      _ = try ImportanceMatrix(path: "/nonexistent/imatrix")
    }
    #expect(error.code == .notFound)
  }

  private func expect(_ item: Case) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("imatrix", item.bytes)
    let error = #expect(throws: ImportanceError.self, "\(item.name)") { _ = try ImportanceMatrix(path: path) }
    #expect(error?.code == item.code, "\(item.name): \(error?.description ?? "")")
    #expect(error?.faultClass == .rejected)
    #expect(error?.fault.file == path)
    if let subject = item.subject { #expect(error?.fault.subject.description == subject) }
  }
}
