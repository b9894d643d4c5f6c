import ReportPages
import Testing

@Suite("Short names")
struct ShortNamesTests {
  @Test("what all names begin with is left out, at a mark between words")
  func common() {
    #expect(ShortNames.of(["a-Q4_K_M.gguf", "a-Q8_0.gguf", "a-mlx"]) == ["Q4_K_M", "Q8_0", "mlx"])
    #expect(ShortNames.of(["model-Q4_0.gguf", "model-Q4_1.gguf"]) == ["Q4_0", "Q4_1"])
    #expect(ShortNames.of(["ab", "ac"]) == ["ab", "ac"])
    #expect(ShortNames.of(["one.gguf"]) == ["one"])
    #expect(ShortNames.of(["a-", "a-b"]) == ["a-", "a-b"])
    #expect(ShortNames.of([]).isEmpty)
  }
}
