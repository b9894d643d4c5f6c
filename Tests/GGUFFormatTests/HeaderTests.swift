import FileBytes
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

/// Metadata with every value and element type.
let everyValue: [MetadataEntry] = [
  MetadataEntry("general.architecture", .string("qwen3moe")),
  MetadataEntry("u8", .uint8(200)), MetadataEntry("i8", .int8(-3)), MetadataEntry("u16", .uint16(60_000)),
  MetadataEntry("i16", .int16(-300)), MetadataEntry("u32", .uint32(.max)), MetadataEntry("i32", .int32(.min)),
  MetadataEntry("u64", .uint64(.max)), MetadataEntry("i64", .int64(.min)),
  MetadataEntry("f32", .float32(-0.0)),
  MetadataEntry("f64", .float64(1e300)), MetadataEntry("yes", .bool(true)), MetadataEntry("no", .bool(false)),
  MetadataEntry("empty", .string("")), MetadataEntry("raw", .rawString([0xFF, 0x00, 0x41])),
  MetadataEntry("a.u8", .array(.uint8([1, 2, 3]))), MetadataEntry("a.i8", .array(.int8([-1]))),
  MetadataEntry("a.u16", .array(.uint16([1, 65535]))), MetadataEntry("a.i16", .array(.int16([-32768]))),
  MetadataEntry("a.u32", .array(.uint32([7]))), MetadataEntry("a.i32", .array(.int32([-7, 7]))),
  MetadataEntry("a.u64", .array(.uint64([.max]))), MetadataEntry("a.i64", .array(.int64([.min]))),
  MetadataEntry("a.f32", .array(.float32([.infinity, 0.5]))),
  MetadataEntry("a.f64", .array(.float64([0.25]))),
  MetadataEntry("a.bool", .array(.bool([true, false]))),
  MetadataEntry("a.string", .array(.string(["", "é", "a\0b", "<|im_start|>"]))),
  MetadataEntry("a.raw", .array(.rawString([[0xC3], [], [0x41]]))),
  MetadataEntry("a.none", .array(.string([]))),
]

@Suite struct HeaderTests {
  @Test func readsWhatIsEncoded() throws {
    let encoded = try GGUFHeaderEncoder(
      metadata: everyValue,
      tensors: [
        GGUFTensorDescription(name: "token_embd.weight", type: .q4_K, ggmlShape: [512, 3]),
        GGUFTensorDescription(name: "norm", type: .f32, ggmlShape: [5]),
        GGUFTensorDescription(name: "experts", type: .q8_0, ggmlShape: [64, 2, 4]),
      ])
    let header = try GGUFHeader(parsing: encoded.bytes, fileByteCount: encoded.fileByteCount, file: "m.gguf")
    #expect(header.metadata == everyValue)
    #expect(header.tensors == encoded.tensors)
    #expect(header.tensors.map(\.offset) == [0, 864, 896])
    #expect(header.tensors.map(\.byteCount) == [864, 20, 544])
    #expect(header.dataStart == encoded.dataStart)
    #expect(encoded.fileByteCount == encoded.dataStart + 896 + 544)
    #expect(header.value("u16") == .uint16(60_000))
    #expect(header.value("absent") == nil)
    #expect(header.alignment == 32 && header.version == 3)
  }

  /// The layout, byte by byte, against bytes made without the encoder.
  @Test func encodesTheFormat() throws {
    var expected = GGUFBytes(tensorCount: 2, entryCount: 3)
    expected.entry("general.architecture", "llama")
    expected.entry("n", UInt32(7))
    expected.key("list", type: 9)
    expected.append(Int32(8))
    expected.append(UInt64(2))
    expected.append("a")
    expected.append("bc")
    expected.tensor("one", dimensions: [3], offset: 0)
    expected.tensor("two", dimensions: [32, 2], type: 8, offset: 32)
    expected.pad()
    let encoded = try GGUFHeaderEncoder(
      metadata: [
        MetadataEntry("general.architecture", .string("llama")), MetadataEntry("n", .uint32(7)),
        MetadataEntry("list", .array(.string(["a", "bc"]))),
      ],
      tensors: [
        GGUFTensorDescription(name: "one", type: .f32, ggmlShape: [3, 1, 1]),
        GGUFTensorDescription(name: "two", type: .q8_0, ggmlShape: [32, 2, 1, 1]),
      ])
    #expect(encoded.bytes == expected.bytes)
    #expect(encoded.fileByteCount == expected.bytes.count + 32 + 96)
  }

