import GGUFFormat
import TensorTypes
import Testing

@Suite struct MetadataListTests {
  @Test func settingMovesToTheEnd() {
    var list = [MetadataEntry("a", .uint8(1)), MetadataEntry("b", .uint8(2))]
    list.set("a", .bool(true))
    #expect(list == [MetadataEntry("b", .uint8(2)), MetadataEntry("a", .bool(true))])
    #expect(list.value("b") == .uint8(2))
    list.remove("b")
    list.remove("absent")
    #expect(list.map(\.key) == ["a"])
    #expect(list.value("b") == nil)
  }

  @Test(
    arguments: [
      (.string("ab\0c"), .string("ab")), (.string("\0"), .string("")), (.string("ab"), .string("ab")),
      (.rawString([0x41, 0, 0xFF]), .string("A")), (.rawString([0xFF, 0, 0x41]), .rawString([0xFF])),
      (.rawString([0xFF, 0x41]), .rawString([0xFF, 0x41])),
      (.array(.string(["a\0b", "c"])), .array(.string(["a", "c"]))),
      (.array(.rawString([[0xFF, 0], [0x41]])), .array(.rawString([[0xFF], [0x41]]))),
      (.array(.rawString([[0x42, 0, 0xFF], [0x41]])), .array(.string(["B", "A"]))),
      (.array(.uint8([0, 1])), .array(.uint8([0, 1]))),
    ] as [(MetadataValue, MetadataValue)])
  func copiesTextAsCStrings(value: MetadataValue, expected: MetadataValue) {
    #expect([MetadataEntry("k", value)].copiedAsCStrings() == [MetadataEntry("k", expected)])
  }
}
