import FileBytes
import ImportanceData
import TensorTypes
import TestSupport
import Testing

@Suite("Importance matrices")
struct ImportanceMatrixTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func read(_ bytes: [UInt8], name: String = "imatrix.gguf") throws -> ImportanceMatrix {
    try ImportanceMatrix(path: try folder.write(name, bytes))
  }

  @Test("GGUF sums are divided by the counts of their expert; unused experts weigh 1")
  func ggufWeights() throws {
    let matrix = try read(
      try Build.gguf(
        Build.pair("blk.0.ffn_down_exps.weight", columns: 2, sums: [6, 9, 5, 7, 1, 0], counts: [3, 0, 4])
          + Build.pair("blk.0.attn_q.weight", columns: 2, sums: [1, 2], counts: [10])))
    #expect(matrix.format == .gguf)
    #expect(matrix.entries.map(\.name) == ["blk.0.attn_q.weight", "blk.0.ffn_down_exps.weight"])
    #expect(matrix.chunkCount == 7)
    #expect(matrix.chunkSize == 512)
    #expect(matrix.datasets == ["wiki.txt", "code.txt"])
    let experts = try #require(matrix.entry("blk.0.ffn_down_exps.weight"))
    #expect(experts.values == [2, 3, 1, 1, 0.25, 0])
    #expect(experts.counts == [3, 0, 4])
    // One f32 division per value: 1/10 and 2/10 rounded to f32.
    #expect(try #require(matrix.entry("blk.0.attn_q.weight")).values == [0.1, 0.2])
  }

  @Test("counts are rounded to the nearest integer, halves away from zero")
  func roundedCounts() throws {
    let matrix = try read(
      try Build.gguf(Build.pair("a.weight", columns: 1, sums: [8, 8, 8, 8], counts: [0.4, 0.5, 1.5, 3.49])))
    let entry = try #require(matrix.entry("a.weight"))
    #expect(entry.counts == [0, 1, 2, 3])
    #expect(entry.values == [1, 8, 4, 8 / 3])
  }

  @Test("legacy values are divided by the calls; no calls leave them alone")
  func legacyWeights() throws {
    let tail = Build.little(Int32(11)) + Build.little(Int32(8)) + Array("text.txt".utf8)
    let matrix = try read(
      Build.legacy(
        [Build.entry("b.weight", calls: 4, [2, 6]), Build.entry("a.weight", calls: 0, [5])], tail: tail))
    #expect(matrix.format == .legacy)
    #expect(matrix.entries.map(\.name) == ["a.weight", "b.weight"])
    #expect(try #require(matrix.entry("b.weight")).values == [0.5, 1.5])
    #expect(try #require(matrix.entry("a.weight")).values == [5])
    #expect(try #require(matrix.entry("a.weight")).counts == nil)
    #expect(matrix.chunkCount == 11)
    #expect(matrix.datasets == ["text.txt"])
    #expect(!matrix.hasExpertCounts)
    #expect(matrix.coverage(thinBelow: 1000).isEmpty)
  }

  @Test("a legacy file may end after its entries, or after the number of chunks")
  func legacyTails() throws {
    let entries = [Build.entry("a.weight", calls: 1, [1])]
    let bare = try read(Build.legacy(entries))
    #expect(bare.chunkCount == 0)
    #expect(bare.datasets.isEmpty)
    let chunks = try read(Build.legacy(entries, tail: Build.little(Int32(3))))
    #expect(chunks.chunkCount == 3)
    #expect(chunks.datasets.isEmpty)
  }

  @Test("blind and thin experts are reported")
  func coverage() throws {
    let matrix = try read(
      try Build.gguf(
        Build.pair("e.weight", columns: 1, sums: [1, 1, 1, 1, 1], counts: [0, 9, 100, 0, 10])
          + Build.pair("d.weight", columns: 1, sums: [1], counts: [100])))
    #expect(
      matrix.coverage(thinBelow: 10) == [
        ExpertCoverage(tensor: "e.weight", matrixCount: 5, blind: [0, 3], thin: [1], countRange: 0...100)
      ])
  }

  @Test("lookup gives slices of one row's length per expert")
  func lookup() throws {
    let matrix = try read(
      try Build.gguf(Build.pair("x.weight", columns: 2, sums: [1, 2, 3, 4, 5, 6], counts: [1, 1, 1])))
    guard case .found(let weights) = try matrix.lookup(tensor: "x.weight", ggmlShape: [2, 8, 3]) else {
      Issue.record("not found")
      return
    }
    #expect(Array(weights.weights(ofMatrix: 1)) == [3, 4])
    #expect(weights.matrixCount == 3)
    // The rows of a matrix do not matter, the order of columns and matrices does.
    guard case .found(let wide) = try matrix.lookup(tensor: "x.weight", ggmlShape: [6, 1]) else {
      Issue.record("not found")
      return
    }
    #expect(Array(wide.weights(ofMatrix: 0)) == [1, 2, 3, 4, 5, 6])
    guard case .absent = try matrix.lookup(tensor: "y.weight", ggmlShape: [2, 8, 3]) else {
      Issue.record("found")
      return
    }
    guard case .found = try matrix.lookup(tensor: "new.weight", storedName: "x.weight", ggmlShape: [2, 8, 3])
    else {
      Issue.record("not found")
      return
    }
  }

  @Test("an entry of the wrong length is an error, except for token embeddings")
  func wrongLength() throws {
    let matrix = try read(
      try Build.gguf(
        Build.pair("x.weight", columns: 2, sums: [1, 2, 3, 4], counts: [1, 1])
          + Build.pair("token_embd.weight", columns: 1, sums: [1, 2, 3], counts: [1, 1, 1])))
    for shape in [[2, 8], [4, 8, 2], [2, 2, 3], [0, 1, 4], [Int.max, 1, 4]] {
      let error = try #require(throws: ImportanceError.self) {
        _ = try matrix.lookup(tensor: "x.weight", ggmlShape: shape)
      }
      #expect(error.code == .sizeMismatch)
    }
    guard case .ignored(3, 8) = try matrix.lookup(tensor: "token_embd.weight", ggmlShape: [8, 100]) else {
      Issue.record("not ignored")
      return
    }
  }

  @Test("filters keep or drop entries by part of their name")
  func filters() throws {
    let matrix = try read(
      try Build.gguf(
        ["blk.0.attn_q.weight", "blk.0.ffn_up.weight", "blk.1.attn_q.weight"].flatMap {
          Build.pair($0, columns: 1, sums: [1], counts: [1])
        }))
    let kept = try matrix.filtered(including: ["blk.1", "ffn"], excluding: [])
    #expect(kept.entries.map(\.name) == ["blk.0.ffn_up.weight", "blk.1.attn_q.weight"])
    #expect(kept.entry("blk.0.attn_q.weight") == nil)
    #expect(kept.entry("blk.1.attn_q.weight") != nil)
    let dropped = try matrix.filtered(including: [], excluding: ["attn"])
    #expect(dropped.entries.map(\.name) == ["blk.0.ffn_up.weight"])
    let nothing = try matrix.filtered(including: [], excluding: ["weight"])
    #expect(!nothing.isSupplied)
    #expect(nothing.quantizeMetadata.isEmpty)
    #expect(
      try #require(throws: ImportanceError.self) {
        _ = try matrix.filtered(including: ["attn"], excluding: ["ffn"])
      }.code == .conflictingFilters)
    let unmatched = try #require(throws: ImportanceError.self) {
      _ = try matrix.filtered(including: ["attn", "blk.7"], excluding: [])
    }
    #expect(unmatched.code == .filterMatchesNothing)
    #expect(unmatched.fault.subject == "blk.7")
  }

  @Test("the metadata for the output")
  func metadata() throws {
    let matrix = try read(
      try Build.gguf(Build.pair("a.weight", columns: 1, sums: [1], counts: [1])), name: "im.gguf")
    #expect(
      matrix.quantizeMetadata == [
        MetadataEntry("quantize.imatrix.file", .string(String(folder.path("im.gguf").prefix(127)))),
        MetadataEntry("quantize.imatrix.dataset", .string("wiki.txt")),
        MetadataEntry("quantize.imatrix.entries_count", .uint32(1)),
        MetadataEntry("quantize.imatrix.chunks_count", .uint32(7)),
      ])
    // 126 bytes and a two-byte letter: the cut falls inside the letter.
    let record = ImportanceRecord(name: "a", sums: [1], counts: [1])
    let long = String(repeating: "x", count: 126) + "é"
    let file = try ImportanceFile(
      format: .legacy, records: [record], datasets: [], chunkCount: 0, chunkSize: 0)
    let entries = ImportanceMatrix(file, path: long).quantizeMetadata
    #expect(entries.map(\.key) == ["quantize.imatrix.file", "quantize.imatrix.entries_count"])
    #expect(entries.first?.value == .rawString(Array(long.utf8.prefix(127))))
  }

  @Test("what is written is read back", arguments: 0..<8)
  func roundTrip(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let records = (0..<Int.random(in: 1...6, using: &generator)).map { index -> ImportanceRecord in
      let matrices = Int.random(in: 1...5, using: &generator)
      let columns = Int.random(in: 1...9, using: &generator)
      return ImportanceRecord(
        name: "blk.\(index).\(generator.next() % 1000).weight",
        sums: (0..<matrices * columns).map { _ in Float.random(in: 0...1000, using: &generator) },
        counts: (0..<matrices).map { _ in Int64.random(in: 0...4000, using: &generator) })
    }
    let file = try ImportanceFile(
      format: .gguf, records: records, datasets: [Array("a b".utf8), []], chunkCount: 9, chunkSize: 512)
    let read = try ImportanceFile(path: try folder.write("round.gguf", try file.encodedAsGGUF()))
    #expect(read == file)
  }

  @Test("the legacy form of raw sums holds means times calls")
  func legacyEncoding() throws {
    let file = try ImportanceFile(
      format: .gguf,
      records: [
        ImportanceRecord(name: "e.weight", sums: [100, 200, 7, 9], counts: [50, 0]),
        ImportanceRecord(name: "unused.weight", sums: [0], counts: [0]),
        ImportanceRecord(name: "a.weight", sums: [33], counts: [33]),
      ], datasets: [Array("x".utf8), Array("last".utf8)], chunkCount: 3, chunkSize: 16)
    let bytes = try file.encodedAsLegacy()
    #expect(
      bytes
        == Build.legacy(
          [Build.entry("a.weight", calls: 3, [3]), Build.entry("e.weight", calls: 4, [8, 16, 4, 4])],
          tail: Build.little(Int32(3)) + Build.little(Int32(4)) + Array("last".utf8)))
    let read = try ImportanceFile(path: try folder.write("im.dat", bytes))
    #expect(read.format == .legacy)
    #expect(read.records.map(\.counts) == [[3], [4]])
    #expect(ImportanceMatrix(read).entry("e.weight")?.values == [2, 4, 1, 1])
    // A legacy file no longer has what a file needs.
    #expect(
      try #require(throws: ImportanceError.self) { _ = try read.encodedAsLegacy() }.code == .badMetadata)
  }

  @Test("tensors that are neither sums nor counts are named")
  func unused() throws {
    let path = try folder.write(
      "u.gguf",
      try Build.gguf(
        Build.pair("a.weight", columns: 1, sums: [1], counts: [1]) + [
          Build.Tensor(name: "stray", shape: [1], values: [1])
        ]))
    #expect(try ImportanceFile(path: path).unusedTensors == ["stray"])
  }
}