  @Test(
    arguments: [
      ([], [1], [1]), ([1], [1], [1]), ([1, 1], [1], [1, 1]), ([5, 1], [5], [5, 1]),
      ([1, 5], [1, 5], [1, 5]),
      ([4, 1, 2, 1], [4, 1, 2], [4, 1, 2, 1]), ([4, 0], [4, 0], [4, 0]),
    ] as [([Int], [Int], [Int])])
  func writesDimensions(shape: [Int], trimmed: [Int], asGiven: [Int]) throws {
    let tensor = GGUFTensorDescription(name: "t", type: .f32, ggmlShape: shape)
    for (style, expected) in [(GGUFDimensionStyle.trimmed, trimmed), (.asGiven, asGiven)] {
      let encoded = try GGUFHeaderEncoder(metadata: [], tensors: [tensor], dimensions: style)
      let header = try GGUFHeader(parsing: encoded.bytes, fileByteCount: encoded.fileByteCount, file: "")
      #expect(header.tensors[0].ggmlShape == expected)
    }
  }

  @Test func sizesAFileWithoutTensors() throws {
    let encoded = try GGUFHeaderEncoder(metadata: [MetadataEntry("a", .bool(true))], tensors: [])
    #expect(encoded.bytes.count == 64)
    #expect(encoded.fileByteCount == 64)
    #expect(try GGUFHeader(parsing: encoded.bytes, file: "").dataStart == 38)
  }

  @Test(arguments: TensorType.allCases)
  func sizesEveryType(type: TensorType) throws {
    let shape = [type.blockLength * 2, 3]
    let encoded = try GGUFHeaderEncoder(
      metadata: [], tensors: [GGUFTensorDescription(name: "t", type: type, ggmlShape: shape)])
    #expect(encoded.tensors[0].byteCount == type.blockByteCount * 6)
    let header = try GGUFHeader(parsing: encoded.bytes, fileByteCount: encoded.fileByteCount, file: "")
    #expect(header.tensors[0].type == type)
    #expect(encoded.fileByteCount % 32 == 0)
  }

  @Test func readsVersion2AndScalarsAndOtherAlignments() throws {
    var bytes = GGUFBytes(version: 2, tensorCount: 2, entryCount: 1)
    bytes.entry("general.alignment", UInt32(128))
    bytes.tensor("scalar", dimensions: [], offset: 0)
    bytes.tensor("t", dimensions: [2], offset: 128)
    bytes.pad(to: 128)
    bytes.zeros(136)
    let header = try GGUFHeader(parsing: bytes.bytes, file: "")
    #expect(header.version == 2 && header.alignment == 128)
    #expect(header.tensors.map(\.byteCount) == [4, 8])
    #expect(header.tensors[0].elementCount == 1)
  }

  @Test func readsAnyNonZeroByteAsTrue() throws {
    var bytes = GGUFBytes(entryCount: 1)
    bytes.key("b", type: 7)
    bytes.append(UInt8(0xFF))
    #expect(try GGUFHeader(parsing: bytes.bytes, file: "").value("b") == .bool(true))
  }

  @Test func acceptsAMissingLastPadding() throws {
    var bytes = GGUFBytes(tensorCount: 1)
    bytes.tensor("t", dimensions: [3], offset: 0)
    bytes.pad()
    bytes.zeros(12)
    #expect(try GGUFHeader(parsing: bytes.bytes, file: "").minimumFileByteCount == bytes.bytes.count)
    bytes.bytes.removeLast()
    let error = try #require(throws: GGUFError.self) { try GGUFHeader(parsing: bytes.bytes, file: "m.gguf") }
    #expect(error.code == .truncated)
    #expect(error.fault.subject == "t")
    #expect(error.fault.expected == "at least \(bytes.bytes.count + 1) bytes")
    #expect(error.fault.found.hasPrefix("\(bytes.bytes.count) bytes, 1 too few"))
    #expect(try GGUFHeader(parsing: bytes.bytes, file: "", requireData: false).tensors.count == 1)
  }

