import FileBytes
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

/// One wrong file and the code it must be refused with.
struct HostileGGUF: CustomTestStringConvertible, Sendable {
  var testDescription: String
  var code: GGUFError.Code
  var bytes: [UInt8]

  init(_ name: String, _ code: GGUFError.Code, _ bytes: GGUFBytes) {
    testDescription = name
    self.code = code
    self.bytes = bytes.bytes
  }

  /// A file with one metadata entry, completed by `fill`.
  init(entry name: String, _ code: GGUFError.Code, _ fill: (inout GGUFBytes) -> Void) {
    var bytes = GGUFBytes(entryCount: 1)
    fill(&bytes)
    self.init(name, code, bytes)
  }

  /// A file with tensors that `fill` describes, padding and 4096 bytes of data.
  init(tensors name: String, _ code: GGUFError.Code, count: Int64 = 1, _ fill: (inout GGUFBytes) -> Void) {
    var bytes = GGUFBytes(tensorCount: count)
    fill(&bytes)
    bytes.pad()
    bytes.zeros(4096)
    self.init(name, code, bytes)
  }

  static let all: [HostileGGUF] = start + metadata + tensors

  private static func cut(_ count: Int) -> GGUFBytes {
    var bytes = GGUFBytes()
    bytes.bytes.removeLast(bytes.bytes.count - count)
    return bytes
  }

  static let start: [HostileGGUF] = [
    HostileGGUF("empty file", .headerTruncated, cut(0)),
    HostileGGUF("three bytes", .headerTruncated, cut(3)),
    HostileGGUF("no version", .headerTruncated, cut(6)),
    HostileGGUF("no counts", .headerTruncated, cut(8)),
    HostileGGUF("half a count", .headerTruncated, cut(20)),
    HostileGGUF("wrong magic", .badMagic, GGUFBytes(magic: "GGUf")),
    HostileGGUF("byte-swapped magic", .badMagic, GGUFBytes(magic: "FUGG")),
    HostileGGUF("version 0", .badVersion, GGUFBytes(version: 0)),
    HostileGGUF("version 1", .badVersion, GGUFBytes(version: 1)),
    HostileGGUF("version 4", .badVersion, GGUFBytes(version: 4)),
    HostileGGUF("big-endian", .otherByteOrder, GGUFBytes(version: UInt32(3).byteSwapped)),
    HostileGGUF("negative tensor count", .badCount, GGUFBytes(tensorCount: -1)),
    HostileGGUF("tensor count of 2^63 - 1", .badCount, GGUFBytes(tensorCount: .max)),
    HostileGGUF("one tensor in no bytes", .badCount, GGUFBytes(tensorCount: 1)),
    HostileGGUF("negative entry count", .badCount, GGUFBytes(entryCount: .min)),
    HostileGGUF("entry count of 2^40", .badCount, GGUFBytes(entryCount: 1 << 40)),
  ]

