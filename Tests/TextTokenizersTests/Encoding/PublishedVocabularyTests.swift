import Foundation
import TensorTypes
import Testing
import TextTokenizers

/// The ids of published vocabularies, which are too large to be kept here; `scripts/conformance-tokens.py` with
/// `--published` makes the cases with llama.cpp's library and runs this.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["POUCH_TOKEN_CASES"] != nil))
struct PublishedVocabularyTests {
  @Test func idsEqualLlamaCpp() throws {
    let path = try #require(ProcessInfo.processInfo.environment["POUCH_TOKEN_CASES"])
    let parsed = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
    let file = try #require(parsed as? [String: Any])
    let texts = try #require(file["texts"] as? [String]).map(Goldens.bytes)
    let tokenizer = try Tokenizer(metadata: Goldens.entries(of: file))
    let cases = try #require(file["cases"] as? [[Any]])
    for entry in cases {
      let index = try #require(entry[0] as? Int)
      let flags = try #require(entry[1] as? Int)
      let golden = try #require(entry[2] as? [Any])
      let ids = tokenizer.encode(
        bytes: texts[index], addSpecial: flags & 1 != 0, parseSpecial: flags & 2 != 0)
      #expect(
        Goldens.matches(golden, ids), "flags \(flags): \(Goldens.difference(texts[index], golden, ids))")
      if ids.count < 48, golden.first as? Int != -1 {
        let decoded = tokenizer.decodeBytes(ids, showSpecial: true)
        #expect(decoded == Goldens.bytes(try #require(entry[3] as? String)), "decoded \(ids)")
      }
    }
    let roles = try #require(file["roles"] as? [String: Any])
    let ends = try #require(roles["ends"] as? [NSNumber]).map(\.int32Value)
    #expect(tokenizer.endOfGeneration.sorted() == ends.sorted())
    print("\(tokenizer.vocabularySize) tokens: \(cases.count) cases compared")
  }
}
