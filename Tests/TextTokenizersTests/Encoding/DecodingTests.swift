import Foundation
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

@Suite struct DecodingTests {
  /// Cases of all vocabularies: ids, flags (bit 0: remove special, bit 1: show special), bytes.
  @Test(arguments: ["bytepairs", "sentencepiece", "sentencepiece-noprefix", "sample", "gemma"])
  func equalsLlamaCpp(name: String) throws {
    let file = try Goldens.json(name + "-ids")
    let decoded = try #require(file["decoded"] as? [[Any]])
    var tokenizers: [Int: Tokenizer] = [:]
    for entry in decoded {
      let rule = name == "bytepairs" ? try #require(entry[0] as? Int) : 0
      let tokenizer: Tokenizer
      if let known = tokenizers[rule] {
        tokenizer = known
      } else {
        let rules = file["rules"] as? [String] ?? []
        tokenizer = try Tokenizer(
          metadata: name == "bytepairs" ? Goldens.bytePairs(rules[rule]) : EncodingTests.metadata(name))
        tokenizers[rule] = tokenizer
      }
      let rest = name == "bytepairs" ? entry[1...] : entry[0...]
      let ids = try #require(rest.first as? [NSNumber]).map(\.int32Value)
      let flags = try #require(rest.dropFirst().first as? Int)
      let bytes = Goldens.bytes(try #require(rest.last as? String))
      let found = tokenizer.decodeBytes(ids, removeSpecial: flags & 1 != 0, showSpecial: flags & 2 != 0)
      #expect(
        found == bytes,
        "\(name) \(rule), flags \(flags): \(ids) to \(String(decoding: found, as: UTF8.self).debugDescription)"
      )
    }
    #expect(decoded.count > 100)
  }

  @Test func roundTrip() throws {
    let tokenizer = try Tokenizer(metadata: Goldens.sample())
    for string in try Goldens.strings() where String(validating: string, as: UTF8.self) != nil {
      let ids = tokenizer.encode(bytes: string, addSpecial: true, parseSpecial: true)
      #expect(tokenizer.decodeBytes(ids, showSpecial: true) == string)
    }
  }

  @Test func streamingGivesTheSameText() throws {
    let tokenizer = try Tokenizer(metadata: Goldens.pairs("qwen2"))
    for string in try Goldens.strings() where String(validating: string, as: UTF8.self) != nil {
      var decoder = StreamingDecoder(tokenizer)
      var text = ""
      for id in tokenizer.encode(bytes: string, addSpecial: false, parseSpecial: false) {
        let part = decoder.append(id)
        #expect(
          !part.unicodeScalars.contains("\u{FFFD}")
            || String(decoding: string, as: UTF8.self).contains("\u{FFFD}"))
        text += part
      }
      text += decoder.finish()
      #expect(Array(text.utf8) == string)
    }
  }

  @Test func incompleteCharactersAreReplacedAtTheEnd() throws {
    let tokenizer = try Tokenizer(metadata: Goldens.pairs("qwen2"))
    var decoder = StreamingDecoder(tokenizer)
    #expect(decoder.append(0xE2) == "")
    #expect(decoder.append(0x82) == "")
    #expect(decoder.append(0xAC) == "€")
    #expect(decoder.append(0xF0) == "")
    #expect(decoder.finish() == "\u{FFFD}")
    #expect(decoder.append(0x41) == "A")
  }

  @Test func idsOutOfRangeStandForNothing() throws {
    let tokenizer = try Tokenizer(metadata: Goldens.sample())
    #expect(tokenizer.piece(-1).isEmpty)
    #expect(tokenizer.piece(.max).isEmpty)
    #expect(tokenizer.decode([-5, 4096, 1 << 30]) == "")
    #expect(tokenizer.isControl(-1) == false)
    #expect(tokenizer.isControl(4095))
  }
}
