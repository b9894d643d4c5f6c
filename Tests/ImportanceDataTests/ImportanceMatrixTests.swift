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

  private func values(_ name: String, _ matrix: ImportanceMatrix) throws -> [Float] {
    try matrix.weights(of: try #require(matrix.entry(name)))
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
    #expect(try matrix.weights(of: experts) == [2, 3, 1, 1, 0.25, 0])
    #expect(try matrix.weights(of: experts, matrix: 2, columnCount: 2) == [0.25, 0])
    #expect(experts.counts == [3, 0, 4])
    // One f32 division per value: 1/10 and 2/10 rounded to f32.
    #expect(try values("blk.0.attn_q.weight", matrix) == [0.1, 0.2])
  }

  @Test("counts are rounded to the nearest integer, halves away from zero")
  func roundedCounts() throws {
    let matrix = try read(
      try Build.gguf(Build.pair("a.weight", columns: 1, sums: [8, 8, 8, 8], counts: [0.4, 0.5, 1.5, 3.49])))
    let entry = try #require(matrix.entry("a.weight"))
    #expect(entry.counts == [0, 1, 2, 3])
    #expect(try matrix.weights(of: entry) == [1, 8, 4, 8 / 3])
  }

  @Test("legacy values are divided by the calls; no calls leave them alone")
  func legacyWeights() throws {
    let tail = Build.little(Int32(11)) + Build.little(Int32(8)) + Array("text.txt".utf8)
    let matrix = try read(
      Build.legacy(
        [Build.entry("b.weight", calls: 4, [2, 6]), Build.entry("a.weight", calls: 0, [5])], tail: tail))
    #expect(matrix.format == .legacy)
    #expect(matrix.entries.map(\.name) == ["a.weight", "b.weight"])
    #expect(try values("b.weight", matrix) == [0.5, 1.5])
    #expect(try values("a.weight", matrix) == [5])
    #expect(try #require(matrix.entry("a.weight")).counts == nil)
    #expect(matrix.chunkCount == 11)
    #expect(matrix.datasets == ["text.txt"])
    #expect(!matrix.hasExpertCounts)
    let coverage = try matrix.coverage(
      of: [ImportanceUse(tensor: "b.weight", columnCount: 2, matrixCount: 1, zeroGroup: 2)], thinBelow: 1000)
    #expect(
      coverage == [ExpertCoverage(tensor: "b.weight", matrixCount: 1, blind: [], thin: [], countRange: nil)])
    #expect(LayerCoverage.byLayer(coverage).isEmpty)
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
    let uses = [
      ImportanceUse(tensor: "e.weight", columnCount: 1, matrixCount: 5, zeroGroup: nil),
      ImportanceUse(tensor: "d.weight", columnCount: 1, matrixCount: 1, zeroGroup: nil),
      ImportanceUse(tensor: "none.weight", columnCount: 1, matrixCount: 1, zeroGroup: nil),
    ]
    let coverage = try matrix.coverage(of: uses, thinBelow: 10)
    #expect(
      coverage == [
        ExpertCoverage(tensor: "e.weight", matrixCount: 5, blind: [0, 3], thin: [1], countRange: 0...100),
        ExpertCoverage(tensor: "d.weight", matrixCount: 1, blind: [], thin: [], countRange: 100...100),
      ])
    #expect(LayerCoverage.byLayer(coverage).map(\.tensors) == [["e.weight"]])
  }

  @Test("lookup gives slices of one row's length per expert")
  func lookup() throws {
    let matrix = try read(
      try Build.gguf(Build.pair("x.weight", columns: 2, sums: [1, 2, 3, 4, 5, 6], counts: [1, 1, 1])))
    guard case .found(2, 3) = try matrix.lookup(tensor: "x.weight", ggmlShape: [2, 8, 3]) else {
      Issue.record("not found")
      return
    }
    let entry = try #require(matrix.entry("x.weight"))
    #expect(try matrix.weights(of: entry, matrix: 1, columnCount: 2) == [3, 4])
    // The rows of a matrix do not matter, the order of columns and matrices does.
    guard case .found(6, 1) = try matrix.lookup(tensor: "x.weight", ggmlShape: [6, 1]) else {
      Issue.record("not found")
      return
    }
    #expect(try matrix.weights(of: entry, matrix: 0, columnCount: 6) == [1, 2, 3, 4, 5, 6])
    for (index, columns) in [(3, 2), (-1, 2), (0, 7), (0, 0), (Int.max, 2)] {
      let error = try #require(throws: ImportanceError.self) {
        _ = try matrix.weights(of: entry, matrix: index, columnCount: columns)
      }
      #expect(error.code == .sizeMismatch)
    }
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
    #expect(try values("e.weight", ImportanceMatrix(read)) == [2, 4, 1, 1])
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

  @Test("values that change after opening are never used")
  func changedFile() throws {
    let path = folder.path("changed.gguf")
    let bytes = try Build.gguf(Build.pair("a.weight", columns: 1, sums: [7], counts: [1]))
    _ = try folder.write("changed.gguf", bytes)
    let matrix = try ImportanceMatrix(path: path)
    let place = try #require(
      bytes.indices.last {
        $0 + 4 <= bytes.count && Array(bytes[$0..<($0 + 4)]) == Build.little(Float(7).bitPattern)
      })
    let output = try WritableFile(path: path, mode: .keep)
    try Build.little(Float.nan.bitPattern).withUnsafeBytes { try output.write($0, at: place) }
    #expect(
      try #require(throws: ImportanceError.self) { _ = try values("a.weight", matrix) }.code
        == .nonFiniteValue)
  }

  @Test("the mean of experts gives each one with data the same say")
  func layerMean() throws {
    // Weights per token: (2, 3), none, (1, 0), (0.5, 6); counts differ widely.
    let matrix = try read(
      try Build.gguf(
        Build.pair(
          "e.weight", columns: 2, sums: [6, 9, 5, 7, 1000, 0, 2, 24], counts: [3, 0, 1000, 4])
          + Build.pair("blind.weight", columns: 2, sums: [0, 0, 0, 0], counts: [0, 0])))
    let entry = try #require(matrix.entry("e.weight"))
    #expect(try matrix.layerMean(of: entry, columnCount: 2) == [Float(3.5 / 3), 3])
    #expect(try matrix.layerMean(of: try #require(matrix.entry("blind.weight")), columnCount: 2) == nil)
    let legacy = try read(Build.legacy([Build.entry("e.weight", calls: 1, [1, 2])]), name: "im.dat")
    #expect(try legacy.layerMean(of: try #require(legacy.entry("e.weight")), columnCount: 1) == nil)
  }

  @Test("tensors of a layer whose experts agree are one group")
  func layers() {
    func item(_ tensor: String, _ blind: [Int], _ thin: [Int] = [], _ range: ClosedRange<Int64> = 0...9)
      -> ExpertCoverage
    {
      ExpertCoverage(tensor: tensor, matrixCount: 4, blind: blind, thin: thin, countRange: range)
    }
    let groups = LayerCoverage.byLayer([
      item("blk.10.ffn_up_exps.weight", [1]), item("blk.2.ffn_down_exps.weight", [0, 3]),
      item("blk.2.ffn_gate_exps.weight", [0, 3]), item("blk.2.ffn_up_exps.weight", [0]), item("odd", [2]),
    ])
    #expect(groups.map(\.layer) == [2, 2, 10, nil])
    #expect(groups.map(\.tensors.count) == [2, 1, 1, 1])
    #expect(
      groups.map(\.title) == ["layer 2", "blk.2.ffn_up_exps.weight", "blk.10.ffn_up_exps.weight", "odd"])
    #expect(LayerCoverage.list([1, 2, 3], limit: 3) == "1, 2, 3")
    #expect(LayerCoverage.list([1, 2, 3], limit: 2) == "1, 2 and 1 more")
  }
}