  @Test(
    arguments: [
      (GGUFTensorDescription(name: String(repeating: "n", count: 64), type: .f32, ggmlShape: [1]), .badName),
      (GGUFTensorDescription(name: "a\0b", type: .f32, ggmlShape: [1]), .badName),
      (GGUFTensorDescription(name: "a", type: .q4_K, ggmlShape: [255]), .partialBlock),
      (GGUFTensorDescription(name: "a", type: .f32, ggmlShape: [1, 1, 1, 1, 2]), .tooManyDimensions),
      (GGUFTensorDescription(name: "a", type: .f32, ggmlShape: [-1]), .badDimension),
      (GGUFTensorDescription(name: "a", type: .f32, ggmlShape: [1 << 32, 1 << 32]), .shapeOverflow),
      (GGUFTensorDescription(name: "a", type: .f32, ggmlShape: [1 << 61]), .sizeOverflow),
      (GGUFTensorDescription(name: "a", type: .f32, ggmlShape: [1 << 60, 2]), .sizeOverflow),
      (GGUFTensorDescription(name: "a", type: .i8, ggmlShape: [.max]), .sizeOverflow),
      (GGUFTensorDescription(name: "b", type: .f32, ggmlShape: [1]), .duplicateTensor),
    ] as [(GGUFTensorDescription, GGUFError.Code)])
  func refusesToEncodeTensor(tensor: GGUFTensorDescription, code: GGUFError.Code) throws {
    let good = GGUFTensorDescription(name: "b", type: .f32, ggmlShape: [1])
    let error = try #require(throws: GGUFError.self) {
      try GGUFHeaderEncoder(metadata: [], tensors: [good, tensor], file: "o.gguf")
    }
    #expect(error.code == code)
    #expect(error.fault.subject.description == tensor.name && error.fault.file == "o.gguf")
  }

  @Test(
    arguments: [
      ([MetadataEntry("", .bool(true))], .emptyKey),
      ([MetadataEntry("a", .bool(true)), MetadataEntry("a", .bool(false))], .duplicateKey),
      ([MetadataEntry("general.alignment", .uint32(64))], .badAlignment),
      ([MetadataEntry("general.alignment", .int32(32))], .badAlignment),
    ] as [([MetadataEntry], GGUFError.Code)])
  func refusesToEncodeMetadata(metadata: [MetadataEntry], code: GGUFError.Code) throws {
    let error = try #require(throws: GGUFError.self) {
      try GGUFHeaderEncoder(metadata: metadata, tensors: [])
    }
    #expect(error.code == code)
  }
}

@Suite struct FileTests {
  @Test func readsHeadersLongerThanTheFirstPiece() throws {
    let folder = try TemporaryFolder()
    let tokens = (0..<700_000).map { "token \($0)" }
    let encoded = try GGUFHeaderEncoder(
      metadata: [MetadataEntry("tokenizer.ggml.tokens", .array(.string(tokens)))],
      tensors: [GGUFTensorDescription(name: "t", type: .f32, ggmlShape: [2])])
    #expect(encoded.bytes.count > 1 << 23)
    let path = try folder.write("m.gguf", encoded.bytes + [UInt8](repeating: 9, count: 32))
    let file = try GGUFFile(path: path)
    #expect(file.value("tokenizer.ggml.tokens") == .array(.string(tokens)))
    #expect(file.headerHash == encoded.bytes.withUnsafeBytes { XXHash64.hash($0) })
    #expect(
      try file.file.bytes(at: file.position(of: file.tensors[0]), count: 8) == [UInt8](repeating: 9, count: 8)
    )
  }

  @Test func namesTheFile() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("m.gguf", Array("GGML............".utf8))
    let error = try #require(throws: GGUFError.self) { try GGUFFile(path: path) }
    #expect(error.code == .badMagic && error.fault.file == path)
    #expect(error.fault.found.hasPrefix("47 47 4D 4C"))
    #expect(throws: FileError.self) { try GGUFFile(path: folder.path("absent")) }
  }
}
