import Foundation
import SafetensorsFormat
import TestSupport
import Testing

@Suite("Values of small tensors")
struct ValuesTests {
  @Test("F32, F16 and BF16 are read exactly; other types are not read")
  func types() throws {
    let json = """
      {"__metadata__": {"format": "mlx"}, \(SafetensorsBytes.tensor("a", "F32", shape: "[2]", offsets: "[0,8]")),
      \(SafetensorsBytes.tensor("b", "BF16", shape: "[2]", offsets: "[8,12]")),
      \(SafetensorsBytes.tensor("c", "F16", shape: "[4]", offsets: "[12,20]")),
      \(SafetensorsBytes.tensor("d", "I32", shape: "[1]", offsets: "[20,24]"))}
      """
    var data: [UInt8] = []
    for value: Float in [1.25, -3] { withUnsafeBytes(of: value.bitPattern.littleEndian) { data += $0 } }
    data += [0x80, 0x3F, 0x00, 0xC0]  // 1 and -2 in bf16
    data += [0x00, 0x3C, 0x01, 0x00, 0x00, 0xC4, 0xFF, 0x7B]  // 1, 2^-24, -4 and 65504 in f16
    data += [0, 0, 0, 0]
    let folder = try TemporaryFolder()
    _ = try folder.write("model.safetensors", SafetensorsBytes.file(json) + data)
    let checkpoint = try SafetensorsCheckpoint(folder: folder.url.path)
    #expect(checkpoint.formats == ["mlx"])
    #expect(try checkpoint.values(of: "a") == [1.25, -3])
    #expect(try checkpoint.values(of: "b") == [1, -2])
    #expect(
      try checkpoint.values(of: "c") == [1, Float(sign: .plus, exponent: -24, significand: 1), -4, 65504])
    #expect(try checkpoint.values(of: "d") == nil)
    #expect(try checkpoint.values(of: "e") == nil)
  }
}
