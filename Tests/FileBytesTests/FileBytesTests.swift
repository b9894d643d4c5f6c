import FileBytes
import Testing

@Suite struct XXHash64Tests {
  /// Vectors of the reference implementation (seed 0).
  @Test(
    arguments: [
      ("", 0xEF46_DB37_51D8_E999),
      ("a", 0xD24E_C4F1_A98C_6E5B),
      ("abc", 0x44BC_2CF5_AD77_0999),
      ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
    ] as [(String, UInt64)])
  func knownAnswers(text: String, expected: UInt64) {
    var copy = text
    let hash = copy.withUTF8 { XXHash64.hash(UnsafeRawBufferPointer($0)) }
    #expect(hash == expected)
  }
}
