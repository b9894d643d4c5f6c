import GGUFFormat
import TensorTypes
import TestSupport
import Testing

@Suite struct TextTests {
  /// Byte strings with their validity by the Unicode standard, table 3-7; some repair to the same length.
  @Test(
    arguments: [
      ([], true), ([0x41], true), ([0x00], true), ([0xC3, 0xA9], true), ([0xE2, 0x82, 0xAC], true),
      ([0xF0, 0x9F, 0x98, 0x80], true), ([0xEF, 0xBF, 0xBD], true), ([0xF4, 0x8F, 0xBF, 0xBF], true),
      ([0x80], false), ([0xFF], false), ([0xC3], false), ([0xC3, 0x28], false), ([0xC0, 0x80], false),
      ([0xE0, 0x80, 0x80], false), ([0xED, 0xA0, 0x80], false), ([0xF0, 0x9F, 0x98], false),
      ([0xF4, 0x90, 0x80, 0x80], false), ([0xF5, 0x80, 0x80, 0x80], false), ([0xE2, 0x82], false),
      ([0xEF, 0xBF, 0xBD, 0xF0, 0x9F, 0x98], false),
    ] as [([UInt8], Bool)])
  func keepsBytesThatAreNotText(bytes: [UInt8], isText: Bool) throws {
    var file = GGUFBytes(entryCount: 2)
    file.key("one", type: 8)
    file.append(UInt64(bytes.count))
    file.bytes += bytes
    file.key("two", type: 9)
    file.append(Int32(8))
    file.append(UInt64(2))
    file.append("x")
    file.append(UInt64(bytes.count))
    file.bytes += bytes
    let header = try GGUFHeader(parsing: file.bytes, file: "")
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(header.value("one") == (isText ? .string(text) : .rawString(bytes)))
    #expect(header.value("two") == .array(isText ? .string(["x", text]) : .rawString([[0x78], bytes])))
    // Either way the bytes come back.
    let again = try GGUFHeaderEncoder(metadata: header.metadata, tensors: [])
    #expect(again.bytes.starts(with: file.bytes))
  }
}
