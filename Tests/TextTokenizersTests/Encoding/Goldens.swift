import Foundation
import TensorTypes
import TextTokenizers

/// The golden files, made by `scripts/conformance-tokens.py` with llama.cpp's own library.
enum Goldens {
  enum Problem: Error { case format(String) }

  static func json(_ name: String) throws -> [String: Any] {
    guard let object = try object(name) as? [String: Any] else { throw Problem.format(name) }
    return object
  }

  private static func object(_ name: String) throws -> Any {
    guard let url = Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Golden") else {
      throw Problem.format(name)
    }
    return try JSONSerialization.jsonObject(with: Data(contentsOf: url))
  }

  /// The test strings; not all are UTF-8.
  static func strings() throws -> [[UInt8]] {
    guard let list = try object("strings") as? [String] else { throw Problem.format("strings") }
    return list.map(bytes)
  }

  static func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex.utf8)
    return stride(from: 0, to: digits.count - 1, by: 2).compactMap {
      UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
    }
  }

  /// The metadata of a vocabulary file: tokens, types, scores and merges.
  static func vocabulary(_ name: String) throws -> [MetadataEntry] { try vocabulary(of: try json(name)) }

  private static func vocabulary(of file: [String: Any]) throws -> [MetadataEntry] {
    guard let tokens = file["tokens"] as? [String] else { throw Problem.format("tokens") }
    var entries = [MetadataEntry("tokenizer.ggml.tokens", .array(.string(tokens)))]
    if let types = file["types"] as? [NSNumber] {
      entries.append(MetadataEntry("tokenizer.ggml.token_type", .array(.int32(types.map(\.int32Value)))))
    }
    if let scores = file["scores"] as? [NSNumber] {
      entries.append(MetadataEntry("tokenizer.ggml.scores", .array(.float32(scores.map(\.floatValue)))))
    }
    if let merges = file["merges"] as? [String] {
      entries.append(MetadataEntry("tokenizer.ggml.merges", .array(.string(merges))))
    }
    return entries
  }

  /// The trained byte-pair vocabulary with a splitting rule.
  static func bytePairs(_ rule: String) throws -> [MetadataEntry] {
    let entries = try vocabulary("bytepairs")
    guard case .array(.string(let tokens))? = entries.first?.value, let bos = tokens.firstIndex(of: "<s>"),
      let eos = tokens.firstIndex(of: "<|im_end|>")
    else { throw Problem.format("bytepairs") }
    return entries + [
      MetadataEntry("tokenizer.ggml.model", .string("gpt2")),
      MetadataEntry("tokenizer.ggml.pre", .string(rule)),
      MetadataEntry("tokenizer.ggml.bos_token_id", .uint32(UInt32(bos))),
      MetadataEntry("tokenizer.ggml.eos_token_id", .uint32(UInt32(eos))),
    ]
  }

  /// The small vocabulary in Gemma's form, its entries as llama.cpp's converter orders them.
  static func gemma() throws -> [MetadataEntry] { try entries(of: try json("gemma")) }

  /// The entries of a file that has all of them, in the order it gives.
  static func entries(of file: [String: Any]) throws -> [MetadataEntry] {
    var values: [String: MetadataValue] = [:]
    for entry in try vocabulary(of: file) { values[entry.key] = entry.value }
    for (key, text) in file["text"] as? [String: String] ?? [:] { values[key] = .string(text) }
    for (key, id) in file["ids"] as? [String: NSNumber] ?? [:] { values[key] = .uint32(id.uint32Value) }
    for (key, flag) in file["flags"] as? [String: Bool] ?? [:] { values[key] = .bool(flag) }
    return try (file["keys"] as? [String] ?? []).map { key in
      guard let value = values[key] else { throw Problem.format(key) }
      return MetadataEntry(key, value)
    }
  }

  /// A folder of the golden files.
  static func folder(_ name: String) throws -> String {
    guard let url = Bundle.module.url(forResource: "Golden", withExtension: nil) else {
      throw Problem.format(name)
    }
    return url.appendingPathComponent(name).path
  }

  static func sentencePiece(_ more: [MetadataEntry] = []) throws -> [MetadataEntry] {
    try vocabulary("sentencepiece") + [MetadataEntry("tokenizer.ggml.model", .string("llama"))] + more
  }

  /// A vocabulary of all bytes and a third of the pairs of a last byte of a character with a first byte.
  ///
  /// Whatever the script of a text, merges go across places where two characters meet.
  static func pairs(_ rule: String) -> [MetadataEntry] {
    var pairs: [(first: Int, second: Int)] = []
    for first in 0..<192 {
      for second in Array(0..<128) + Array(0xC2..<0xF5) where (first * 7 + second) % 3 == 0 {
        pairs.append((first, second))
      }
    }
    func key(_ pair: (first: Int, second: Int)) -> Int {
      ((pair.first * 131 + pair.second * 29) % 251) << 16 | pair.first << 8 | pair.second
    }
    pairs.sort { key($0) < key($1) }
    let alphabet = byteAlphabet
    return [
      MetadataEntry("tokenizer.ggml.model", .string("gpt2")),
      MetadataEntry("tokenizer.ggml.pre", .string(rule)),
      MetadataEntry(
        "tokenizer.ggml.tokens",
        .array(.string(alphabet + pairs.map { alphabet[$0.first] + alphabet[$0.second] }))),
      MetadataEntry(
        "tokenizer.ggml.merges", .array(.string(pairs.map { alphabet[$0.first] + " " + alphabet[$0.second] }))
      ),
    ]
  }

  static let byteAlphabet: [String] = {
    let printable = Set(0x21...0x7E).union(0xA1...0xAC).union(0xAE...0xFF)
    var next = 0x100
    return (0..<256).map { byte in
      if printable.contains(byte) { return String(UnicodeScalar(UInt8(byte))) }
      defer { next += 1 }
      return UnicodeScalar(UInt32(next)).map { String($0) } ?? ""
    }
  }()

  /// The sample checkpoint's vocabulary.
  static func sample() throws -> [MetadataEntry] {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let url = root.appendingPathComponent("samples/Pelican-10M-A5M/tokenizer.json")
    guard let file = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any],
      let model = file["model"] as? [String: Any], let vocabulary = model["vocab"] as? [String: Int],
      let merges = model["merges"] as? [Any], let added = file["added_tokens"] as? [[String: Any]]
    else { throw Problem.format("tokenizer.json") }
    var tokens = [String](repeating: "", count: 4096)
    var types = [Int32](repeating: 1, count: 4096)
    for (text, id) in vocabulary { tokens[id] = text }
    for token in added {
      guard let id = token["id"] as? Int, let text = token["content"] as? String else { continue }
      tokens[id] = text
      types[id] = 3
    }
    let lines = merges.map { ($0 as? [String])?.joined(separator: " ") ?? $0 as? String ?? "" }
    return [
      MetadataEntry("tokenizer.ggml.model", .string("gpt2")),
      MetadataEntry("tokenizer.ggml.pre", .string("qwen2")),
      MetadataEntry("tokenizer.ggml.tokens", .array(.string(tokens))),
      MetadataEntry("tokenizer.ggml.token_type", .array(.int32(types))),
      MetadataEntry("tokenizer.ggml.merges", .array(.string(lines))),
      MetadataEntry("tokenizer.ggml.eos_token_id", .uint32(4095)),
      MetadataEntry("tokenizer.ggml.padding_token_id", .uint32(4093)),
      MetadataEntry("tokenizer.ggml.add_bos_token", .bool(false)),
    ]
  }

  /// FNV-1a over little-endian 32-bit values.
  static func hash(_ ids: [Int32]) -> String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for id in ids {
      for shift in stride(from: 0, to: 32, by: 8) {
        hash = (hash ^ UInt64(UInt8(truncatingIfNeeded: id >> shift))) &* 0x100_0000_01B3
      }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Whether `ids` are what a golden says: the ids, or -1 with count and hash.
  static func matches(_ golden: [Any], _ ids: [Int32]) -> Bool {
    if golden.count == 3, (golden[0] as? Int) == -1 {
      return (golden[1] as? Int) == ids.count && (golden[2] as? String) == hash(ids)
    }
    return golden.compactMap { ($0 as? NSNumber)?.int32Value } == ids
  }

  /// One line that shows where a text's ids go wrong.
  static func difference(_ string: [UInt8], _ golden: [Any], _ ids: [Int32]) -> String {
    let want = golden.compactMap { ($0 as? NSNumber)?.int32Value }
    let place = zip(want, ids).enumerated().first { $1.0 != $1.1 }?.offset ?? min(want.count, ids.count)
    let text = String(decoding: string, as: UTF8.self).debugDescription
    return "\(text): token \(place) of \(golden), found \(ids.prefix(60))"
  }
}