  static let metadata: [HostileGGUF] = [
    HostileGGUF(entry: "key length of 2^64 - 1", .stringTooLong) {
      $0.append("k", claimedLength: .max)
      $0.zeros(20)
    },
    HostileGGUF(entry: "key length of 2^30 + 1", .stringTooLong) {
      $0.append("k", claimedLength: 1 << 30 + 1)
      $0.zeros(20)
    },
    HostileGGUF(entry: "key longer than the file", .stringTooLong) {
      $0.append("k", claimedLength: 100)
      $0.zeros(20)
    },
    HostileGGUF(entry: "empty key", .emptyKey) {
      $0.entry("", UInt32(1))
      $0.zeros(8)
    },
    HostileGGUF(entry: "key not UTF-8", .notUTF8) {
      $0.append(UInt64(2))
      $0.bytes += [0xC3, 0x28]
      $0.zeros(8)
    },
    HostileGGUF(entry: "value type 13", .badValueType) {
      $0.key("k", type: 13)
      $0.zeros(8)
    },
    HostileGGUF(entry: "value type -1", .badValueType) {
      $0.key("k", type: -1)
      $0.zeros(8)
    },
    HostileGGUF(entry: "value cut off", .headerTruncated) {
      $0.key("key", type: 12)
      $0.zeros(7)
    },
    HostileGGUF(entry: "string value longer than the file", .stringTooLong) {
      $0.key("k", type: 8)
      $0.append("abc", claimedLength: 4)
    },
    HostileGGUF(entry: "array of arrays", .nestedArray) {
      $0.key("k", type: 9)
      $0.append(Int32(9))
      $0.append(UInt64(0))
    },
    HostileGGUF(entry: "array of type 13", .badValueType) {
      $0.key("k", type: 9)
      $0.append(Int32(13))
      $0.append(UInt64(0))
    },
    HostileGGUF(entry: "array of 2^64 - 1 elements", .arrayTooLong) {
      $0.key("k", type: 9)
      $0.append(Int32(0))
      $0.append(UInt64.max)
    },
    HostileGGUF(entry: "array of 2^30 + 1 bytes", .arrayTooLong) {
      $0.key("k", type: 9)
      $0.append(Int32(0))
      $0.append(UInt64(1 << 30 + 1))
    },
    HostileGGUF(entry: "array of 2^30 numbers in no bytes", .arrayTooLong) {
      $0.key("k", type: 9)
      $0.append(Int32(12))
      $0.append(UInt64(1 << 30))
    },
    HostileGGUF(entry: "array of 2^30 strings in no bytes", .arrayTooLong) {
      $0.key("k", type: 9)
      $0.append(Int32(8))
      $0.append(UInt64(1 << 30))
    },
    HostileGGUF(entry: "array one element short", .arrayTooLong) {
      $0.key("k", type: 9)
      $0.append(Int32(4))
      $0.append(UInt64(2))
      $0.append(UInt32(1))
    },
    HostileGGUF(entry: "array whose last string is cut off", .stringTooLong) {
      $0.key("k", type: 9)
      $0.append(Int32(8))
      $0.append(UInt64(2))
      $0.append("abcdefgh")
      $0.append("x", claimedLength: 2)
    },
    HostileGGUF(entry: "raw array whose last string is cut off", .stringTooLong) {
      $0.key("k", type: 9)
      $0.append(Int32(8))
      $0.append(UInt64(2))
      $0.append(UInt64(1))
      $0.bytes.append(0xFF)
      $0.append("x", claimedLength: 1 << 30)
    },
    HostileGGUF(
      "same key twice", .duplicateKey,
      {
        var bytes = GGUFBytes(entryCount: 2)
        bytes.entry("k", UInt32(1))
        bytes.entry("k", UInt16(1))
        return bytes
      }()),
    HostileGGUF(entry: "alignment 0", .badAlignment) { $0.entry("general.alignment", UInt32(0)) },
    HostileGGUF(entry: "alignment 24", .badAlignment) { $0.entry("general.alignment", UInt32(24)) },
    HostileGGUF(entry: "alignment as i32", .badAlignment) { $0.entry("general.alignment", Int32(32)) },
    HostileGGUF(entry: "alignment as text", .badAlignment) { $0.entry("general.alignment", "32") },
  ]

