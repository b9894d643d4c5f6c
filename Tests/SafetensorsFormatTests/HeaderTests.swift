import FileBytes
import SafetensorsFormat
import TensorTypes
import TestSupport
import Testing

@Suite struct HeaderTests {
  private func parse(_ json: String, data: Int) throws -> SafetensorsHeader {
    let bytes = SafetensorsBytes.file(json, dataByteCount: data)
    return try SafetensorsHeader(parsing: bytes, fileByteCount: bytes.count, file: "x.safetensors")
  }

  @Test func readsEntriesInByteOrder() throws {
    let json =
      "{" + SafetensorsBytes.tensor("b", "BF16", shape: "[2,3]", offsets: "[4,16]") + " , "
      + SafetensorsBytes.tensor("a") + "}   "
    let header = try parse(json, data: 16)
    #expect(header.dataStart == 8 + json.utf8.count)
    #expect(header.dataByteCount == 16)
    #expect(
      header.entries == [
        SafetensorsEntry(tensor: SourceTensor(name: "a", elementType: .f32, shape: [1]), begin: 0, end: 4),
        SafetensorsEntry(
          tensor: SourceTensor(name: "b", elementType: .bf16, shape: [2, 3]), begin: 4, end: 16),
      ])
  }

  @Test func readsScalarsEmptyTensorsAndMetadata() throws {
    let json =
      "{\"__metadata__\":{\"format\":\"pt\",\"note\":\"\"},"
      + SafetensorsBytes.tensor("scalar", "F64", shape: "[]", offsets: "[0,8]") + ","
      + SafetensorsBytes.tensor("empty", "F16", shape: "[0,7]", offsets: "[8,8]") + ","
      + SafetensorsBytes.tensor("void", "F16", shape: "[3,0]", offsets: "[0,0]") + "}"
    let header = try parse(json, data: 8)
    #expect(header.metadata == ["format": "pt", "note": ""])
    #expect(header.entries.map(\.tensor.name) == ["void", "scalar", "empty"])
    #expect(header.entries[1].tensor.shape == [])
  }

  @Test func readsAHeaderWithoutTensors() throws {
    let header = try parse("{}", data: 0)
    #expect(header.entries.isEmpty)
    #expect(header.fileByteCount == 10)
  }

  @Test func decodesEscapesInNames() throws {
    let header = try parse(
      "{" + SafetensorsBytes.tensor(#"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0041é"#) + "}", data: 4)
    #expect(header.entries[0].tensor.name == "a\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1F600}A\u{e9}")
  }

  @Test func readsSubByteTypes() throws {
    let json =
      "{" + SafetensorsBytes.tensor("four", "F4", shape: "[2,2]", offsets: "[0,2]") + ","
      + SafetensorsBytes.tensor("six", "F6_E2M3", shape: "[4]", offsets: "[2,5]") + "}"
    #expect(try parse(json, data: 5).entries.map(\.byteCount) == [2, 3])
  }

  @Test(arguments: ElementType.allCases)
  func writesAndReadsEveryType(type: ElementType) throws {
    let tensor = SourceTensor(name: "t \"\\\n\u{1} é", elementType: type, shape: [2, 4])
    let bytes = try SafetensorsWriter.file([(tensor, [UInt8](repeating: 1, count: type.bitCount))])
    let header = try SafetensorsHeader(parsing: bytes, fileByteCount: bytes.count, file: "")
    #expect(header.entries == [SafetensorsEntry(tensor: tensor, begin: 0, end: type.bitCount)])
    #expect(header.dataStart % 8 == 0)
  }

  @Test func skipsUnknownFieldsOfATensor() throws {
    let json =
      #"{"a":{"extra":[{"x":[1.5e3,-0,null,true,false,"s"]}],"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#
    #expect(try parse(json, data: 2).entries.count == 1)
  }

  @Test func acceptsAFileThatEndsAfterItsHeaderWhenDataIsNotRequired() throws {
    let bytes = SafetensorsBytes.file("{" + SafetensorsBytes.tensor("a") + "}")
    let header = try SafetensorsHeader(
      parsing: bytes, fileByteCount: bytes.count, file: "", requireData: false)
    #expect(header.fileByteCount == bytes.count + 4)
  }

  @Test func acceptsAnUnknownFileSize() throws {
    let bytes = SafetensorsBytes.file("{" + SafetensorsBytes.tensor("a") + "}")
    #expect(try SafetensorsHeader(parsing: bytes, fileByteCount: nil, file: "").entries.count == 1)
  }

  @Test func tellsBothNumbersOfATruncatedFile() throws {
    let bytes = SafetensorsBytes.file("{" + SafetensorsBytes.tensor("a") + "}", dataByteCount: 1)
    let error = try #require(throws: SafetensorsError.self) {
      try SafetensorsHeader(parsing: bytes, fileByteCount: bytes.count, file: "m.safetensors")
    }
    #expect(error.code == .truncated)
    #expect(error.fault.file == "m.safetensors")
    #expect(error.fault.expected.contains("\(bytes.count + 3) bytes"))
    #expect(error.fault.found.contains("\(bytes.count) bytes, 3 too few"))
    #expect(error.faultClass == .rejected)
  }

  @Test func namesTheTensorAndBothSizes() throws {
    let bytes = SafetensorsBytes.file(
      "{" + SafetensorsBytes.tensor("w", shape: "[3]") + "}", dataByteCount: 4)
    let error = try #require(throws: SafetensorsError.self) {
      try SafetensorsHeader(parsing: bytes, fileByteCount: bytes.count, file: "m")
    }
    #expect(error.description.contains("m: w: expected 12 bytes (F32, shape [3]), found 4"))
  }
}
