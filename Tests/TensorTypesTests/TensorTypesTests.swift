import TensorTypes
import Testing

@Suite("Numbers of tensor types")
struct TensorTypeNumberTests {
  @Test("Every number up to 42 that llama.cpp has not withdrawn is a type, once")
  func numbers() {
    for number in UInt32(0)...42 {
      let type = TensorType(rawValue: number)
      #expect((type == nil) == ForeignTensorTypes.isWithdrawn(number), "\(number)")
      if let type { #expect(type.rawValue == number && type.isKnown) }
    }
    #expect(TensorType(rawValue: 43) == nil && TensorType(rawValue: 144) == nil)
    #expect(Set(TensorType.allCases).count == 35)
  }

  @Test("Types of other programs keep their number and have no size")
  func foreign() {
    let type = TensorType.other(144)
    #expect(type.rawValue == 144 && !type.isKnown && !type.isQuantized)
    #expect(type.rowByteCount(length: 256) == nil)
    #expect(type.name == "type 144 (ik_llama.cpp's iq4_ks)")
    #expect(TensorType.other(31).name == "type 31 (withdrawn from llama.cpp)")
    #expect(TensorType.other(777).name == "type 777")
    #expect(TensorType(name: "type 144") == nil && TensorType.other(144) != .other(145))
  }
}

@Suite struct MetadataTextTests {
  @Test func summariesAreForPeople() {
    #expect(MetadataValue.uint32(5).summary == "5")
    #expect(MetadataValue.uint32(5).typedSummary == "u32 5")
    #expect(MetadataValue.bool(true).typedSummary == "bool true")
    #expect(MetadataValue.string("a\nb").summary == "\"a\\nb\"")
    #expect(MetadataValue.string(String(repeating: "x", count: 70)).summary.count == 62)
    #expect(MetadataValue.array(.uint32([0, 2, 0, 2])).summary == "[0, 2, 0, 2], an array of 4 u32")
    #expect(MetadataValue.array(.int32([])).typedSummary == "an empty array of i32")
    #expect(
      MetadataValue.array(.bool([Bool](repeating: true, count: 9))).summary
        == "[true, true, true, true, true, true, …], an array of 9 bool")
    #expect(MetadataValue.rawString([0xFF]).summary == "1 bytes that are not UTF-8")
  }

  @Test func listsOfIntegers() {
    #expect(MetadataValue.array(.uint64([1, 2])).integers == [1, 2])
    #expect(MetadataValue.array(.uint64([.max])).integers == nil)
    #expect(MetadataValue.array(.float32([1])).integers == nil)
    #expect(MetadataValue.uint32(1).integers == nil)
    #expect(MetadataValue.array(.int8([-3, -3])).commonInteger == -3)
    #expect(MetadataValue.array(.int32([2, 3])).commonInteger == nil)
    #expect(MetadataValue.array(.int32([])).commonInteger == nil)
  }
}
