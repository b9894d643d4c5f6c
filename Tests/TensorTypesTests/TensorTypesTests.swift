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
