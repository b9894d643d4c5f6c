import FileBytes
import Foundation
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// GGUF files and importance matrices that are wrong: every one is refused with a message that names file and reason.
@Suite("Bad GGUF files and importance matrices")
struct HostileGGUFTests {
  /// A file spoiled in one way.
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    /// What the error line must contain besides the file's name.
    let expected: [String]
    let bytes: @Sendable () throws -> [UInt8]

    var testDescription: String { name }
  }

  private let inputs: TemporaryFolder
  private let outputs: TemporaryFolder
  private var out: String { outputs.path("out.gguf") }

  init() throws {
    inputs = try TemporaryFolder()
    outputs = try TemporaryFolder()
  }

  @Test("GGUF sources", arguments: badSources)
  func sources(_ hostile: Case) throws {
    let path = try inputs.write("bad.gguf", try hostile.bytes())
    let parts = ["bad.gguf"] + hostile.expected
    try Refusal.expect(try .quantize(path, out, "Q8_0"), parts, outputs: outputs)
  }

  @Test("importance matrices", arguments: badMatrices)
  func matrices(_ hostile: Case) throws {
    let source = try inputs.write("good.gguf", try Self.gguf())
    let path = try inputs.write("bad.imatrix", try hostile.bytes())
    let parts = ["bad.imatrix"] + hostile.expected
    try Refusal.expect(try .quantize("--imatrix", path, source, out, "Q8_0"), parts, outputs: outputs)
  }

  @Test("the files that all these cases start from are good")
  func good() throws {
    let source = try inputs.write("good.gguf", try Self.gguf())
    let matrices = [
      try inputs.write("good.imatrix.gguf", try Self.matrix()),
      try inputs.write("good.imatrix.dat", Self.legacy([Self.entry(Self.weight)])),
    ]
    for matrix in matrices {
      let run = try CommandRun.quantize(
        "--imatrix", matrix, source, inputs.path("out.gguf"), "Q4_0", "--force")
      #expect(run.status == 0, "\(run.errors)")
    }
  }

  @Test("a pipe for a GGUF or a matrix")
  func pipes() throws {
    let pipe = inputs.path("pipe.gguf")
    try #require(mkfifo(pipe, 0o600) == 0)
    let good = try inputs.write("good.gguf", try Self.gguf())
    try Refusal.expect(
      try .quantize(pipe, out, "Q8_0"), ["pipe.gguf", "pipe, socket or device"], outputs: outputs)
    try Refusal.expect(
      try .quantize("--imatrix", pipe, good, out, "Q8_0"), ["pipe.gguf", "regular file"], outputs: outputs)
  }

  @Test("a NaN in a GGUF leaves nothing behind")
  func nanWeight() throws {
    let source = try inputs.write("nan.gguf", try Self.gguf { $0[64 * 3 + 9] = .nan })
    let expected = ["nan.gguf", Self.weight, "row 3", "nan", "column 9"]
    try Refusal.expect(try .quantize(source, out, "Q8_0"), expected, outputs: outputs)
  }

  @Test("a split set with a shard missing, and one whose shards disagree")
  func splitSets() throws {
    let model = try TinyCheckpoint().write(in: inputs)
    let whole = inputs.path("model.gguf")
    let run = try CommandRun.convert(model, "--outfile", whole, "--split-max-tensors", "4", "--json")
    #expect(run.status == 0, "\(run.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: inputs.url.path)
      .filter { $0.hasPrefix("model-0000") }.sorted()
    #expect(names.count > 2)
    let second = inputs.path(names[1])
    let kept = try Data(contentsOf: URL(fileURLWithPath: second))
    try FileManager.default.removeItem(atPath: second)
    try Refusal.expect(try .quantize(inputs.path(names[0]), out, "Q8_0"), [names[1]], outputs: outputs)
    try FileManager.default.copyItem(atPath: inputs.path(names[2]), toPath: second)
    try Refusal.expect(try .quantize(inputs.path(names[0]), out, "Q8_0"), [names[1]], outputs: outputs)
    try FileManager.default.removeItem(atPath: second)
    try kept.dropLast(64).write(to: URL(fileURLWithPath: second))
    try Refusal.expect(try .quantize(inputs.path(names[0]), out, "Q8_0"), [names[1]], outputs: outputs)
  }

  // MARK: Building blocks

  private static let weight = "blk.0.ffn_down.weight"

  private static func gguf(_ change: (inout [Float]) -> Void = { _ in }) throws -> [UInt8] {
    var values = (0..<(64 * 8)).map { Float($0 % 37) / 37 - 0.5 }
    change(&values)
    return try file(
      [("general.architecture", .string("llama")), ("llama.block_count", .uint32(1))].map(MetadataEntry.init),
      [(weight, [64, 8], values)])
  }

  private static func file(
    _ metadata: [MetadataEntry], _ tensors: [(name: String, shape: [Int], values: [Float])]
  ) throws -> [UInt8] {
    let header = try GGUFHeaderEncoder(
      metadata: metadata,
      tensors: tensors.map { GGUFTensorDescription(name: $0.name, type: .f32, ggmlShape: $0.shape) })
    var bytes = header.bytes
    for tensor in tensors {
      bytes += tensor.values.flatMap { little($0.bitPattern) }
      while bytes.count % 32 != 0 { bytes.append(0) }
    }
    return bytes
  }

  private static func little(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  /// A header by hand: architecture, then whatever `body` adds.
  private static func raw(
    entries: Int64 = 1, tensors: Int64 = 1, version: UInt32 = 3, magic: String = "GGUF",
    _ body: (inout GGUFBytes) -> Void
  ) -> [UInt8] {
    var gguf = GGUFBytes(magic: magic, version: version, tensorCount: tensors, entryCount: entries)
    gguf.entry("general.architecture", "llama")
    body(&gguf)
    gguf.pad()
    gguf.zeros(4096)
    return gguf.bytes
  }

  private static func plain(_ gguf: inout GGUFBytes) { gguf.tensor("a.weight", dimensions: [64], offset: 0) }

  private static let badSources: [Case] = [
    Case(name: "another magic", expected: ["(GGUF)", "47 47 4A 54"]) { raw(magic: "GGJT", plain) },
    Case(name: "a byte-swapped version", expected: ["version"]) { raw(version: 0x0300_0000, plain) },
    Case(name: "a version of the future", expected: ["version", "99"]) { raw(version: 99, plain) },
    Case(name: "an empty file", expected: []) { [] },
    Case(name: "a file cut in its header", expected: []) { Array(try gguf().prefix(60)) },
    Case(name: "a file cut in its data", expected: [weight]) { try gguf().dropLast(40) },
    Case(name: "2^60 tensors", expected: ["1152921504606846976"]) { raw(tensors: 1 << 60, plain) },
    Case(name: "a negative number of tensors", expected: ["-1"]) { raw(tensors: -1, plain) },
    Case(name: "2^60 entries", expected: ["1152921504606846976"]) { raw(entries: 1 << 60, plain) },
    Case(name: "the same key twice", expected: ["general.architecture"]) {
      raw(entries: 2) {
        $0.entry("general.architecture", "llama")
        plain(&$0)
      }
    },
    Case(name: "the same tensor twice", expected: ["a.weight"]) {
      raw(tensors: 2) {
        plain(&$0)
        $0.tensor("a.weight", dimensions: [64], offset: 256)
      }
    },
    Case(name: "overlapping tensors", expected: ["b.weight"]) {
      raw(tensors: 2) {
        plain(&$0)
        $0.tensor("b.weight", dimensions: [64], offset: 128)
      }
    },
    Case(name: "an offset that is not aligned", expected: ["a.weight"]) {
      raw { $0.tensor("a.weight", dimensions: [64], offset: 5) }
    },
    Case(name: "an offset past the end", expected: ["a.weight"]) {
      raw { $0.tensor("a.weight", dimensions: [64], offset: 1 << 40) }
    },
    Case(name: "a type that does not exist", expected: ["a.weight", "999"]) {
      raw { $0.tensor("a.weight", dimensions: [64], type: 999, offset: 0) }
    },
    Case(name: "rows that do not divide into blocks", expected: ["a.weight"]) {
      raw { $0.tensor("a.weight", dimensions: [100, 2], type: 12, offset: 0) }
    },
    Case(name: "a shape whose product overflows", expected: ["a.weight"]) {
      raw { $0.tensor("a.weight", dimensions: [1 << 40, 1 << 40], offset: 0) }
    },
    Case(name: "a negative dimension", expected: ["a.weight"]) {
      raw { $0.tensor("a.weight", dimensions: [-64], offset: 0) }
    },
    Case(name: "five dimensions", expected: ["a.weight", "5"]) {
      raw { $0.tensor("a.weight", dimensions: [32, 1, 1, 1, 1], offset: 0) }
    },
    Case(name: "a string of 2^62 bytes", expected: []) {
      raw(entries: 2) {
        $0.key("general.name", type: 8)
        $0.append("x", claimedLength: 1 << 62)
      }
    },
    Case(name: "a value type that does not exist", expected: ["general.name", "77"]) {
      raw(entries: 2) {
        $0.key("general.name", type: 77)
        plain(&$0)
      }
    },
    Case(name: "a layer count in words", expected: ["llama.block_count", "eight"]) {
      raw(entries: 2) {
        $0.entry("llama.block_count", "eight")
        plain(&$0)
      }
    },
    Case(name: "no architecture", expected: ["general.architecture"]) {
      var bytes = GGUFBytes(tensorCount: 1)
      plain(&bytes)
      bytes.pad()
      bytes.zeros(256)
      return bytes.bytes
    },
  ]

  private static let matrixMetadata = [
    MetadataEntry("general.type", .string("imatrix")),
    MetadataEntry("imatrix.datasets", .array(.string(["text"]))),
    MetadataEntry("imatrix.chunk_count", .uint32(3)), MetadataEntry("imatrix.chunk_size", .uint32(512)),
  ]

  private static func matrix(_ name: String = weight, sums: [Float] = .init(repeating: 2, count: 64)) throws
    -> [UInt8]
  {
    try file(
      matrixMetadata,
      [(name + ".in_sum2", [sums.count, 1], sums), (name + ".counts", [1, 1], [3])])
  }

  private static func entry(
    _ name: String, _ values: [Float] = .init(repeating: 2, count: 64), nameLength: Int32? = nil,
    valueCount: Int32? = nil
  ) -> [UInt8] {
    little(nameLength ?? Int32(name.utf8.count)) + Array(name.utf8) + little(Int32(3))
      + little(valueCount ?? Int32(values.count)) + values.flatMap { little($0.bitPattern) }
  }

  private static func legacy(_ entries: [[UInt8]], count: Int32? = nil) -> [UInt8] {
    little(count ?? Int32(entries.count)) + entries.joined() + little(Int32(3)) + little(Int32(4))
      + Array("text".utf8)
  }

  private static func spoiled(_ value: Float) -> [Float] {
    [Float](repeating: 2, count: 40) + [value] + [Float](repeating: 2, count: 23)
  }

  private static let badMatrices: [Case] = [
    Case(name: "an empty file", expected: []) { [] },
    Case(name: "text", expected: []) { Array("not a matrix of importance at all".utf8) },
    Case(name: "GGUF of another model", expected: [weight, "64", "96"]) {
      try matrix(sums: .init(repeating: 1, count: 96))
    },
    Case(name: "legacy of another model", expected: [weight, "64", "96"]) {
      legacy([entry(weight, .init(repeating: 1, count: 96))])
    },
    Case(name: "GGUF with a NaN", expected: [weight, "nan"]) { try matrix(sums: spoiled(.nan)) },
    Case(name: "legacy with a NaN", expected: [weight, "nan"]) { legacy([entry(weight, spoiled(.nan))]) },
    Case(name: "GGUF with an infinity", expected: [weight, "inf"]) { try matrix(sums: spoiled(.infinity)) },
    Case(name: "GGUF with a negative sum", expected: [weight, "-1"]) { try matrix(sums: spoiled(-1)) },
    Case(name: "legacy with a negative sum", expected: [weight, "-1"]) {
      legacy([entry(weight, spoiled(-1))])
    },
    Case(name: "GGUF without counts", expected: [weight, ".counts"]) {
      try file(matrixMetadata, [(weight + ".in_sum2", [64, 1], .init(repeating: 2, count: 64))])
    },
    Case(name: "a model for a matrix", expected: []) { try gguf() },
    Case(name: "GGUF cut in its data", expected: []) { try matrix().dropLast(40) },
    Case(name: "legacy cut in its values", expected: []) { Array(legacy([entry(weight)]).prefix(100)) },
    Case(name: "legacy with 2^31 - 1 entries", expected: ["2147483647"]) {
      legacy([entry(weight)], count: .max)
    },
    Case(name: "legacy with a negative count", expected: ["-1"]) { legacy([entry(weight)], count: -1) },
    Case(name: "legacy with a name of 2^31 - 1 bytes", expected: []) {
      legacy([entry(weight, nameLength: .max)])
    },
    Case(name: "legacy with 2^31 - 1 values", expected: []) { legacy([entry(weight, valueCount: .max)]) },
    Case(name: "legacy with one weight twice", expected: [weight]) {
      legacy([entry(weight), entry(weight)])
    },
  ]
}
