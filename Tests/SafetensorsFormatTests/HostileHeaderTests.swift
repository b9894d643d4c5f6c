import FileBytes
import SafetensorsFormat
import TestSupport
import Testing

/// One wrong header and the code it must be refused with.
struct HostileHeader: CustomTestStringConvertible {
  var testDescription: String
  var bytes: [UInt8]
  var code: SafetensorsError.Code

  init(
    _ name: String, _ code: SafetensorsError.Code, _ json: String, data: Int = 4, claimedLength: UInt64? = nil
  ) {
    testDescription = name
    self.code = code
    bytes = SafetensorsBytes.file(json, dataByteCount: data, claimedLength: claimedLength)
  }

  init(_ name: String, _ code: SafetensorsError.Code, raw: [UInt8]) {
    testDescription = name
    self.code = code
    bytes = raw
  }

  private static let good = SafetensorsBytes.tensor("a")

  static let all: [HostileHeader] = bytes + text + tensors + layout

  static let bytes: [HostileHeader] = [
    HostileHeader("empty file", .fileTooShort, raw: []),
    HostileHeader("seven bytes", .fileTooShort, raw: [2, 0, 0, 0, 0, 0, 0]),
    HostileHeader("header of 100,000,001 bytes", .headerTooLarge, "{}", claimedLength: 100_000_001),
    HostileHeader("header of 2^64 - 1 bytes", .headerTooLarge, "{}", claimedLength: .max),
    HostileHeader("header of 2^63 bytes", .headerTooLarge, "{}", claimedLength: 1 << 63),
    HostileHeader("header longer than the file", .headerPastEnd, "{}", data: 0, claimedLength: 3),
    HostileHeader("header of no bytes", .notAnObject, "", data: 0),
    HostileHeader("space before the brace", .notAnObject, " {}", data: 0),
    HostileHeader("array", .notAnObject, "[]", data: 0),
    HostileHeader(
      "byte order mark", .notAnObject, raw: SafetensorsBytes.file([0xEF, 0xBB, 0xBF] + Array("{}".utf8))),
    HostileHeader(
      "name not UTF-8", .notUTF8, raw: SafetensorsBytes.file(Array("{\"".utf8) + [0xC3, 0x28, 0x22])),
    HostileHeader(
      "overlong UTF-8", .notUTF8, raw: SafetensorsBytes.file(Array("{\"".utf8) + [0xC0, 0xAF, 0x22])),
    HostileHeader(
      "escaped name not UTF-8", .notUTF8,
      raw: SafetensorsBytes.file(Array("{\"\\n".utf8) + [0xED, 0xA0, 0x80, 0x22])),
  ]