  static let tensors: [HostileGGUF] = [
    HostileGGUF(tensors: "name of 64 bytes", .badName) {
      $0.tensor(String(repeating: "n", count: 64), dimensions: [1], offset: 0)
    },
    HostileGGUF(tensors: "name with NUL", .badName) { $0.tensor("a\0b", dimensions: [1], offset: 0) },
    HostileGGUF(tensors: "name not UTF-8", .notUTF8) {
      $0.append(UInt64(1))
      $0.bytes.append(0x80)
    },
    HostileGGUF(tensors: "same name twice", .duplicateTensor, count: 2) {
      $0.tensor("a", dimensions: [8], offset: 0)
      $0.tensor("a", dimensions: [8], offset: 32)
    },
    HostileGGUF(tensors: "five dimensions", .tooManyDimensions) {
      $0.tensor("a", dimensions: [1, 1, 1, 1, 1], offset: 0)
    },
    HostileGGUF(tensors: "2^32 - 1 dimensions", .tooManyDimensions) {
      $0.tensor("a", dimensions: [1], offset: 0, claimedDimensionCount: .max)
    },
    HostileGGUF(tensors: "negative dimension", .badDimension) {
      $0.tensor("a", dimensions: [4, -1], offset: 0)
    },
    HostileGGUF(tensors: "element count overflows", .shapeOverflow) {
      $0.tensor("a", dimensions: [1 << 32, 1 << 31], offset: 0)
    },
    HostileGGUF(tensors: "overflow hidden behind a zero", .shapeOverflow) {
      $0.tensor("a", dimensions: [1 << 32, 1 << 32, 0], offset: 0)
    },
    HostileGGUF(tensors: "byte count overflows", .sizeOverflow) {
      $0.tensor("a", dimensions: [1 << 61], offset: 0)
    },
    HostileGGUF(tensors: "padded size overflows", .sizeOverflow) {
      $0.tensor("a", dimensions: [.max - 7], type: 24, offset: 0)
    },
    HostileGGUF(tensors: "sum of sizes overflows", .sizeOverflow, count: 2) {
      $0.tensor("a", dimensions: [1 << 62], type: 24, offset: 0)
      $0.tensor("b", dimensions: [1 << 62], type: 24, offset: 1 << 62)
    },
    HostileGGUF(tensors: "removed type 4", .removedTensorType) {
      $0.tensor("a", dimensions: [32], type: 4, offset: 0)
    },
    HostileGGUF(tensors: "removed type 33", .removedTensorType) {
      $0.tensor("a", dimensions: [32], type: 33, offset: 0)
    },
    HostileGGUF(tensors: "type 43", .unknownTensorType) {
      $0.tensor("a", dimensions: [32], type: 43, offset: 0)
    },
    HostileGGUF(tensors: "type -1", .unknownTensorType) {
      $0.tensor("a", dimensions: [32], type: -1, offset: 0)
    },
    HostileGGUF(tensors: "row of 255 as Q4_K", .partialBlock) {
      $0.tensor("a", dimensions: [255, 256], type: 12, offset: 0)
    },
    HostileGGUF(tensors: "scalar as Q8_0", .partialBlock) {
      $0.tensor("a", dimensions: [], type: 8, offset: 0)
    },
    HostileGGUF(tensors: "first offset not 0", .badOffset) { $0.tensor("a", dimensions: [8], offset: 32) },
    HostileGGUF(tensors: "overlap", .badOffset, count: 2) {
      $0.tensor("a", dimensions: [8], offset: 0)
      $0.tensor("b", dimensions: [8], offset: 0)
    },
    HostileGGUF(tensors: "gap", .badOffset, count: 2) {
      $0.tensor("a", dimensions: [8], offset: 0)
      $0.tensor("b", dimensions: [8], offset: 64)
    },
    HostileGGUF(tensors: "offset not padded", .badOffset, count: 2) {
      $0.tensor("a", dimensions: [1], offset: 0)
      $0.tensor("b", dimensions: [8], offset: 4)
    },
    HostileGGUF(tensors: "offset of 2^64 - 32", .badOffset) {
      $0.tensor("a", dimensions: [8], offset: .max - 31)
    },
    HostileGGUF(tensors: "data past the end", .truncated) { $0.tensor("a", dimensions: [1025], offset: 0) },
    HostileGGUF(tensors: "data 2^40 past the end", .truncated) {
      $0.tensor("a", dimensions: [1 << 40], offset: 0)
    },
    HostileGGUF(
      "no room for the padding before the data", .headerTruncated,
      {
        var bytes = GGUFBytes(tensorCount: 1)
        bytes.tensor("a", dimensions: [0], offset: 0)
        return bytes
      }()),
    HostileGGUF(
      "tensor table cut off", .headerTruncated,
      {
        var bytes = GGUFBytes(tensorCount: 1)
        bytes.tensor("a", dimensions: [1, 1, 1, 1], offset: 0)
        bytes.bytes.removeLast(9)
        return bytes
      }()),
  ]
}

@Suite struct HostileHeaderTests {
  @Test(arguments: HostileGGUF.all)
  func refuses(hostile: HostileGGUF) throws {
    let error = try #require(throws: GGUFError.self) {
      try GGUFHeader(parsing: hostile.bytes, file: "h.gguf")
    }
    #expect(error.code == hostile.code, "\(error)")
    #expect(error.fault.file == "h.gguf")
    #expect(!error.fault.expected.isEmpty && !error.fault.found.isEmpty)
    #expect(error.faultClass == .rejected)
  }

  @Test func refusesEveryTruncation() throws {
    let encoded = try GGUFHeaderEncoder(
      metadata: everyValue, tensors: [GGUFTensorDescription(name: "t", type: .f32, ggmlShape: [40])])
    for count in 0..<encoded.bytes.count {
      let prefix = Array(encoded.bytes.prefix(count))
      #expect(throws: GGUFError.self) { try GGUFHeader(parsing: prefix, file: "", requireData: false) }
      // The same piece of a file that is complete; the padding at the end is not looked at.
      guard count < encoded.bytes.count - 31 else { continue }
      #expect(throws: GGUFError.self) {
        try GGUFHeader(parsing: prefix, fileByteCount: encoded.fileByteCount, file: "")
      }
    }
  }

  @Test func refusesHeadersBeyondTheLimit() throws {
    // A sparse file of 1 GB whose only key says that it fills it.
    let folder = try TemporaryFolder()
    var bytes = GGUFBytes(entryCount: 1)
    bytes.append("k", claimedLength: 1 << 29)
    let path = try folder.write("m.gguf", bytes.bytes)
    try extend(path, to: 1 << 30)
    let error = try #require(throws: GGUFError.self) { try GGUFFile(path: path) }
    #expect(error.code == .headerTooLarge)
  }
}