  static let text: [HostileHeader] = [
    HostileHeader("unclosed object", .malformedJSON, "{" + good),
    HostileHeader("text after the object", .malformedJSON, "{" + good + "}{"),
    HostileHeader("NUL after the object", .malformedJSON, "{" + good + "}\0"),
    HostileHeader("trailing comma", .malformedJSON, "{" + good + ",}"),
    HostileHeader("missing colon", .malformedJSON, #"{"a" 1}"#),
    HostileHeader("unquoted key", .malformedJSON, "{a:1}"),
    HostileHeader("unclosed string", .malformedJSON, #"{"abc"#),
    HostileHeader("unclosed escape", .malformedJSON, #"{"abc\"#),
    HostileHeader("unknown escape", .malformedJSON, #"{"\x41":1}"#),
    HostileHeader("short hexadecimal escape", .malformedJSON, #"{"\u12":1}"#),
    HostileHeader("high surrogate alone", .malformedJSON, #"{"\ud83d":1}"#),
    HostileHeader("two high surrogates", .malformedJSON, #"{"\ud83d\ud83d":1}"#),
    HostileHeader("low surrogate alone", .malformedJSON, #"{"\ude00":1}"#),
    HostileHeader("control character in a name", .malformedJSON, "{\"a\nb\":1}"),
    HostileHeader("bad literal", .malformedJSON, #"{"a":{"x":nul}}"#),
    HostileHeader("bad number in an unknown field", .malformedJSON, #"{"a":{"x":01}}"#),
    HostileHeader(
      "100,000 open brackets", .nestingTooDeep, #"{"a":{"x":"# + String(repeating: "[", count: 100_000)),
    HostileHeader(
      "100,000 open objects", .nestingTooDeep, #"{"a":{"x":"# + String(repeating: #"{"":"#, count: 100_000)),
    HostileHeader("same tensor twice", .duplicateKey, "{" + good + "," + good + "}"),
    HostileHeader(
      "same tensor twice through an escape", .duplicateKey,
      "{" + good + "," + SafetensorsBytes.tensor(#"\u0061"#, offsets: "[4,8]") + "}", data: 8),
    HostileHeader("metadata twice", .duplicateKey, #"{"__metadata__":{},"__metadata__":{}}"#, data: 0),
    HostileHeader("metadata key twice", .duplicateKey, #"{"__metadata__":{"a":"","a":""}}"#, data: 0),
    HostileHeader(
      "dtype twice", .duplicateKey, #"{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#),
    HostileHeader(
      "shape twice", .duplicateKey, #"{"a":{"dtype":"U8","shape":[4],"shape":[4],"data_offsets":[0,4]}}"#),
    HostileHeader(
      "offsets twice", .duplicateKey,
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"data_offsets":[0,4]}}"#),
    HostileHeader("metadata not an object", .badMetadata, #"{"__metadata__":"x"}"#, data: 0),
    HostileHeader("metadata with a number", .badMetadata, #"{"__metadata__":{"a":1}}"#, data: 0),
    HostileHeader("metadata with null", .badMetadata, #"{"__metadata__":{"a":null}}"#, data: 0),
  ]

  static let tensors: [HostileHeader] = [
    HostileHeader("tensor not an object", .missingField, #"{"a":7}"#),
    HostileHeader("no dtype", .missingField, #"{"a":{"shape":[1],"data_offsets":[0,4]}}"#),
    HostileHeader("no shape", .missingField, #"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#),
    HostileHeader("no offsets", .missingField, #"{"a":{"dtype":"F32","shape":[1]}}"#),
    HostileHeader("unknown dtype", .unknownElementType, "{" + SafetensorsBytes.tensor("a", "F33") + "}"),
    HostileHeader(
      "dtype in lower case", .unknownElementType, "{" + SafetensorsBytes.tensor("a", "f32") + "}"),
    HostileHeader(
      "dtype not a string", .unknownElementType, #"{"a":{"dtype":32,"shape":[1],"data_offsets":[0,4]}}"#),
    HostileHeader("negative dimension", .badNumber, "{" + SafetensorsBytes.tensor("a", shape: "[-1]") + "}"),
    HostileHeader("minus zero", .badNumber, "{" + SafetensorsBytes.tensor("a", shape: "[-0]") + "}"),
    HostileHeader(
      "fractional dimension", .badNumber, "{" + SafetensorsBytes.tensor("a", shape: "[1.0]") + "}"),
    HostileHeader(
      "dimension with exponent", .badNumber, "{" + SafetensorsBytes.tensor("a", shape: "[1e0]") + "}"),
    HostileHeader(
      "dimension with leading zero", .badNumber, "{" + SafetensorsBytes.tensor("a", shape: "[01]") + "}"),
    HostileHeader(
      "dimension in quotes", .badNumber, "{" + SafetensorsBytes.tensor("a", shape: "[\"1\"]") + "}"),
    HostileHeader("dimension null", .badNumber, "{" + SafetensorsBytes.tensor("a", shape: "[null]") + "}"),
    HostileHeader("dimension true", .badNumber, "{" + SafetensorsBytes.tensor("a", shape: "[true]") + "}"),
    HostileHeader("shape not an array", .badNumber, "{" + SafetensorsBytes.tensor("a", shape: "1") + "}"),
    HostileHeader("nested shape", .badNumber, "{" + SafetensorsBytes.tensor("a", shape: "[[1]]") + "}"),
    HostileHeader(
      "dimension of 2^63", .numberOverflow,
      "{" + SafetensorsBytes.tensor("a", shape: "[9223372036854775808]") + "}"),
    HostileHeader(
      "dimension of 100 digits", .numberOverflow,
      "{" + SafetensorsBytes.tensor("a", shape: "[" + String(repeating: "9", count: 100) + "]") + "}"),
    HostileHeader(
      "offset of 2^64", .numberOverflow,
      "{" + SafetensorsBytes.tensor("a", offsets: "[0,18446744073709551616]") + "}"),
    HostileHeader("negative offset", .badNumber, "{" + SafetensorsBytes.tensor("a", offsets: "[-4,0]") + "}"),
    HostileHeader("one offset", .badOffsets, "{" + SafetensorsBytes.tensor("a", offsets: "[0]") + "}"),
    HostileHeader("three offsets", .badOffsets, "{" + SafetensorsBytes.tensor("a", offsets: "[0,4,8]") + "}"),
    HostileHeader(
      "end before begin", .badOffsets, "{" + SafetensorsBytes.tensor("a", offsets: "[4,0]") + "}"),
    HostileHeader(
      "end near 2^63", .badOffsets,
      "{"
        + SafetensorsBytes.tensor(
          "a", "U8", shape: "[9223372036854775807]", offsets: "[0,9223372036854775807]")
        + "}"),
    HostileHeader(
      "shape product overflows", .shapeOverflow,
      "{" + SafetensorsBytes.tensor("a", shape: "[4294967296,4294967296]") + "}"),
    HostileHeader(
      "bit size overflows", .shapeOverflow,
      "{" + SafetensorsBytes.tensor("a", shape: "[4611686018427387904]") + "}"),
    HostileHeader(
      "overflow hidden behind a zero", .shapeOverflow,
      "{" + SafetensorsBytes.tensor("a", shape: "[4294967296,4294967296,0]", offsets: "[0,0]") + "}", data: 0),
    HostileHeader(
      "half a byte", .partialByte,
      "{" + SafetensorsBytes.tensor("a", "F4", shape: "[3]", offsets: "[0,2]") + "}",
      data: 2),
    HostileHeader(
      "too few bytes for the shape", .sizeMismatch, "{" + SafetensorsBytes.tensor("a", shape: "[2]") + "}"),
    HostileHeader(
      "bytes for an empty shape", .sizeMismatch, "{" + SafetensorsBytes.tensor("a", shape: "[0]") + "}"),
  ]

  static let layout: [HostileHeader] = [
    HostileHeader(
      "gap at the start", .gap, "{" + SafetensorsBytes.tensor("a", offsets: "[4,8]") + "}", data: 8),
    HostileHeader(
      "gap in the middle", .gap, "{" + good + "," + SafetensorsBytes.tensor("b", offsets: "[5,9]") + "}",
      data: 9),
    HostileHeader(
      "overlap by one byte", .overlap,
      "{" + good + "," + SafetensorsBytes.tensor("b", offsets: "[3,7]") + "}", data: 7
    ),
    HostileHeader(
      "the same bytes twice", .overlap, "{" + good + "," + SafetensorsBytes.tensor("b") + "}"),
    HostileHeader("data one byte short", .truncated, "{" + good + "}", data: 3),
    HostileHeader("no data", .truncated, "{" + good + "}", data: 0),
    HostileHeader("one byte too many", .trailingBytes, "{" + good + "}", data: 5),
    HostileHeader("data without tensors", .trailingBytes, "{}", data: 1),
  ]
}

@Suite struct HostileHeaderTests {
  @Test(arguments: HostileHeader.all)
  func refuses(hostile: HostileHeader) throws {
    let error = try #require(throws: SafetensorsError.self) {
      try SafetensorsHeader(parsing: hostile.bytes, fileByteCount: hostile.bytes.count, file: "h.safetensors")
    }
    #expect(error.code == hostile.code, "\(error)")
    #expect(error.fault.file == "h.safetensors")
    #expect(!error.fault.expected.isEmpty && !error.fault.found.isEmpty)
  }

  @Test func neverReadsPastTheBytesGiven() {
    // The file claims to be large, but only a piece of the header is there.
    let whole = SafetensorsBytes.file("{" + SafetensorsBytes.tensor("a") + "}", dataByteCount: 4)
    for count in 0..<(whole.count - 4) {
      #expect(throws: SafetensorsError.self) {
        try SafetensorsHeader(parsing: Array(whole.prefix(count)), fileByteCount: whole.count, file: "")
      }
    }
  }
}
